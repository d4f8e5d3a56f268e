/**
 * Wake-ups: when lanes with something to send may send it.
 *
 * | looked through      | one is due | asked         | what happens                 |
 * | ------------------- | ---------- | ------------- | ---------------------------- |
 * | less than 10 ms ago | no         | before a rest | nothing                      |
 * | less than 10 ms ago | yes        | before a rest | all lanes are looked through |
 * | longer ago          | either     | before a rest | all lanes are looked through |
 * | at any time         | no         | after a rest  | nothing                      |
 * | at any time         | yes        | after a rest  | all lanes are looked through |
 * | at any time         | either     | to wake all   | all lanes are looked through |
 *
 * A look wakes the lanes that may send now, and finds out when the first of the others may.
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

/**
 * With thousands of lanes, looking through all of them after each request would take longer than
 * the requests.
 */
const LOOK_MS = 10;

/** A lane with something to send. */
export interface Waiting<S> {
  /** Which. */
  readonly entry: S;
  /** When the first of it is due. */
  readonly dueMs: number;
}

/** Lanes that can be woken. */
export interface Wakeable<S> {
  /** When a lane may send, `Infinity` while time alone doesn't change that. */
  readyMs(entry: S, nowMs: number): number;
  /** A lane may have something to send. */
  wake(entry: S): void;
}

/** The wake-ups of some lanes. */
export class Wakeups<S> {
  readonly #lanes: Wakeable<S>;
  #lookedAtMs = -Infinity;
  /** When the first lane that could not send then may send. */
  #firstMs = 0;
  /** Whether all were woken just before resting. */
  #isLookedThrough = false;

  /** Nothing looked at yet. */
  constructor(lanes: Wakeable<S>) {
    this.#lanes = lanes;
  }

  /**
   * Before a rest: until when it may last as far as lanes go. Then the first may send something, or
   * they are to be looked through again.
   *
   * @param waiting All lanes with something to send; gone through only if need be.
   */
  beforeRestMs(nowMs: number, waiting: Iterable<Waiting<S>>): number {
    const untilMs = this.#isLookedThrough ? this.#firstMs : this.#look(nowMs, waiting);
    this.#isLookedThrough = false;
    return untilMs;
  }

  /** After a rest: wake the lanes that may send something now. */
  wakeDue(nowMs: number, waiting: Iterable<Waiting<S>>): void {
    if (nowMs >= this.#firstMs) this.#look(nowMs, waiting);
  }

  /** Wake every lane that may send something, however lately they were looked through. */
  wakeAll(nowMs: number, waiting: Iterable<Waiting<S>>): void {
    this.#lookedAtMs = -Infinity;
    this.#look(nowMs, waiting);
    this.#isLookedThrough = true;
  }

  #look(nowMs: number, waiting: Iterable<Waiting<S>>): number {
    const againMs = this.#lookedAtMs + LOOK_MS;
    if (nowMs < againMs && nowMs < this.#firstMs) return Math.min(againMs, this.#firstMs);
    this.#lookedAtMs = nowMs;
    this.#firstMs = Infinity;
    for (const { entry, dueMs } of waiting) {
      if (dueMs > nowMs && dueMs >= this.#firstMs) continue; // whatever its lane says
      const atMs = Math.max(this.#lanes.readyMs(entry, nowMs), dueMs);
      this.#firstMs = Math.min(this.#firstMs, atMs);
      if (atMs <= nowMs) this.#lanes.wake(entry);
    }
    return this.#firstMs;
  }
}
