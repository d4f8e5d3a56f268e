/**
 * What one peer, and all of them together, may take of us.
 *
 * @module
 */

/** Limits of a server. */
export interface Limits {
  /** Connections at most; who comes then waits in the system's queue. @default {256} */
  readonly connections: number;
  /**
   * Longest a head takes from its first byte, or a new connection's first byte. @default {10_000}
   */
  readonly headMs: number;
  /** Longest a body takes. @default {30_000} */
  readonly bodyMs: number;
  /** Longest silence in the middle of a request. @default {10_000} */
  readonly silenceMs: number;
  /** Longest pause between two requests of a connection. @default {60_000} */
  readonly idleMs: number;
  /** Longest that a peer takes nothing of its answer. @default {30_000} */
  readonly answerMs: number;
  /**
   * How long a peer that is sent away may go on sending until it sees its answer. @default {1_000}
   */
  readonly lingerMs: number;
  /**
   * When there are too many connections: how long one must have been silent to be ended in favour
   * of the next. @default {1_000}
   */
  readonly patienceMs: number;
}

/** The limits unless told otherwise. */
export const DEFAULT_LIMITS: Limits = {
  connections: 256,
  headMs: 10_000,
  bodyMs: 30_000,
  silenceMs: 10_000,
  idleMs: 60_000,
  answerMs: 30_000,
  lingerMs: 1_000,
  patienceMs: 1_000,
};
