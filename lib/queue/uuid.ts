/**
 * The ids this product makes: UUIDv7, so that sorting by id is sorting by time.
 *
 * @module
 */

const OURS = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/**
 * A UUID of version 7: 48 bits of Unix ms, then 74 random bits.
 *
 * @see RFC 9562, section 5.7
 */
export function uuidv7(nowMs: number, random: () => number): string {
  const time = hex(nowMs, 12);
  const word = () => Math.floor(random() * 2 ** 32);
  const [a, b, c] = [word(), word(), word()];
  const version = hex(0x7000 | (a & 0xfff), 4);
  const variant = hex(0x8000 | (a >>> 12 & 0x3fff), 4);
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}-${variant}-${hex(b, 8)}${
    hex(c & 0xffff, 4)
  }`;
}

/** How far a clock may go back before it is believed, ms. */
const SET_BACK_MS = 1_000;

/** The largest number of 12 bits. */
const MOST_COUNTED = 0xfff;

/**
 * Makes ids each of which sorts after the one before, also within a millisecond: the 12 bits behind
 * the time count there, from a random number in the lower half on.
 *
 * When they are used up it is the next millisecond, ahead of the clock. So it is where a clock is
 * set back a little; set back by more, it is believed.
 *
 * @see RFC 9562, section 6.2, method 1
 */
export class Ids {
  #lastMs = -Infinity;
  #count = 0;

  /**
   * The next id.
   *
   * @param nowMs Unix ms.
   * @param random Uniform in [0, 1).
   */
  next(nowMs: number, random: () => number): string {
    const isSameMs = nowMs <= this.#lastMs && nowMs > this.#lastMs - SET_BACK_MS;
    if (!isSameMs) this.#begin(nowMs, random);
    else if (++this.#count > MOST_COUNTED) this.#begin(this.#lastMs + 1, random);
    const id = uuidv7(this.#lastMs, random);
    return `${id.slice(0, COUNT_AT)}${hex(this.#count, 3)}${id.slice(COUNT_AT + 3)}`;
  }

  #begin(ms: number, random: () => number): void {
    this.#lastMs = ms;
    this.#count = Math.floor(random() * (MOST_COUNTED + 1) / 2);
  }
}

/** Where the 12 bits are in a UUID's text, behind the version. */
const COUNT_AT = 15;

/** When an id of ours was made, Unix ms; `undefined` for an id that isn't a UUIDv7. */
export function uuidTimeMs(id: string): number | undefined {
  return OURS.test(id) ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}
