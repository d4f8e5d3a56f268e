import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, readConfig } from "../../lib/cli/config_file.ts";
import { readConsumeOptions } from "../../lib/cli/consume_options.ts";
import { DESTINATION_OPTIONS } from "../../lib/config/destination_options.ts";
import type { AnyOption } from "../../lib/config/option.ts";
import { OPTIONS } from "../../lib/config/schema.ts";
import { UsageError } from "../../lib/cli/args.ts";

/** What `consume` makes of a file beside these options of a command line. */
function optionsOf(text: string, written: Readonly<Record<string, string>> = {}) {
  const texts = new Map(Object.entries(written).map(([name, value]) => [name, [value]]));
  return readConsumeOptions(texts, readConfig(text, "q.toml"));
}

/** Why a file is refused. */
function refusal(...lines: readonly string[]): string {
  try {
    optionsOf(lines.join("\n"));
  } catch (error) {
    assert(error instanceof ConfigError || error instanceof UsageError, String(error));
    return error.message;
  }
  throw new Error("it was not refused");
}

Deno.test("each kind of value is read as on the command line", () => {
  const { consumer, group, logFormat } = optionsOf(`
    [consume]
    concurrency = 8
    timeout = "5s"
    rate = "30/m"
    max-bytes = "512KiB"
    on-status = { 404 = "defer", 409 = "deliver" }
    merge = "optimizely"
    group = "drop"
    log-format = "json"`);
  const { merge, onStatus, ...others } = consumer;
  assertEquals(others, {
    concurrency: 8,
    timeoutMs: 5_000,
    ratePerSecond: 0.5,
    maxBytes: 524_288,
  });
  assertEquals([...onStatus!], [[404, "deferred"], [409, "delivered"]]);
  assertEquals([merge?.name, group, logFormat], ["optimizely", "drop", "json"]);
  assertEquals(optionsOf(`consume.on-status = "404=defer"`).consumer, {
    onStatus: new Map([[404, "deferred" as const]]),
  });
});

Deno.test("the command line wins over the file, and an empty file says nothing", () => {
  const { consumer } = optionsOf(`[consume]\ntimeout = "5s"\npoll = "2s"`, { timeout: "7s" });
  assertEquals(consumer, { timeoutMs: 7_000, pollMs: 2_000 });
  assertEquals(optionsOf("").consumer, {});
});

Deno.test("a destination's section has what may differ from one to another", () => {
  const { destinations } = optionsOf(`
    [destination."https://hooks.example.com"]
    concurrency = 4
    timeout = "10s"
    max-attempts = 3
    [destination.'http://*.a.test']
    on-status.404 = "defer"`);
  assertEquals(destinations, {
    "https://hooks.example.com": { perDestination: 4, timeoutMs: 10_000, maxAttempts: 3 },
    "http://*.a.test": { onStatus: new Map([[404, "deferred" as const]]) },
  });
});

Deno.test("what is wrong is told with line and column, what was expected, and what was meant", () => {
  const section = `[destination."http://a.test"]`;
  const refusals: readonly (readonly [lines: readonly string[], message: string])[] = [
    [
      ["x = 1"],
      `q.toml:1:1: unknown section "x"; there are consume, accept, limits, egress, destination`,
    ],
    [["", "consum.poll = 1"], `q.toml:2:1: unknown section "consum"; did you mean consume?`],
    [
      ["[consume]", "  tiemout = 1"],
      `q.toml:2:3: unknown option "tiemout"; did you mean timeout?`,
    ],
    [
      ["[consume]", "poll = 5"],
      "q.toml:2:1: poll must be a duration from 10ms to 1h, such as 250ms, 30s, 5m, 72h or 3d, " +
      "current value is 5",
    ],
    [
      ["", section, 'concurrency = "x"'],
      `q.toml:3:1: concurrency must be a whole number from 1 to 10000, current value is "x"`,
    ],
    [
      ["[consume]", "max-attempts = [1]"],
      "q.toml:2:1: max-attempts must be a whole number from 1 to 999999, current value is [1]",
    ],
    [["consume = 3"], "q.toml:1:1: consume must be a section, [consume]"],
    [
      ["[consume]", 'poll = "1s"', 'poll = "2s"'],
      "q.toml:3:1: it must be TOML: trying to redefine an already defined table or value",
    ],
    [
      [section, `[destination."http://A.test:80"]`],
      "q.toml:2:2: http://A.test:80 must be there once, as http://a.test it is",
    ],
    [
      ["[consume]", 'timeout = "5s"', 'lease = "14s"'],
      "lease (q.toml:3:1) must be at least timeout (q.toml:2:1) + 10s (15s), current value is 14s",
    ],
    [
      ["[consume]", 'timeout = "5s"', 'lease = "20s"', section, 'timeout = "20s"'],
      "lease (q.toml:3:1) must be at least timeout (q.toml:5:1) + 10s (30s), current value is 20s",
    ],
  ];
  for (const [lines, message] of refusals) assertEquals(refusal(...lines), message);
});

Deno.test("what belongs to no file is refused in one", () => {
  assertEquals(
    refusal("[consume]", "once = true").split(";")[0],
    `q.toml:2:1: unknown option "once"`,
  );
  assertEquals(
    refusal(`[destination."http://a.test"]`, 'lease = "1m"').split(";")[0],
    `q.toml:2:1: unknown option "lease"`,
  );
});

Deno.test("what excludes each other is refused wherever each is written", () => {
  const file = readConfig(
    `[consume]\naccept = "127.0.0.1:0"\nforward-to = "http://a.test"`,
    "q.toml",
  );
  assertThrows(
    () => readConsumeOptions(new Map([["once", [""]]]), file),
    UsageError,
    "accept (q.toml:2:1) and --once can't be used together",
  );
});

Deno.test("the example is right, as it is and with everything that it only mentions, and has every key", () => {
  const example = new URL("../../examples/deploy/optimizelyd-maildir.toml", import.meta.url);
  const text = Deno.readTextFileSync(example);
  const all = text.replaceAll(/^#(?=[a-z-]+ = |\[[a-z]+\]$)/gm, "");
  const { consume, destinations: [first] } = readConfig(all, "q.toml");
  const keysOf = (options: readonly AnyOption[]) => options.map(({ name }) => name).sort();
  assertEquals([...consume.keys()].sort(), keysOf(OPTIONS.filter(({ section }) => section)));
  assertEquals(
    [...first!.entries.keys()].sort(),
    keysOf([
      ...OPTIONS.filter(({ destinationName }) => destinationName),
      ...Object.values<AnyOption>(DESTINATION_OPTIONS),
    ]),
  );
  optionsOf(text);
  optionsOf(all);
});

Deno.test("what a destination's requests bring along is read, references to secrets as they are", () => {
  const { destinations } = optionsOf(`
    [destination."http://a.test"]
    headers = { X-Tenant = "7" }
    auth = { header = "x-key", value = "file:/k" }
    sign.standard-webhooks = ["credential:new", "credential:old"]
    tls = { ca = "/a.pem", cert = "file:b.pem", key = "credential:c" }
    proxy = "http://p.test:3128"
    [destination."http://b.test"]
    auth.oauth2 = { token-url = "http://t.test", client-id = "me", client-secret = "file:/s" }
    [destination."http://c.test"]
    auth.oauth2.token-url = "https://t.test/token?x=1"
    auth.oauth2.client-id = "me"
    auth.oauth2.client-secret = "credential:s"
    auth.oauth2.scope = "a b"
    auth.oauth2.params = { audience = "https://a.test" }
    [destination."http://d.test"]
    proxy = { url = "https://p.test", basic = "credential:p" }`);
  const client = { tokenUrl: "http://t.test", clientId: "me", clientSecret: "file:/s" };
  assertEquals(destinations["http://b.test"], { auth: { oauth2: client } });
  assertEquals(destinations["http://c.test"], {
    auth: {
      oauth2: {
        tokenUrl: "https://t.test/token?x=1",
        clientId: "me",
        clientSecret: "credential:s",
        scope: "a b",
        params: { audience: "https://a.test" },
      },
    },
  });
  assertEquals(destinations["http://d.test"], {
    proxy: { url: "https://p.test", basic: "credential:p" },
  });
  assertEquals(destinations["http://a.test"], {
    headers: { "x-tenant": "7" },
    auth: { header: "x-key", value: "file:/k" },
    sign: { standardWebhooks: ["credential:new", "credential:old"] },
    tls: { ca: "/a.pem", cert: "file:b.pem", key: "credential:c" },
    proxy: "http://p.test:3128",
  });
});

Deno.test("a secret in the file itself is refused, and not shown", () => {
  const section = `[destination."http://a.test"]`;
  const wrong = [
    `auth = { bearer = "planted" }`,
    `auth = "planted"`,
    `auth = { basic = "me:planted" }`,
    `auth = { bearer = "file:/x", basic = "planted" }`,
    `auth = { header = "host", value = "file:planted" }`,
    `auth = { oauth2 = "planted" }`,
    `auth.oauth2 = { token-url = "http://a", client-id = "b", client-secret = "planted" }`,
    `auth.oauth2 = { token-url = "http://a:planted@a", client-id = "b", client-secret = "file:c" }`,
    `auth.oauth2 = { token-url = "a", client-id = "b", client-secret = "file:planted" }`,
    `auth.oauth2 = { token-url = "http://a", client-secret = "file:planted" }`,
    `auth.oauth2 = { token-url = "http://a", client-id = "b", client-secret = "file:c", x = "planted" }`,
    `sign = { standard-webhooks = ["planted"] }`,
    `sign = { standard-webhooks = [] , planted = 1 }`,
    `sign = { hmac-sha256 = "planted", header = "x" }`,
    `proxy = "http://user:planted@p.test:3128"`,
    `proxy = { url = "http://p.test", basic = "user:planted" }`,
    `tls = { cert = "/x.pem", key = "-----BEGIN PRIVATE KEY-----planted" }`,
    `tls = { cert = "/planted.pem" }`,
    `tls = { ca = "/x.pem", cart = "/planted.pem" }`,
    `tls = {}`,
    `tls = "/planted.pem"`,
  ];
  for (const line of wrong) {
    const message = refusal(section, line);
    const right = /^q\.toml:2:1: (?:auth|sign|proxy|tls) must be .*(?:REF|FILE) is .*file:PATH/;
    assert(right.test(message), message);
    assert(!message.includes("planted"), message);
  }
  assertEquals(
    refusal(section, `headers = { host = "a" }`),
    'q.toml:2:1: headers must be headers such as { x-tenant = "7" }, current value is {"host":"a"}',
  );
});
