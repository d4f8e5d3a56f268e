/** Hostile endpoints on real connections: what they do is their own trouble, and nobody else's. */

import { assert, assertEquals } from "@std/assert";
import { Sender } from "../../../lib/http/sender.ts";
import { denoRuntime } from "../../../lib/runtime/deno.ts";
import { startEndpoint } from "../../support/endpoint.ts";

const TIMEOUT_MS = 400;

/** What an endpoint does with a connection, until it is ended. */
type Attack = (write: (text: string) => Promise<void>, read: () => Promise<void>) => Promise<void>;

const LARGE = "y".repeat(16_384);

/** Endpoints, and whether a request to them takes all of its time. */
const ATTACKS: Record<string, { readonly attack: Attack; readonly takesAll: boolean }> = {
  "1xx without end": {
    attack: async (write, read) => {
      for (await read();;) {
        await write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100));
      }
    },
    takesAll: false,
  },
  "headers without end": {
    attack: async (write, read) => {
      await read();
      await write("HTTP/1.1 503 Busy\r\n");
      for (;;) await write("x: y\r\n".repeat(1_000));
    },
    takesAll: false,
  },
  "chunks without end": {
    attack: async (write, read) => {
      await read();
      await write("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n");
      for (;;) await write(`4000\r\n${LARGE}\r\n`);
    },
    takesAll: false,
  },
  "sizes of chunks without end": {
    attack: async (write, read) => {
      await read();
      await write("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n");
      for (;;) await write("0".repeat(10_000));
    },
    takesAll: false,
  },
  "a head that never ends": {
    attack: async (write, read) => {
      await read();
      await write("HTTP/1.1 503 Busy\r\n");
      for (;;) await read();
    },
    takesAll: true,
  },
  "silence": {
    attack: async (_, read) => {
      for (;;) await read();
    },
    takesAll: true,
  },
};

function startHostile(attack: Attack) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const ended: Promise<void>[] = [];
  const serve = async (conn: Deno.TcpConn) => {
    const bytes = new Uint8Array(65_536);
    const write = async (text: string) => {
      const all = new TextEncoder().encode(text);
      for (let at = 0; at < all.length;) at += await conn.write(all.subarray(at));
    };
    const read = async () => {
      if (await conn.read(bytes) === null) throw new Error("it is over");
    };
    await attack(write, read).catch(() => {}); // the other side has ended it
    conn.close();
  };
  const accepting = (async () => {
    for await (const conn of listener) ended.push(serve(conn));
  })();
  return {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(ended);
    },
  };
}

for (const [name, { attack, takesAll }] of Object.entries(ATTACKS)) {
  Deno.test(`${name}: the attempt ends, its connection is let go of, and others are answered meanwhile`, async () => {
    await using neighbour = startEndpoint();
    await using hostile = startHostile(attack);
    // all others have time enough on any machine
    const timeoutMs = (origin: string) =>
      takesAll && origin === hostile.url.origin ? TIMEOUT_MS : 60_000;
    const sender = new Sender(denoRuntime(), {
      of: (origin) => ({ timeoutMs: timeoutMs(origin), onStatus: new Map() }),
    });
    const send = (url: URL, id: string) =>
      sender.send({ url, method: "POST", headers: [], body: "{}" }, id);
    const attacked = Promise.all(Array.from({ length: 8 }, (_, n) => send(hostile.url, `${n}`)));
    const url = new URL(neighbour.url);
    for (let n = 0; n < 50; n++) assertEquals((await send(url, `n${n}`)).outcome, "delivered");
    for (const { outcome, ms, isTimeout = false } of await attacked) {
      assertEquals([outcome, isTimeout], ["deferred", takesAll]);
      assert(!takesAll || ms >= TIMEOUT_MS);
    }
    sender.close(); // what is left open keeps the test from ending
  });
}
