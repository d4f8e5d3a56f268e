/**
 * What came of one attempt: a value, whatever the network or the endpoint did.
 *
 * @module
 */

import type { Awaitable } from "../runtime/runtime.ts";
import type { Outcome } from "./outcome.ts";
import type { Phases, Reach } from "./transport/transport.ts";

/** What came of an attempt. */
export interface Attempt {
  /**
   * How it ended. `"aborted"`: it was called off. `"crowded"`: this process has too many files open
   * to connect, so nothing was sent and the destination has no part in it.
   */
  readonly outcome: Outcome | "aborted" | "crowded";
  /** One sentence somebody can act on; `""` when the event was delivered. */
  readonly reason: string;
  /** Duration. */
  readonly ms: number;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /**
   * How far a request came that wasn't answered, where the transport knows: `"unsent"` is certainly
   * not delivered, `"unanswered"` may have been.
   */
  readonly reach?: Reach | undefined;
  /** How long its parts took, where the transport knows. */
  readonly phases?: Phases | undefined;
  /** Whether it ended because its time was over. */
  readonly isTimeout?: boolean;
  /** The first kilobyte of an answer that isn't a success; shows no secret of the request. */
  readonly answer?: string;
  /** Whether it has just turned out that the endpoint doesn't take compressed bodies. */
  readonly refusesCompression?: true;
  /** How long the endpoint wants to be spared this event, ms from now. */
  readonly retryAfterMs?: number;
  /** How long the endpoint wants to be spared all events, ms from now. */
  readonly pauseMs?: number;
  /** Of an answer that was handed to a sink as a whole. */
  readonly response?: { readonly meta: ResponseMeta };
  /** What the sink threw, when that is why the event was deferred. */
  readonly error?: unknown;
}

/** What is known of an answer beside its body; goes into its `.meta`. */
export interface ResponseMeta extends Readonly<Record<string, unknown>> {
  /** Where the request went, without user info. */
  readonly url: string;
  /** HTTP status. */
  readonly status: number;
  /** Its headers; they show no secret of the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** When it was whole, ISO 8601. */
  readonly time: string;
  /** Whether the body was longer than what was handed on. */
  readonly truncated: boolean;
  /** How the body is encoded still, although nobody asked for it: `gzip`, say. */
  readonly encoding?: string;
}

/** Where the body of an answer goes as it comes. */
export interface AnswerSink {
  /**
   * Take the next bytes. No other call is made before it has resolved; one that is under way when
   * the attempt is called off is not waited for.
   */
  write(bytes: Uint8Array): Awaitable<void>;
}
