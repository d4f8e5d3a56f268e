/**
 * The point at which a folder that can't be listed is not a passing trouble but the end of the
 * disk.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import { DiskFailure } from "../../store/failure.ts";
import { MisplacedError } from "../place.ts";
import type { Reporter } from "../../telemetry/reporter.ts";

/** Listing fails for this long: the disk is gone. */
const PATIENCE_MS = 30_000;

/** What it means that folders can't be looked at. */
export function fateOf(error: unknown): string {
  const again = "looked at again later";
  return error instanceof MisplacedError ? `${error.message}; ${again}` : again;
}

/** Remembers since when folders can't be listed. */
export class ListingBackoff {
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  #failsSinceMs: number | undefined;

  /** Nothing has failed yet. */
  constructor(clock: Clock, reporter: Reporter) {
    this.#clock = clock;
    this.#reporter = reporter;
  }

  /** A folder was listed. */
  listed(): void {
    this.#failsSinceMs = undefined;
  }

  /**
   * A folder could not be listed: it is looked at again later.
   *
   * @throws {DiskFailure} If it has been so for too long.
   */
  notListed(error: unknown): void {
    this.#reporter.trouble("list", error, fateOf(error));
    const nowMs = this.#clock.monotonic();
    this.#failsSinceMs ??= nowMs;
    if (nowMs - this.#failsSinceMs >= PATIENCE_MS) {
      const why = error instanceof MisplacedError
        ? `for 30 s ${error.message}`
        : "the disk has refused to list the queue for 30 s";
      throw new DiskFailure(`Cannot consume: ${why}`, { cause: error });
    }
  }
}
