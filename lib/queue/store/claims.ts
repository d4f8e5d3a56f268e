/**
 * Claiming candidates side by side, and what to do when the disk refuses: a file that resists is
 * left alone for a growing while; a full disk may have no room for one more name.
 *
 * @module
 */

import { errorCode } from "../../runtime/runtime.ts";
import { DiskFailure } from "../../store/failure.ts";
import type { Candidate, Claimed, ClaimedMany } from "../../store/store.ts";
import type { Trace } from "../../telemetry/trace.ts";
import { isDiskFull } from "../place.ts";
import type { Claim, Claimed as ClaimedFile } from "../queue.ts";
import { type ClaimsOf, MaildirClaim } from "./claim.ts";
import type { ClaimBackoff } from "./claim_backoff.ts";

/**
 * Larger files are not read along with their claims, of which many are under way at once, but when
 * there is memory for them.
 */
const MOST_READ_ALONG_BYTES = 32 * 1024;

/** Claims for one consumer. */
export class Claims {
  readonly #of: ClaimsOf;
  readonly #backoff: ClaimBackoff;
  readonly #trace: Trace;
  #diskIsFull = false;

  /** @param trace Told of claims that are out of the ordinary. */
  constructor(of: ClaimsOf, backoff: ClaimBackoff, trace: Trace) {
    this.#of = of;
    this.#backoff = backoff;
    this.#trace = trace;
  }

  /** Claim candidates, or take them over. */
  async claim(candidates: readonly Candidate[]): Promise<ClaimedMany> {
    const { queue, limits: { current: { leaseMs, maxBytes } } } = this.#of;
    const tried = candidates.filter((candidate) => !this.#backoff.rests(candidate));
    const readAlong = Math.min(maxBytes, MOST_READ_ALONG_BYTES);
    const files = (await queue.claimMany(tried, leaseMs, readAlong))[Symbol.iterator]();
    let failure: DiskFailure | undefined;
    let at = 0;
    const claimed = candidates.map((candidate): Claimed => {
      if (candidate !== tried[at]) return "resists"; // left alone for now
      at++;
      try {
        return this.#claimed(candidate, files.next().value!);
      } catch (error) {
        if (!(error instanceof DiskFailure)) throw error;
        failure ??= error;
        return "resists";
      }
    });
    return failure ? { claimed, failure } : { claimed };
  }

  /** Try again to remove the files of delivered events that the disk refused to remove. */
  async removeDelivered(): Promise<void> {
    for (const claim of [...this.#of.delivered]) await claim.complete();
  }

  #claimed(candidate: Candidate, file: ClaimedFile): Claimed {
    if (!("error" in file)) {
      this.#backoff.claimed(candidate);
      this.#diskIsFull = false;
      if (!file.claim) return "gone";
      this.#announce(file.claim);
      return new MaildirClaim(this.#of, file.claim, file.taken);
    }
    const { error } = file;
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (isDiskFull(error)) {
      this.#reportFull(error);
      return "no room";
    }
    if (this.#backoff.refused(candidate, error)) {
      const path = `${candidate.folder}/${candidate.name}`;
      this.#of.reporter.skipped(path, `can't be claimed: ${code}; tried again later`);
    }
    return "resists";
  }

  #reportFull(error: unknown): void {
    if (!this.#diskIsFull) {
      const fate = "what can be claimed is delivered, the rest waits for room";
      this.#of.reporter.trouble("claim", error, fate);
    }
    this.#diskIsFull = true;
  }

  #announce(claim: Claim): void {
    const { id, replacedName, takeovers, previousOwner: owner } = claim;
    if (replacedName !== undefined) this.#trace({ type: "id-replaced", id, name: replacedName });
    if ("previousOwner" in claim) this.#trace({ type: "taken-over", id, owner, takeovers });
  }
}
