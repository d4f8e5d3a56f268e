/**
 * One attempt: an event's request goes out, and what came of it is a value.
 *
 * A line of steps, each a function with plain data on both sides:
 *
 * | step | file | from → to |
 * | --- | --- | --- |
 * | defaults | `defaults.ts` | an event's request → a request with all of its headers |
 * | auth, compression, signature | none yet | a request → a request, in this order |
 * | egress | `egress.ts` | a request → whether it may go there |
 * | send | `exchange.ts` | a request → a `Response`, its body unread |
 * | receive | `receive.ts` | a `Response` → status, headers, and what became of the body |
 * | outcome | `conclude.ts`, `failed.ts` | that, or what was thrown → an attempt |
 *
 * A response can't hurt: one time limit spans the whole attempt, and no more of a body is read than
 * is of use.
 *
 * @module
 */

import type { EventRequest } from "../event/request.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AnswerSink, Attempt } from "./attempt.ts";
import { conclude, type Result } from "./conclude.ts";
import { type Deadline, Deadlines } from "./deadlines.ts";
import { type Outgoing, withDefaults } from "./defaults.ts";
import { Egress, forbidden } from "./egress.ts";
import { exchange } from "./exchange.ts";
import { failed } from "./failed.ts";
import { type Outcome, outcomeOfStatus } from "./outcome.ts";
import { receive, type Use } from "./receive.ts";

export type { AnswerSink, Attempt } from "./attempt.ts";
export { forbidden } from "./egress.ts";

/** How to send. */
export interface SenderOptions {
  /** Time limit of one attempt, body included. */
  readonly timeoutMs: number;
  /** Exceptions from the status table. */
  readonly onStatus: ReadonlyMap<number, Outcome>;
}

/** What a sender needs of the world. */
export type SenderRuntime = Pick<
  Runtime,
  "clock" | "closeIdle" | "decodes" | "fetch" | "mayReach"
>;

/** Sends events. */
export class Sender {
  readonly #runtime: SenderRuntime;
  readonly #options: { readonly current: SenderOptions };
  readonly #egress: Egress;
  /** By their length, which may change meanwhile. */
  readonly #deadlines = new Map<number, Deadlines>();

  /** @param options Those that are current when an attempt begins count for it. */
  constructor(runtime: SenderRuntime, options: { readonly current: SenderOptions }) {
    this.#runtime = runtime;
    this.#options = options;
    this.#egress = new Egress(runtime);
  }

  /** Whether this process may talk to the destination at all. */
  mayReach(url: URL): boolean {
    return this.#egress.allows(url);
  }

  /**
   * Send once. Never rejects for what the network, the endpoint or the sink does.
   *
   * @param id Sent as `Idempotency-Key`.
   * @param sink Where the body of a 2xx goes, its first 16 MiB; without one it is dropped.
   */
  async send(request: EventRequest, id: string, sink?: AnswerSink): Promise<Attempt> {
    const { clock } = this.#runtime;
    const startMs = clock.monotonic();
    const options = this.#options.current;
    const deadline = this.#deadlinesOf(options.timeoutMs).start(startMs);
    try {
      const result = await this.#attempt(withDefaults(request, id), options, deadline, sink);
      return Object.assign(result, { ms: clock.monotonic() - startMs });
    } finally {
      deadline.clear();
    }
  }

  #deadlinesOf(timeoutMs: number): Deadlines {
    let deadlines = this.#deadlines.get(timeoutMs);
    if (!deadlines) {
      this.#deadlines.set(timeoutMs, deadlines = new Deadlines(this.#runtime.clock, timeoutMs));
    }
    return deadlines;
  }

  async #attempt(
    outgoing: Outgoing,
    options: SenderOptions,
    deadline: Deadline,
    sink: AnswerSink | undefined,
  ): Promise<Result> {
    const { url } = outgoing;
    if (!this.#egress.allows(url)) return { outcome: "refused", reason: forbidden(url) };
    let isAnswered = false;
    try {
      const response = await exchange(this.#runtime, outgoing, deadline.signal);
      isAnswered = true;
      const outcome = outcomeOfStatus(response.status, options.onStatus);
      const receiving = receive(response, useOf(response, outcome, sink), deadline.signal);
      const received = receiving instanceof Promise ? await receiving : receiving;
      return conclude(this.#runtime, outgoing, outcome, received);
    } catch (error) {
      const { timeoutMs } = options;
      const result = failed({ error, isAnswered, url, deadline, timeoutMs });
      // others' idle connections are the first thing to do without
      if (result.outcome === "crowded") this.#runtime.closeIdle?.();
      return result;
    }
  }

  /** Call off every attempt in flight; each ends as `"aborted"`. */
  abortAll(): void {
    for (const deadlines of this.#deadlines.values()) deadlines.abortAll();
  }

  /** Let go of the timer and of idle connections. Nothing may be in flight. */
  close(): void {
    for (const deadlines of this.#deadlines.values()) deadlines.close();
    this.#runtime.closeIdle?.();
  }
}

/** What becomes of the body of a response. */
function useOf({ status }: Response, outcome: Outcome, sink: AnswerSink | undefined): Use {
  if (outcome !== "delivered") return "quote";
  return sink && status >= 200 && status <= 299 ? sink : "drop";
}
