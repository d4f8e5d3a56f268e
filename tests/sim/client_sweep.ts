/**
 * The sweep of the client: an endpoint that ends or breaks its connection at every byte of an
 * answer, of the first request over a connection and of the second, whole or cut into bytes. What
 * it took and what it answered is on record, and what the sender made of it is held against that.
 *
 * Every answer names its request, so that no answer can be taken for another's.
 *
 * @module
 */

import type { AnswerSink, Attempt, Sender } from "../../lib/http/sender.ts";
import type { SimPeer } from "./sockets.ts";
import { World } from "./world.ts";

/** The client, or a mutant of it. */
export interface Client {
  readonly Sender: typeof Sender;
}

/** What an endpoint says, given the number of the request. */
export interface SweptAnswer {
  readonly name: string;
  readonly text: (n: number) => string;
  /** What it means: a status and a body, or nothing at all. */
  readonly means: { readonly status: number; readonly body: string } | undefined;
  /** What it says without being asked, after an answer, and when: together with it, or later. */
  readonly stray?: { readonly text: string; readonly afterMs: number };
}

const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
const STRAY = head("HTTP/1.1 200 OK", "x-n: stray", "content-length: 0");

/** The answers that are tried. */
export const SWEPT: readonly SweptAnswer[] = [
  {
    name: "204",
    text: (n) => head("HTTP/1.1 204 No Content", `x-n: ${n}`),
    means: { status: 204, body: "" },
  },
  {
    name: "a length",
    text: (n) => head("HTTP/1.1 200 OK", `x-n: ${n}`, "content-length: 5") + "hello",
    means: { status: 200, body: "hello" },
  },
  {
    name: "chunks",
    text: (n) =>
      head("HTTP/1.1 200 OK", `x-n: ${n}`, "transfer-encoding: chunked") +
      "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    means: { status: 200, body: "hello" },
  },
  {
    name: "an interim answer",
    text: (n) =>
      head("HTTP/1.1 103 Early Hints", "link: </a>") +
      head("HTTP/1.1 200 OK", `x-n: ${n}`, "content-length: 5") + "hello",
    means: { status: 200, body: "hello" },
  },
  {
    name: "a refusal",
    text: (n) => head("HTTP/1.1 404 Not Found", `x-n: ${n}`, "content-length: 5") + "hello",
    means: { status: 404, body: "" },
  },
  {
    name: "a length and chunks",
    text: (n) =>
      head("HTTP/1.1 200 OK", `x-n: ${n}`, "content-length: 5", "transfer-encoding: chunked") +
      "5\r\nhello\r\n0\r\n\r\n",
    means: undefined,
  },
  {
    name: "more than was announced",
    text: (n) => head("HTTP/1.1 200 OK", `x-n: ${n}`, "content-length: 5") + "hello",
    means: { status: 200, body: "hello" },
    stray: { text: STRAY, afterMs: 0 },
  },
  {
    name: "something nobody asked for",
    text: (n) => head("HTTP/1.1 204 No Content", `x-n: ${n}`),
    means: { status: 204, body: "" },
    stray: { text: STRAY, afterMs: 100 },
  },
];

/** Where a run breaks. */
export interface Break {
  /** Of which request over the first connection, from 0; -1 for none. */
  readonly nth: number;
  /** After how many bytes of its answer. */
  readonly at: number;
  readonly how: "end" | "reset";
  /** Whether bytes come one by one. */
  readonly isCut: boolean;
}

/** Requests of a run. */
const REQUESTS = 3;

interface Taken {
  readonly n: number;
  /** Whether it came over a connection that had answered before. */
  readonly isUsed: boolean;
  /** How many bytes of its answer were sent. */
  readonly sent: number;
  readonly isWhole: boolean;
}

/** What is not as promised in one run, as sentences. */
export async function runBroken(
  { Sender }: Client,
  answer: SweptAnswer,
  { nth: brokenNth, at, how, isCut }: Break,
): Promise<readonly string[]> {
  const world = new World();
  const taken: Taken[] = [];
  let connections = 0;
  world.sockets.peers.set("a.test", async (peer: SimPeer) => {
    const connection = connections++;
    for (let nth = 0;; nth++) {
      const request = await peer.receiveUntil("\r\n\r\n");
      const n = Number(/idempotency-key: (\d+)/.exec(request)?.[1]);
      if (!request.endsWith("\r\n\r\n")) return;
      const text = answer.text(n);
      const breaks = connection === 0 && nth === brokenNth;
      const sent = breaks ? Math.min(at, text.length) : text.length;
      taken.push({ n, isUsed: nth > 0, sent, isWhole: sent === text.length });
      const { stray } = answer;
      const isTogether = stray?.afterMs === 0 && !breaks;
      peer.send(text.slice(0, sent) + (isTogether ? stray.text : ""));
      if (breaks) return peer[how]();
      if (stray && !isTogether) {
        await world.time.sleep(stray.afterMs, world);
        peer.send(stray.text);
      }
    }
  });
  if (isCut) world.network.cut = () => 1;
  const sender = new Sender(world.process().runtime, {
    of: () => ({ timeoutMs: 30_000, onStatus: new Map() }),
  });
  const found: string[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    let body = "";
    const sink: AnswerSink = { write: (bytes) => void (body += String.fromCharCode(...bytes)) };
    const url = new URL("http://a.test/");
    const request = { url, method: "GET", headers: [], body: undefined };
    const attempt = await world.run(sender.send(request, `${n}`, sink));
    found.push(...faultsOf(answer, n, attempt, body, taken.filter((each) => each.n === n)));
    await world.advance(200);
  }
  sender.close();
  return found;
}

function faultsOf(
  { means }: SweptAnswer,
  n: number,
  { outcome, status, response, reason }: Attempt,
  body: string,
  taken: readonly Taken[],
): string[] {
  const found: string[] = [];
  const last = taken.at(-1);
  if (taken.length > 2) found.push(`${n} was sent ${taken.length} times`);
  if (taken.length === 2 && !(taken[0]!.isUsed && taken[0]!.sent === 0)) {
    found.push(`${n} was sent again after ${taken[0]!.sent} bytes of an answer`);
  }
  const isAnswered = last?.isWhole === true && means !== undefined;
  if (isAnswered && status !== means.status) {
    found.push(`${n} was answered ${means.status}, told is ${outcome} ${status} ${reason}`);
  }
  if (isAnswered && body !== means.body) found.push(`of ${n} is kept: ${body}`);
  if (outcome === "delivered") {
    const whose = response?.meta.headers["x-n"];
    if (!isAnswered) found.push(`${n} is delivered without an answer`);
    else if (whose !== `${n}`) found.push(`${n} is delivered by the answer to ${whose}`);
  }
  return found;
}

/** All runs; what is not as promised in the first that is not. */
export async function sweepClient(
  client: Client,
): Promise<{ readonly runs: number; readonly found: readonly string[] }> {
  let runs = 0;
  for (const answer of SWEPT) {
    const { length } = answer.text(0);
    const breaks: Break[] = [false, true].map((isCut) => ({ nth: -1, at: 0, how: "end", isCut }));
    for (const nth of [0, 1]) {
      for (let at = 0; at <= length; at++) {
        breaks.push({ nth, at, how: (at + nth) % 2 === 0 ? "end" : "reset", isCut: at % 7 === 0 });
      }
    }
    for (const each of breaks) {
      runs++;
      const found = await runBroken(client, answer, each);
      const where = `${answer.name}, ${JSON.stringify(each)}`;
      if (found.length > 0) return { runs, found: found.map((fault) => `${where}: ${fault}`) };
    }
  }
  return { runs, found: [] };
}
