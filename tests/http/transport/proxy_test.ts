/** When a request goes through a proxy, and that it does. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Sender, type SenderOptions } from "../../../lib/http/sender.ts";
import { describeTransport } from "../../../lib/http/transport/choose.ts";
import { goesThroughProxy } from "../../../lib/http/transport/proxy.ts";
import { denoRuntime } from "../../../lib/runtime/deno.ts";
import { Authority, isInstalled } from "../../support/certificates.ts";
import { startEndpoint } from "../../support/endpoint.ts";
import { SERVERS, startTinyproxy } from "../../support/servers.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { Wire } from "../../support/wire.ts";

Deno.test("a proxy applies by the scheme, unless the host is spared", () => {
  const proxy = "http://proxy.example:3128";
  const cases: [url: string, environment: Record<string, string>, applies: boolean][] = [
    ["http://a.test/", {}, false],
    ["http://a.test/", { HTTP_PROXY: proxy }, true],
    ["https://a.test/", { HTTP_PROXY: proxy }, false],
    ["https://a.test/", { HTTPS_PROXY: proxy }, true],
    ["https://a.test/", { ALL_PROXY: proxy }, true],
    ["http://a.test/", { HTTP_PROXY: "" }, false],
  ];
  for (const [url, environment, applies] of cases) {
    assertEquals(goesThroughProxy(new URL(url), environment), applies, url);
  }
  const spared: [host: string, noProxy: string, isSpared: boolean][] = [
    ["a.test", "*", true],
    ["a.test", "b.test, a.test", true],
    ["x.a.test", "a.test", true],
    ["x.a.test", ".a.test", true],
    ["x.a.test", "*.a.test", true],
    ["ba.test", "a.test", false],
    ["a.test", "A.TEST", true],
    ["a.test:8080", "a.test:8080", true],
    ["a.test:8081", "a.test:8080", false],
    ["127.0.0.1", "127.0.0.1", true],
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["10.1.2.3", "2.3", false],
    ["[::1]", "::1", true],
    ["[::1]:80", "[::1]", true],
    ["a.test", "", false],
  ];
  for (const [host, noProxy, isSpared] of spared) {
    const environment = { HTTP_PROXY: proxy, NO_PROXY: noProxy };
    const applies = goesThroughProxy(new URL(`http://${host}/`), environment);
    assertEquals(applies, !isSpared, `${host} ${noProxy}`);
  }
});

Deno.test("what carries a request: sockets, but fetch for a proxy, an encoded answer, or when told to", async () => {
  const carrierOf = async (options: Partial<SenderOptions>, headers: [string, string][] = []) => {
    const wire = new Wire(undefined, {
      options,
      runtime: (runtime) => ({ ...runtime, proxies: () => ({ HTTP_PROXY: "http://p.test" }) }),
    });
    const url = new URL(headers.length > 0 ? "https://a.test/" : "http://a.test/");
    assertEquals((await wire.send({ url, headers })).outcome, "delivered");
    return wire.world.sockets.made === 1 ? "sockets" : "fetch";
  };
  const encoded: [string, string][] = [["accept-encoding", "gzip"]];
  assertEquals(await carrierOf({}), "fetch");
  assertEquals(await carrierOf({ transport: "sockets" }), "sockets");
  assertEquals(await carrierOf({ transport: "fetch" }), "fetch");
  assertEquals(await carrierOf({ transport: "sockets", proxy: "http://own.test" }), "fetch");
  assertEquals(await carrierOf({}, encoded), "fetch");
  assertEquals(await carrierOf({}, [["x-a", "b"]]), "sockets"); // by https there is no proxy
});

Deno.test("people are told what carries requests", () => {
  const { connect } = denoRuntime();
  const proxied = () => ({ HTTPS_PROXY: "http://p.test" });
  const runtime = { connect: connect!, proxies: () => ({}) };
  assertEquals(describeTransport(runtime, "auto"), "sockets");
  assertEquals(describeTransport(runtime, "fetch"), "fetch");
  assertEquals(describeTransport({}, "auto"), "fetch, for this runtime has no connections");
  assertEquals(
    describeTransport({ connect: connect!, proxies: proxied }, "auto"),
    "sockets, and fetch where the environment's proxy applies",
  );
  assertEquals(describeTransport({ connect: connect!, proxies: proxied }, "sockets"), "sockets");
});

const CONSUME = [
  ...["run", "--quiet", "--no-prompt", "--frozen", "-P=consume"],
  new URL("../../../cli.ts", import.meta.url).pathname,
];
const isReady = isInstalled("tinyproxy");
const skipped = isReady ? "" : " (skipped: tinyproxy is not installed)";

Deno.test({
  name: `the environment's proxy is used by a consumer as it is shipped${skipped}`,
  ignore: !isReady,
  async fn() {
    await using dir = await tempDir();
    await using endpoint = startEndpoint();
    await using proxy = await startTinyproxy(dir.path);
    for (const [env, isProxied] of [[{ HTTP_PROXY: proxy.url }, true], [{}, false]] as const) {
      const queue = `${dir.path}/queue-${isProxied}`;
      for (const folder of ["", "tmp", "new", "cur", "defer", "doa", "res"]) {
        await Deno.mkdir(`${queue}/${folder}`, { mode: 0o700, recursive: true });
      }
      await Deno.writeTextFile(
        `${queue}/new/event.json`,
        JSON.stringify({ url: endpoint.url, requestBody: { isProxied } }),
      );
      const { stderr, code } = await new Deno.Command(Deno.execPath(), {
        args: [...CONSUME, "--base-dir", queue, "--once"],
        cwd: new URL("../../../", import.meta.url),
        env,
      }).output();
      const log = new TextDecoder().decode(stderr);
      assertEquals(code, 0, log);
      assertEquals(log.includes('transport="sockets, and fetch where'), isProxied, log);
      assertEquals(endpoint.taken.at(-1)!.headers.has("via"), isProxied);
    }
  },
});

Deno.test({
  name: `a destination's own proxy tunnels TLS, with its credentials${skipped}`,
  ignore: !isReady || !isInstalled("openssl") || !isInstalled("nginx"),
  async fn() {
    await using dir = await tempDir();
    const authority = await Authority.make(dir.path, "ours");
    const [nginx] = SERVERS;
    await using server = await nginx!.start(dir.path, await authority.issue("server"));
    await using proxy = await startTinyproxy(dir.path, "user", "pass-word");
    const get = async (secret: string) => {
      const options = {
        timeoutMs: 10_000,
        onStatus: new Map(),
        tlsCa: authority.cert,
        proxy: { url: proxy.url, basic: "file:proxy" },
      };
      const sender = new Sender(denoRuntime(), { of: () => options }, () => secret);
      const request = { url: new URL(server.url), method: "GET", headers: [], body: undefined };
      const attempt = await sender.send(request, "id");
      sender.close();
      return attempt;
    };
    const right = await get("user:pass-word\n");
    assertEquals([right.outcome, right.reason], ["delivered", ""]);
    const wrong = await get("user:planted");
    assertEquals(wrong.outcome, "deferred");
    assert(!wrong.reason.includes("planted"), wrong.reason);
    const none = await get("planted");
    assertEquals(none.reason, "the secret file:proxy must be a user, a colon and a password");
    const log = await Deno.readTextFile(`${dir.path}/tinyproxy.log`);
    assertStringIncludes(log, "CONNECT localhost:");
  },
});
