/**
 * Claiming candidates, and what to do when the disk refuses.
 *
 * @module
 */

import type { Candidate } from "./listing.ts";
import { isDiskFull } from "../place.ts";
import type { Claim, Claimed, Queue } from "../queue.ts";
import { errorCode } from "../../runtime/runtime.ts";
import type { Gate } from "../../consumer/semaphore.ts";
import type { Reporter } from "../../telemetry/reporter.ts";
import type { Resistance } from "./claim_backoff.ts";
import type { Trace } from "../../telemetry/trace.ts";

/** What a claimer works with. */
export interface ClaimerParts {
  /** Whose events. */
  readonly queue: Queue;
  /** How long a claim is exclusive. */
  readonly leaseMs: number;
  /** Most bytes of an event file. */
  readonly maxBytes: number;
  /** What is in flight, and may make room on a full disk. */
  readonly gate: Gate;
  /** What the disk refused before. */
  readonly resistance: Resistance;
  /** Told of what it refuses. */
  readonly reporter: Reporter;
  /** Told of claims that are out of the ordinary. */
  readonly trace: Trace;
}

/** Claims events. */
export class Claimer {
  readonly #parts: ClaimerParts;
  #diskIsFull = false;

  /** A claimer for one consumer. */
  constructor(parts: ClaimerParts) {
    this.#parts = parts;
  }

  /**
   * Claim candidates side by side, or take them over.
   *
   * @param signal Ends the waiting for room on a full disk.
   * @param onDecided Told of each that is claimed, or that somebody else has: then without a claim.
   * What the disk refuses, now or a moment ago, is nobody's.
   * @throws {DiskFailure} If the disk has refused different events for too long; after the others
   * have been decided.
   */
  async claim(
    candidates: readonly Candidate[],
    signal: AbortSignal,
    onDecided: (claimed: Claimed) => void,
  ): Promise<void> {
    const { queue, leaseMs, maxBytes, resistance, gate } = this.#parts;
    let failure: { readonly error: unknown } | undefined;
    const tryAll = async (wanted: readonly Candidate[]): Promise<readonly Candidate[]> => {
      const claimed = await queue.claimMany(wanted, leaseMs, maxBytes);
      return wanted.filter((candidate, n) => {
        try {
          return this.#isForLater(candidate, claimed[n]!, onDecided);
        } catch (error) {
          failure ??= { error };
          return false;
        }
      });
    };
    const crowded = await tryAll(candidates.filter((candidate) => !resistance.rests(candidate)));
    for (const candidate of crowded) {
      if (!gate.inside || signal.aborted || failure) break;
      await gate.change(); // a settled event may have made room for a name
      if (!signal.aborted) await tryAll([candidate]);
    }
    if (failure) throw failure.error;
  }

  /** Decide on a candidate, unless the disk was full. */
  #isForLater(
    candidate: Candidate,
    claimed: Claimed,
    onDecided: (claimed: Claimed) => void,
  ): boolean {
    const { resistance, reporter } = this.#parts;
    if (!("error" in claimed)) {
      resistance.claimed(candidate);
      this.#diskIsFull = false;
      if (claimed.claim) this.#announce(claimed.claim);
      onDecided(claimed);
      return false;
    }
    const { error } = claimed;
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (!isDiskFull(error)) {
      const path = `${candidate.folder}/${candidate.name}`;
      const isNew = resistance.refused(candidate, error);
      if (isNew) reporter.skipped(path, `can't be claimed: ${code}; tried again later`);
      return false;
    }
    if (!this.#diskIsFull) {
      reporter.trouble("claim", error, "what can be claimed is delivered, the rest waits for room");
    }
    this.#diskIsFull = true;
    return true;
  }

  #announce(claim: Claim): void {
    const { trace } = this.#parts;
    const { id, replacedName, takeovers, previousOwner: owner } = claim;
    if (replacedName !== undefined) trace({ type: "id-replaced", id, name: replacedName });
    if ("previousOwner" in claim) trace({ type: "taken-over", id, owner, takeovers });
  }
}
