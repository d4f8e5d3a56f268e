/**
 * How many events are in flight, and waiting for room.
 *
 * @module
 */

/** Lets at most `limit` in at a time. One caller waits at a time: the consumer's loop. */
export class Gate {
  /** How many may be inside. May change at any time. */
  limit: number;
  #inside = 0;
  #waiting: { until: number; resolve: () => void } | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** Go in. Call {@linkcode Gate.room} first. */
  enter(): void {
    this.#inside++;
  }

  /** Go out. */
  leave(): void {
    this.#inside--;
    if (this.#waiting && this.#inside <= this.#waiting.until) this.#waiting.resolve();
  }

  /** Resolves once there is room for one more. */
  room(): Promise<void> | undefined {
    return this.#inside < this.limit ? undefined : this.#fallsTo(this.limit - 1);
  }

  /** Resolves once somebody has gone out. */
  oneOut(): Promise<void> | undefined {
    return this.#inside === 0 ? undefined : this.#fallsTo(this.#inside - 1);
  }

  /** Resolves once nobody is inside. */
  empty(): Promise<void> | undefined {
    return this.#inside === 0 ? undefined : this.#fallsTo(0);
  }

  /** End the waiting, whatever it waits for. */
  wake(): void {
    this.#waiting?.resolve();
  }

  #fallsTo(until: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = {
        until,
        resolve: () => {
          this.#waiting = undefined;
          resolve();
        },
      };
    });
  }
}
