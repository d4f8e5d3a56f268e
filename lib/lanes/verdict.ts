/**
 * What an attempt says about its destination, which is not what it says about its event.
 *
 * @module
 */

import type { Verdict } from "./lane.ts";
import type { Attempt } from "../http/sender.ts";

/** Statuses by which a destination says that it has too much to do. */
const OVERLOADED = new Set([429, 503]);

/** Statuses that are about the destination, beside 3xx and 5xx; see the table of outcomes. */
const ABOUT_THE_DESTINATION = new Set([401, 403, 407, 408, 425, 429]);

/** Outcomes in which the destination has no part, or that are about the event alone. */
const NOTHING = new Set<Attempt["outcome"]>(["aborted", "crowded", "refused"]);

/** The verdict of an attempt; `undefined` stands for one that did not come about. */
export function verdictOf(attempt: Attempt | undefined): Verdict {
  if (!attempt || NOTHING.has(attempt.outcome)) return "nothing";
  // an answer that could not be kept was one all the same
  if (attempt.outcome === "delivered" || "error" in attempt) return "success";
  const { status } = attempt;
  if (status === undefined) return attempt.isTimeout ? "overload" : "failure";
  if (OVERLOADED.has(status)) return "overload";
  const isAboutIt = status < 400 || status >= 500 || ABOUT_THE_DESTINATION.has(status);
  return isAboutIt ? "failure" : "nothing";
}
