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

/** When an id of ours was made, Unix ms; `undefined` for an id that isn't a UUIDv7. */
export function uuidTimeMs(id: string): number | undefined {
  return OURS.test(id) ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}
