/** Taking events over HTTP: `consume --accept`, with real sockets. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Acceptor } from "../../lib/accept/acceptor.ts";
import { EVENTS_PATH } from "../../lib/accept/endpoint.ts";
import { isLoopback, parseAddress } from "../../lib/accept/address.ts";
import { parseCommandLine } from "../../lib/cli/options.ts";
import { parseEvent } from "../../lib/event/request.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { nodeRuntime } from "../../lib/runtime/node.ts";
import type { Disk, Runtime } from "../../lib/runtime/runtime.ts";
import { acceptRules } from "../support/accept_rules.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const FORWARD_TO = "https://logx.optimizely.com/v1/events";
const RULES = acceptRules(FORWARD_TO);
const LOOPBACK = { hostname: "127.0.0.1", port: 0 };
const GRACE_MS = 10_000;

interface Bench extends AsyncDisposable {
  readonly url: string;
  readonly base: string;
  readonly refused: unknown[];
  readonly acceptor: Acceptor;
  post(body: BodyInit, headers?: Record<string, string>): Promise<Response>;
}

async function bench(disk: Disk = blockingDisk, maxBytes = 10_000): Promise<Bench> {
  const dir = await tempDir();
  const queue = await Queue.open(dir.path, denoRuntime(disk), { create: true });
  const refused: unknown[] = [];
  const onRefused = (error: unknown) => void refused.push(error);
  const acceptor = new Acceptor(queue, LOOPBACK, {
    rules: () => RULES,
    maxBytes,
    onRefused,
    onTrouble: onRefused,
  });
  return {
    url: acceptor.origin + EVENTS_PATH,
    base: dir.path,
    refused,
    acceptor,
    post: (body, headers = {}) =>
      fetch(acceptor.origin + EVENTS_PATH, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body,
      }),
    async [Symbol.asyncDispose]() {
      await acceptor.stop(0, new AbortController().signal);
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The status, with the body read to its end. */
async function statusOf(response: Response | Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

function bodiesIn(base: string): string[] {
  return namesIn(`${base}/new`).map((name) => {
    const event = parseEvent(Deno.readFileSync(`${base}/new/${name}`));
    assert(event.kind === "request");
    assertEquals([event.request.url.href, event.request.method], [FORWARD_TO, "POST"]);
    return event.request.body!;
  });
}

Deno.test("a posted event is on the queue for the real endpoint, character by character", async () => {
  await using at = await bench();
  const body = ' { "n": 12345678901234567890, "b": 1.0, "a": "\\u00e9é日本😀" }\n';
  assertEquals(await statusOf(at.post(body)), 204);
  assertEquals(bodiesIn(at.base), [body.trim()]);
});

Deno.test("what isn't an event is refused, and nothing of it is on the queue", async () => {
  await using at = await bench();
  const json = { "content-type": "application/json" };
  const get = (url: string, init?: RequestInit) => statusOf(fetch(url, init));
  assertEquals(await statusOf(at.post("{")), 400);
  assertEquals(await statusOf(at.post("")), 400);
  assertEquals(await statusOf(at.post("null")), 400);
  assertEquals(await statusOf(at.post('{} , "url": "http://elsewhere.example/"')), 400);
  assertEquals(await statusOf(at.post(new Uint8Array([0x7b, 0xff, 0x7d]))), 400);
  assertEquals(await statusOf(at.post("{}", { "content-type": "text/plain" })), 415);
  assertEquals(await statusOf(at.post("{}", { "content-encoding": "gzip" })), 415);
  assertEquals(await get(at.url.replace("/v1/", "/v2/"), { method: "POST" }), 404);
  const wrongMethod = await fetch(at.url, { method: "PUT", body: "{}", headers: json });
  assertEquals([wrongMethod.headers.get("allow"), await statusOf(wrongMethod)], ["POST", 405]);
  assertEquals(namesIn(`${at.base}/new`), []);
  assertEquals(namesIn(`${at.base}/tmp`), []);
});

Deno.test("an event over the limit is a 413, announced or not", async () => {
  await using at = await bench(blockingDisk, 1_000);
  const body = (length: number) => JSON.stringify({ text: "x".repeat(length) });
  const unannounced = new Blob([body(5_000)]).stream();
  assertEquals(await statusOf(at.post(body(5_000))), 413);
  assertEquals(await statusOf(at.post(unannounced)), 413);
  assertEquals(await statusOf(at.post(body(960))), 413); // too large with its URL
  assertEquals(await statusOf(at.post(body(800))), 204);
  assertEquals(bodiesIn(at.base), [body(800)]);
});

Deno.test("204 comes only after the bytes and the name are synced", async () => {
  const synced: string[] = [];
  await using at = await bench({
    ...blockingDisk,
    create: (path, bytes, options) => {
      if (options.durable) synced.push("bytes");
      return blockingDisk.create(path, bytes, options);
    },
    syncDir: (path) => {
      synced.push(path.split("/").at(-1)!);
      return blockingDisk.syncDir(path);
    },
  });
  synced.length = 0;
  assertEquals(await statusOf(at.post("{}")), 204);
  assertEquals(synced, ["bytes", "new"]);
});

Deno.test("a disk that refuses is a 503 with Retry-After, and told; the next event is taken again", async () => {
  let isFull = true;
  await using at = await bench({
    ...blockingDisk,
    create: (path, bytes, options) => {
      if (isFull) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
      return blockingDisk.create(path, bytes, options);
    },
  });
  const refused = await at.post("{}");
  assertEquals([refused.headers.get("retry-after"), await statusOf(refused)], ["5", 503]);
  assertEquals(at.refused.length, 1);
  isFull = false;
  assertEquals(await statusOf(at.post("{}")), 204);
  assertEquals(namesIn(`${at.base}/new`).length, 1);
});

Deno.test("when the disk gives out in the middle of a group, each request hears of its own event", async () => {
  let links = 0;
  await using at = await bench({
    ...blockingDisk,
    link: (from, to) => {
      if (++links > 3) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
      return blockingDisk.link(from, to);
    },
  });
  const posts = Array.from({ length: 8 }, (_, n) => at.post(`{"n":${n}}`).then(statusOf));
  const statuses = await Promise.all(posts);
  const taken = statuses.flatMap((status, n) => status === 204 ? [`{"n":${n}}`] : []);
  assertEquals(bodiesIn(at.base).sort(), taken.sort());
  assertEquals([taken.length, statuses.filter((status) => status === 503).length], [3, 5]);
});

Deno.test("requests that come together share the fsync of the folder", async () => {
  let syncs = 0;
  await using at = await bench({
    ...blockingDisk,
    syncDir: (path) => {
      syncs++;
      return blockingDisk.syncDir(path);
    },
  });
  syncs = 0;
  const posts = Array.from({ length: 200 }, (_, n) => at.post(`{"n":${n}}`).then(statusOf));
  assertEquals(new Set(await Promise.all(posts)), new Set([204]));
  assertEquals(bodiesIn(at.base).length, 200);
  assert(syncs < 100, `${syncs} for 200 events`);
});

Deno.test("stop() answers what has been taken, and takes no more", async () => {
  await using at = await bench();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const answer = at.post(readable);
  await writer.write(new TextEncoder().encode('{"half":'));
  await statusOf(at.post("{}")); // the half has long arrived
  const stopping = at.acceptor.stop(GRACE_MS, new AbortController().signal);
  assertEquals(await statusOf(at.post('{"late":true}')), 503);
  await writer.write(new TextEncoder().encode("true}"));
  await writer.close();
  assertEquals(await statusOf(answer), 204);
  await stopping;
  assertEquals(bodiesIn(at.base).sort(), ['{"half":true}', "{}"]);
  assertEquals(await at.post("{}").then(statusOf, () => "refused"), "refused");
});

Deno.test("a request that never ends holds up stop() for the grace time only", async () => {
  await using at = await bench();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const answer = at.post(readable).then(statusOf, () => 0);
  await writer.write(new TextEncoder().encode('{"half":'));
  await statusOf(at.post("{}"));
  await at.acceptor.stop(1, new AbortController().signal);
  await writer.abort().catch(() => {});
  assert(await answer !== 204);
  assertEquals(bodiesIn(at.base), ["{}"]);
});

Deno.test("a runtime without a server says so", async () => {
  await using dir = await tempDir();
  const runtime: Runtime = nodeRuntime();
  const queue = await Queue.open(dir.path, runtime, { create: true });
  const options = { rules: () => RULES, maxBytes: 1, onRefused: () => {}, onTrouble: () => {} };
  assertThrows(
    () => new Acceptor(queue, LOOPBACK, options),
    TypeError,
    "this runtime can't listen",
  );
});

Deno.test("only loopback addresses are served unless told otherwise", () => {
  const forms: Record<string, boolean | undefined> = {
    "127.0.0.1:80": true,
    "127.8.9.1:0": true,
    "localhost:8080": true,
    "[::1]:8080": true,
    "[0:0:0:0:0:0:0:1]:8080": true,
    "0.0.0.0:80": false,
    "[::]:80": false,
    "10.0.0.1:80": false,
    "127.0.0.1": undefined,
    "127.0.0.1:65536": undefined,
    "127.0.0.999:1": undefined,
    "a.example:80": undefined,
    "8080": undefined,
  };
  for (const [text, isLocal] of Object.entries(forms)) {
    const address = parseAddress(text);
    assertEquals([text, address && isLoopback(address)], [text, isLocal]);
  }
  assertThrows(() => parseCommandLine(["--accept", "0.0.0.0:80"]), Error, "accept-from-anywhere");
  parseCommandLine(["--accept", "0.0.0.0:80", "--accept-from-anywhere"]);
});

Deno.test("options that need or exclude --accept say so", () => {
  const local = ["--accept", "127.0.0.1:0"];
  const wrong: [string[], string][] = [
    [["--forward-to", FORWARD_TO], "needs --accept"],
    [["--accept-from-anywhere"], "needs --accept"],
    [[...local, "--once"], "can't be used together"],
    [[...local, "--until-empty"], "can't be used together"],
    [["--accept", "8080"], "an address and a port"],
    [[...local, "--forward-to", "file:///x"], "--forward-to must be a URL"],
  ];
  for (const [args, says] of wrong) {
    assertThrows(() => parseCommandLine(args), Error, says);
  }
});

const PROGRAM = new URL("../../cli.ts", import.meta.url).href;

function consume(base: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--frozen", "-A", PROGRAM, "--base-dir", base, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

Deno.test("consume --accept takes, delivers and stops in good order, losing nothing it answered 204", async () => {
  await using dir = await tempDir();
  await using real = startEndpoint();
  const child = consume(
    dir.path,
    ...["--accept", "127.0.0.1:0", "--forward-to", `${real.url}/v1/events`, "--log-format", "json"],
  );
  let log = "";
  const url = Promise.withResolvers<string>();
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream() as TransformStream)) {
      log += text;
      const line = log.split("\n").find((line) => line.includes('"accepting"'));
      if (line !== undefined) url.resolve(JSON.parse(line).url);
    }
    url.reject(new Error(log));
  })();

  const taken: string[] = [];
  const target = await url.promise;
  let isStopped = false;
  async function client(name: string): Promise<void> {
    for (let n = 0; !isStopped; n++) {
      const body = JSON.stringify({ name, n });
      try {
        const headers = { "content-type": "application/json" };
        const status = await statusOf(fetch(target, { method: "POST", headers, body }));
        if (status === 204) taken.push(body);
      } catch {
        return; // the server has stopped: this one was not taken
      }
    }
  }
  const clients = Array.from("abcdefgh", (name) => client(name));
  await real.arrived(100);
  child.kill("SIGTERM");
  const { code } = await child.status;
  isStopped = true;
  await Promise.all(clients);
  await reading;
  assertEquals(code, 0, log);
  assertStringIncludes(log, `"forwardTo":"${real.url}/v1/events"`);

  const rest = consume(dir.path, "--until-empty");
  assertEquals((await rest.output()).code, 0);
  const delivered = new Set(real.taken.map(({ body }) => body));
  assertEquals(taken.filter((body) => !delivered.has(body)), []);
  assert(taken.length > 50);
});
