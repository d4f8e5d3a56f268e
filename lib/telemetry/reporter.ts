/**
 * What a store or a consumer has to say beside the fate of events: what the disk refuses, and what
 * is left alone. Told once, and then counted: a folder of a million symlinks is no reason for a
 * million lines, nor is one that can't be looked at once a second.
 *
 * @module
 */

import { type Clock, errorCode } from "../runtime/runtime.ts";
import { PathMemory } from "./path_memory.ts";
import type { DiskTrouble, Skipped, Trace } from "./trace.ts";

/** Most kinds of trouble remembered. */
const MOST_KINDS = 10_000;

/**
 * Of one kind of trouble this many are told in a minute, and the same trouble once; the others are
 * counted.
 */
const MOST_A_MINUTE = 20;
const MINUTE_MS = 60_000;

type Report = DiskTrouble | Skipped;

/** How often one kind of trouble was told and counted. */
interface Count {
  /** Since when, monotonic ms. */
  sinceMs: number;
  /** How often it was told since. */
  told: number;
  /** Of what. */
  readonly subjects: Set<string>;
  /** Not told since. */
  more: number;
  /** The last of those, and whom it befell. */
  untold: { readonly report: Report; readonly subject: string | undefined } | undefined;
}

/** What a trouble is about. */
export interface Subject {
  /** The event's id. */
  readonly id?: string;
  /** A path below the base directory; what it means begins with it. */
  readonly path?: string;
  /** What tells it from others of its kind, where neither does. */
  readonly subject?: string;
}

/** Tells the trace. */
export class Reporter {
  readonly #trace: Trace;
  readonly #clock: Clock;
  readonly #paths = new PathMemory();
  readonly #counts = new Map<string, Count>();

  /** @param trace Where to. */
  constructor(trace: Trace, clock: Clock) {
    this.#trace = trace;
    this.#clock = clock;
  }

  /**
   * Report what the disk refused, and what that means.
   *
   * @throws What isn't a disk's error: a bug.
   */
  trouble(verb: string, error: unknown, reason: string, about: Subject = {}): void {
    const code = errorCode(error);
    if (code === undefined) throw error;
    this.refused(verb, code, reason, about);
  }

  /** As {@linkcode Reporter.trouble}, for an error that nothing expects: nothing ends for it. */
  unexpected(verb: string, error: unknown, reason: string, about: Subject): void {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const code = errorCode(error);
    if (code !== undefined) return this.refused(verb, code, reason, about);
    this.refused(verb, name, `${reason} (unexpected: ${message})`, about);
  }

  /** Report the same of an error of which only the code is known. */
  refused(verb: string, code: string, reason: string, about: Subject = {}): void {
    const { id, path, subject = id ?? path } = about;
    const report: DiskTrouble = {
      type: "disk-trouble",
      verb,
      code,
      reason: path === undefined ? reason : `${path} ${reason}`,
      ...(id === undefined ? {} : { id }),
    };
    this.#tell(`${verb} ${code} ${reason}`, subject, report);
  }

  /** Report a path that is left alone, once. */
  skipped(path: string, reason: string): void {
    if (!this.#paths.isNew(path)) return;
    this.#tell(`skipped ${reason}`, path, { type: "skipped", path, reason });
  }

  /**
   * Tell of what was only counted, once it was a minute ago.
   *
   * @param isLast Whether there is no later.
   */
  flush(isLast = false): void {
    for (const count of this.#counts.values()) {
      const { untold } = count;
      if (!untold || !isLast && !this.#isOver(count)) continue;
      count.more--;
      this.#emit(count, untold.subject, untold.report);
    }
  }

  /** @param subject Told once a minute, where it is known. */
  #tell(kind: string, subject: string | undefined, report: Report): void {
    const count = this.#countOf(kind);
    this.#isOver(count);
    const isTold = subject !== undefined && count.subjects.has(subject);
    if (isTold || count.told >= MOST_A_MINUTE) {
      count.more++;
      count.untold = { report, subject };
      return;
    }
    this.#emit(count, subject, report);
  }

  #emit(count: Count, subject: string | undefined, report: Report): void {
    const { more } = count;
    count.more = 0;
    count.untold = undefined;
    count.told++;
    if (subject !== undefined) count.subjects.add(subject);
    this.#trace(more === 0 ? report : { ...report, more });
  }

  /** Whether a minute is over; then the next begins. */
  #isOver(count: Count): boolean {
    const nowMs = this.#clock.monotonic();
    if (nowMs - count.sinceMs < MINUTE_MS) return false;
    count.sinceMs = nowMs;
    count.told = 0;
    count.subjects.clear();
    return true;
  }

  #countOf(kind: string): Count {
    let count = this.#counts.get(kind);
    if (!count) {
      if (this.#counts.size >= MOST_KINDS) this.#counts.clear();
      const sinceMs = this.#clock.monotonic();
      count = { sinceMs, told: 0, subjects: new Set(), more: 0, untold: undefined };
      this.#counts.set(kind, count);
    }
    return count;
  }
}
