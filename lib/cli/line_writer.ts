/**
 * Lines to a stream, many in one write: a log of 20,000 lines a second costs ten writes.
 *
 * The first line goes out at once, further ones after a pause. Nothing that is written is lost on a
 * normal exit, which awaits {@linkcode LineWriter.flush}. A reader that has gone silences the
 * writer: a log nobody reads doesn't end a delivery. One that stalls makes it drop lines once 16 Mi
 * characters wait, and say how many, rather than eat the memory.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import type { Output } from "./io.ts";

/** Pause between two writes. */
const PAUSE_MS = 100;
/** Characters that wait at most for a stalled reader. */
const LONGEST_BACKLOG = 2 ** 24;

/** Writes lines, coalesced. */
export class LineWriter {
  readonly #output: Pick<Output, "write">;
  readonly #clock: Pick<Clock, "sleep">;
  #pending = "";
  #dropped = 0;
  #isSilent = false;
  #hurry = new AbortController();
  #writing: Promise<void> | undefined;

  /**
   * Starts with nothing to write.
   *
   * @param clock Times the pauses.
   */
  constructor(output: Pick<Output, "write">, clock: Pick<Clock, "sleep">) {
    this.#output = output;
    this.#clock = clock;
  }

  /** Write a line; `text` has no line break. Never throws. */
  line(text: string): void {
    if (this.#isSilent) return;
    if (this.#pending.length > LONGEST_BACKLOG) {
      this.#dropped++;
      return;
    }
    this.#pending += `${text}\n`;
    this.#writing ??= this.#write();
  }

  /** Resolves once every line so far is written, or the reader has gone. Never rejects. */
  async flush(): Promise<void> {
    this.#hurry.abort();
    await this.#writing;
    this.#hurry = new AbortController();
  }

  async #write(): Promise<void> {
    await undefined; // lines of the same turn go along
    while (this.#pending !== "") {
      const text = this.#take();
      try {
        await this.#output.write(text);
      } catch {
        this.#isSilent = true;
        this.#pending = "";
      }
      await this.#clock.sleep(PAUSE_MS, this.#hurry.signal);
    }
    this.#writing = undefined;
  }

  #take(): string {
    const text = this.#pending;
    this.#pending = this.#dropped === 0 ? "" : `${this.#dropped} lines were dropped here\n`;
    this.#dropped = 0;
    return text;
  }
}
