/**
 * The sentences about connections in `lib/runtime/runtime.ts`, held against each runtime that has
 * them, the simulation included.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { nodeRuntime } from "../../lib/runtime/node.ts";
import {
  type Connection,
  type ConnectTo,
  errorCode,
  type Runtime,
} from "../../lib/runtime/runtime.ts";
import type { SimPeer } from "../sim/sockets.ts";
import { World } from "../sim/world.ts";

/** The end of a connection that isn't ours. */
type Peer = Pick<SimPeer, "receiveUntil" | "send" | "end" | "reset"> & {
  /** Resolves once our side has ended it. */
  closed(): Promise<void>;
};

/** A runtime, and peers to connect to. */
interface Bench {
  readonly runtime: Runtime;
  /** Somebody who listens, and what they do with each connection. */
  listen(
    script: (peer: Peer) => void | Promise<void>,
  ): { readonly host: string; readonly port: number };
  /** Where nobody listens. */
  readonly deaf: { readonly host: string; readonly port: number };
}

type Body = (bench: Bench) => Promise<void>;

function realPeer(conn: Deno.TcpConn): Peer {
  return {
    async receiveUntil(end) {
      let text = "";
      const byte = new Uint8Array(1);
      while (!text.endsWith(end) && await conn.read(byte) !== null) {
        text += String.fromCharCode(byte[0]!);
      }
      return text;
    },
    send: (text) => void conn.write(Uint8Array.from(text, (each) => each.charCodeAt(0))),
    end: () => void conn.closeWrite(),
    reset: () => conn.close(), // with bytes unread: the system resets it
    async closed() {
      const bytes = new Uint8Array(1_000);
      try {
        while (await conn.read(bytes) !== null);
      } catch {
        // it was reset
      }
    },
  };
}

function real(runtime: Runtime): (body: Body) => Promise<void> {
  return async (body) => {
    const listeners: Deno.Listener[] = [];
    const conns: Deno.TcpConn[] = [];
    const listen: Bench["listen"] = (script) => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      listeners.push(listener);
      void (async () => {
        for await (const conn of listener) {
          conns.push(conn);
          Promise.resolve(script(realPeer(conn))).catch(() => {}); // it is over
        }
      })();
      return { host: "127.0.0.1", port: listener.addr.port };
    };
    const unused = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const deaf = { host: "127.0.0.1", port: unused.addr.port };
    unused.close();
    try {
      await body({ runtime, listen, deaf });
    } finally {
      for (const each of [...listeners, ...conns]) {
        try {
          each.close();
        } catch {
          // it is
        }
      }
    }
  };
}

function simulated(cut: (length: number) => number): (body: Body) => Promise<void> {
  return (body) => {
    const world = new World();
    let hosts = 0;
    world.network.cut = cut;
    world.network.connects = (host) => host === "deaf" ? { fails: "refused" } : undefined;
    world.network.addresses.set("nosuch.invalid", []);
    return world.run(() =>
      body({
        runtime: world.process().runtime,
        listen(script) {
          const host = `peer-${hosts++}`;
          world.sockets.peers.set(host, (peer) =>
            script({
              receiveUntil: (end) => peer.receiveUntil(end),
              send: (text) => peer.send(text),
              end: () => peer.end(),
              reset: () => peer.reset(),
              closed: async () => {
                while (!peer.isClosed && await peer.receive() !== null);
              },
            }));
          return { host, port: 80 };
        },
        deaf: { host: "deaf", port: 80 },
      })
    );
  };
}

const RUNTIMES: Record<string, (body: Body) => Promise<void>> = {
  "on Deno": real(denoRuntime()),
  "by Node's modules": real(nodeRuntime()),
  "in the simulation": simulated((length) => length),
  "in the simulation, byte by byte": simulated(() => 1),
};

/** Never called off. */
const to = (address: { readonly host: string; readonly port: number }): ConnectTo => ({
  ...address,
  signal: new AbortController().signal,
});

async function readText(connection: Connection, length: number): Promise<string> {
  let text = "";
  while (text.length < length) {
    const into = new Uint8Array(Math.min(length - text.length, 8_192));
    const count = await connection.read(into);
    if (count === null) break;
    assert(count > 0);
    text += String.fromCharCode(...into.subarray(0, count));
  }
  return text;
}

async function write(connection: Connection, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    const count = await connection.write(bytes.subarray(at));
    assert(count > 0);
    at += count;
  }
}

const SENTENCES: Record<string, Body> = {
  "a connection is a stream of bytes each way": async ({ runtime, listen }) => {
    let isConnected = false;
    const address = listen(async (peer) => {
      peer.send(`you said ${await peer.receiveUntil("!")}, and `);
      peer.send(await peer.receiveUntil("?"));
    });
    const onConnected = () => isConnected = true;
    const connection = await runtime.connect!({ ...to(address), onConnected });
    assert(isConnected);
    const reading = readText(connection, 25);
    await write(connection, "hello!");
    await write(connection, "well?");
    assertEquals(await reading, "you said hello!, and well".padEnd(25));
    assertEquals(await readText(connection, 1), "?");
    connection.close();
  },

  "a read takes no more than there is room for, and the rest is there afterwards": async (
    { runtime, listen },
  ) => {
    const address = listen((peer) => peer.send("0123456789"));
    const connection = await runtime.connect!(to(address));
    for (const digit of "0123456789") assertEquals(await readText(connection, 1), digit);
    connection.close();
  },

  "the end of the other side is noticed, after all it has sent, while ours goes on": async (
    { runtime, listen },
  ) => {
    const heard = Promise.withResolvers<string>();
    const address = listen(async (peer) => {
      peer.send("bye");
      peer.end();
      heard.resolve(await peer.receiveUntil("!"));
    });
    const connection = await runtime.connect!(to(address));
    assertEquals(await readText(connection, 100), "bye");
    assertEquals(await connection.read(new Uint8Array(1)), null);
    await write(connection, "still here!");
    assertEquals(await heard.promise, "still here!");
    connection.close();
  },

  "a connection that breaks ends what is read, with an error or without": async (
    { runtime, listen },
  ) => {
    const address = listen(async (peer) => {
      await peer.receiveUntil("!");
      peer.reset();
    });
    const connection = await runtime.connect!(to(address));
    const reading = readText(connection, 1).catch(errorCode);
    await write(connection, "now! and more that nobody reads").catch(() => {}); // it is too late
    const ended = await reading;
    assert(ended === "" || ended === "ECONNRESET", ended);
    connection.close();
  },

  "closing ends it for both: what is being read rejects, and the other side hears of it": async (
    { runtime, listen },
  ) => {
    const closed = Promise.withResolvers<void>();
    const address = listen(async (peer) => {
      await peer.closed();
      closed.resolve();
    });
    const connection = await runtime.connect!(to(address));
    const reading = assertRejects(() => connection.read(new Uint8Array(1)));
    connection.close();
    connection.close();
    await reading;
    await assertRejects(() => connection.read(new Uint8Array(1)));
    await assertRejects(() => connection.write(new Uint8Array(1)));
    await closed.promise;
  },

  "where nobody listens the connection is refused": async ({ runtime, deaf }) => {
    const error = await assertRejects(() => runtime.connect!(to(deaf)));
    assertEquals(errorCode(error), "ECONNREFUSED");
  },

  "what is called off rejects": async ({ runtime, listen }) => {
    const signal = AbortSignal.abort();
    const address = listen(() => {});
    await assertRejects(() => runtime.connect!({ ...to(address), signal }));
  },

  "large amounts arrive whole": async ({ runtime, listen }) => {
    const length = runtime.hostname === "edge" ? 2_000 : 1_000_000;
    const address = listen(async (peer) => {
      await peer.receiveUntil("!");
      peer.send("x".repeat(length));
      peer.end();
    });
    const connection = await runtime.connect!(to(address));
    await write(connection, `${"y".repeat(1_000)}!`);
    assertEquals((await readText(connection, length)).length, length);
    connection.close();
  },

  "an address is its own address": async ({ runtime }) => {
    assertEquals(await runtime.lookup!("192.0.2.7"), ["192.0.2.7"]);
    assertEquals(await runtime.lookup!("2001:db8::7"), ["2001:db8::7"]);
  },

  "a name has addresses": async ({ runtime }) => {
    const found = await runtime.lookup!("localhost");
    assert(found.length > 0);
  },

  "a name that isn't known is an error": async ({ runtime }) => {
    const error = await assertRejects(() => runtime.lookup!("nosuch.invalid"));
    // some systems have no name server that could say so
    assert(["ENOTFOUND", "EAI_AGAIN"].includes(errorCode(error)!), errorCode(error));
  },
};

for (const [where, run] of Object.entries(RUNTIMES)) {
  for (const [sentence, body] of Object.entries(SENTENCES)) {
    Deno.test(`${where}, ${sentence}`, () => run(body));
  }
}
