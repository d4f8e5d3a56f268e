/**
 * Which paths have been met before, in bounded memory: the first ones are known for certain, of
 * those beyond a few are taken for known that aren't.
 *
 * @module
 */

/** Paths known for certain. */
const MOST_EXACT = 10_000;

/** Bits in which those beyond them leave a trace: 256 KiB. */
const BITS = 2 ** 21;

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** Remembers paths. */
export class PathMemory {
  readonly #paths = new Set<string>();
  #bits: Uint8Array | undefined;

  /** Whether a path has not been met before; now it has. */
  isNew(path: string): boolean {
    if (this.#paths.has(path)) return false;
    if (this.#paths.size < MOST_EXACT) {
      this.#paths.add(path);
      return true;
    }
    const bits = this.#bits ??= new Uint8Array(BITS / 8);
    const bit = hashOf(path) % BITS;
    const [at, mask] = [bit >>> 3, 1 << (bit & 7)];
    if ((bits[at]! & mask) !== 0) return false;
    bits[at]! |= mask;
    return true;
  }
}
