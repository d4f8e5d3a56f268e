/**
 * The journal: what became of each event, a line an attempt or transition, for people and for the
 * commands that tell an event's story. No decision is ever made from it, so whatever happens to it
 * is harmless: it is not synced, a line may be torn, and what the disk refuses is lost.
 *
 * It is never waited for by whoever delivers: lines gather in memory, and go to the disk once a
 * second, or as soon as there are many. A disk that is too slow for them loses some.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import { jsonLine } from "./lines.ts";
import type { TraceEvent } from "./trace.ts";

/** How long a line waits in memory at most. */
const FLUSH_MS = 1_000;

/** In characters, nearly all of which are a byte; so many are written at once. */
const FULL_LENGTH = 64 * 2 ** 10;

/** While the disk is busy with the last ones, so many gather; further ones are lost. */
const MOST_LENGTH = 16 * FULL_LENGTH;

/** Adds whole lines to the file of the day on which `atMs`, Unix ms, is. */
export type WriteLines = (atMs: number, lines: Uint8Array) => Promise<void>;

/** What a journal is told and tells. */
export interface JournalOptions {
  /** Where its lines go; may reject. */
  readonly write: WriteLines;
  /** Whether there is to be one, at each moment. */
  readonly isWanted: () => boolean;
  /** Told what the disk refused; the lines are lost. */
  readonly onRefused: (error: unknown) => void;
}

/**
 * Whether it is a line of the journal: what befell an event or a destination. What befell the disk
 * is the log's.
 */
function isOfJournal(event: TraceEvent): boolean {
  switch (event.type) {
    case "delivered":
    case "deferred":
    case "dead":
    case "released":
    case "parked":
    case "kept":
    case "taken-over":
    case "lease-lost":
    case "id-replaced":
    case "lane":
      return true;
    case "trace-failed":
    case "skipped":
    case "disk-trouble":
      return false;
  }
}

/** Writes down what a consumer reports. */
export class Journal {
  readonly #options: JournalOptions;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #text = "";
  /** Whether the disk may hold a part of a line, which the next one must not continue. */
  #isTorn = false;
  /** Ends once all that was to be written is, and nothing waits any more. */
  #working: Promise<void> | undefined;
  #fill = new AbortController();

  /** Nothing is done before the first line. */
  constructor(options: JournalOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Write down what was reported, some time soon. Never throws. */
  note(event: TraceEvent): void {
    if (this.#closed.signal.aborted || !isOfJournal(event) || !this.#options.isWanted()) return;
    if (this.#text.length >= MOST_LENGTH) return;
    this.#text += `${jsonLine(event, this.#clock.now())}\n`;
    if (this.#text.length >= FULL_LENGTH) this.#fill.abort();
    this.#working ??= this.#work();
  }

  /** Write what is left; what comes later is lost. Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort("closed");
    this.#fill.abort();
    await this.#working;
  }

  /** Wait until there is enough to write, write it, and again until there is nothing. */
  async #work(): Promise<void> {
    while (this.#text !== "") {
      await this.#clock.sleep(FLUSH_MS, this.#fill.signal);
      if (!this.#closed.signal.aborted) this.#fill = new AbortController();
      const lines = new TextEncoder().encode(`${this.#isTorn ? "\n" : ""}${this.#text}`);
      this.#text = "";
      try {
        await this.#options.write(this.#clock.now(), lines);
        this.#isTorn = false;
      } catch (error) {
        this.#isTorn = true;
        this.#options.onRefused(error);
      }
    }
    this.#working = undefined;
  }
}
