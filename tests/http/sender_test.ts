/** The sender over the runtime's own `fetch`, with real endpoints on loopback. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type AnswerSink,
  type Attempt,
  Sender,
  type SenderOptions,
} from "../../lib/http/sender.ts";
import type { EventRequest } from "../../lib/event/request.ts";
import { conclude } from "../../lib/http/conclude.ts";
import type { HttpRequest } from "../../lib/http/step.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { type Answer, HANG, startEndpoint } from "../support/endpoint.ts";

const MIB = 1024 * 1024;

/** A sender, closed at the end of the scope. */
function sending(options: Partial<SenderOptions> = {}, runtime: Partial<Runtime> = {}) {
  const all = { timeoutMs: 10_000, onStatus: new Map(), ...options };
  const sender = new Sender({ ...denoRuntime(), ...runtime }, { of: () => all });
  return Object.assign(sender, { [Symbol.dispose]: () => sender.close() });
}

function requestOf(url: string, more: Partial<EventRequest> = {}): EventRequest {
  return { url: new URL(url), method: "POST", headers: [], body: "{}", ...more };
}

const get = (url: string, headers: EventRequest["headers"] = []) =>
  requestOf(url, { method: "GET", body: undefined, headers });

/** What one answer makes of one POST. */
async function attempt(
  answer: Answer,
  more: Partial<EventRequest> = {},
  options: Partial<SenderOptions> = {},
): Promise<Attempt> {
  await using endpoint = startEndpoint(answer);
  using sender = sending(options);
  return await sender.send(requestOf(endpoint.url, more), "id");
}

/** A sink that remembers. */
function collecting(): AnswerSink & { readonly chunks: Uint8Array[]; readonly length: number } {
  const chunks: Uint8Array[] = [];
  return {
    chunks,
    get length() {
      return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    },
    write: (bytes) => void chunks.push(bytes),
  };
}

Deno.test("a request has our headers, and the event's own in their place", async () => {
  await using endpoint = startEndpoint();
  using sender = sending();
  const headers: EventRequest["headers"] = [["user-agent", "mine"], ["x-a", "é"]];
  await sender.send(requestOf(`${endpoint.url}/p`, { headers, body: "[1.0]" }), "the-id");
  await sender.send(get(endpoint.url), "another");
  const [post, bare] = endpoint.taken;
  const seen = (names: string[]) => names.map((name) => post!.headers.get(name));
  assertEquals([post!.method, post!.path, post!.body], ["POST", "/p", "[1.0]"]);
  assertEquals(seen(["idempotency-key", "user-agent", "content-type", "x-a", "accept-encoding"]), [
    "the-id",
    "mine",
    "application/json",
    "é",
    "identity",
  ]);
  assertEquals([bare!.method, bare!.headers.get("content-type")], ["GET", null]);
  assert(bare!.headers.get("user-agent")!.startsWith("optimizelyd-maildir/"));
});

Deno.test("an answer decides by the table of outcomes and its exceptions", async () => {
  const outcomes: [status: number, outcome: string][] = [
    [200, "delivered"],
    [204, "delivered"],
    [302, "deferred"],
    [400, "refused"],
    [401, "deferred"],
    [404, "delivered"],
    [429, "deferred"],
    [503, "deferred"],
  ];
  const onStatus = new Map([[404, "delivered"]] as const);
  for (const [status, outcome] of outcomes) {
    const { ms, ...rest } = await attempt(() => new Response(null, { status }), {}, { onStatus });
    assertEquals([rest.outcome, rest.status], [outcome, status]);
    assert(ms >= 0);
  }
});

Deno.test("an answer that isn't a success is quoted, its first kilobyte, and told in one sentence", async () => {
  const { ms: _, phases: _phases, ...rest } = await attempt(() =>
    new Response("é".repeat(10_000), { status: 400 })
  );
  assertEquals(rest, {
    outcome: "refused",
    status: 400,
    reason: "the endpoint answered 400 Bad Request",
    answer: "é".repeat(512),
  });
  const headers = { location: "https://u:p@b.example/secret?token=1" };
  const { reason } = await attempt(() => new Response(null, { status: 302, headers }));
  assertStringIncludes(reason, "redirects are not followed (to https://b.example)");
});

Deno.test("a wish to wait is the event's; the destination's too, unless one event was refused", async () => {
  const wishes = async (status: number) => {
    const headers = { "retry-after": "7" };
    const { retryAfterMs, pauseMs } = await attempt(() => new Response(null, { status, headers }));
    return [retryAfterMs, pauseMs];
  };
  for (const status of [429, 500, 503, 302]) assertEquals(await wishes(status), [7_000, 7_000]);
  for (const status of [400, 404, 408, 409, 425]) {
    assertEquals(await wishes(status), [7_000, undefined]);
  }
  assertEquals(await wishes(200), [undefined, undefined]);
});

Deno.test("what an endpoint repeats of our credentials is masked, also where the kilobyte ends", async () => {
  const authorization = `Basic ${btoa("alice:hunter2")}`;
  const headers: EventRequest["headers"] = [
    ["authorization", authorization],
    ["x-api-key", "k-12345"],
  ];
  const echo: Answer = ({ headers }) => {
    const text = `${headers.get("authorization")} alice:hunter2 k-12345 `;
    return new Response(`${text.padEnd(1_020, "x")}hunter2`, { status: 400 });
  };
  const { answer } = await attempt(echo, { headers });
  assertEquals(answer, `… … … ${"x".repeat(answer!.length - 7)}…`);
});

Deno.test("the words of a status line and a redirect are masked, safe to print, and not endless", () => {
  const outgoing: HttpRequest = {
    url: new URL("https://a.example/"),
    method: "POST",
    headers: [["x-api-key", "k-12345"]],
    body: "{}",
  };
  const reasonOf = (status: number, statusText: string, location = "") => {
    const body = { kind: "quoted", bytes: new Uint8Array(), isCut: false } as const;
    const headers = new Headers({ location });
    return conclude(denoRuntime(), outgoing, "deferred", { status, statusText, headers, body })
      .reason;
  };
  assertEquals(reasonOf(400, "no k-12345\u009b"), "the endpoint answered 400 no …\\u009b");
  assertEquals(reasonOf(400, "x".repeat(60_000)).length, "the endpoint answered 400 ".length + 200);
  assertEquals(
    reasonOf(302, "", "https://k-12345.example/secret"),
    "the endpoint answered 302, redirects are not followed (to https://….example)",
  );
});

Deno.test("an answer keeps its lines, and can't move a cursor or turn what is read around", async () => {
  const { answer } = await attempt(() =>
    new Response("a\r\n\tb\u009b2J\u001b[31m\u202ec\u2066\u200f\u061c", { status: 400 })
  );
  assertEquals(answer, "a\r\n\tb\\u009b2J\\u001b[31m\\u202ec\\u2066\\u200f\\u061c");
});

Deno.test("the answer to a GET is handed on as it comes", async () => {
  let resume = () => {};
  const first = new Promise<void>((resolve) => resume = resolve);
  await using endpoint = startEndpoint(() =>
    new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("one"));
          await first; // else nothing more would ever come
          controller.enqueue(new TextEncoder().encode("two"));
          controller.close();
        },
      }),
      { headers: { "x-a": "b\u009b" } },
    )
  );
  using sender = sending();
  const chunks: string[] = [];
  const sink: AnswerSink = {
    async write(bytes) {
      await Promise.resolve();
      chunks.push(new TextDecoder().decode(bytes));
      resume();
    },
  };
  const { response, ...rest } = await sender.send(get(`${endpoint.url}/p?q`), "id", sink);
  assertEquals([rest.outcome, rest.status, rest.answer], ["delivered", 200, undefined]);
  assertEquals(chunks, ["one", "two"]);
  const { time, headers, ...meta } = response!.meta;
  assertEquals(meta, { url: `${endpoint.url}/p?q`, status: 200, truncated: false });
  assertEquals(headers["x-a"], "b\\u009b");
  assert(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

Deno.test("a huge answer is cut at 16 MiB, and one of exactly that is whole", async () => {
  using sender = sending();
  for (const [extra, truncated] of [[0, false], [1, true]] as const) {
    await using endpoint = startEndpoint(() => new Response(new Uint8Array(16 * MIB + extra)));
    const sink = collecting();
    const { response } = await sender.send(get(endpoint.url), "id", sink);
    assertEquals([sink.length, response!.meta.truncated], [16 * MIB, truncated]);
  }
});

Deno.test("an endless answer nobody asked for is let go of", async () => {
  const chunk = new Uint8Array(MIB);
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
  const { outcome } = await attempt(endless);
  assertEquals(outcome, "delivered");
});

Deno.test("only a success is handed on", async () => {
  await using endpoint = startEndpoint(() => new Response("no", { status: 404 }));
  using sender = sending();
  const sink = collecting();
  const { outcome, answer, response } = await sender.send(get(endpoint.url), "id", sink);
  assertEquals([outcome, answer, response, sink.length], ["refused", "no", undefined, 0]);
});

Deno.test("a sink that can't take the answer defers the event, and says with which error", async () => {
  await using endpoint = startEndpoint(() => new Response(new Uint8Array(MIB)));
  using sender = sending();
  const error = Object.assign(new Error("no space left"), { code: "ENOSPC" });
  const sinks: AnswerSink[] = [
    { write: () => Promise.reject(error) },
    {
      write() {
        throw error;
      },
    },
  ];
  for (const sink of sinks) {
    const { ms: _, phases: _phases, ...rest } = await sender.send(get(endpoint.url), "id", sink);
    assertEquals(rest, {
      outcome: "deferred",
      reason: "the response can't be written to res/: ENOSPC",
      status: 200,
      error,
    });
  }
});

Deno.test("one time limit spans head, body and sink", async () => {
  const slowBody: Answer = () =>
    new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) }),
    );
  await using silent = startEndpoint(HANG);
  await using slow = startEndpoint(slowBody);
  await using quick = startEndpoint(() => new Response("quick"));
  using sender = sending({ timeoutMs: 100 });
  const never: AnswerSink = { write: () => new Promise(() => {}) };
  const attempts = await Promise.all([
    sender.send(get(silent.url), "id"),
    sender.send(get(slow.url), "id", collecting()),
    sender.send(get(quick.url), "id", never),
  ]);
  const far = ["request sent, nothing received", "request sent, its answer began and didn't end"];
  for (const [n, { ms, outcome, reason, isTimeout, reach }] of attempts.entries()) {
    assertEquals([outcome, isTimeout], ["deferred", true]);
    assertEquals(reason, `no answer within 100 ms${n < 2 ? `: ${far[n]}` : ""}`);
    assertEquals(reach, n < 2 ? "unanswered" : undefined);
    assert(ms >= 100 && ms < 5_000, `${ms} ms`);
  }
  // without a sink, or where it isn't a success, the head is the answer
  assertEquals((await sender.send(requestOf(slow.url), "id")).outcome, "delivered");
});

Deno.test("abortAll() calls off what is in flight", async () => {
  await using endpoint = startEndpoint(HANG);
  using sender = sending();
  const attempts = Promise.all([1, 2].map((n) => sender.send(requestOf(endpoint.url), `${n}`)));
  await endpoint.arrived(2);
  sender.abortAll();
  assertEquals((await attempts).map(({ outcome }) => outcome), ["aborted", "aborted"]);
});

Deno.test("what can't be connected to is deferred, with the system's words and without the URL", async () => {
  const { port } = await (async () => {
    await using endpoint = startEndpoint();
    return endpoint;
  })();
  using sender = sending();
  const { outcome, reason, status } = await sender.send(
    requestOf(`http://127.0.0.1:${port}/secret`),
    "id",
  );
  assertEquals([outcome, status], ["deferred", undefined]);
  assert(reason.includes("refused") && !reason.includes("secret"), reason);
});

async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const zipping = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zipping).arrayBuffer());
}

Deno.test("an answer that is compressed although we asked otherwise is kept as it came, and its meta says so", async () => {
  const bytes = await gzipped("hello");
  const headers = { "content-encoding": "gzip" };
  await using endpoint = startEndpoint(() => new Response(bytes, { headers }));
  using sender = sending();
  const kept = async (own: EventRequest["headers"]) => {
    const sink = collecting();
    const { response } = await sender.send(get(endpoint.url, own), "id", sink);
    const body = new Uint8Array(await new Blob(sink.chunks as BlobPart[]).arrayBuffer());
    return { body, encoding: response!.meta.encoding };
  };
  assertEquals(await kept([]), { body: bytes, encoding: "gzip" });
  // an event that asks for it gets it decoded
  const hello = new TextEncoder().encode("hello");
  assertEquals(await kept([["accept-encoding", "gzip"]]), { body: hello, encoding: undefined });
});
