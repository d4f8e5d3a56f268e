/**
 * How many events are in flight, and waiting for room.
 *
 * @module
 */

/** Lets at most `limit` in at a time. */
export class Gate {
  /** How many may be inside. May change at any time. */
  limit: number;
  #inside = 0;
  readonly #waiting = new Set<{ readonly until: number; readonly resolve: () => void }>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** Whether one more may go in. */
  get hasRoom(): boolean {
    return this.#inside < this.limit;
  }

  /** Go in. Look at {@linkcode Gate.hasRoom} first. */
  enter(): void {
    this.#inside++;
  }

  /** Go out. */
  leave(): void {
    this.#inside--;
    for (const waiting of this.#waiting) if (this.#inside <= waiting.until) this.#end(waiting);
  }

  /** Resolves once there is room for one more. */
  room(): Promise<void> | undefined {
    return this.hasRoom ? undefined : this.#fallsTo(this.limit - 1);
  }

  /** Resolves once somebody has gone out, or {@linkcode Gate.wake} is called. */
  change(): Promise<void> {
    return this.#fallsTo(this.#inside - 1);
  }

  /** Resolves once nobody is inside. */
  empty(): Promise<void> | undefined {
    return this.#inside === 0 ? undefined : this.#fallsTo(0);
  }

  /** End all waiting, whatever for. */
  wake(): void {
    for (const waiting of this.#waiting) this.#end(waiting);
  }

  #fallsTo(until: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.add({ until, resolve }));
  }

  #end(waiting: { readonly until: number; readonly resolve: () => void }): void {
    this.#waiting.delete(waiting);
    waiting.resolve();
  }
}
