/**
 * Whether a destination is struggling: some of its requests get through, and many don't.
 *
 * | state      | outcome of a request, of 20 within a minute    | next state               |
 * | ---------- | ---------------------------------------------- | ------------------------ |
 * | healthy    | success, and less than 80 % succeed            | struggling               |
 * | struggling | success, and at least 90 % succeed             | healthy                  |
 * | any        | any other                                      | the same                 |
 * | any        | it is down, or recovers                        | healthy, nothing counted |
 *
 * While nothing at all succeeds it isn't struggling: it will be found down.
 *
 * Pure: all times in ms of the monotonic clock.
 *
 * @module
 */

import type { Verdict } from "./verdict.ts";

const STRUGGLING_BELOW = 0.8;
const HEALTHY_FROM = 0.9;
const LEAST_OUTCOMES = 20;

/** What counts is a minute, in parts of 5 s. */
const PART_MS = 5_000;
const PARTS = 12;

/** A change worth a line in the log. */
export type HealthChange = "struggling" | "healthy";

/** Outcomes of some seconds. */
interface Part {
  readonly number: number;
  outcomes: number;
  successes: number;
}

/** The health of one destination. */
export class Health {
  #parts: Part[] = [];
  #isStruggling = false;
  #share = 1;

  /** Whether it is struggling. */
  get isStruggling(): boolean {
    return this.#isStruggling;
  }

  /** The part of the requests that got through, 0 to 1, as of the last one that did. */
  get share(): number {
    return this.#share;
  }

  /** Forget everything: it is down, or up again. */
  reset(): void {
    this.#parts = [];
    this.#isStruggling = false;
    this.#share = 1;
  }

  /** A request has ended. */
  end(verdict: Verdict, nowMs: number): HealthChange | undefined {
    if (verdict === "nothing") return undefined;
    const part = this.#part(nowMs);
    part.outcomes++;
    if (verdict !== "success") return undefined;
    part.successes++;
    const { outcomes, successes } = this.#sum(nowMs);
    if (outcomes < LEAST_OUTCOMES) return undefined;
    const share = this.#share = successes / outcomes;
    if (this.#isStruggling ? share < HEALTHY_FROM : share >= STRUGGLING_BELOW) return undefined;
    this.#isStruggling = !this.#isStruggling;
    return this.#isStruggling ? "struggling" : "healthy";
  }

  #part(nowMs: number): Part {
    const number = Math.floor(nowMs / PART_MS);
    const last = this.#parts.at(-1);
    if (last?.number === number) return last;
    const part: Part = { number, outcomes: 0, successes: 0 };
    this.#parts.push(part);
    if (this.#parts.length > PARTS) this.#parts.shift();
    return part;
  }

  #sum(nowMs: number): { readonly outcomes: number; readonly successes: number } {
    const after = Math.floor(nowMs / PART_MS) - PARTS;
    let [outcomes, successes] = [0, 0];
    for (const part of this.#parts) {
      if (part.number <= after) continue;
      outcomes += part.outcomes;
      successes += part.successes;
    }
    return { outcomes, successes };
  }
}
