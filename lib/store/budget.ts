/**
 * The memory that event bodies may take: one budget of bytes for all that holds them, so that no
 * number of large ones, each within its limit, is too much for the machine.
 *
 * @module
 */

/** Unless told otherwise, and where there is that much: a quarter of the memory, up to this. */
const MOST_BY_DEFAULT = 256 * 2 ** 20;
const SHARE_BY_DEFAULT = 4;

/** So much there is everywhere, whatever the quarter: to ask how much there is takes 20 ms. */
const LEAST_BY_DEFAULT = 16 * 2 ** 20;

/**
 * The budget when nobody has set one.
 *
 * @param world How much memory the machine or container has; asked only when it matters.
 * @param bytes How many are wanted.
 */
export function defaultBudgetBytes(
  world: { readonly memoryBytes?: number | undefined },
  bytes: number,
): number {
  if (bytes <= LEAST_BY_DEFAULT) return LEAST_BY_DEFAULT;
  const share = Math.floor((world.memoryBytes ?? Infinity) / SHARE_BY_DEFAULT);
  return Math.max(LEAST_BY_DEFAULT, Math.min(MOST_BY_DEFAULT, share));
}

/**
 * The memory that an event takes while it is being taken in or sent: its bytes, the two copies that
 * are handed to the network, and as much again that has been let go of and not been collected yet.
 * So measured.
 */
export function memoryFor(bytes: number): number {
  return 10 * bytes;
}

/** Bytes that many share. */
export interface Budget {
  /** Take so many; `false`, and none taken, when there are fewer left. */
  take(bytes: number): boolean;
  /** Give back what was taken. */
  give(bytes: number): void;
}

interface Waiter {
  readonly bytes: number;
  readonly resolve: (isTaken: boolean) => void;
}

/** Bytes that may be taken, and are given back. */
export class ByteBudget implements Budget {
  readonly #limit: (bytes: number) => number;
  #used = 0;
  readonly #waiters: Waiter[] = [];

  /**
   * A budget of which nothing is taken.
   *
   * @param limit How many bytes there are, at each moment. Told how many are to be taken in all: it
   * need not know more than whether there are as many.
   */
  constructor(limit: (bytes: number) => number) {
    this.#limit = limit;
  }

  /** How many are taken. */
  get used(): number {
    return this.#used;
  }

  /** Whether somebody waits for bytes. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Whether so many may be taken. When none are, any number may: one event always fits. */
  fits(bytes: number): boolean {
    const all = this.#used + bytes;
    return this.#used === 0 || all <= this.#limit(all);
  }

  /** Take bytes, if they fit and nobody waits. */
  take(bytes: number): boolean {
    if (this.isAwaited || !this.fits(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  /** Take bytes that are in memory already, whether they fit or not. */
  add(bytes: number): void {
    this.#used += bytes;
  }

  /**
   * Resolves once the bytes could be taken, and were, in the order of the calls; with `false` when
   * those who wait were turned away.
   */
  wait(bytes: number): Promise<boolean> {
    if (this.take(bytes)) return Promise.resolve(true);
    return new Promise((resolve) => this.#waiters.push({ bytes, resolve }));
  }

  /** Let nobody wait any more. */
  turnAway(): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve(false);
  }

  /** Give bytes back. */
  give(bytes: number): void {
    this.#used -= bytes;
    for (let first; (first = this.#waiters[0]) && this.fits(first.bytes);) {
      this.#used += first.bytes;
      this.#waiters.shift();
      first.resolve(true);
    }
  }
}
