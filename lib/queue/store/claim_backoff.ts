/**
 * Files that resist a claim, and the point at which it is not the file but the disk.
 *
 * @module
 */

import type { Candidate } from "../../store/store.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { DiskFailure } from "../../store/failure.ts";

/** First pause before a file that can't be claimed is tried again. */
const FIRST_PAUSE_MS = 1_000;

/** Longest such pause. */
const LONGEST_PAUSE_MS = 5 * 60_000;

/** Most files remembered. */
const MOST_FILES = 10_000;

/**
 * Listing, or claiming this many different events in a row, fails for this long: the disk is gone.
 */
const MOST_FAILED_CLAIMS = 3;
const PATIENCE_MS = 30_000;

/** Remembers what the disk refuses. */
export class ClaimBackoff {
  readonly #clock: Clock;
  readonly #files = new Map<string, { untilMs: number; pauseMs: number }>();
  readonly #failed = new Set<string>();
  #claimsFailSinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a file that resisted is to be left alone for now. */
  rests({ folder, name }: Candidate): boolean {
    if (this.#files.size === 0) return false;
    const file = this.#files.get(`${folder}/${name}`);
    return file !== undefined && this.#clock.monotonic() < file.untilMs;
  }

  /** The disk let a claim through, or said that the file is gone. */
  claimed({ folder, name }: Candidate): void {
    if (this.#failed.size === 0 && this.#files.size === 0) return;
    this.#failed.clear();
    this.#claimsFailSinceMs = undefined;
    this.#files.delete(`${folder}/${name}`);
  }

  /**
   * The disk refused a claim.
   *
   * @returns Whether it is the first time for this file.
   * @throws {DiskFailure} If it has refused different events for too long.
   */
  refused({ folder, name }: Candidate, error: unknown): boolean {
    const path = `${folder}/${name}`;
    const known = this.#files.get(path);
    const nowMs = this.#clock.monotonic();
    const pauseMs = known ? Math.min(2 * known.pauseMs, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    if (this.#files.size >= MOST_FILES) this.#files.clear();
    this.#files.set(path, { untilMs: nowMs + pauseMs, pauseMs });
    this.#failed.add(path);
    this.#claimsFailSinceMs ??= nowMs;
    if (this.#failed.size >= MOST_FAILED_CLAIMS && nowMs - this.#claimsFailSinceMs >= PATIENCE_MS) {
      throw new DiskFailure("Cannot consume: the disk has refused every claim for 30 s", {
        cause: error,
      });
    }
    return known === undefined;
  }
}
