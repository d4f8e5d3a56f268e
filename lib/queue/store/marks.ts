/**
 * The marks in a destination's folder: dot files by which operators, endpoints and consumers leave
 * word for all consumers, also after a restart.
 *
 *     .hold            an operator holds it: nothing is sent until the file is removed
 *     .after@<ms>      the endpoint asked to be left alone until then, Unix ms
 *     .away@<ms>       it has been away since then, Unix ms: who begins to send there begins slowly
 *     .open~<owner>    that consumer finds it down; JSON with `since` and `error`, for people
 *     .struggling~<owner>    that consumer finds that only a part of the requests succeeds; JSON
 *                      with `since`, `share` and `error`, for people
 *
 * @module
 */

import { errorCode } from "../../runtime/runtime.ts";
import { LONGEST_WAIT_MS } from "../../store/limits.ts";
import { createFile } from "../layout.ts";
import { ensureFolder, isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { run } from "../steps.ts";

/** Keeps a destination from being sent to until it is removed. */
export const HOLD_FILE = ".hold";

/** Until when the endpoint asked to be left alone, Unix ms. */
export const AFTER_FILE = /^\.after@(\d{1,15})$/;

/** Some consumer finds the destination down. */
export const OPEN_FILE = /^\.open~[a-z0-9-]+$/;

/** Some consumer finds the destination struggling. */
export const STRUGGLING_FILE = /^\.struggling~[a-z0-9-]+$/;

/** Since when the destination was away, Unix ms. */
export const AWAY_FILE = /^\.away@(\d{1,15})$/;

/** What anybody may take back that others have said. */
export type TakenBack = typeof OPEN_FILE | typeof STRUGGLING_FILE | typeof AWAY_FILE;

/** An outage that long ago is over, or will be found out anew. */
const LONGEST_AWAY_MS = LONGEST_WAIT_MS;

/** How far a time may lie ahead that another host's clock has set. */
const CLOCK_SKEW_MS = 15 * 60_000;

/** What a time in the name of an `.away@` says: 0 when it is long over, or no clock has set it. */
export function believedAwayMs(name: string, nowMs: number): number {
  const sinceMs = Number(AWAY_FILE.exec(name)?.[1] ?? 0);
  return sinceMs <= nowMs + CLOCK_SKEW_MS && nowMs - sinceMs <= LONGEST_AWAY_MS ? sinceMs : 0;
}

/**
 * Longest wait an endpoint can ask for, and what clocks may differ: a time further ahead is not
 * believed.
 */
export const FURTHEST_AFTER_MS = 2 * 60 * 60_000 + 15 * 60_000;

/** What a time in the name of an `.after@` says: 0 when it is over, or no clock can have set it. */
export function believedAfterMs(name: string, nowMs: number): number {
  const untilMs = Number(AFTER_FILE.exec(name)?.[1] ?? 0);
  return untilMs > nowMs && untilMs - nowMs <= FURTHEST_AFTER_MS ? untilMs : 0;
}

/** Writes and removes marks. */
export class Marks {
  readonly #queue: Queue;

  /** Those of a queue. */
  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /**
   * Tell everybody to leave a destination alone until then, Unix ms.
   *
   * @throws The disk's error.
   */
  after(destination: string, untilMs: number): Promise<void> {
    return this.#create(destination, `.after@${Math.ceil(untilMs)}`, new Uint8Array());
  }

  /**
   * Tell everybody since when a destination has been away, Unix ms.
   *
   * @throws The disk's error.
   */
  away(destination: string, sinceMs: number): Promise<void> {
    return this.#create(destination, `.away@${Math.floor(sinceMs)}`, new Uint8Array());
  }

  /**
   * Tell people that this consumer finds a destination down, and why.
   *
   * @throws The disk's error.
   */
  open(destination: string, error: string): Promise<void> {
    return this.#createJson(destination, this.#ownFile(".open"), { error });
  }

  /**
   * Tell people that this consumer finds a destination struggling: which part of the requests
   * succeeds, 0 to 1, and why the others don't. The last word counts.
   *
   * @throws The disk's error.
   */
  async struggling(destination: string, share: number, error: string): Promise<void> {
    const name = this.#ownFile(".struggling");
    await this.#withdraw(destination, name);
    await this.#createJson(destination, name, { share: Math.round(share * 100) / 100, error });
  }

  #ownFile(kind: ".open" | ".struggling"): string {
    return `${kind}~${this.#queue.owner}`;
  }

  /**
   * Remove everybody's word of one kind: that a destination is down, is struggling, was away.
   *
   * @throws The disk's error.
   */
  async takeBack(destination: string, marks: TakenBack): Promise<void> {
    const { disk } = this.#queue.place.runtime;
    const folder = `defer/${destination}`;
    try {
      for await (const { name, kind } of disk.list(`${this.#queue.place.base}/${folder}`)) {
        if (kind === "file" && marks.test(name)) {
          await disk.remove(this.#queue.path(folder, name));
        }
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /**
   * Take back this consumer's own word for people.
   *
   * @throws The disk's error.
   */
  async withdraw(destination: string): Promise<void> {
    await this.#withdraw(destination, this.#ownFile(".open"));
    await this.#withdraw(destination, this.#ownFile(".struggling"));
  }

  async #withdraw(destination: string, name: string): Promise<void> {
    const { disk } = this.#queue.place.runtime;
    try {
      await disk.remove(this.#queue.path(`defer/${destination}`, name));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Remove a mark that is over; one that resists is looked at again. */
  async drop(folder: string, name: string): Promise<void> {
    try {
      await this.#queue.place.runtime.disk.remove(this.#queue.path(folder, name));
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
    }
  }

  #createJson(destination: string, name: string, members: object): Promise<void> {
    const since = new Date(this.#queue.place.runtime.clock.now()).toISOString();
    const text = `${JSON.stringify({ since, ...members })}\n`;
    return this.#create(destination, name, new TextEncoder().encode(text));
  }

  async #create(destination: string, name: string, bytes: Uint8Array): Promise<void> {
    const { disk } = this.#queue.place.runtime;
    const path = this.#queue.path(`defer/${destination}`, name);
    await ensureFolder(this.#queue.place, `defer/${destination}`);
    try {
      await run(createFile(disk, path, bytes, this.#queue.place.modes, false));
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}
