/**
 * Delivering what is on a queue to a function instead of the network.
 *
 * It is done by a real consumer: claims, outcomes, retries and dead letters are what they will be.
 * Only the answers are the test's, and the time, so that nobody has to wait for a retry.
 *
 * @module
 */

import type { ConsumerOptions } from "../config/consumer.ts";
import { Consumer } from "../consumer/consumer.ts";
import { Queue } from "../queue/queue.ts";
import { Maildir } from "../queue/store/maildir_store.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TraceEvent } from "../telemetry/trace.ts";

/** A request that would have been sent. */
export interface SentRequest {
  /** The event's id, which is sent as `Idempotency-Key`. */
  readonly id: string;
  /** Where to. */
  readonly url: string;
  /** HTTP method. */
  readonly method: string;
  /** Its headers; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its body, as text; empty for none. */
  readonly body: string;
}

/** An event that was tried, and not delivered. */
export interface Undelivered {
  /** Its id. */
  readonly id: string;
  /** Why, in a sentence. */
  readonly reason: string;
}

/** What became of what was due. */
export interface Drained {
  /** What was delivered, in the order in which it was sent. */
  readonly delivered: readonly SentRequest[];
  /** What is tried again later: drain once more with `laterMs`. */
  readonly deferred: readonly Undelivered[];
  /** What never will be: it is in `doa/`. */
  readonly dead: readonly Undelivered[];
}

/**
 * Answers a request: with a status, a response, or nothing for 204. `Response.error()` stands for a
 * connection that fails. What it throws ends the test: {@linkcode drain} throws it on.
 */
export type Handler = (
  request: SentRequest,
) => number | Response | void | Promise<number | Response | void>;

/** How to drain. */
export interface DrainOptions {
  /** By how much the clock is ahead, ms: what waits for its next attempt is due then. @default 0 */
  readonly laterMs?: number;
  /** Options of the consumer, such as `onStatus`. @default {} */
  readonly consumer?: Omit<ConsumerOptions, "merge" | "trace" | "transport">;
}

/**
 * Try once whatever is due on a queue.
 *
 * @param handler The endpoint; it answers 204 unless told otherwise.
 * @throws What the handler throws, the first of it.
 * @throws {RangeError} If an option of the consumer is out of its range.
 */
export async function drain(
  queue: Queue,
  handler: Handler = () => {},
  { laterMs = 0, consumer: options = {} }: DrainOptions = {},
): Promise<Drained> {
  const endpoint = new ScriptedEndpoint(handler);
  const runtime = withEndpoint(queue.place.runtime, endpoint, laterMs);
  const same = await Queue.open(queue.place.base, runtime);
  const told: TraceEvent[] = [];
  const consumer = new Consumer(new Maildir(same), {
    keepLogMs: 0,
    ...options,
    transport: "fetch",
    trace: (event) => void told.push(event),
  });
  await consumer.run("once");
  if (endpoint.failure) throw endpoint.failure.error;
  const ids = new Set(told.flatMap((each) => each.type === "delivered" ? [each.id] : []));
  const undelivered = (type: "deferred" | "dead") =>
    told.flatMap((each) => each.type === type ? [{ id: each.id, reason: each.reason }] : []);
  return {
    delivered: endpoint.requests.filter(({ id }) => ids.has(id)),
    deferred: undelivered("deferred"),
    dead: undelivered("dead"),
  };
}

/** An endpoint that is a function. */
class ScriptedEndpoint {
  readonly requests: SentRequest[] = [];
  failure: { readonly error: unknown } | undefined;
  readonly #handler: Handler;

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  /** As `Runtime.fetch`. */
  async answer(url: string, init: RequestInit): Promise<Response> {
    const { method, headers, body } = new Request(url, init);
    const request: SentRequest = {
      id: headers.get("idempotency-key") ?? "",
      url,
      method,
      headers: Object.fromEntries(headers),
      body: body === null ? "" : await new Response(body).text(),
    };
    this.requests.push(request);
    let answer: number | Response | void;
    try {
      answer = await this.#handler(request);
    } catch (error) {
      this.failure ??= { error };
      throw error;
    }
    const response = typeof answer === "object"
      ? answer
      : new Response(null, { status: answer ?? 204 });
    if (response.type === "error") throw new TypeError("the handler lets the connection fail");
    return response;
  }
}

/** The world with this endpoint in the place of the network, so much later. */
function withEndpoint(runtime: Runtime, endpoint: ScriptedEndpoint, laterMs: number): Runtime {
  const { lookup: _, connect: __, proxies: ___, ...rest } = runtime;
  return {
    ...rest,
    clock: { ...runtime.clock, now: () => runtime.clock.now() + laterMs },
    fetch: (url, init) => endpoint.answer(url, init),
    mayReach: () => true,
  };
}
