/**
 * What a consumer has to say beside the fate of events: what the disk refuses, and what isn't an
 * event.
 *
 * @module
 */

import type { NotAnEvent } from "../queue/store/listing.ts";
import { errorCode } from "../runtime/runtime.ts";
import type { Trace } from "./trace.ts";

/** Most paths remembered as told. */
const MOST_TOLD = 10_000;

const NOT_AN_EVENT: Readonly<Record<Exclude<NotAnEvent, "dot file">, string>> = {
  directory: "a folder, not an event file",
  symlink: "a symlink, not an event file; it is not followed",
  other: "a socket, FIFO or device, not an event file",
  unreachable: "its name is not UTF-8 and can't be reached from here; rename it",
};

/** Tells the trace. */
export class Reporter {
  readonly #trace: Trace;
  readonly #told = new Set<string>();

  /** @param trace Where to. */
  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /**
   * Report what the disk refused.
   *
   * @throws What isn't a disk's error: a bug.
   */
  trouble(verb: string, error: unknown, reason: string): void {
    const code = errorCode(error);
    if (code === undefined) throw error;
    this.#trace({ type: "disk-trouble", verb, code, reason });
  }

  /** Report a name that isn't an event's; dot files don't exist. */
  other(path: string, why: NotAnEvent): void {
    if (why !== "dot file") this.skipped(path, NOT_AN_EVENT[why]);
  }

  /** Report a path that is left alone, once. */
  skipped(path: string, reason: string): void {
    if (this.#told.has(path)) return;
    if (this.#told.size >= MOST_TOLD) this.#told.clear();
    this.#told.add(path);
    this.#trace({ type: "skipped", path, reason });
  }
}
