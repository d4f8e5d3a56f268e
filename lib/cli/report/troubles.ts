/**
 * Which destinations keep events from being delivered, as a consumer reports them.
 *
 * @module
 */

import type { TraceEvent } from "../../telemetry/trace.ts";
import { formatCount } from "../progress.ts";

/** How many destinations are so. */
export interface TroubleCounts {
  /** Nothing gets through. */
  readonly down: number;
  /** An operator said so. */
  readonly held: number;
  /** They asked to be left alone for a while. */
  readonly throttled: number;
}

/** The destinations in trouble. */
export class Troubles {
  readonly #down = new Set<string>();
  readonly #held = new Set<string>();
  readonly #throttled = new Map<string, number>();

  /** Take note of what happened. */
  note(event: TraceEvent): void {
    if (event.type === "delivered") this.#throttled.delete(event.destination);
    if (event.type !== "lane") return;
    const { destination, change, untilMs } = event;
    if (change === "opened") this.#down.add(destination);
    if (change === "recovered") this.#down.delete(destination);
    if (change === "held") this.#held.add(destination);
    if (change === "resumed") this.#held.delete(destination);
    if (change === "throttled" && untilMs) this.#throttled.set(destination, untilMs);
  }

  /** How many there are. */
  counts(nowMs: number): TroubleCounts {
    for (const [destination, untilMs] of this.#throttled) {
      if (untilMs <= nowMs) this.#throttled.delete(destination);
    }
    return { down: this.#down.size, held: this.#held.size, throttled: this.#throttled.size };
  }

  /** Such as `2 destinations down, 1 held`; `undefined` when there are none. */
  text(nowMs: number): string | undefined {
    const found = Object.entries(this.counts(nowMs)).filter(([, count]) => count > 0);
    if (found.length === 0) return undefined;
    return found.map(([what, count], at) => {
      const noun = at > 0 ? "" : count === 1 ? " destination" : " destinations";
      return `${formatCount(count)}${noun} ${what}`;
    }).join(", ");
  }
}
