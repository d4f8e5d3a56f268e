import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { masked, secretsOf } from "../../lib/http/secrets.ts";

const basic = (user: string) =>
  `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(user)))}`;

function shown(headers: [name: string, value: string][], text: string, isCut = false): string {
  return masked(text, secretsOf({ headers }), isCut);
}

Deno.test("an echo of a credential is masked, whole or in parts, in any header that looks secret", () => {
  const names =
    "authorization cookie x-api-key x-auth-token client-secret api_key x-access-token " +
    "x-session-id x-password my-credentials apikey";
  for (const name of names.split(" ")) {
    assertEquals(shown([[name, "hunter2"]], "no hunter2, no"), "no …, no", name);
  }
  assertEquals(shown([["authorization", "Bearer abc.def"]], "Bearer abc.def? abc.def!"), "…? …!");
  assertEquals(shown([["cookie", "sid=abc; theme=dark"]], "abc is no sid, dark"), "… is no sid, …");
  const digest = 'Digest username="mufasa", response="6629fae4"';
  assertEquals(shown([["authorization", digest]], "mufasa 6629fae4"), "… …");
});

Deno.test("what Basic encodes is masked too: user, password and both, in UTF-8, in a URL and in JSON", () => {
  const headers: [string, string][] = [["authorization", basic('jö:"pä/ss"')]];
  const echoes = [
    headers[0]![1],
    headers[0]![1].slice(6),
    'jö:"pä/ss"',
    '"pä/ss"',
    '\\"pä/ss\\"',
    "%22p%C3%A4%2Fss%22",
  ];
  for (const echo of echoes) assertEquals(shown(headers, `(${echo})`), "(…)", echo);
  assertEquals(
    shown([["authorization", basic("alice:hunter2")]], "alice, not hunter2"),
    "…, not …",
  );
});

Deno.test("what isn't secret stays: other headers, the key of the event, short words, the scheme", () => {
  const headers: [string, string][] = [
    ["x-tenant", "acme"],
    ["idempotency-key", "0193-acme"],
    ["x-api-key", "ab"],
    ["authorization", "Bearer abcdef"],
  ];
  const text = "Bearer of acme, 0193-acme: ab";
  assertEquals(shown(headers, text), text);
});

Deno.test("a secret that the end of a text cuts through is masked as well", () => {
  const headers: [string, string][] = [["x-token", "abcdefgh"]];
  for (let length = 3; length <= 8; length++) {
    const echo = "abcdefgh".slice(0, length);
    assertEquals(shown(headers, `token ${echo}`, true), "token …");
  }
  assertEquals(shown(headers, "token abc", false), "token abc");
  assertEquals(shown(headers, "token abcx", true), "token abcx");
  assertEquals(shown(headers, "token ab", true), "token ab");
});

Deno.test("secrets that touch or overlap leave nothing of each other", () => {
  assertEquals(masked("xabcabcaby", ["abcab"], false), "x…y");
  assertEquals(masked("abcdefgh", ["abcd", "cdef", "efgh"], false), "…");
  assertEquals(masked("abc-def", ["abc", "def"], false), "…-…");
  assertEquals(masked("abc", [], true), "abc");
});

Deno.test("no text shows a secret, wherever it stands and however often", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "=", "é"), minLength: 3, maxLength: 6 });
  fc.assert(fc.property(fc.array(word, { minLength: 1 }), fc.array(word), (secrets, words) => {
    const text = words.map((word, n) => word + (secrets[n] ?? "")).join("");
    const left = masked(text, secrets, false);
    for (const secret of secrets) assert(!left.includes(secret), `${secret} in ${left}`);
  }));
});

Deno.test("masking takes little time for the most secrets an event may have", () => {
  const many = Array.from({ length: 1_000 }, (_, n): [string, string] => [
    `x-key-${n}`,
    `a=aaa${n};b=aaaa;c=aaaaa${n}`.padEnd(50, "a"),
  ]);
  const startMs = performance.now();
  shown(many, "a".repeat(1_024), true);
  shown([["x-key", "a".repeat(65_000)]], "a".repeat(1_024), true);
  const ms = performance.now() - startMs;
  assert(ms < 500, `${ms} ms`);
});
