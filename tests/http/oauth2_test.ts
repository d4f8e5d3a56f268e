/** Access tokens: one for all, renewed early, once more on 401; what happens when there is none. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { OAuth2 } from "../../lib/http/oauth2.ts";
import { Sender, type SenderOptions } from "../../lib/http/sender.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { startAuthorizationServer } from "../support/authorization_server.ts";

type Server = ReturnType<typeof startAuthorizationServer>;

/** Sends to the endpoint that wants tokens, at a time that the test sets. */
class Client {
  laterMs = 0;
  secret = "planted-secret";
  readonly #sender: Sender;
  readonly #url: URL;

  constructor(server: Server, more: Partial<OAuth2> = {}, options: Partial<SenderOptions> = {}) {
    this.#url = new URL(server.endpoint.url);
    const runtime = denoRuntime();
    const monotonic = () => runtime.clock.monotonic() + this.laterMs;
    const oauth2 = { tokenUrl: server.url, clientId: "me", clientSecret: "file:secret", ...more };
    const common = { timeoutMs: 10_000, onStatus: new Map(), ...options };
    const own = { ...common, auth: { oauth2 } };
    this.#sender = new Sender(
      { ...runtime, clock: { ...runtime.clock, monotonic } },
      { of: (origin) => origin === this.#url.origin ? own : common },
      () => this.secret,
    );
  }

  send(headers: readonly (readonly [string, string])[] = []) {
    return this.#sender.send({ url: this.#url, method: "GET", headers, body: undefined }, "id");
  }

  [Symbol.dispose]() {
    this.#sender.close();
  }
}

Deno.test("one token serves all requests, whoever asks meanwhile waits for the same", async () => {
  await using server = startAuthorizationServer();
  using client = new Client(server, { scope: "events all", params: { audience: "https://a/b?c" } });
  const attempts = await Promise.all(Array.from({ length: 20 }, () => client.send()));
  attempts.push(await client.send());
  assertEquals(new Set(attempts.map(({ outcome }) => outcome)), new Set(["delivered"]));
  assertEquals(server.asked.length, 1);
  const [{ method, headers, body }] = server.asked as [typeof server.asked[0]];
  assertEquals([method, headers.get("content-type")], [
    "POST",
    "application/x-www-form-urlencoded",
  ]);
  assertEquals(Object.fromEntries(new URLSearchParams(body)), {
    grant_type: "client_credentials",
    audience: "https://a/b?c",
    scope: "events all",
  });
});

Deno.test("who we are is encoded as RFC 6749 says, whatever is in it", async () => {
  await using server = startAuthorizationServer();
  using client = new Client(server, { clientId: "m:e &ü" });
  client.secret = "pl+anted:/é\n";
  server.state.client = btoa("m%3Ae+%26%C3%BC:pl%2Banted%3A%2F%C3%A9");
  assertEquals((await client.send()).outcome, "delivered");
});

Deno.test("a token is renewed before it ends, and requests don't wait for that", async () => {
  await using server = startAuthorizationServer();
  server.state.expiresIn = 100;
  using client = new Client(server);
  await client.send();
  client.laterMs = 74_000;
  await client.send();
  assertEquals(server.asked.length, 1);
  client.laterMs = 76_000; // the last quarter
  let answer!: (response: Response) => void;
  server.state.trouble = () => new Promise((resolve) => answer = resolve);
  assertEquals((await client.send()).outcome, "delivered");
  while (server.asked.length < 2) assertEquals((await client.send()).outcome, "delivered");
  server.state.good.add("the-next");
  answer(Response.json({ access_token: "the-next", expires_in: "100" }));
  const last = () => server.endpoint.taken.at(-1)!.headers.get("authorization");
  while (last() !== "Bearer the-next") assertEquals((await client.send()).outcome, "delivered");
  assertEquals(server.asked.length, 2);
});

Deno.test("an old token is good until its end while there is no new one", async () => {
  await using server = startAuthorizationServer();
  using client = new Client(server);
  await client.send();
  server.state.trouble = () => new Response(null, { status: 500 });
  client.laterMs = 3_599_000;
  assertEquals((await client.send()).outcome, "delivered");
  client.laterMs = 3_601_000;
  assertEquals((await client.send()).outcome, "deferred");
});

Deno.test("a token that an endpoint doesn't take is replaced once, within the attempt", async () => {
  await using server = startAuthorizationServer();
  using client = new Client(server);
  await client.send();
  server.revoke();
  const attempts = await Promise.all(Array.from({ length: 10 }, () => client.send()));
  assertEquals(new Set(attempts.map(({ outcome }) => outcome)), new Set(["delivered"]));
  assertEquals(server.asked.length, 2);
});

Deno.test("an endpoint that takes no token costs one more request for one a minute", async () => {
  await using server = startAuthorizationServer();
  using client = new Client(server);
  server.state.isTaken = false;
  for (let n = 0; n < 5; n++) {
    const { outcome, status, answer } = await client.send();
    assertEquals([outcome, status, answer], ["deferred", 401, "no: …"]);
  }
  assertEquals(server.asked.length, 2);
  client.laterMs = 61_000;
  await client.send();
  assertEquals(server.asked.length, 3);
});

Deno.test("an event that says who it is from needs no token", async () => {
  await using server = startAuthorizationServer();
  server.state.good.add("its-own");
  using client = new Client(server);
  const { outcome } = await client.send([["authorization", "Bearer its-own"]]);
  assertEquals([outcome, server.asked.length], ["delivered", 0]);
});

Deno.test("while there is no token the destination's events wait, and the reason says why, with no secret", async () => {
  await using server = startAuthorizationServer();
  const { origin } = new URL(server.url);
  const json = (value: unknown, status = 200) => () => Response.json(value, { status });
  const troubles: [trouble: () => Response | Promise<Response>, reason: string][] = [
    [
      json({ error: "invalid_client", error_description: "planted-secret" }, 401),
      "it answered 401 (invalid_client)",
    ],
    [json({ error: "planted-secret" }, 400), "it answered 400"],
    [json({ error: "plantedsecret" }, 400), "it answered 400 (…)"],
    [() => new Response("planted-secret", { status: 503 }), "it answered 503"],
    [() => Response.redirect("http://127.0.0.1:1/"), "it answered 302"],
    [() => new Response("<html>"), "its answer has no access_token"],
    [json({ access_token: "a\nb" }), "its answer has no access_token"],
    [json({ access_token: "" }), "its answer has no access_token"],
    [json({ access_token: "abc", token_type: "mac" }), "its answer's token_type isn't Bearer"],
    [json(["access_token"]), "its answer has no access_token"],
    [
      () => new Response(`{"access_token":"${"x".repeat(100_000)}"}`),
      "its answer has no access_token",
    ],
  ];
  for (const [trouble, words] of troubles) {
    using client = new Client(server);
    if (words.includes("…")) client.secret = "plantedsecret";
    server.state.trouble = trouble;
    const { outcome, reason, reach } = await client.send();
    assertEquals([outcome, reach], ["deferred", "unsent"]);
    assertEquals(reason, `no token from ${origin}: ${words}`);
  }
  assertEquals(server.endpoint.taken.length, 0);
});

Deno.test("an authorization server that is away is asked once a second, and forgiven when it is back", async () => {
  await using server = startAuthorizationServer();
  using client = new Client(server);
  server.state.trouble = () => new Response(null, { status: 503 });
  for (let n = 0; n < 5; n++) await client.send();
  assertEquals(server.asked.length, 1);
  server.state.trouble = undefined;
  client.laterMs = 1_100;
  assertEquals((await client.send()).outcome, "delivered");
});

Deno.test("an authorization server that doesn't answer costs no more than the attempt's time", async () => {
  await using server = startAuthorizationServer();
  let answer!: (response: Response) => void;
  server.state.trouble = () => new Promise((resolve) => answer = resolve);
  using client = new Client(server, {}, { timeoutMs: 200 });
  const { outcome, reason, isTimeout } = await client.send();
  assertEquals([outcome, isTimeout], ["deferred", true]);
  assert(reason.startsWith("no answer within 200 ms"), reason);
  answer(new Response(null));
});

Deno.test("where the egress rules don't let requests for tokens go, nobody hears of one", async () => {
  await using server = startAuthorizationServer();
  const { port } = new URL(server.url);
  const egress = ["localhost"];
  const tokenUrl = `http://127.0.0.1:${port}/token`;
  const runtime = denoRuntime();
  const common = { timeoutMs: 10_000, onStatus: new Map(), egress };
  const auth = { oauth2: { tokenUrl, clientId: "me", clientSecret: "file:s" } };
  const url = new URL(`http://localhost:${server.endpoint.port}/`);
  const sender = new Sender(
    runtime,
    { of: (origin) => origin === url.origin ? { ...common, auth } : common },
    () => "s",
  );
  const { outcome, reason } = await sender.send(
    { url, method: "GET", headers: [], body: undefined },
    "id",
  );
  sender.close();
  assertEquals([outcome, server.asked.length], ["deferred", 0]);
  assertStringIncludes(reason, "the egress rules don't let requests go to 127.0.0.1");
});
