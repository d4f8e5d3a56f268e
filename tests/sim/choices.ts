/**
 * Where a run of the simulation has a choice, it asks here.
 *
 * {@linkcode Paths} answers so that, run after run, every path through the tree of choices is taken
 * exactly once; no list of the tree is ever made (the idea is tigerbeetle's `exhaustigen`).
 * {@linkcode randomChoices} answers from a seed.
 *
 * @module
 */

/** Answers to "which of n?". */
export interface Choices {
  /** One of `0 .. n - 1`. */
  choose(n: number): number;
}

/** A reproducible sequence of numbers in [0, 1), each from 32 bits: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Choices as the seed has them. */
export function randomChoices(seed: number): Choices {
  const random = seeded(seed);
  return { choose: (n) => Math.floor(random() * n) };
}

/** Always the first: the run without surprises. */
export const firstChoice: Choices = { choose: () => 0 };

/** The answers of one run given as a list, to run that one again; after its end, the first. */
export function replay(path: readonly number[]): Choices {
  let index = 0;
  return { choose: (n) => Math.min(path[index++] ?? 0, n - 1) };
}

/**
 * Every path, one after the other:
 *
 *     const paths = new Paths({ limit: 10_000 });
 *     while (paths.next()) await run(paths);
 *     console.log(paths.count, paths.complete);
 */
export class Paths implements Choices {
  /** Number of paths begun. */
  count = 0;
  /** Whether `next` answered false because every path was taken, and not because of the limit. */
  complete = false;
  readonly #limit: number;
  readonly #taken: { value: number; bound: number }[] = [];
  #depth = 0;

  /** At most `limit` paths. */
  constructor(options: { readonly limit: number }) {
    this.#limit = options.limit;
  }

  /** The answers given on this path so far, for {@linkcode replay}. */
  get path(): number[] {
    return this.#taken.slice(0, this.#depth).map((choice) => choice.value);
  }

  /** Begin the next path; false when there is none left or the limit is reached. */
  next(): boolean {
    if (this.count > 0) {
      this.#taken.length = this.#depth;
      while (this.#taken.length > 0) {
        const last = this.#taken.at(-1)!;
        if (last.value + 1 < last.bound) break;
        this.#taken.pop();
      }
      if (this.#taken.length === 0) {
        this.complete = true;
        return false;
      }
    }
    if (this.count === this.#limit) return false;
    if (this.count > 0) this.#taken.at(-1)!.value++;
    this.count++;
    this.#depth = 0;
    return true;
  }

  /**
   * One of `0 .. n - 1`; a run must ask the same questions again as long as it gets the same
   * answers.
   */
  choose(n: number): number {
    const known = this.#taken[this.#depth];
    if (known === undefined) this.#taken.push({ value: 0, bound: n });
    else if (known.bound !== n) {
      throw new Error(`Cannot choose: the run is not reproducible, ${n} instead of ${known.bound}`);
    }
    return this.#taken[this.#depth++]!.value;
  }
}
