/**
 * What an attempt says about its destination, which is not what it says about its event.
 *
 * | outcome of an attempt                                    | verdict     |
 * | -------------------------------------------------------- | ----------- |
 * | delivered, or deferred since its answer wasn't kept here | success     |
 * | deferred: 429, 503                                       | overload    |
 * | deferred: time-out before any status                     | silence     |
 * | deferred: no connection, or it broke                     | unreachable |
 * | deferred: 1xx, 3xx, 401, 403, 407, 408, 425, other 5xx   | failure     |
 * | deferred because the operator wants it: any other status | nothing     |
 * | refused, called off, or our own trouble                  | nothing     |
 *
 * @module
 */

/** What an attempt said about its destination. */
export type Verdict =
  /** It works. */
  | "success"
  /** It says that it has too much to do: 429, 503. */
  | "overload"
  /** It doesn't answer in time, which too much to do may be the reason of. */
  | "silence"
  /** There is no connection to it, or none that holds. */
  | "unreachable"
  /** It answers, and doesn't work. */
  | "failure"
  /** Nothing: the event was refused, the attempt called off, or the trouble is ours. */
  | "nothing";

/** As much of an attempt as a verdict needs. */
export interface Attempted {
  /**
   * How it ended. `aborted`: called off here. `crowded`: too many files are open here, and the
   * destination has no part in it.
   */
  readonly outcome: "delivered" | "deferred" | "refused" | "aborted" | "crowded";
  /** HTTP status, when there was an answer. */
  readonly status?: number | undefined;
  /** Whether it ended because its time was over. */
  readonly isTimeout?: boolean | undefined;
  /** What its answer could not be kept for, when that is why it was deferred. */
  readonly error?: unknown;
}

/** Statuses by which a destination says that it has too much to do. */
const OVERLOADED = new Set([429, 503]);

/** Statuses of 4xx that are about the destination; see the table of outcomes. */
const ABOUT_THE_DESTINATION = new Set([401, 403, 407, 408, 425]);

/** The verdict of an attempt; `undefined` stands for one that did not come about. */
export function verdictOf(attempt: Attempted | undefined): Verdict {
  switch (attempt?.outcome) {
    case "delivered":
      return "success";
    case "deferred":
      return attempt.error === undefined ? verdictOfDeferred(attempt) : "success";
    case "refused":
    case "aborted":
    case "crowded":
    case undefined:
      return "nothing";
  }
}

function verdictOfDeferred({ status, isTimeout }: Attempted): Verdict {
  if (status === undefined) return isTimeout ? "silence" : "unreachable";
  if (OVERLOADED.has(status)) return "overload";
  const isAboutIt = status < 400 || status >= 500 || ABOUT_THE_DESTINATION.has(status);
  return isAboutIt ? "failure" : "nothing";
}
