/**
 * A number of bytes that many share: what is kept in memory is taken from it first.
 *
 * @module
 */

/** Bytes that may be kept in memory. */
export interface Budget {
  /** Take so many; `false`, and none taken, when there are fewer left. */
  take(bytes: number): boolean;
  /** Give back what was taken. */
  give(bytes: number): void;
}

/** A fixed number of bytes. */
export class ByteBudget implements Budget {
  #left: number;

  /** All of `bytes` are left. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
