/**
 * One attempt: an event's request goes out, and what came of it is a value.
 *
 * A line of steps, each a function with plain data on both sides:
 *
 * | step | file | from → to |
 * | --- | --- | --- |
 * | defaults | `defaults.ts` | an event's request → a request with all of its headers |
 * | exchange | `exchange.ts` | a request → one with what its destination wants, and the answer |
 * | · auth | `auth.ts`, `oauth2.ts` | a request → a request that tells who we are |
 * | · compression | `compress.ts` | a request → a request with a smaller body |
 * | · signature | `sign.ts` | a request → a request that is signed |
 * | · send | `transport/` | a request → an answer, its body unread |
 * | receive | `receive.ts` | an answer → status, headers, and what became of the body |
 * | outcome | `conclude.ts`, `failed.ts` | that, or what was thrown → an attempt |
 *
 * Whether an event may go where it wants to is known before there is an attempt: `egress.ts`.
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
import type { ReadSecret } from "./credentials.ts";
import { TimeLimits } from "./deadlines.ts";
import { type DefaultsOptions, withDefaults } from "./defaults.ts";
import { type ExchangeOptions, type ExchangeRuntime, Exchanges } from "./exchange.ts";
import { failed } from "./failed.ts";
import { type Outcome, outcomeOfStatus } from "./outcome.ts";
import { receive, type Use } from "./receive.ts";
import type { Answer } from "./transport/transport.ts";

export type { AnswerSink, Attempt } from "./attempt.ts";

/** How to send. */
export interface SenderOptions extends DefaultsOptions, ExchangeOptions {
  /** Exceptions from the status table. */
  readonly onStatus: ReadonlyMap<number, Outcome>;
}

/** What a sender needs of the world. */
export type SenderRuntime = ExchangeRuntime & Pick<Runtime, "decodes">;

/** How to send to each destination, by its origin. */
export interface OptionsOfDestinations {
  /** As they are at this moment. */
  of(origin: string): SenderOptions;
}

/** Sends events. */
export class Sender {
  readonly #runtime: SenderRuntime;
  readonly #options: OptionsOfDestinations;
  readonly #exchanges: Exchanges;
  readonly #limits: TimeLimits;

  /**
   * @param options Those that are current when an attempt begins count for it.
   * @param readSecret Reads the secrets that they refer to.
   */
  constructor(
    runtime: SenderRuntime,
    options: OptionsOfDestinations,
    readSecret: ReadSecret = noSecrets,
  ) {
    this.#runtime = runtime;
    this.#options = options;
    this.#limits = new TimeLimits(runtime.clock);
    this.#exchanges = new Exchanges(
      runtime,
      (origin) => options.of(origin),
      this.#limits,
      readSecret,
    );
  }

  /**
   * Send once. Never rejects for what the network, the endpoint or the sink does.
   *
   * @param id Sent as `Idempotency-Key`.
   * @param sink Where the body of a 2xx goes, its first 16 MiB; without one it is dropped.
   */
  async send(event: EventRequest, id: string, sink?: AnswerSink): Promise<Attempt> {
    const { clock } = this.#runtime;
    const startMs = clock.monotonic();
    const options = this.#options.of(event.url.origin);
    const { timeoutMs, onStatus } = options;
    const deadline = this.#limits.start(timeoutMs, startMs);
    let request = withDefaults(event, options, id);
    let isAnswered = false;
    let result: Result;
    try {
      const exchanged = await this.#exchanges.send(request, id, deadline, options);
      const { answer, refusesCompression } = exchanged;
      request = exchanged.request;
      isAnswered = true;
      const outcome = outcomeOfStatus(answer.status, onStatus);
      const receiving = receive(answer, useOf(answer, outcome, sink), deadline);
      const received = receiving instanceof Promise ? await receiving : receiving;
      result = conclude(this.#runtime, request, outcome, received);
      if (refusesCompression) result = { ...result, refusesCompression };
    } catch (error) {
      result = failed({ error, isAnswered, url: request.url, deadline, timeoutMs });
      if (result.outcome === "crowded") await this.#freeFiles();
    } finally {
      deadline.clear();
    }
    return Object.assign(result, { ms: clock.monotonic() - startMs });
  }

  /** Others' idle connections are the first thing to do without. */
  async #freeFiles(): Promise<void> {
    this.#exchanges.closeIdle();
    await this.#runtime.clock.sleep(0); // their files are free once what was read has ended
  }

  /** Call off every attempt in flight; each ends as `"aborted"`. */
  abortAll(): void {
    this.#limits.abortAll();
  }

  /** Let go of the timer and of idle connections. Nothing may be in flight. */
  close(): void {
    this.#limits.close();
    this.#exchanges.closeIdle();
  }
}

/** What becomes of the body of an answer. */
function useOf({ status }: Answer, outcome: Outcome, sink: AnswerSink | undefined): Use {
  if (outcome !== "delivered") return "quote";
  return sink && status >= 200 && status <= 299 ? sink : "drop";
}

/** Where nobody has said how to read secrets. */
function noSecrets(): never {
  throw new TypeError("this program reads no secrets");
}
