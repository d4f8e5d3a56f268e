/**
 * What is on the queue, at a glance: counted from names, for dead letters from their reasons, and
 * for what is in flight from the events. Reads only.
 *
 * @module
 */

import { destinationFolder } from "../event/destination.ts";
import { parseEvent } from "../event/request.ts";
import { errorCode } from "../runtime/runtime.ts";
import { dueMs, whyNotAnEvent } from "./store/listing.ts";
import { parseName } from "./name.ts";
import { isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";
import {
  AFTER_FILE,
  FURTHEST_AFTER_MS,
  HOLD_FILE,
  OPEN_FILE,
  STRUGGLING_FILE,
} from "./store/marks.ts";

/** Of one destination. */
export interface DestinationStatus {
  /** The destination's folder name. */
  readonly destination: string;
  /** Events in `defer/`. */
  readonly waiting: number;
  /** Events in `cur/`, as far as they were read; see {@linkcode QueueStatus.claimedUnread}. */
  readonly inFlight: number;
  /** Dead letters. */
  readonly dead: number;
  /** Whether an operator holds it. */
  readonly isHeld: boolean;
  /** Until when it asked to be left alone, Unix ms; `undefined` when it didn't. */
  readonly throttledUntilMs: number | undefined;
  /**
   * Since when a consumer finds it down and sends only probes, Unix ms; `undefined` when none does.
   */
  readonly downSinceMs: number | undefined;
  /**
   * Which part of the requests succeeds, 0 to 1, where a consumer finds that many don't; the least
   * that any finds, `undefined` when none does.
   */
  readonly strugglingShare: number | undefined;
  /** Since when one does, Unix ms. */
  readonly strugglingSinceMs: number | undefined;
  /** What went wrong last where it is down or struggling; `undefined` when it is neither. */
  readonly lastError: string | undefined;
  /**
   * When the first of those waiting may be sent, Unix ms; `undefined` when none waits or it is
   * held. While it is down, the next probe comes first: within 75 s of the last one.
   */
  readonly nextAttemptMs: number | undefined;
}

/** Of the whole queue. */
export interface QueueStatus {
  /** In `tmp/`. */
  readonly writing: number;
  /** In `new/`. */
  readonly ready: number;
  /** In `cur/`. */
  readonly claimed: number;
  /**
   * How many of those count for no destination, because they were not read: more than 1,000 events,
   * or 64 MiB, never are.
   */
  readonly claimedUnread: number;
  /** In `defer/`. */
  readonly deferred: number;
  /** In `doa/`. */
  readonly dead: number;
  /** Responses in `res/`. */
  readonly responses: number;
  /** Files whose names are not UTF-8. */
  readonly unreachable: number;
  /** By destination, sorted by name. Events in `new/` have none before they are read. */
  readonly destinations: readonly DestinationStatus[];
}

/** Reasons longer than this are not ours. */
const LONGEST_REASON_BYTES = 64 * 1024;

/** Claimed events that are read for their destination, and their bytes, all together. */
const MOST_CLAIMS_READ = 1_000;
const MOST_CLAIM_BYTES = 64 * 2 ** 20;

/** Marks of one kind that are read, for one destination. */
const MOST_MARKS_READ = 100;

/** Reasons that are read side by side. */
const READ_TOGETHER = 64;

/** Names between two reports of progress. */
const NAMES_PER_REPORT = 256;

interface Tally {
  waiting: number;
  inFlight: number;
  dead: number;
  isHeld: boolean;
  throttledUntilMs: number | undefined;
  downSinceMs: number | undefined;
  strugglingShare: number | undefined;
  strugglingSinceMs: number | undefined;
  lastError: string | undefined;
  /** When that error was, Unix ms. */
  lastErrorMs: number;
  nextAttemptMs: number | undefined;
}

/** What a consumer that finds a destination down or struggling wrote down. */
interface PeoplesMark {
  readonly sinceMs: number;
  readonly error: string;
  /** The part of the requests that succeeds, 0 to 1. */
  readonly share: number;
}

/** Told how many names have been looked at; what it returns is waited for. */
export type StatusProgress = (names: number) => void | Promise<void>;

class Census {
  readonly destinations = new Map<string, Tally>();
  unreachable = 0;
  claimedUnread = 0;
  readonly #queue: Queue;
  readonly #onProgress: StatusProgress | undefined;
  #looked = 0;

  constructor(queue: Queue, onProgress?: StatusProgress) {
    this.#queue = queue;
    this.#onProgress = onProgress;
  }

  of(destination: string): Tally {
    let tally = this.destinations.get(destination);
    if (!tally) {
      tally = {
        waiting: 0,
        inFlight: 0,
        dead: 0,
        isHeld: false,
        throttledUntilMs: undefined,
        downSinceMs: undefined,
        strugglingShare: undefined,
        strugglingSinceMs: undefined,
        lastError: undefined,
        lastErrorMs: 0,
        nextAttemptMs: undefined,
      };
      this.destinations.set(destination, tally);
    }
    return tally;
  }

  /** By destination, sorted by name. */
  byDestination(): DestinationStatus[] {
    return [...this.destinations]
      .map(([destination, { lastErrorMs: _, ...tally }]) => {
        const { isHeld, throttledUntilMs, nextAttemptMs } = tally;
        return {
          destination,
          ...tally,
          nextAttemptMs: isHeld || nextAttemptMs === undefined
            ? undefined
            : Math.max(nextAttemptMs, throttledUntilMs ?? 0),
        };
      })
      .sort((a, b) => a.destination < b.destination ? -1 : 1);
  }

  /**
   * Names of the files in a folder, and of its folders.
   *
   * @param onDotFile Told of names that aren't events because of their dot.
   */
  async *names(
    folder: string,
    onDotFile: (name: string) => void = () => {},
  ): AsyncIterable<{ name: string; isFolder: boolean }> {
    try {
      for await (const entry of await this.#entriesOf(folder)) {
        if (this.#onProgress && ++this.#looked % NAMES_PER_REPORT === 0) {
          await this.#onProgress(this.#looked);
        }
        const other = await whyNotAnEvent(this.#queue.place, folder, entry);
        if (other === "unreachable") this.unreachable++;
        if (other === "dot file") onDotFile(entry.name);
        if (other === undefined || other === "directory") {
          yield { name: entry.name, isFolder: other === "directory" };
        }
      }
    } catch (error) {
      if (!isMissing(error)) throw error; // a folder that isn't there is an empty one
    }
  }

  /** A bucket is never large, so that it is cheaper to have all of it at once. */
  #entriesOf(folder: string) {
    const { disk } = this.#queue.place.runtime;
    const path = `${this.#queue.place.base}/${folder}`;
    return folder.split("/").length > 2 ? disk.entries(path) : disk.list(path);
  }

  async count(folder: string, counts: (name: string) => boolean = () => true): Promise<number> {
    let count = 0;
    for await (const { name, isFolder } of this.names(folder)) {
      if (!isFolder && counts(name)) count++;
    }
    return count;
  }

  /** `defer/`. */
  async waiting(): Promise<number> {
    let count = 0;
    for await (const { name, isFolder } of this.names("defer")) {
      if (isFolder) count += await this.#waitingFor(name);
      else count += this.#wait(UNKNOWN_DESTINATION, name);
    }
    return count;
  }

  async #waitingFor(destination: string): Promise<number> {
    const folder = `defer/${destination}`;
    const marks: string[] = [];
    let count = 0;
    for await (const { name, isFolder } of this.names(folder, (name) => marks.push(name))) {
      if (!isFolder) {
        count += this.#wait(destination, name);
        continue;
      }
      for await (const event of this.names(`${folder}/${name}`)) {
        if (!event.isFolder) count += this.#wait(destination, event.name);
      }
    }
    await this.#readMarks(destination, marks);
    return count;
  }

  #wait(destination: string, name: string): 1 {
    const nowMs = this.#queue.place.runtime.clock.now();
    const tally = this.of(destination);
    tally.waiting++;
    tally.nextAttemptMs = Math.min(
      tally.nextAttemptMs ?? Infinity,
      dueMs(parseName(name), nowMs) || nowMs,
    );
    return 1;
  }

  /** What operators, the endpoint and consumers have said in a destination's folder. */
  async #readMarks(destination: string, names: readonly string[]): Promise<void> {
    const nowMs = this.#queue.place.runtime.clock.now();
    if (names.includes(HOLD_FILE)) this.of(destination).isHeld = true;
    for (const name of names) {
      const untilMs = Number(AFTER_FILE.exec(name)?.[1]);
      if (!(untilMs > nowMs && untilMs - nowMs <= FURTHEST_AFTER_MS)) continue;
      const tally = this.of(destination);
      tally.throttledUntilMs = Math.max(tally.throttledUntilMs ?? 0, untilMs);
    }
    const open = names.filter((name) => OPEN_FILE.test(name));
    for (const name of open.slice(0, MOST_MARKS_READ)) {
      const mark = await this.#readMark(destination, name);
      if (mark) this.#isDown(destination, mark);
    }
    const struggling = names.filter((name) => STRUGGLING_FILE.test(name));
    for (const name of struggling.slice(0, MOST_MARKS_READ)) {
      const mark = await this.#readMark(destination, name);
      if (mark) this.#isStruggling(destination, mark);
    }
  }

  /** What a consumer wrote down for people; `undefined` when it was taken back meanwhile. */
  async #readMark(destination: string, name: string): Promise<PeoplesMark | undefined> {
    const { disk, clock } = this.#queue.place.runtime;
    let [sinceMs, error, share] = [NaN, "unknown", 0];
    try {
      const path = this.#queue.path(`defer/${destination}`, name);
      const { stat, bytes } = await disk.read(path, LONGEST_REASON_BYTES);
      sinceMs = stat.mtimeMs;
      const mark: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof mark === "object" && mark !== null) {
        if ("error" in mark && typeof mark.error === "string") error = mark.error;
        if ("since" in mark && typeof mark.since === "string") {
          sinceMs = Date.parse(mark.since) || sinceMs;
        }
        if ("share" in mark && typeof mark.share === "number") {
          share = Math.min(1, Math.max(0, mark.share));
        }
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      if (errorCode(error) === undefined && !(error instanceof SyntaxError)) throw error;
    }
    return { sinceMs: sinceMs || clock.now(), error, share };
  }

  #isDown(destination: string, { sinceMs, error }: PeoplesMark): void {
    const tally = this.of(destination);
    tally.downSinceMs = Math.min(tally.downSinceMs ?? Infinity, sinceMs);
    this.#hasFailed(tally, sinceMs, error);
  }

  #isStruggling(destination: string, { sinceMs, error, share }: PeoplesMark): void {
    const tally = this.of(destination);
    tally.strugglingShare = Math.min(tally.strugglingShare ?? 1, share);
    tally.strugglingSinceMs = Math.min(tally.strugglingSinceMs ?? Infinity, sinceMs);
    this.#hasFailed(tally, sinceMs, error);
  }

  #hasFailed(tally: Tally, sinceMs: number, error: string): void {
    if (sinceMs < tally.lastErrorMs) return;
    tally.lastErrorMs = sinceMs;
    tally.lastError = error;
  }

  /** `cur/`. Which destination an event is for is only in the event itself. */
  async claimed(): Promise<number> {
    let count = 0;
    let [readsLeft, bytesLeft] = [MOST_CLAIMS_READ, MOST_CLAIM_BYTES];
    for await (const { name, isFolder } of this.names("cur")) {
      if (isFolder) continue;
      count++;
      if (readsLeft === 0 || bytesLeft <= 0) {
        this.claimedUnread++;
        continue;
      }
      const read = await this.#destinationOfClaim(name, bytesLeft);
      if (read === undefined) continue; // settled meanwhile
      readsLeft--;
      bytesLeft -= read.size;
      this.of(read.destination).inFlight++;
    }
    return count;
  }

  async #destinationOfClaim(
    name: string,
    maxBytes: number,
  ): Promise<{ destination: string; size: number } | undefined> {
    const { disk, sha256 } = this.#queue.place.runtime;
    try {
      const { bytes } = await disk.read(this.#queue.path("cur", name), maxBytes);
      const event = bytes && parseEvent(bytes);
      const url = event?.kind === "request"
        ? event.request.url
        : event?.kind === "refused"
        ? event.url
        : undefined;
      const destination = url && await destinationFolder(url, (text) => sha256(text));
      return { destination: destination ?? UNKNOWN_DESTINATION, size: bytes?.length ?? 0 };
    } catch (error) {
      if (isMissing(error)) return undefined;
      if (errorCode(error) === undefined) throw error;
      return { destination: UNKNOWN_DESTINATION, size: 0 };
    }
  }

  async dead(): Promise<number> {
    let count = 0;
    let some: string[] = [];
    const look = async () => {
      const destinations = await Promise.all(some.map((name) => this.#destinationOfDead(name)));
      for (const destination of destinations) this.of(destination).dead++;
      some = [];
    };
    for await (const { name, isFolder } of this.names("doa")) {
      if (isFolder || name.endsWith(".why")) continue;
      count++;
      if (some.push(name) >= READ_TOGETHER) await look();
    }
    await look();
    return count;
  }

  async #destinationOfDead(name: string): Promise<string> {
    try {
      const { bytes } = await this.#queue.place.runtime.disk.read(
        this.#queue.path("doa", `${name}.why`),
        LONGEST_REASON_BYTES,
      );
      const why: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (
        typeof why === "object" && why !== null && "destination" in why &&
        typeof why.destination === "string"
      ) {
        return why.destination;
      }
    } catch {
      // no reason beside it, or not one of ours
    }
    return UNKNOWN_DESTINATION;
  }
}

/**
 * Stands for events whose destination is not known: broken files, dead letters without a reason,
 * and what people put into `defer/` itself.
 */
export const UNKNOWN_DESTINATION = "(none)";

/**
 * Count what is on the queue.
 *
 * @param onProgress Told now and then how many names have been looked at so far.
 * @throws The disk's error, when a folder can't be listed.
 */
export async function status(queue: Queue, onProgress?: StatusProgress): Promise<QueueStatus> {
  const census = new Census(queue, onProgress);
  const totals = {
    writing: await census.count("tmp"),
    ready: await census.count("new"),
    claimed: await census.claimed(),
    deferred: await census.waiting(),
    dead: await census.dead(),
    responses: await census.count("res", (name) => !name.endsWith(".meta")),
  };
  const { unreachable, claimedUnread } = census;
  return { ...totals, claimedUnread, unreachable, destinations: census.byDestination() };
}

/**
 * Whether no event is left in `new/`, `cur/` or `defer/`, whoever holds it. What can't be reached
 * or isn't an event doesn't count.
 *
 * @param counts Which destinations' folders in `defer/` count. @default {all}
 */
export async function isEmpty(
  queue: Queue,
  counts: (destination: string) => boolean = () => true,
): Promise<boolean> {
  const census = new Census(queue);
  const anyIn = async (folder: string): Promise<boolean> => {
    for await (const { name, isFolder } of census.names(folder)) {
      if (!isFolder) return true;
      if (folder === "defer" && !counts(name)) continue;
      if (
        folder.startsWith("defer") && folder.split("/").length < 3 &&
        await anyIn(`${folder}/${name}`)
      ) return true;
    }
    return false;
  };
  // In the order events travel, so that one that is claimed meanwhile is met in cur/; then once
  // more what a claim may go back to.
  for (const folder of ["defer", "new", "cur", "defer", "new"]) {
    if (await anyIn(folder)) return false;
  }
  return true;
}
