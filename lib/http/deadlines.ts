/**
 * One timer for all attempts in flight: a timer per attempt would cost as much as the request
 * itself.
 *
 * An answer that is there wins over a time that is over. When the process has stood still, both are
 * found at once, and the timer comes first: so what has come in meanwhile is handled before
 * anything is called off.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";

/**
 * Turns of the event loop in which an answer that has arrived is handled, its body included: one
 * brings the bytes, some more take them through the runtime to whoever waits for them.
 */
const TURNS = 8;

/** The time limit of one attempt. */
export interface Deadline {
  /** Aborts when the time is over, or when everything is called off; made when it is asked for. */
  readonly signal: AbortSignal;
  /** Whether the time is over, or everything was called off. */
  readonly isOver: boolean;
  /** What is to be called then; the last one given. */
  onOver: (() => void) | undefined;
  /** Whether the time is over. */
  readonly expired: boolean;
  /** Take the limit off. Must be called once the attempt has ended. */
  clear(): void;
}

class Timer implements Deadline {
  readonly atMs: number;
  readonly #pending: Set<Timer>;
  #abort: AbortController | undefined;
  onOver: (() => void) | undefined;
  isOver = false;
  expired = false;

  constructor(atMs: number, pending: Set<Timer>) {
    this.atMs = atMs;
    this.#pending = pending;
    pending.add(this);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.isOver) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  clear(): void {
    this.#pending.delete(this);
  }

  abort(): void {
    this.clear();
    this.isOver = true;
    this.#abort?.abort();
    this.onOver?.();
  }
}

/**
 * The deadlines of attempts that all have the same time limit, so that the oldest is always the
 * next to end.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Timer>();
  #asleep: AbortController | undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Start the time of one attempt, which begins at `nowMs`, monotonic. */
  start(nowMs: number): Deadline {
    const timer = new Timer(nowMs + this.#timeoutMs, this.#pending);
    if (!this.#asleep) this.#watch();
    return timer;
  }

  /** Call off every attempt in flight. */
  abortAll(): void {
    for (const timer of [...this.#pending]) timer.abort();
  }

  /** Let go of the timer. Nothing may be in flight. */
  close(): void {
    this.#asleep?.abort("closed");
  }

  async #watch(): Promise<void> {
    const asleep = this.#asleep = new AbortController();
    while (this.#pending.size > 0 && !asleep.signal.aborted) {
      const [oldest] = this.#pending;
      const nowMs = this.#clock.monotonic();
      const leftMs = oldest!.atMs - nowMs;
      if (leftMs > 0) await this.#clock.sleep(leftMs, asleep.signal);
      else await this.#expire(nowMs, asleep.signal);
    }
    this.#asleep = undefined;
  }

  /** End the attempts whose time was over at `nowMs`, unless their answers are there. */
  async #expire(nowMs: number, signal: AbortSignal): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await this.#clock.sleep(0, signal);
    for (const timer of [...this.#pending]) {
      if (timer.atMs > nowMs) return;
      timer.expired = true;
      timer.abort();
    }
  }
}

/** The deadlines of attempts whose time limits differ. */
export class TimeLimits {
  readonly #clock: Clock;
  /** By their length, which may change meanwhile. */
  readonly #deadlines = new Map<number, Deadlines>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Start the time of one attempt, which begins at `nowMs`, monotonic. */
  start(timeoutMs: number, nowMs = this.#clock.monotonic()): Deadline {
    let deadlines = this.#deadlines.get(timeoutMs);
    if (!deadlines) {
      this.#deadlines.set(timeoutMs, deadlines = new Deadlines(this.#clock, timeoutMs));
    }
    return deadlines.start(nowMs);
  }

  /** Call off every attempt in flight. */
  abortAll(): void {
    for (const deadlines of this.#deadlines.values()) deadlines.abortAll();
  }

  /** Let go of the timers. Nothing may be in flight. */
  close(): void {
    for (const deadlines of this.#deadlines.values()) deadlines.close();
  }
}
