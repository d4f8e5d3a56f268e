/**
 * A progress line for what is usually done at once: it appears on a terminal, and only when it
 * takes a while.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import type { Output } from "./io.ts";
import { formatCount, Progress } from "./progress.ts";

/** What is done by then needs no progress. */
const PATIENCE_MS = 1_000;

/**
 * Timers and the terminal get their turn this often: the disk may answer without ever letting go.
 */
const TURN_MS = 100;

/** Shows a count that grows. */
export class Lengthy {
  readonly #output: Output;
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  readonly #what: string;
  readonly #startMs: number;
  #turnMs: number;
  #progress: Progress | undefined;

  /**
   * Starts silently.
   *
   * @param what Said after the count, such as `names counted`.
   */
  constructor(output: Output, clock: Pick<Clock, "monotonic" | "sleep">, what: string) {
    this.#output = output;
    this.#clock = clock;
    this.#what = what;
    this.#startMs = this.#turnMs = clock.monotonic();
  }

  /**
   * Say how many there are by now; cheap enough for every one, as long as what it returns is waited
   * for.
   */
  readonly report = (done: number): void | Promise<void> => {
    if (!this.#output.isTerminal) return;
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#startMs < PATIENCE_MS) return;
    this.#progress ??= new Progress(
      this.#output,
      this.#clock,
      ({ done }, _perSecond, columns) => this.#render(done, columns),
    );
    this.#progress.update({ done, failed: 0, remaining: undefined });
    if (nowMs - this.#turnMs < TURN_MS) return;
    this.#turnMs = nowMs;
    return this.#clock.sleep(0);
  };

  /** The rate is that since the start: the line begins in the middle of the work. */
  #render(done: number, columns: number): string {
    if (done === 0) return ""; // not told yet
    const perSecond = done * 1_000 / (this.#clock.monotonic() - this.#startMs);
    const text = `${formatCount(done)} ${this.#what}  ${formatCount(Math.round(perSecond))}/s`;
    return text.slice(0, Math.max(0, columns - 1));
  }

  /** Take the progress line away. Never rejects. */
  async end(): Promise<void> {
    await this.#progress?.finish();
  }
}
