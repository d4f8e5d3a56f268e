/**
 * An event as it is found in a folder of the queue, and what there is to know of it.
 *
 * @module
 */

import { parseName } from "../name.ts";
import { uuidTimeMs } from "../uuid.ts";

/** The states in which an event can be found, in the order in which they are looked through. */
export const STATES: readonly EventState[] = ["dead", "claimed", "deferred", "ready", "sent"];

/**
 * Given up (`doa/`), in somebody's hands (`cur/`), waiting for a later attempt (`defer/`), ready
 * (`new/`), or delivered and kept (`sent/`).
 */
export type EventState = "dead" | "claimed" | "deferred" | "ready" | "sent";

/** An event, as far as its name tells. */
export interface FoundEvent {
  /** Its state. */
  readonly state: EventState;
  /** Its id. */
  readonly id: string;
  /** The folder it is in, below the base directory. */
  readonly folder: string;
  /** Its name there. */
  readonly name: string;
  /** Attempts begun. */
  readonly attempt: number;
  /**
   * When it is due (ready, deferred), its lease ends (claimed), it died (dead) or was delivered
   * (sent), Unix ms; `undefined` where its name doesn't tell.
   */
  readonly timeMs: number | undefined;
  /** When it was put on the queue, Unix ms; `undefined` for an id that isn't one of ours. */
  readonly enqueuedMs: number | undefined;
}

/** What else there is to know, as far as it is known. */
export interface EventDetail {
  /** The folder name of its destination. */
  readonly destination: string | undefined;
  /** HTTP status of the last answer. */
  readonly status: number | undefined;
  /** Why it died, or what went wrong last. */
  readonly reason: string | undefined;
}

/** An event and what there is to know of it. */
export interface DetailedEvent extends FoundEvent, EventDetail {}

/** The event of a name in a folder. */
export function foundEvent(state: EventState, folder: string, name: string): FoundEvent {
  const { id, attempt, timeMs } = parseName(name);
  return { state, id, folder, name, attempt, timeMs, enqueuedMs: uuidTimeMs(id) };
}
