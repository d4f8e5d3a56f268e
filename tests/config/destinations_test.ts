import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readPattern, Sections } from "../../lib/config/destinations.ts";
import { optimizelyMerger } from "../../lib/merge/optimizely.ts";
import { Settings } from "../../lib/config/settings.ts";

function sectionsOf(...matches: string[]): (origin: string) => string | undefined {
  const sections = new Sections(matches.map((match) => ({ match, given: {} })));
  return (origin) => sections.of(origin)?.match;
}

Deno.test("the exact section of an origin counts, else the longest that fits", () => {
  const of = sectionsOf(
    "https://*.example.com",
    "https://*.eu.example.com",
    "https://hooks.eu.example.com",
    "http://*.example.com:8080",
  );
  const origins = {
    "https://hooks.eu.example.com": "https://hooks.eu.example.com",
    "https://other.eu.example.com": "https://*.eu.example.com",
    "https://a.b.example.com": "https://*.example.com",
    "http://a.example.com:8080": "http://*.example.com:8080",
  };
  for (const [origin, match] of Object.entries(origins)) assertEquals(of(origin), match);
});

Deno.test("a section is for its scheme, host and port, and for no host that only looks alike", () => {
  const of = sectionsOf("https://*.example.com", "https://one.test:443", "http://[::1]:81");
  const others = [
    "https://example.com",
    "https://.example.com",
    "http://a.example.com",
    "https://a.example.com:8443",
    "https://a.example.com.evil.test",
    "https://evil-example.com",
    "https://a.one.test",
    "http://one.test",
  ];
  assertEquals(others.map(of), others.map(() => undefined));
  assertEquals(of("https://one.test"), "https://one.test:443");
  assertEquals(of("http://[::1]:81"), "http://[::1]:81");
});

Deno.test("a name that is no origin is refused with what would be right", () => {
  const wrong = [
    "",
    "example.com",
    "ftp://a.test",
    "https://a.test/path",
    "https://a.test?x",
    "https://user@a.test",
    "https://*",
    "https://a.*.test",
    "https://**.test",
    "https://*.*.test",
  ];
  for (const match of wrong) {
    const why = readPattern(match);
    assert(typeof why === "string", match);
    assertStringIncludes(why, "must be an origin such as https://hooks.example.com");
  }
  assertThrows(() => sectionsOf("nonsense"), RangeError, "Cannot configure: match must be");
});

Deno.test("two names that mean the same are refused", () => {
  for (const same of ["http://A.test", "http://a.test:80", "HTTP://a.test/"]) {
    assertThrows(() => sectionsOf("http://a.test", same), RangeError, `${same} is there twice`);
  }
});

Deno.test("what a destination doesn't say is the consumer's own", () => {
  const settings = new Settings({ timeoutMs: 2_000, maxAttempts: 9 }, {
    "http://a.test": { timeoutMs: 5_000, perDestination: 3 },
  });
  const { timeoutMs, maxAttempts, perDestination } = settings.of("http://a.test");
  assertEquals([timeoutMs, maxAttempts, perDestination], [5_000, 9, 3]);
  assertEquals(settings.of("http://b.test"), settings.current);
});

Deno.test("unless it is given, a lease is long enough for the slowest destination", () => {
  const destinations = { "http://slow.test": { timeoutMs: 120_000 } };
  const settings = new Settings({}, destinations);
  const all = [settings.current, settings.of("http://slow.test"), settings.of("http://b.test")];
  assertEquals(all.map(({ leaseMs }) => leaseMs), [150_000, 150_000, 150_000]);
  assertThrows(
    () => new Settings({ leaseMs: 60_000 }, destinations),
    RangeError,
    "leaseMs of http://slow.test must be at least timeoutMs of http://slow.test + 10s (130000)",
  );
});

Deno.test("replacing all values takes effect for what is asked next, or not at all", () => {
  const settings = new Settings({ timeoutMs: 2_000 }, { "http://a.test": { maxAttempts: 1 } });
  assertEquals(settings.replace({}, { "http://b.test": { maxAttempts: 2 } }), []);
  const attempts = ["http://a.test", "http://b.test"].map((to) => settings.of(to).maxAttempts);
  assertEquals([settings.current.timeoutMs, ...attempts], [30_000, Infinity, 2]);
  assertThrows(
    () => settings.replace({ timeoutMs: 1 }, { "http://a.test": { timeoutMs: -1 } }),
    RangeError,
    "timeoutMs of http://a.test must be a whole number",
  );
  assertEquals([settings.current.timeoutMs, settings.of("http://b.test").maxAttempts], [30_000, 2]);
});

Deno.test("what can't change stays when all is replaced, and is told", () => {
  const settings = new Settings({ concurrency: 5 });
  assertEquals(settings.replace({ concurrency: 6, merge: optimizelyMerger() }, {}), ["merge"]);
  assertEquals([settings.current.concurrency, settings.current.merge], [6, undefined]);
});
