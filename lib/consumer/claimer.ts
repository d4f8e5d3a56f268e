/**
 * Claiming candidates, and what to do when the disk refuses.
 *
 * @module
 */

import type { Candidate } from "../queue/listing.ts";
import { isDiskFull } from "../queue/place.ts";
import type { Claim, Queue } from "../queue/queue.ts";
import { errorCode } from "../runtime/runtime.ts";
import type { Gate } from "./gate.ts";
import type { Reporter } from "./reporter.ts";
import type { Resistance } from "./resistance.ts";
import type { Trace } from "./trace.ts";

/** What a claimer works with. */
export interface ClaimerParts {
  /** Whose events. */
  readonly queue: Queue;
  /** How long a claim is exclusive. */
  readonly leaseMs: number;
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
   * Claim a candidate, or take it over.
   *
   * @param signal Ends the waiting for room on a full disk.
   * @returns `undefined` when somebody else has it; `"refused"` when the disk refuses, or did so a moment ago.
   * @throws {DiskFailure} If the disk has refused different events for too long.
   */
  async claim(candidate: Candidate, signal: AbortSignal): Promise<Claim | undefined | "refused"> {
    const { resistance, gate, reporter } = this.#parts;
    if (resistance.rests(candidate)) return "refused";
    for (let tries = 0;; tries++) {
      try {
        const claim = await this.#rename(candidate);
        resistance.claimed(candidate);
        this.#diskIsFull = false;
        if (claim) this.#announce(claim);
        return claim;
      } catch (error) {
        const code = errorCode(error);
        if (code === undefined) throw error;
        if (!isDiskFull(error)) {
          const path = `${candidate.folder}/${candidate.name}`;
          const isNew = resistance.refused(candidate, error);
          if (isNew) reporter.skipped(path, `can't be claimed: ${code}; tried again later`);
          return "refused";
        }
        if (!this.#diskIsFull) {
          reporter.trouble(
            "claim",
            error,
            "what can be claimed is delivered, the rest waits for room",
          );
        }
        this.#diskIsFull = true;
        if (tries > 0 || !gate.inside) return "refused";
        await gate.oneOut(); // a settled event may have made room for a name
        if (signal.aborted) return "refused";
      }
    }
  }

  #rename({ folder, name }: Candidate): Promise<Claim | undefined> {
    const { queue, leaseMs } = this.#parts;
    return folder === "cur" ? queue.takeOver(name, leaseMs) : queue.claim(folder, name, leaseMs);
  }

  #announce({ id, replacedName, takeovers, previousOwner: owner }: Claim): void {
    const { trace } = this.#parts;
    if (replacedName !== undefined) trace({ type: "id-replaced", id, name: replacedName });
    if (takeovers > 0) trace({ type: "taken-over", id, owner, takeovers });
  }
}
