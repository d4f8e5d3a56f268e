/**
 * Events in `new/` that are another consumer's part: how long this one has seen them wait.
 *
 * Only so many are remembered. While their owner works, they are gone at the next pass and make
 * room for others; those that stay are the ones to take.
 *
 * @module
 */

import type { Candidate } from "../../store/store.ts";
import { PATIENCE_MS } from "./parts.ts";

/** Names remembered at most: memory for some, and enough to keep a consumer busy for a while. */
const MOST = 2_048;

/** When a name was seen first and last. */
interface Sighting {
  readonly sinceMs: number;
  pass: number;
}

/** Others' events in one folder, pass after pass. */
export class OthersEvents {
  #seen = new Map<string, Sighting>();
  #pass = 0;

  /** Whether any was seen in this pass. */
  hasAny = false;

  /** Another pass begins. */
  begin(): void {
    this.#pass++;
    this.hasAny = false;
  }

  /** A due event that is another's is there, at `nowMs`, monotonic. */
  note(name: string, nowMs: number): void {
    this.hasAny = true;
    const seen = this.#seen.get(name);
    if (seen) seen.pass = this.#pass;
    else if (this.#seen.size < MOST) this.#seen.set(name, { sinceMs: nowMs, pass: this.#pass });
  }

  /** The pass is over: what it didn't see is forgotten. */
  end(): void {
    for (const [name, { pass }] of this.#seen) if (pass !== this.#pass) this.#seen.delete(name);
  }

  /** When the first of them will have waited long enough, monotonic ms; `Infinity` for none. */
  get ripeMs(): number {
    let first = Infinity;
    for (const { sinceMs } of this.#seen.values()) first = Math.min(first, sinceMs + PATIENCE_MS);
    return first;
  }

  /** Those that have waited long enough by `nowMs`, monotonic. They are seen anew after this. */
  ripe(folder: string, nowMs: number): Candidate[] {
    const ripe: Candidate[] = [];
    for (const [name, { sinceMs }] of this.#seen) {
      if (nowMs - sinceMs < PATIENCE_MS) continue;
      ripe.push({ folder, name });
      this.#seen.delete(name);
    }
    return ripe;
  }
}
