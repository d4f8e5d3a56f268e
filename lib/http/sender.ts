/**
 * One attempt: an event's request goes out, and what came of it is a value.
 *
 * Classified by place, never by a message: what the event's own check let through and `fetch`
 * rejects is the network's fault (deferred), except for what the runtime forbids (refused);
 * whatever the endpoint answered goes through the status table. A response can't hurt: one time
 * limit spans the whole attempt, and no more of a body is kept than is asked for.
 *
 * @module
 */

import type { EventRequest } from "../event/request.ts";
import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import { Deadlines } from "./deadlines.ts";
import { type Outcome, outcomeOfStatus } from "./outcome.ts";
import { parseRetryAfter } from "./schedule.ts";

/** Most of a GET's response that is kept. */
export const LONGEST_RESPONSE_BYTES = 16 * 1024 * 1024;

/** How much of a refusal is kept as `answer`. */
const ANSWER_BYTES = 1024;

/** How much of a body nobody asked for is read so that the connection can be used again. */
const DRAIN_BYTES = 64 * 1024;

/** What came of an attempt. */
export interface Attempt {
  /** How it ended; `"aborted"` when {@linkcode Sender.abortAll} called it off. */
  readonly outcome: Outcome | "aborted";
  /** One sentence somebody can act on. */
  readonly reason: string;
  /** Duration. */
  readonly ms: number;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /** Whether it ended because its time was over. */
  readonly isTimeout?: boolean;
  /** The first kilobyte of an answer that isn't a success. */
  readonly answer?: string;
  /** The endpoint's wish, in ms from now. */
  readonly retryAfterMs?: number;
  /** The response to a GET that was answered 2xx. */
  readonly response?: {
    readonly body: Uint8Array;
    readonly meta: Readonly<Record<string, unknown>>;
  };
}

/** How to send. */
export interface SenderOptions {
  /** Time limit of one attempt, body included. */
  readonly timeoutMs: number;
  /** Exceptions from the status table. */
  readonly onStatus: ReadonlyMap<number, Outcome>;
}

/** Sends events. */
export class Sender {
  readonly #runtime: Pick<Runtime, "clock" | "fetch" | "mayReach">;
  readonly #onStatus: ReadonlyMap<number, Outcome>;
  readonly #timeoutMs: number;
  readonly #deadlines: Deadlines;
  /** By URL object, which events of one endpoint share. */
  readonly #reachable = new WeakMap<URL, boolean>();

  constructor(
    runtime: Pick<Runtime, "clock" | "fetch" | "mayReach">,
    options: SenderOptions,
  ) {
    this.#runtime = runtime;
    this.#onStatus = options.onStatus;
    this.#timeoutMs = options.timeoutMs;
    this.#deadlines = new Deadlines(runtime.clock, options.timeoutMs);
  }

  /** Whether this process may talk to the destination at all. */
  mayReach(url: URL): boolean {
    let may = this.#reachable.get(url);
    if (may === undefined) this.#reachable.set(url, may = this.#runtime.mayReach(url));
    return may;
  }

  /** Send once. Never rejects for what the network or the endpoint does. */
  async send(request: EventRequest, id: string): Promise<Attempt> {
    const { clock } = this.#runtime;
    const startMs = clock.monotonic();
    const deadline = this.#deadlines.start(startMs);
    try {
      const init = initOf(request, id, deadline.signal);
      const response = await this.#runtime.fetch(request.url.href, init);
      const attempt = this.#receive(request, response, startMs);
      return attempt instanceof Promise ? await attempt : attempt;
    } catch (error) {
      const ms = clock.monotonic() - startMs;
      if (deadline.expired) {
        return {
          outcome: "deferred",
          reason: `no answer within ${this.#timeoutMs} ms`,
          ms,
          isTimeout: true,
        };
      }
      if (deadline.signal.aborted) return { outcome: "aborted", reason: "called off", ms };
      if (errorCode(error) === "ENOTCAPABLE") {
        return { outcome: "refused", reason: forbidden(request.url), ms };
      }
      return { outcome: "deferred", reason: networkReason(error), ms };
    } finally {
      deadline.clear();
    }
  }

  /** A promise only when there is something to read. */
  #receive(
    request: EventRequest,
    response: Response,
    startMs: number,
  ): Attempt | Promise<Attempt> {
    const { status } = response;
    const outcome = outcomeOfStatus(status, this.#onStatus);
    if (outcome !== "delivered") return this.#answered(outcome, response, startMs);
    if (request.method === "GET" && status >= 200 && status <= 299) {
      return this.#keep(request.url, response, startMs);
    }
    const done = () => this.#delivered(status, startMs);
    return response.body ? drain(response).then(done) : done();
  }

  #delivered(status: number, startMs: number): Attempt {
    const ms = this.#runtime.clock.monotonic() - startMs;
    return { outcome: "delivered", status, reason: "", ms };
  }

  async #keep(url: URL, response: Response, startMs: number): Promise<Attempt> {
    const kept = await keep(url, response, this.#runtime.clock.now());
    return { ...this.#delivered(response.status, startMs), response: kept };
  }

  async #answered(
    outcome: Outcome,
    response: Response,
    startMs: number,
  ): Promise<Attempt> {
    const { clock } = this.#runtime;
    const { status } = response;
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), clock.now());
    const answer = await answerOf(response);
    return {
      outcome,
      status,
      reason: statusReason(response),
      answer,
      ms: clock.monotonic() - startMs,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }

  /** Call off every attempt in flight; each ends as `"aborted"`. */
  abortAll(): void {
    this.#deadlines.abortAll();
  }

  /** Let go of the timer. Nothing may be in flight. */
  close(): void {
    this.#deadlines.close();
  }
}

/** Why an event can't be sent from here. */
export function forbidden(url: URL): string {
  return `this program may not reach ${url.host}: its network permissions must include it`;
}

const USER_AGENT = `optimizelyd-maildir/${VERSION}`;

function initOf(request: EventRequest, id: string, signal: AbortSignal): RequestInit {
  const headers: [string, string][] = [
    ["accept-encoding", "identity"],
    ["idempotency-key", id],
    ["user-agent", USER_AGENT],
  ];
  if (request.body !== undefined) headers.push(["content-type", "application/json"]);
  const init: RequestInit = {
    method: request.method,
    headers: request.headers.length === 0 ? headers : override(headers, request.headers),
    redirect: "manual",
    signal,
  };
  if (request.body !== undefined) init.body = request.body;
  return init;
}

/** The event's own headers win. */
function override(ours: [string, string][], own: EventRequest["headers"]): [string, string][] {
  const names = new Set(own.map(([name]) => name));
  return [
    ...ours.filter(([name]) => !names.has(name)),
    ...own.map(([name, value]): [string, string] => [name, value]),
  ];
}

function statusReason(response: Response): string {
  const text = response.statusText ? ` ${response.statusText}` : "";
  const location = response.status >= 300 && response.status <= 399
    ? response.headers.get("location")
    : null;
  return `the endpoint answered ${response.status}${text}${
    location ? `, redirects are not followed (to ${originOf(location)})` : ""
  }`;
}

/** Where a redirect points to, without path, query or user info: those may be secrets. */
function originOf(location: string): string {
  return URL.canParse(location) ? new URL(location).origin : "the same host";
}

/** What the system said is in the cause; the URL in it, which may hold secrets, is left out. */
function networkReason(error: unknown): string {
  const said = error instanceof Error ? error.cause ?? error : error;
  const message = said instanceof Error ? said.message : String(said);
  return message.replace(/^error sending request (?:from \S+ )?for (?:url )?.*?\): /, "")
    .replaceAll(/https?:\/\/\S+/g, "...");
}

/** Read at most `limit` bytes and cancel the rest. */
async function readUpTo(
  response: Response,
  limit: number,
): Promise<{ bytes: Uint8Array; truncated: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader && length <= limit) {
    const { value, done } = await reader.read();
    if (done) return { bytes: concat(chunks, length), truncated: false };
    chunks.push(value);
    length += value.length;
  }
  await reader?.cancel();
  return { bytes: concat(chunks, length).subarray(0, limit), truncated: length > limit };
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Read a body nobody asked for; the answer stands whatever becomes of it. */
async function drain(response: Response): Promise<void> {
  try {
    await readUpTo(response, DRAIN_BYTES);
  } catch {
    // cut off or timed out after the 2xx: the event is delivered
  }
}

async function answerOf(response: Response): Promise<string> {
  try {
    const { bytes } = await readUpTo(response, ANSWER_BYTES);
    return new TextDecoder().decode(bytes);
  } catch {
    return "";
  }
}

async function keep(
  url: URL,
  response: Response,
  nowMs: number,
): Promise<NonNullable<Attempt["response"]>> {
  const { bytes, truncated } = await readUpTo(response, LONGEST_RESPONSE_BYTES);
  const meta = {
    url: url.href,
    status: response.status,
    headers: Object.fromEntries(response.headers),
    time: new Date(nowMs).toISOString(),
    truncated,
  };
  return { body: bytes, meta };
}
