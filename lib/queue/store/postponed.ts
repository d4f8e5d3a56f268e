/**
 * Events in `new/` that are due much later: each is moved to where the events of its destination
 * wait, in buckets that nobody looks into before their time. So a million of them due next week
 * cost nothing meanwhile, and those that are due don't stand behind them.
 *
 * They are not claimed: a claim would be another's at once when this consumer dies, whatever time
 * the event was to wait for. One rename moves it, its due time in its name before and after.
 *
 * @module
 */

import { destinationFolder } from "../../event/destination.ts";
import { parseEvent } from "../../event/request.ts";
import { errorCode } from "../../runtime/runtime.ts";
import type { Reporter } from "../../telemetry/reporter.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";

/** How many are moved side by side. */
const AT_ONCE = 32;

/** Most of one event that is read for it. A larger one stays until it is due. */
const MOST_BYTES = 64 * 1024;

/** Moves events that are due much later. */
export class Postponed {
  readonly #queue: Queue;
  readonly #reporter: Reporter;
  readonly #added: (folder: string, dueMs: number) => void;

  /** @param added Told where an event waits, and until when, Unix ms. */
  constructor(
    queue: Queue,
    reporter: Reporter,
    added: (folder: string, dueMs: number) => void,
  ) {
    this.#queue = queue;
    this.#reporter = reporter;
    this.#added = added;
  }

  /**
   * Move events of `new/`, by their names. What can't be moved stays until it is due.
   *
   * @returns How many were.
   */
  async move(names: readonly string[]): Promise<number> {
    let moved = 0;
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE);
      const are = await Promise.all(some.map((name) => this.#moveOne(name)));
      moved += are.filter(Boolean).length;
    }
    return moved;
  }

  async #moveOne(name: string): Promise<boolean> {
    try {
      const destination = await this.#destinationOf(name);
      if (destination === undefined) return false;
      const postponed = await this.#queue.postpone("new", name, destination);
      if (!postponed) return false;
      this.#added(postponed.folder, postponed.dueMs);
      return true;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      if (isMissing(error)) return false; // somebody else has it
      this.#reporter.trouble("postpone", error, "it waits in new/ until it is due");
      return false;
    }
  }

  /** The label of an event's destination; `undefined` when the file is too large, or is none. */
  async #destinationOf(name: string): Promise<string | undefined> {
    const { disk, sha256 } = this.#queue.place.runtime;
    const { bytes } = await disk.read(this.#queue.path("new", name), MOST_BYTES);
    const parsed = bytes && parseEvent(bytes);
    return parsed?.kind === "request"
      ? await destinationFolder(parsed.request.url, sha256)
      : undefined;
  }
}
