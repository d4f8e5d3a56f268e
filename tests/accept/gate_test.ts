/** Who may have events taken over HTTP, and where they go: with real sockets. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Acceptor } from "../../lib/accept/acceptor.ts";
import type { AcceptRules } from "../../lib/accept/endpoint.ts";
import { CredentialError } from "../../lib/http/credentials.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { acceptRules } from "../support/accept_rules.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { Program } from "../support/in_process.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const HOOKS = "https://hooks.example.com/in";

/** An endpoint with these rules. */
async function start(more: Partial<AcceptRules> = {}) {
  const dir = await tempDir();
  const queue = await Queue.open(dir.path, denoRuntime(), { create: true });
  const told: unknown[] = [];
  const rules = acceptRules("https://a.example/", {
    routes: new Map([["/hooks", HOOKS], ["/v1/events", "https://a.example/"]]),
    ...more,
  });
  const acceptor = new Acceptor(queue, { hostname: "127.0.0.1", port: 0 }, {
    rules: () => rules,
    maxBytes: 10_000,
    onRefused: (error) => void told.push(error),
    onTrouble: (error) => void told.push(error),
  });
  return {
    told,
    /** The events on the queue. */
    events: () =>
      namesIn(`${dir.path}/new`).map((name) => Deno.readTextFileSync(`${dir.path}/new/${name}`)),
    request: (path: string, init: RequestInit = {}) => fetch(acceptor.origin + path, init),
    async post(headers: Record<string, string> = {}, body: BodyInit = "{}", path = "/hooks") {
      const type = { "content-type": "application/json" };
      const init = { method: "POST", headers: { ...type, ...headers }, body };
      const response = await fetch(acceptor.origin + path, init);
      await response.body?.cancel();
      return response;
    },
    async [Symbol.asyncDispose]() {
      await acceptor.stop(0, new AbortController().signal);
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("each path leads to its URL, and any JSON goes there as it was posted", async () => {
  await using at = await start();
  const bodies = ["{}", "[1, 2]", '"é"', "12345678901234567890", "true", ' { "a" : 1.0 } '];
  for (const body of bodies) assertEquals((await at.post({}, body)).status, 204, body);
  assertEquals(
    at.events().sort(),
    bodies.map((body) => `{"url":"${HOOKS}","requestBody":${body}}\n`).sort(),
  );
  const other = await at.request("/nowhere", { method: "POST" });
  assertEquals([other.status, (await other.json()).message], [
    404,
    "the path must be one of /hooks, /v1/events",
  ]);
  for (const body of ["null", " null\n", "{", "", "1 2", "nul"]) {
    assertEquals((await at.post({}, body)).status, 400, body);
  }
});

Deno.test("a content type that is JSON's goes along, others are none of ours", async () => {
  await using at = await start();
  const type = "application/vnd.api+json; charset=utf-8";
  assertEquals((await at.post({ "content-type": type })).status, 204);
  assertEquals(JSON.parse(at.events()[0]!).headers, { "content-type": type });
  for (
    const other of ["text/plain", "application/x-www-form-urlencoded", "json", "a/b+jsonx", ""]
  ) {
    assertEquals((await at.post({ "content-type": other })).status, 415, other);
  }
});

Deno.test("where tokens are asked for one of them must be shown, and the answer says no more", async () => {
  await using at = await start({ tokens: () => ["planted-new", "planted-old"] });
  const wrong = ["", "Bearer", "Bearer planted", "Bearer planted-newer", "Basic planted-new", "x"];
  for (const authorization of wrong) {
    const { status, headers } = await at.post({ authorization });
    assertEquals([status, headers.get("www-authenticate")], [401, "Bearer"], authorization);
  }
  for (const token of ["planted-new", "planted-old"]) {
    assertEquals((await at.post({ authorization: `bearer ${token}` })).status, 204);
  }
  assertEquals(at.events().length, 2);
  assert(!at.events().join().includes("planted"), "the token stays here");
});

Deno.test("tokens that can't be read let nobody in, and are told of once", async () => {
  const tokens = () => Promise.reject(new CredentialError("the secret file:t can't be read"));
  await using at = await start({ tokens });
  for (let n = 0; n < 3; n++) {
    const { status, headers } = await at.post({ authorization: "Bearer x" });
    assertEquals([status, headers.get("retry-after")], [503, "5"]);
  }
  assertEquals(at.told.length, 1);
});

Deno.test("a body that is too large, and what comes too fast, is refused with what would be right", async () => {
  let waitMs = 0;
  await using at = await start({ maxBodyBytes: 10, admit: () => waitMs });
  assertEquals((await at.post({}, '"12345678"')).status, 204);
  assertEquals((await at.post({}, '"123456789"')).status, 413);
  waitMs = 1_200;
  const { status, headers } = await at.post();
  assertEquals([status, headers.get("retry-after")], [429, "2"]);
  assertEquals(at.events().length, 1);
});

Deno.test("a page of a listed origin may ask and post, and read the answer; no other may", async () => {
  const shop = "https://shop.example";
  await using at = await start({ origins: [shop], tokens: () => ["t"] });
  const ask = async (origin: string) => {
    const headers = {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    };
    const response = await at.request("/hooks", { method: "OPTIONS", headers });
    await response.body?.cancel();
    return response;
  };
  const allowed = await ask(shop);
  assertEquals(allowed.status, 204);
  assertEquals(allowed.headers.get("access-control-allow-origin"), shop);
  assertEquals(allowed.headers.get("access-control-allow-methods"), "POST");
  assertEquals(allowed.headers.get("access-control-allow-headers"), "authorization, content-type");
  assertEquals(allowed.headers.get("vary"), "origin");
  const posted = await at.post({
    origin: shop,
    "sec-fetch-site": "cross-site",
    authorization: "Bearer t",
  });
  assertEquals([posted.status, posted.headers.get("access-control-allow-origin")], [204, shop]);
  const unknown = await at.post({ origin: shop });
  assertEquals([unknown.status, unknown.headers.get("access-control-allow-origin")], [401, shop]);
  const others = [
    "https://evil.example",
    "https://shop.example.evil.example",
    "null",
    `${shop}:444`,
    "http://shop.example",
  ];
  for (const origin of others) {
    const { status, headers } = await ask(origin);
    assertEquals([status, headers.get("access-control-allow-origin")], [403, null], origin);
    assertEquals((await at.post({ origin, authorization: "Bearer t" })).status, 403, origin);
  }
  assertEquals(
    (await at.post({ "sec-fetch-site": "cross-site", authorization: "Bearer t" })).status,
    403,
  );
  assertEquals(
    (await at.post({ "sec-fetch-site": "same-site", authorization: "Bearer t" })).status,
    403,
  );
  assertEquals(at.events().length, 1);
  const plain = await at.request("/hooks", { method: "OPTIONS" });
  await plain.body?.cancel();
  assertEquals(plain.status, 405);
});

Deno.test("consume takes its rules from one file, and others after a reload; what can't change is named", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const at = (name: string) => join(dir.path, name);
  const configure = (lines: string, port = 0) =>
    Deno.writeTextFile(
      at("q.toml"),
      `[consume]\naccept = "127.0.0.1:${port}"\npoll = "20ms"\n[accept]\n` +
        `tokens = ["credential:token"]\n${lines}\n`,
    );
  await Deno.writeTextFile(at("token"), "planted-token\n");
  await configure(
    `routes = { "/a,b" = "${endpoint.url}/in?key=planted", "/c" = "${endpoint.url}/c" }`,
  );
  const program = new Program({ credentialsDirectory: dir.path });
  const running = program.run(["consume", "--base-dir", at("queue"), "--config", at("q.toml")]);
  await program.until(/accepting url="(.*)\/c"/);
  const [, origin] = /accepting url="(http:\/\/[^/]*)\/c"/.exec(program.stderr)!;
  const post = async (path: string, token = "planted-token", headers = {}) => {
    const response = await fetch(origin + path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
      body: "{}",
    });
    await response.body?.cancel();
    return response.status;
  };
  const statuses = [
    await post("/a,b"),
    await post("/c"),
    await post("/v1/events"),
    await post("/c", "x"),
  ];
  assertEquals(statuses, [204, 204, 404, 401]);
  await endpoint.arrived(2);
  assertEquals(endpoint.taken.map(({ path }) => path).sort(), ["/c", "/in"]);
  await Deno.writeTextFile(at("token"), "planted-other\n");
  await configure(
    `routes = { "/d" = "${endpoint.url}/d" }\nrate = "1/h"\norigins = ["https://a.test"]`,
    1,
  );
  program.signal("reload");
  await program.until(/ reloaded config=\S+ restart-for=accept\n/);
  while (await post("/d", "planted-other") !== 204); // the token is read once a second
  assertEquals([await post("/d", "planted-other"), await post("/c", "planted-other")], [429, 404]);
  assertEquals(await post("/d", "planted-other", { origin: "https://b.test" }), 403);
  program.signal("stop");
  assertEquals(await running, 0);
  assert(!program.stderr.includes("planted"), program.stderr);
});
