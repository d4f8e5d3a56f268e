/** Both transports with real servers, of all kinds. */

import { assert, assertEquals } from "@std/assert";
import { Sender, type SenderOptions } from "../../../lib/http/sender.ts";
import { denoRuntime } from "../../../lib/runtime/deno.ts";
import { Authority, isInstalled } from "../../support/certificates.ts";
import { SERVERS } from "../../support/servers.ts";
import { tempDir } from "../../support/temp_dir.ts";

function sending(options: Partial<SenderOptions>) {
  const all = { timeoutMs: 10_000, onStatus: new Map(), ...options };
  const sender = new Sender(denoRuntime(), { of: () => all });
  return Object.assign(sender, { [Symbol.dispose]: () => sender.close() });
}

/** Requests to a server, some of them side by side. */
async function exchange(base: string, options: Partial<SenderOptions>): Promise<void> {
  using sender = sending(options);
  const [root, none] = [new URL(base), new URL("/none", base)];
  const get = (url: URL) => ({ url, method: "GET", headers: [], body: undefined });
  for (let round = 0; round < 5; round++) {
    const sizes: number[] = [];
    const attempts = await Promise.all(Array.from({ length: 4 }, (_, n) => {
      sizes[n] = 0;
      const sink = { write: (bytes: Uint8Array) => void (sizes[n]! += bytes.length) };
      return sender.send(get(n % 4 === 3 ? none : root), `${round}-${n}`, sink);
    }));
    for (const [n, { outcome, status, reason }] of attempts.entries()) {
      const expected = n % 4 === 3 ? "refused 404" : "delivered 200";
      assertEquals(`${outcome} ${status}`, expected, reason);
      assertEquals(sizes[n]! > 0, n % 4 !== 3);
    }
  }
  // what a server of files makes of a POST differs, but it is always an answer
  const body = "x".repeat(100_000);
  for (let n = 0; n < 5; n++) {
    const { status, reason } = await sender.send({ ...get(root), method: "POST", body }, `${n}`);
    assert(status !== undefined, reason);
  }
}

for (const server of SERVERS) {
  for (const transport of ["sockets", "fetch"] as const) {
    Deno.test({
      name: `${transport} with ${server.name}${
        server.isInstalled ? "" : " (skipped: not installed)"
      }`,
      ignore: !server.isInstalled,
      async fn() {
        await using dir = await tempDir();
        await using running = await server.start(dir.path);
        await exchange(running.url, { transport });
      },
    });
  }
}

const hasTls = isInstalled("nginx") && isInstalled("openssl");

for (const transport of ["sockets", "fetch"] as const) {
  Deno.test({
    name: `${transport} with nginx over TLS${hasTls ? "" : " (skipped: not installed)"}`,
    ignore: !hasTls,
    async fn() {
      await using dir = await tempDir();
      const authority = await Authority.make(dir.path, "ours");
      const [nginx] = SERVERS;
      await using running = await nginx!.start(dir.path, await authority.issue("server"));
      await exchange(running.url, { transport, tlsCa: authority.cert });
    },
  });
}

function end(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // it was
  }
}

/** Answers requests, and ends connections that are idle, at random. */
function startFickle(random: () => number) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const keys = new Map<string, number>();
  const answer = new TextEncoder().encode("HTTP/1.1 204 No Content\r\n\r\n");
  let ended = 0;
  const serve = async (conn: Deno.TcpConn) => {
    const bytes = new Uint8Array(4_096);
    let text = "";
    try {
      for (;;) {
        const count = await conn.read(bytes);
        if (count === null) break;
        text += String.fromCharCode(...bytes.subarray(0, count));
        const headEnd = text.indexOf("\r\n\r\n");
        if (headEnd < 0 || text.length < headEnd + 6) continue;
        const key = /idempotency-key: (\S+)/.exec(text)![1]!;
        text = "";
        keys.set(key, (keys.get(key) ?? 0) + 1);
        await conn.write(answer);
        if (random() > 0.05) continue;
        ended++;
        if (random() < 0.5) break; // at once
        setTimeout(() => end(conn), random() * 3); // in a moment, whatever comes meanwhile
      }
    } catch {
      // it was ended
    }
    end(conn);
  };
  void (async () => {
    for await (const conn of listener) void serve(conn);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}/`,
    keys,
    get ended() {
      return ended;
    },
    [Symbol.dispose]: () => listener.close(),
  };
}

Deno.test({
  name:
    "of 10,000 requests to a server that ends idle connections at random none is lost or has failed",
  sanitizeOps: false, // connections that end by themselves
  sanitizeResources: false,
  async fn() {
    using server = startFickle(Math.random);
    using sender = sending({ transport: "sockets" });
    const url = new URL(server.url);
    let [next, failed] = [0, [] as string[]];
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (next < 10_000) {
        const request = { url, method: "POST", headers: [], body: "{}" };
        const { outcome, reason } = await sender.send(request, `key-${next++}`);
        if (outcome !== "delivered") failed.push(reason);
      }
    }));
    assertEquals(failed, []);
    assertEquals(server.keys.size, 10_000);
    assert(server.ended > 300, `${server.ended} connections were ended`);
  },
});
