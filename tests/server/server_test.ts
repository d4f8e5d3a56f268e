/** The HTTP server, with real sockets: what it answers, and what peers can't do to it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import type { Listener, Runtime } from "../../lib/runtime/runtime.ts";
import type { Handler } from "../../lib/server/connection.ts";
import type { Limits } from "../../lib/server/limits.ts";
import { Server } from "../../lib/server/server.ts";
import { RawClient } from "../support/raw_client.ts";

const ADDRESS = { hostname: "127.0.0.1", port: 0 };
const text = (request: Request) => request.text();

interface Bench extends AsyncDisposable {
  readonly server: Server;
  readonly troubles: unknown[];
  /** Connect and send; `HOST` stands for the right host. */
  send(text: string): Promise<RawClient>;
  /** All that comes for what is sent, until the server ends the connection. */
  exchange(text: string): Promise<string>;
}

function bench(
  handler: Handler,
  limits: Partial<Limits> = {},
  runtime: Pick<Runtime, "clock" | "listen"> = denoRuntime(),
): Bench {
  const troubles: unknown[] = [];
  const clients: RawClient[] = [];
  const server = new Server(runtime, ADDRESS, handler, {
    limits,
    names: ["known.example"],
    namesHint: "--host adds one",
    onTrouble: (error) => troubles.push(error),
  });
  async function send(text: string): Promise<RawClient> {
    const client = await RawClient.connect(server.port);
    clients.push(client);
    await client.send(text.replaceAll("HOST", `127.0.0.1:${server.port}`));
    return client;
  }
  return {
    server,
    troubles,
    send,
    exchange: async (text) => await (await send(text)).toEnd(),
    async [Symbol.asyncDispose]() {
      await server.stop("cut");
      for (const client of clients) client.close();
    },
  };
}

const get = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, "Host: HOST", ...headers].join("\r\n") + "\r\n\r\n";
const last = (path: string) => get(path, "Connection: close");
const statuses = (answers: string) =>
  [...answers.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, s]) => s);

Deno.test("requests of one connection are answered one after the other, in order", async () => {
  let inside = 0;
  await using at = bench(async ({ url }) => {
    assertEquals(++inside, 1);
    await Promise.resolve();
    inside--;
    return new Response(`at ${new URL(url).pathname}`);
  });
  const answers = await at.exchange(get("/1") + get("/2") + last("/3"));
  assertEquals(statuses(answers), ["200", "200", "200"]);
  assertEquals([...answers.matchAll(/at \/\d/g)].map(([found]) => found), [
    "at /1",
    "at /2",
    "at /3",
  ]);
});

Deno.test("a body arrives whole, whether its length is told or it is chunked, and the next request after it", async () => {
  await using at = bench(async (request) => new Response(`<${await text(request)}>`));
  const long = "x".repeat(100_000);
  const chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  const post = (headers: string) => `POST / HTTP/1.1\r\nHost: HOST\r\n${headers}\r\n\r\n`;
  const answers = await at.exchange(
    post("Content-Length: 3") + "abc" + post("Transfer-Encoding: chunked") + chunks +
      post(`Content-Length: ${long.length}`) + long + last("/"),
  );
  for (const body of ["<abc>", "<hello world>", `<${long}>`, "<>"]) {
    assertStringIncludes(answers.replaceAll(/\r\n[0-9a-f]+\r\n/g, ""), body);
  }
});

Deno.test("a peer that waits for a word before it sends the body gets it when the body is wanted", async () => {
  await using at = bench(async (request) =>
    new Response(request.method === "PUT" ? null : await text(request))
  );
  const head = (method: string) =>
    `${method} / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n`;
  const wanted = await at.send(head("POST"));
  assertEquals(await wanted.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  await wanted.send("abc");
  assertStringIncludes(await wanted.until("abc"), "HTTP/1.1 200 OK");
  assertEquals(statuses(await at.exchange(head("PUT"))), ["200"]);
});

Deno.test("what can't be understood is a 400 and the end: nothing after it is taken for a request", async () => {
  let taken = 0;
  await using at = bench(() => new Response(`${++taken}`));
  const smuggled = get("/smuggled");
  const attempts = [
    `POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n${smuggled}`,
    `GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\n${smuggled}`,
    `GET / HTTP/1.1\nHost: HOST\n\n${smuggled}`,
  ];
  for (const attempt of attempts) {
    assertEquals(statuses(await at.exchange(attempt)), ["400"], attempt);
  }
  assertEquals(taken, 0);
});

Deno.test("a chunked body that breaks off into nonsense ends the connection after its answer", async () => {
  await using at = bench((request) =>
    text(request).then((body) => new Response(body), (error) => new Response(null, error))
  );
  const head = "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n";
  assertEquals(statuses(await at.exchange(`${head}5\r\nhelloX\r\n0\r\n\r\n${get("/")}`)), ["400"]);
});

Deno.test("a head of more than 16 KiB is a 431", async () => {
  await using at = bench(() => new Response());
  assertEquals(statuses(await at.exchange(get("/", `X: ${"a".repeat(16 * 1024)}`))), ["431"]);
});

Deno.test("another host than the one listened on is a 421 that says what would be right", async () => {
  await using at = bench(() => new Response());
  const { port } = at.server;
  const answer = await at.exchange(`GET / HTTP/1.1\r\nHost: evil.example:${port}\r\n\r\n`);
  assertEquals(statuses(answer), ["421"]);
  assertMatch(answer, /the host must be 127\.0\.0\.1:\d+ or a name that is known here: --host/);
  for (const host of [`localhost:${port}`, "known.example"]) {
    const right = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    assertEquals(statuses(await at.exchange(right)), ["200"]);
  }
});

Deno.test("on every address at once, the one that was connected to is the host", async () => {
  const server = new Server(denoRuntime(), { hostname: "0.0.0.0", port: 0 }, () => new Response(), {
    namesHint: "",
    onTrouble: () => {},
  });
  for (const [host, status] of [["127.0.0.1", "200"], ["localhost", "200"], ["0.0.0.0", "421"]]) {
    const client = await RawClient.connect(server.port);
    await client.send(
      `GET / HTTP/1.1\r\nHost: ${host}:${server.port}\r\nConnection: close\r\n\r\n`,
    );
    assertEquals([host, ...statuses(await client.toEnd())], [host, status]);
    client.close();
  }
  await server.stop("cut");
});

Deno.test("HTTP/1.0 and HEAD get answers they can read", async () => {
  await using at = bench(() => new Response("hello"));
  const old = await at.exchange("GET / HTTP/1.0\r\nHost: HOST\r\n\r\n");
  assert(!old.includes("chunked") && old.endsWith("\r\n\r\nhello"), old);
  const heads = await at.exchange("HEAD / HTTP/1.1\r\nHost: HOST\r\n\r\n" + last("/"));
  assertEquals([statuses(heads), heads.match(/hello/g)?.length], [["200", "200"], 1]);
});

Deno.test("an answer is whole although the body it refuses is still coming", async () => {
  await using at = bench(() => new Response("too large", { status: 413 }));
  const client = await at.send("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3000000\r\n\r\n");
  for (let n = 0; n < 8; n++) await client.send("x".repeat(64 * 1024)).catch(() => {});
  assertStringIncludes(await client.toEnd(), "too large");
});

Deno.test("a handler that throws is a 500, is told, and the next request is served", async () => {
  await using at = bench(({ url }) => {
    if (url.endsWith("/bad")) throw new Error("a bug");
    return new Response();
  });
  assertEquals(statuses(await at.exchange(get("/bad"))), ["500"]);
  assertEquals(statuses(await at.exchange(last("/"))), ["200"]);
  assertEquals(at.troubles.map((error) => (error as Error).message), ["a bug"]);
});

Deno.test("an answer goes out as it is made, and is called off when its reader leaves", async () => {
  const cancelled = Promise.withResolvers<void>();
  const events = new TransformStream<Uint8Array, Uint8Array>();
  const writer = events.writable.getWriter();
  writer.closed.catch(() => cancelled.resolve());
  await using at = bench(() =>
    new Response(events.readable, { headers: { "content-type": "text/event-stream" } })
  );
  const client = await at.send(get("/"));
  assertStringIncludes(await client.until("\r\n\r\n"), "text/event-stream");
  await writer.write(new TextEncoder().encode("data: 1\n\n"));
  assertStringIncludes(await client.until("data: 1\n\n\r\n"), "9\r\ndata");
  client.close();
  const ticks = (async () => {
    for (;;) await writer.write(new TextEncoder().encode("data: 2\n\n"));
  })().catch(() => {});
  await cancelled.promise;
  await ticks;
});

Deno.test("who stalls in a head or in a body is told 408 and cut; who says nothing is just cut", async () => {
  await using at = bench(
    (request) => text(request).then(() => new Response(), (error) => new Response(null, error)),
    { headMs: 40, silenceMs: 40 },
  );
  const stalls = ["GET / HT", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nab"];
  for (const stall of stalls) assertEquals(statuses(await at.exchange(stall)), ["408"]);
  assertEquals(await at.exchange(""), "");
});

Deno.test("who sends a byte now and then is cut when the time for all of them is over", async () => {
  await using at = bench(
    (request) => text(request).then(() => new Response(), (error) => new Response(null, error)),
    { headMs: 100, bodyMs: 100 },
  );
  for (
    const start of ["GET /", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 999999\r\n\r\n"]
  ) {
    const client = await at.send(start);
    const trickle = setInterval(() => void client.send("a").catch(() => {}), 5);
    assertEquals(statuses(await client.toEnd()), ["408"]);
    clearInterval(trickle);
  }
});

Deno.test("a connection that is idle is ended, without a word", async () => {
  await using at = bench(() => new Response(), { idleMs: 40 });
  assertEquals(statuses(await at.exchange(get("/"))), ["200"]);
});

Deno.test("who doesn't read its answer is cut", async () => {
  const cancelled = Promise.withResolvers<void>();
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
      cancel: () => cancelled.resolve(),
    });
  await using at = bench(() => new Response(endless()), { answerMs: 40 });
  await at.send(get("/"));
  await cancelled.promise;
});

Deno.test("where there are too many connections the silent ones make room, those that never asked first", async () => {
  await using at = bench(({ url }) => new Response(new URL(url).pathname), {
    connections: 4,
    patienceMs: 20,
  });
  const good = await at.send(get("/first"));
  await good.until("/first");
  const stalled = [];
  for (let n = 0; n < 40; n++) stalled.push(await at.send("GET / HT"));
  assertEquals(statuses(await at.exchange(last("/"))), ["200"]);
  assert(at.server.connections <= 5);
  await good.send(get("/again").replace("HOST", `127.0.0.1:${at.server.port}`));
  await good.until("/again");
});

Deno.test("connections that are at work are not ended to make room", async () => {
  const go = Promise.withResolvers<void>();
  await using at = bench(async () => {
    await go.promise;
    return new Response();
  }, { connections: 2, patienceMs: 5 });
  const clients = await Promise.all(Array.from({ length: 6 }, () => at.send(last("/"))));
  go.resolve();
  for (const client of clients) assertEquals(statuses(await client.toEnd()), ["200"]);
});

/** The real runtime, whose listener fails now and then. */
function failing(code: string, times: number): Pick<Runtime, "clock" | "listen"> {
  const { clock, listen } = denoRuntime();
  let left = times;
  return {
    clock,
    listen(address): Listener {
      const listener = listen!(address);
      return {
        ...listener,
        accept() {
          if (left-- > 0) return Promise.reject(Object.assign(new Error(code), { code }));
          return listener.accept();
        },
      };
    },
  };
}

Deno.test("when files run out the server pauses, tells it once and goes on", async () => {
  await using at = bench(() => new Response(), {}, failing("EMFILE", 3));
  assertEquals(statuses(await at.exchange(last("/"))), ["200"]);
  assertEquals(at.troubles.map((error) => (error as Error).message), ["EMFILE"]);
});

Deno.test("stopping lets answers out and cuts what isn't whole; cutting ends all", async () => {
  for (const how of ["answer", "cut"] as const) {
    const go = Promise.withResolvers<void>();
    const inside = Promise.withResolvers<void>();
    await using at = bench(async (request) => {
      if (request.url.endsWith("/wait")) {
        inside.resolve();
        await go.promise;
      }
      return new Response(await text(request).catch(() => "cut"));
    });
    const waiting = await at.send(get("/wait"));
    const idle = await at.send(get("/"));
    await idle.until("0\r\n\r\n");
    const half = await at.send("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nab");
    await inside.promise;
    const stopped = at.server.stop(how);
    if (how === "answer") go.resolve();
    assertEquals(statuses(await waiting.toEnd()), how === "answer" ? ["200"] : []);
    assertEquals([await idle.toEnd(), await half.toEnd()], ["", ""]);
    waiting.close();
    await stopped;
    go.resolve();
    assertEquals(await RawClient.connect(at.server.port).catch(() => "refused"), "refused");
  }
});
