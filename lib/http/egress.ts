/**
 * Which destinations this process may reach at all: what the runtime permits. Rules of an operator
 * belong here as well.
 *
 * @module
 */

import type { Destination } from "../event/destination.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Most destinations whose answer is remembered. */
const MOST_REMEMBERED = 4_096;

/** Knows where requests may go. */
export class Egress {
  readonly #runtime: Pick<Runtime, "mayReach">;
  readonly #known = new Map<string, boolean>();

  /** @param runtime Asked once for each destination. */
  constructor(runtime: Pick<Runtime, "mayReach">) {
    this.#runtime = runtime;
  }

  /** Whether requests may go to a URL of a destination. */
  allows({ origin }: Destination, url: URL): boolean {
    const known = this.#known.get(origin);
    if (known !== undefined) return known;
    if (this.#known.size >= MOST_REMEMBERED) this.#known.clear();
    const may = this.#runtime.mayReach(url);
    this.#known.set(origin, may);
    return may;
  }
}

/** Why an event can't be sent from here. */
export function forbidden(url: URL): string {
  return `this program may not reach ${url.host}: its network permissions must include it`;
}
