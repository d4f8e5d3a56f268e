/**
 * Why an event was received once more.
 *
 * @module
 */

import type { Receipt } from "./endpoint.ts";

/** A cause of a second delivery. */
export type Cause =
  | "the 2xx did not arrive"
  | "its consumer was killed"
  | "its lease was lost"
  | "no cause known";

/** Deliveries beyond the first, by cause. */
export type Duplicates = Readonly<Record<Cause, number>>;

/** What consumers said of their claims, and when processes were killed. */
export class Evidence {
  readonly #takenOver = new Map<string, number>();
  readonly #leaseLost = new Map<string, number>();
  readonly #killsMs: number[] = [];

  /** A line of a consumer's log. */
  note(line: string): void {
    if (!line.startsWith("{")) return;
    const { event, id } = JSON.parse(line);
    const counted = event === "taken-over"
      ? this.#takenOver
      : event === "lease-lost"
      ? this.#leaseLost
      : undefined;
    counted?.set(id, (counted.get(id) ?? 0) + 1);
  }

  /** A process is killed now. */
  noteKill(): void {
    this.#killsMs.push(performance.now());
  }

  /** What explains each delivery of an event that was followed by another. */
  explain(all: ReadonlyMap<string, readonly Receipt[]>): Duplicates {
    const duplicates: Record<Cause, number> = {
      "the 2xx did not arrive": 0,
      "its consumer was killed": 0,
      "its lease was lost": 0,
      "no cause known": 0,
    };
    for (const [id, receipts] of all) {
      let takeovers = this.#takenOver.get(id) ?? 0;
      let leases = this.#leaseLost.get(id) ?? 0;
      for (const [index, receipt] of receipts.slice(0, -1).entries()) {
        const nextMs = receipts[index + 1]!.atMs;
        const sawKill = this.#killsMs.some((atMs) => atMs > receipt.atMs - 5 && atMs < nextMs);
        if (!receipt.answered) duplicates["the 2xx did not arrive"]++;
        else if (leases-- > 0) duplicates["its lease was lost"]++;
        // who took it over may have been killed before its log line was out
        else if (takeovers-- > 0 || sawKill) duplicates["its consumer was killed"]++;
        else duplicates["no cause known"]++;
      }
    }
    return duplicates;
  }
}
