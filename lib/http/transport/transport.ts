/**
 * What carries a request to its endpoint and brings the answer: the steps of an attempt know no
 * more of the network than this.
 *
 *     sockets.ts   over connections: strict, fast, says what was sent and how far it came
 *     fetch.ts     over the runtime's `fetch`: proxies, HTTP/2, every platform
 *
 * @module
 */

import type { Awaitable, FetchTerms } from "../../runtime/runtime.ts";
import type { EgressRules } from "../egress_rules.ts";
import type { HttpRequest } from "../step.ts";

/** The headers of an answer, as those of the Fetch standard. */
export interface AnswerHeaders extends Iterable<[name: string, value: string]> {
  /** The value of a header by its lower-case name; several lines are joined by `, `. */
  get(name: string): string | null;
}

/** The body of an answer, in pieces. */
export interface AnswerBody {
  /**
   * The next piece, good until the next call; `undefined` at the end, once.
   *
   * @throws What breaks it off.
   */
  read(): Awaitable<Uint8Array | undefined>;
  /** Want no more of it. At its end it does nothing. */
  cancel(): void;
}

/** An answer whose head has come. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** The reason phrase. */
  readonly statusText: string;
  /** All headers. */
  readonly headers: AnswerHeaders;
  /** `null` where there is none. Else it must be read to its end, or cancelled. */
  readonly body: AnswerBody | null;
  /** Whether its body is as it came: not decoded, whatever the runtime's `fetch` does. */
  readonly isRaw?: boolean;
  /** How long its parts took, where the transport knows. */
  readonly phases?: Phases;
}

/** How far an attempt came that wasn't answered: certainly not delivered, or who knows. */
export type Reach = "unsent" | "unanswered";

/** How long the parts of an attempt took, ms. Those of a connection only for its first request. */
export interface Phases {
  /** Finding the host's addresses. */
  readonly lookup?: number;
  /** Until there was a connection. */
  readonly connect?: number;
  /** Until it was secure. */
  readonly tls?: number;
  /** From the request to the first byte of the answer. */
  readonly firstByte?: number;
}

/** The code of a {@linkcode TransportError} of which an operator's rules are the cause. */
export const NOT_ALLOWED = "EGRESS";

/** A request that brought no answer. */
export class TransportError extends Error {
  /** The name of the class. */
  override readonly name = "TransportError";
  /** How far it came. */
  readonly reach: Reach;
  /** The system's name of what happened, such as `EMFILE`, or {@linkcode NOT_ALLOWED}. */
  readonly code: string | undefined;

  /** @param message Says what happened; where it was called off, how far it had come. */
  constructor(reach: Reach, message: string, code?: string) {
    super(message);
    this.reach = reach;
    this.code = code;
  }
}

/** What a transport knows of the time limit. */
export interface CallOff {
  /** For what waits for signals. */
  readonly signal: AbortSignal;
  /** Whether time is over, or everything was called off. */
  readonly isOver: boolean;
  /** What is to be called when it is over; the last one given. */
  onOver: (() => void) | undefined;
}

/** How connections with an endpoint are made. */
export interface How {
  /** What is special about it; requests to it have the same value. */
  readonly terms: FetchTerms | undefined;
  /** How long it may take, ms. */
  readonly connectTimeoutMs: number;
  /** To which addresses; for the same rules the same value. */
  readonly egress: EgressRules;
}

/** Sends requests. */
export interface Transport {
  /**
   * Send one request; resolves when the head of the answer has come.
   *
   * @throws {TransportError} Over sockets; else what `fetch` throws.
   */
  send(request: HttpRequest, callOff: CallOff, how: How): Promise<Answer>;
  /** Close the connections that nobody uses. */
  closeIdle(): void;
}
