/** `test`: one request now, with real endpoints. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { Authority, isInstalled } from "../support/certificates.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { runHere } from "../support/in_process.ts";
import { tempDir } from "../support/temp_dir.ts";

/** The text beside each name. */
function told(stdout: string): ReadonlyMap<string, string> {
  const lines = stdout.split("\n").filter((line) => /^\S/.test(line));
  return new Map(lines.map((line) => [line.slice(0, 12).trim(), line.slice(12)]));
}

Deno.test("test sends one empty POST with a key and says what a consumer would make of the answer", async () => {
  const answers = [204, 404, 503];
  const codes = [0, 65, 75];
  const outcomes = [
    "delivered",
    "refused: the endpoint answered 404 Not Found",
    "deferred: the endpoint answered 503 Service Unavailable",
  ];
  await using endpoint = startEndpoint((_, taken) =>
    new Response(null, { status: answers[taken.length - 1]! })
  );
  for (const [n, status] of answers.entries()) {
    const { code, stdout } = await runHere(["test", `${endpoint.url}/hook?k=planted-secret`]);
    assertEquals(code, codes[n]);
    const lines = told(stdout);
    assertEquals(lines.get("request"), `POST ${endpoint.url}/hook?k=…, 0 bytes`);
    assertMatch(lines.get("connected")!, new RegExp(`^127.0.0.1:${endpoint.port}, in `));
    assertMatch(lines.get("answer")!, new RegExp(`^${status}, first byte after `));
    assertEquals(lines.get("outcome"), outcomes[n]);
    assert(!stdout.includes("planted-secret"));
  }
  assertEquals(
    endpoint.taken.map(({ method, body }) => [method, body]),
    Array(3).fill(["POST", ""]),
  );
  const keys = endpoint.taken.map(({ headers }) => headers.get("idempotency-key"));
  assertEquals(new Set(keys).size, 3);
});

Deno.test("what a configuration adds for the destination is sent, named, and not shown", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint(() => new Response("no", { status: 409 }));
  await Deno.writeTextFile(join(dir.path, "token"), "planted-secret");
  const config = join(dir.path, "q.toml");
  await Deno.writeTextFile(
    config,
    `[destination."${endpoint.url}"]\nauth = { bearer = "file:${join(dir.path, "token")}" }\n` +
      `headers = { x-tenant = "7" }\ntimeout = "2s"\non-status = { 409 = "deliver" }\n`,
  );
  const label = `http_127.0.0.1_${endpoint.port}`;
  const { code, stdout } = await runHere(["test", label, "--config", config, "--body", '{"a":1}']);
  assertEquals([code, told(stdout).get("outcome")], [0, "delivered"]);
  assertEquals(
    told(stdout).get("with"),
    "bearer authorization, header x-tenant, a time limit of 2s",
  );
  const [{ headers, body }] = endpoint.taken as [typeof endpoint.taken[0]];
  assertEquals([headers.get("authorization"), headers.get("x-tenant"), body], [
    "Bearer planted-secret",
    "7",
    '{"a":1}',
  ]);
  assert(!stdout.includes("planted-secret"));
});

Deno.test("on a terminal it asks first; only a yes sends", async () => {
  await using endpoint = startEndpoint();
  for (const [stdin, code] of [["\n", 75], ["no\n", 75], ["", 75], ["y\n", 0]] as const) {
    const result = await runHere(["test", endpoint.url], { stdin, isTerminal: true });
    assertEquals(result.code, code);
    assertMatch(result.stderr, /^Send it to http:\/\/127\.0\.0\.1:\d+\/\? \[y\/N\] /);
  }
  assertEquals(endpoint.taken.length, 1);
  const asked = await runHere(["test", endpoint.url, "--yes"], { isTerminal: true });
  assertEquals([asked.code, asked.stderr, endpoint.taken.length], [0, "", 2]);
});

Deno.test("--json is one line, whatever happens", async () => {
  await using endpoint = startEndpoint();
  const parse = async (...args: string[]) => {
    const { stdout } = await runHere(["test", ...args, "--json"]);
    assertEquals(stdout.trimEnd().split("\n").length, 1);
    return JSON.parse(stdout);
  };
  const good = await parse(endpoint.url);
  assertEquals([good.status, good.outcome, good.addresses], [204, "delivered", ["127.0.0.1"]]);
  const refused = await parse("http://127.0.0.1:65535/");
  assertEquals([refused.outcome, refused.reach], ["deferred", "unsent"]);
  const notJson = await parse(endpoint.url, "--body", "{");
  assertEquals([notJson.outcome, notJson.reason], ["refused", "the body must be JSON text"]);
});

Deno.test("what can't be sent is refused without a request", async () => {
  await using endpoint = startEndpoint();
  const runtime = { ...denoRuntime(), mayReach: () => false };
  const forbidden = await runHere(["test", endpoint.url], { runtime });
  assertEquals(forbidden.code, 65);
  assertStringIncludes(forbidden.stdout, "its network permissions must include it");
  const egress = await runHere(["test", endpoint.url, "--egress", "public"]);
  assertEquals(egress.code, 65);
  assertStringIncludes(egress.stdout, "the egress rules don't let requests go to 127.0.0.1");
  for (const args of [[], ["a", "b"], ["ftp://a.example/"], ["others"]]) {
    const { code, stdout } = await runHere(["test", ...args]);
    assertEquals([code, stdout], [64, ""]);
  }
  assertEquals(endpoint.taken, []);
});

Deno.test("by fetch the connection isn't seen, and that is said", async () => {
  await using endpoint = startEndpoint();
  const { code, stdout } = await runHere(["test", endpoint.url, "--transport", "fetch"]);
  assertEquals([code, told(stdout).get("by")], [0, "fetch"]);
  assertMatch(told(stdout).get("connection")!, /^made by fetch/);
});

Deno.test({
  name: "of TLS the certificate is shown, also one that is why nothing was sent",
  ignore: !isInstalled("openssl"),
  async fn() {
    await using dir = await tempDir();
    const ca = await Authority.make(dir.path, "corp-ca");
    for (
      const [name, until, code] of [["good", undefined, 0], [
        "late",
        "20200201000000Z",
        75,
      ]] as const
    ) {
      const { cert, key } = await ca.issue(name, "DNS:localhost", until);
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
        () => new Response(null, { status: 204 }),
      );
      const url = `https://localhost:${server.addr.port}/`;
      const result = await runHere(["test", url, "--tls-ca", ca.certFile]);
      const lines = told(result.stdout);
      assertEquals([name, result.code, lines.get("certificate"), lines.get("for")], [
        name,
        code,
        `${name}, by corp-ca`,
        "DNS:localhost",
      ]);
      assertMatch(lines.get("until")!, until ? /^2020-02-01 \(has ended\)$/ : / left\)$/);
      assertMatch(lines.get("outcome")!, until ? /certificate of .* has expired/ : /^delivered$/);
      assertEquals(lines.has("TLS"), until === undefined);
      await server.shutdown();
    }
  },
});
