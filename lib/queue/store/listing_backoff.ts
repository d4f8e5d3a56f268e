/**
 * The point at which a folder that can't be listed is not a passing trouble but the end of the
 * disk.
 *
 * Of `new/` and `cur/` each by itself: that the one can be listed is no help while the other can't.
 * The folder of a destination is no more than that destination's trouble.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import { DiskFailure } from "../../store/failure.ts";
import { MisplacedError } from "../place.ts";
import type { Reporter } from "../../telemetry/reporter.ts";

/** Listing fails for this long: the disk is gone. */
const PATIENCE_MS = 30_000;

/** What there is no work without; `"all"`: whether anything is left at all. */
export type Vital = "new" | "cur" | "all";

/** What it means that folders can't be looked at. */
export function fateOf(error: unknown): string {
  const again = "looked at again later";
  return error instanceof MisplacedError ? `${error.message}; ${again}` : again;
}

/** Remembers since when folders can't be listed. */
export class ListingBackoff {
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  /** Monotonic ms. */
  readonly #failsSinceMs = new Map<Vital, number>();

  /** Nothing has failed yet. */
  constructor(clock: Clock, reporter: Reporter) {
    this.#clock = clock;
    this.#reporter = reporter;
  }

  /** A folder was listed. */
  listed(folder: Vital): void {
    this.#failsSinceMs.delete(folder);
  }

  /**
   * A folder could not be listed: it is looked at again later.
   *
   * @param folder Which; left out for those of destinations.
   * @throws {DiskFailure} If it has been so for too long.
   */
  notListed(error: unknown, folder?: Vital): void {
    this.#reporter.trouble("list", error, fateOf(error), { subject: "folders" });
    if (folder === undefined) return;
    const nowMs = this.#clock.monotonic();
    const sinceMs = this.#failsSinceMs.get(folder) ?? nowMs;
    this.#failsSinceMs.set(folder, sinceMs);
    if (nowMs - sinceMs >= PATIENCE_MS) {
      const why = error instanceof MisplacedError
        ? `for 30 s ${error.message}`
        : "the disk has refused to list the queue for 30 s";
      throw new DiskFailure(`Cannot consume: ${why}`, { cause: error });
    }
  }
}
