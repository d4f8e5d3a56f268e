/** TLS against the system's `openssl`: whom the client trusts, what it shows, what it says. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Sender, type SenderOptions } from "../../../lib/http/sender.ts";
import { denoRuntime } from "../../../lib/runtime/deno.ts";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { Authority, isInstalled, type Pair } from "../../support/certificates.ts";
import { SERVERS } from "../../support/servers.ts";
import { tempDir } from "../../support/temp_dir.ts";

const ignore = !isInstalled("openssl");
/** Said where it is skipped. */
const skipped = ignore ? " (skipped: openssl is not installed)" : "";
const skippedNginx = SERVERS[0]!.isInstalled ? skipped : " (skipped: nginx is not installed)";

/** What is in the files that references name. */
const readSecret = (reference: string) => Deno.readTextFile(reference.replace("file:", ""));

/** A server with a certificate, that answers every GET with 200. */
async function serve({ certFile, keyFile }: Pair, ...more: string[]) {
  const child = new Deno.Command("openssl", {
    args: [
      "s_server",
      "-accept",
      "127.0.0.1:0",
      "-www",
      "-cert",
      certFile,
      "-key",
      keyFile,
      ...more,
    ],
    stdout: "piped",
    stderr: "null",
    stdin: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  let said = "";
  let port: string | undefined;
  while (port === undefined) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`openssl has ended: ${said}`);
    said += new TextDecoder().decode(value);
    port = /^ACCEPT \S*:(\d+)$/m.exec(said)?.[1];
  }
  void (async () => {
    while (!(await reader.read()).done);
  })();
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

async function get(
  url: string,
  options: Partial<SenderOptions> = {},
  runtime: Partial<Runtime> = {},
) {
  const current = { timeoutMs: 10_000, onStatus: new Map(), ...options };
  const sender = new Sender({ ...denoRuntime(), ...runtime }, { of: () => current }, readSecret);
  const request = { url: new URL(url), method: "GET", headers: [], body: undefined };
  try {
    return await sender.send(request, "id");
  } finally {
    sender.close();
  }
}

Deno.test({
  name:
    `a certificate counts if somebody trusted has signed it, for the URL's name, and it is valid now${skipped}`,
  ignore,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const tlsCa = ours.cert;
    {
      await using server = await serve(await ours.issue("good"));
      const url = `https://localhost:${server.port}/`;
      for (const transport of ["sockets", "fetch"] as const) {
        assertEquals((await get(url, { tlsCa, transport })).outcome, "delivered", transport);
        assertEquals((await get(url, { transport })).outcome, "deferred", transport);
      }
      const { phases } = await get(url, { tlsCa });
      assertEquals(Object.keys(phases!), ["lookup", "connect", "tls", "firstByte"]);
      const { reason, reach } = await get(url);
      assertEquals(reach, "unsent");
      assertEquals(
        reason,
        `the certificate of 127.0.0.1:${server.port} is signed by an authority that isn't known here: see --tls-ca`,
      );
      const wrong = await get(`https://127.0.0.1:${server.port}/`, { tlsCa });
      assertEquals([wrong.outcome, wrong.reach], ["deferred", "unsent"]);
      assertStringIncludes(wrong.reason, "isn't for 127.0.0.1");
      // the name is the URL's, whatever address it leads to
      const runtime = { lookup: () => Promise.resolve(["127.0.0.1"]) };
      const other = await get(`https://other.test:${server.port}/`, { tlsCa }, runtime);
      assertStringIncludes(other.reason, "isn't for other.test");
    }
    {
      await using server = await serve(await ours.issue("old", undefined, "20201102000000Z"));
      const { outcome, reason } = await get(`https://localhost:${server.port}/`, { tlsCa });
      assertEquals(outcome, "deferred");
      assertStringIncludes(reason, "has expired on 2020-11-02");
    }
    {
      await using server = await serve(await ours.issue("address", "IP:127.0.0.1"));
      const { outcome } = await get(`https://127.0.0.1:${server.port}/`, { tlsCa });
      assertEquals(outcome, "delivered");
    }
  },
});

Deno.test({
  name:
    `an endpoint that asks for a certificate gets that of its destination, and no other does${skipped}`,
  ignore,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const client = await ours.issue("client");
    await using server = await serve(
      await ours.issue("server"),
      "-Verify",
      "1",
      "-verify_return_error",
      "-CAfile",
      ours.certFile,
    );
    const url = `https://localhost:${server.port}/`;
    const own = { cert: client.certFile, key: `file:${client.keyFile}` };
    for (const transport of ["sockets", "fetch"] as const) {
      const tlsCa = ours.cert;
      const shown = await get(url, { tlsCa, transport, tls: own });
      assertEquals([shown.outcome, shown.reason], ["delivered", ""], transport);
      const all = { ca: ours.certFile, ...own };
      assertEquals((await get(url, { transport, tls: all })).outcome, "delivered", transport);
      assertEquals((await get(url, { tlsCa, transport })).outcome, "deferred", transport);
    }
    const other = await Authority.make(dir.path, "other");
    const wrong = await get(url, { tlsCa: ours.cert, tls: { ...own, ca: other.certFile } });
    assertEquals(wrong.outcome, "deferred");
  },
});

Deno.test({
  name:
    `certificates that change count for the next connection, those that don't keep it${skippedNginx}`,
  ignore: ignore || !SERVERS[0]!.isInstalled,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const other = await Authority.make(dir.path, "other");
    const server = await ours.issue("server");
    await using nginx = await SERVERS[0]!.start(dir.path, server, ours.certFile);
    const [right, wrong] = [await ours.issue("right"), await other.issue("wrong")];
    const tls = { ca: ours.certFile, cert: `${dir.path}/cert`, key: `${dir.path}/key` };
    const use = async ({ certFile, keyFile }: Pair) => {
      await Deno.copyFile(certFile, tls.cert);
      await Deno.copyFile(keyFile, tls.key);
    };
    for (const transport of ["sockets", "fetch"] as const) {
      let laterMs = 0;
      const { clock } = denoRuntime();
      const runtime = {
        ...denoRuntime(),
        clock: { ...clock, monotonic: () => clock.monotonic() + laterMs },
      };
      const options = { timeoutMs: 10_000, onStatus: new Map(), transport, tls };
      const sender = new Sender(runtime, { of: () => options }, readSecret);
      const send = async () => {
        laterMs += 1_000; // files are looked at once a second
        const url = new URL(nginx.url);
        return await sender.send({ url, method: "GET", headers: [], body: undefined }, "id");
      };
      await use(wrong);
      assertEquals((await send()).status, 400, transport);
      await use(right);
      const first = await send();
      assertEquals(first.status, 200, transport);
      assertEquals((await send()).phases?.connect, undefined, "the connection is used again");
      await Deno.writeTextFile(tls.key, "no key");
      const { outcome, reason, status } = await send();
      assertEquals([outcome, status], ["deferred", undefined]);
      assertEquals(reason, `what ${tls.key} holds must be a private key, not encrypted, as PEM`);
      await use(wrong);
      assertEquals((await send()).status, 400, transport);
      sender.close();
    }
  },
});

Deno.test({
  name:
    `a certificate and a key that aren't a pair put events off, and say so without either${skipped}`,
  ignore,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const [one, other] = [await ours.issue("one"), await ours.issue("other")];
    await using server = await serve(await ours.issue("server"));
    const url = `https://localhost:${server.port}/`;
    const secret = other.key.split("\n")[1]!;
    for (const transport of ["sockets", "fetch"] as const) {
      const tls = { ca: ours.certFile, cert: one.certFile, key: other.keyFile };
      const { outcome, reason } = await get(url, { transport, tls });
      assertEquals(outcome, "deferred", transport);
      assertMatch(reason, /key/i);
      assert(!reason.includes(secret), reason);
    }
  },
});

Deno.test({
  name: `versions of TLS before 1.2 are not spoken${skipped}`,
  ignore,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const { certFile, keyFile } = await ours.issue("client");
    await using server = await serve(
      await ours.issue("server"),
      "-tls1_1",
      "-cipher",
      "ALL:@SECLEVEL=0",
    );
    const url = `https://localhost:${server.port}/`;
    for (const own of [{}, { tls: { cert: certFile, key: keyFile } }]) {
      const { outcome, reach, reason } = await get(url, { tlsCa: ours.cert, ...own });
      assertEquals([outcome, reach], ["deferred", "unsent"], reason);
    }
  },
});

Deno.test("TLS that stalls ends with the time for a connection", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const { port } = listener.addr;
  const options = { connectTimeoutMs: 100 };
  const { outcome, reason, reach } = await get(`https://127.0.0.1:${port}/`, options);
  assertEquals([outcome, reach], ["deferred", "unsent"]);
  assertEquals(reason, `no TLS with 127.0.0.1:${port} within 100 ms`);
  (await accepted).close();
  listener.close();
});

Deno.test("an endpoint that doesn't speak TLS is told as one", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(1_000));
    await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  })();
  const { port } = listener.addr;
  const { outcome, reason, reach } = await get(`https://127.0.0.1:${port}/`);
  assertEquals([outcome, reach], ["deferred", "unsent"]);
  assert(reason.startsWith(`no TLS with 127.0.0.1:${port}: `), reason);
  await serving;
  listener.close();
});
