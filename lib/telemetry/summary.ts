/**
 * What a consumer did, counted from what it reports.
 *
 * @module
 */

import type { TraceEvent } from "./trace.ts";

/** In events; an event deferred twice counts twice. */
export interface Counts {
  /** Answered 2xx and removed, or about to be. */
  readonly delivered: number;
  /** Waiting for a later attempt. */
  readonly deferred: number;
  /** Waiting unsent until their destination can be sent to. */
  readonly parked: number;
  /** In `doa/`. */
  readonly dead: number;
  /** Back in `new/`, unsent or cut short by a stop. */
  readonly released: number;
  /** Taken over by another consumer. */
  readonly lost: number;
  /** Refused by the disk: claimed until their leases end. */
  readonly kept: number;
}

/** Counts what is reported. */
export class Tally {
  readonly #counts = {
    delivered: 0,
    deferred: 0,
    parked: 0,
    dead: 0,
    released: 0,
    lost: 0,
    kept: 0,
  };

  /** What has been reported so far. */
  get counts(): Counts {
    return { ...this.#counts };
  }

  /** Count an event's end. */
  note(event: TraceEvent): void {
    switch (event.type) {
      case "delivered":
      case "deferred":
      case "parked":
      case "dead":
      case "released":
      case "kept":
        this.#counts[event.type]++;
        break;
      case "lease-lost":
        // What was answered 2xx is delivered, whoever removes it.
        if (event.verb !== "complete") this.#counts.lost++;
        break;
    }
  }
}
