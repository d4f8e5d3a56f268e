/**
 * Progress on a terminal: one line, redrawn at most ten times a second, replaced by a summary at
 * the end.
 *
 * The line is ASCII, one column a character, so that cutting it to the terminal's width is cutting
 * a string; it is cleared with spaces rather than escape sequences, so that every terminal
 * understands it.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import type { Output } from "./io.ts";

/** How far something has come. */
export interface Counts {
  /** What succeeded. */
  readonly done: number;
  /** What didn't. */
  readonly failed: number;
  /** What is still to do, as far as known; `undefined` while it isn't. */
  readonly remaining: number | undefined;
  /** Why some of that doesn't move, such as `1 destination down`. */
  readonly trouble?: string | undefined;
}

/** Pause between two drawings. */
const PAUSE_MS = 100;
/** The rate is an average over this long. */
const WINDOW_MS = 5_000;

/** A count with its thousands separated: `12,345`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** About how long something takes: `46s`, `2m 05s`, `3h 07m`, `5d 03h`. */
export function formatEstimate(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h ${two((whole % 3_600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${two((whole % 86_400) / 3_600)}h`;
}

/**
 * The progress line, cut so that it doesn't wrap.
 *
 * @param perSecond The present rate.
 * @param columns The terminal's width.
 */
export function renderProgress(counts: Counts, perSecond: number, columns: number): string {
  const parts = [
    `${formatCount(counts.done)} done`,
    `${formatCount(counts.failed)} failed`,
    `${formatCount(Math.round(perSecond))}/s`,
  ];
  if (counts.remaining !== undefined) {
    const estimate = perSecond > 0 && counts.remaining > 0 && !counts.trouble
      ? ` (about ${formatEstimate(counts.remaining / perSecond)})`
      : "";
    parts.push(`${formatCount(counts.remaining)} remaining${estimate}`);
  }
  if (counts.trouble) parts.push(counts.trouble);
  // the last column stays free: many terminals wrap as soon as it is filled
  return parts.join("  ").slice(0, Math.max(0, columns - 1));
}

/** Shows progress until told to finish. A terminal that has gone is ignored. */
export class Progress {
  readonly #output: Output;
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  readonly #render: typeof renderProgress;
  readonly #stop = new AbortController();
  readonly #drawing: Promise<void>;
  #counts: Counts = { done: 0, failed: 0, remaining: undefined };
  #samples: { readonly atMs: number; readonly ended: number }[] = [];
  #shown = "";
  #lines: string[] = [];
  #turn: Promise<void> = Promise.resolve();

  /**
   * Starts to draw.
   *
   * @param clock Times the drawings and the rate.
   * @param render What the line says. @default {renderProgress}
   */
  constructor(
    output: Output,
    clock: Pick<Clock, "monotonic" | "sleep">,
    render: typeof renderProgress = renderProgress,
  ) {
    this.#output = output;
    this.#clock = clock;
    this.#render = render;
    this.#drawing = this.#draw();
  }

  /** Say how far it has come; cheap enough for every single event. */
  update(counts: Counts): void {
    this.#counts = counts;
  }

  /** Print a line above the progress line; `text` has no line break. */
  line(text: string): void {
    this.#lines.push(text);
  }

  /**
   * Write to another stream that may be the same terminal, with the progress line out of the way.
   */
  aside(write: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#put("");
      await write();
    });
  }

  /** Replace the progress line by a summary; without one just clear it. Never rejects. */
  async finish(summary?: string): Promise<void> {
    this.#stop.abort();
    await this.#drawing;
    if (summary !== undefined) this.#lines.push(summary);
    await this.#show("");
  }

  async #draw(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const rate = this.#rate();
      await this.#show(this.#render(this.#counts, rate, this.#output.columns()));
      await this.#clock.sleep(PAUSE_MS, this.#stop.signal);
    }
  }

  /** Events a second over the window. */
  #rate(): number {
    const now = { atMs: this.#clock.monotonic(), ended: this.#counts.done + this.#counts.failed };
    this.#samples.push(now);
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= now.atMs - WINDOW_MS) {
      this.#samples.shift();
    }
    const first = this.#samples[0]!;
    return now.atMs === first.atMs
      ? 0
      : (now.ended - first.ended) * 1_000 / (now.atMs - first.atMs);
  }

  /** Show `text` as the progress line, below the lines that wait. */
  #show(text: string): Promise<void> {
    return this.#inTurn(() => this.#put(text));
  }

  /** One write at a time: two that overlap could swap. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {}); // told to whoever asked for it
    return result;
  }

  async #put(text: string): Promise<void> {
    if (text === this.#shown && this.#lines.length === 0) return;
    // what is written first covers what was shown
    const [first, ...others] = [...this.#lines.splice(0).map((line) => `${line}\n`), text];
    const covering = first!.trimEnd().padEnd(this.#shown.length) + (others.length > 0 ? "\n" : "");
    this.#shown = text;
    try {
      await this.#output.write(`\r${covering}${others.join("")}${text === "" ? "\r" : ""}`);
    } catch {
      // the terminal has gone; the work has not
    }
  }
}
