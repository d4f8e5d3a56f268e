/**
 * A disk for a consumer on Deno: what comes in bursts is served by a thread of its own, while this
 * one talks to endpoints.
 *
 * What is asked for while the thread is busy goes to it together: to wake a thread costs more than
 * any verb, and as much for thirty verbs as for one. Few are served in place. The thread is started
 * by the first burst, or the first large folder; a consumer that has little to do never has it.
 * Should it die, what it was working on fails with `EIO` (whether it was done is not known, as with
 * a disk that doesn't answer), and everything is served in place from then on.
 *
 * @module
 */

import { asyncDisk, blockingDisk } from "../deno.ts";
import type { DirEntry, Disk, FileContent, Move, Stat, Taken } from "../runtime.ts";
import { startThread } from "./program.ts";
import {
  type Answers,
  type Failure,
  KINDS,
  type More,
  type Names,
  NUMBERS,
  type Removed,
  SEPARATOR,
  SETTINGS,
} from "./protocol.ts";

/** A verb that somebody waits for. */
interface Call {
  readonly verb: "rename" | "read" | "take" | "remove";
  readonly path: string;
  /** The new name. */
  readonly to: string;
  readonly maxBytes: number;
  readonly done: (answer: Taken) => void;
}

/** From how many verbs at once it pays to hand them over, unless told otherwise. */
const LEAST_BURST = 4;

/**
 * How many bursts may be under way, of removals and of the rest: the thread has the next when it
 * has done with one.
 */
const MOST_BURSTS = 2;

/**
 * From how many ms on a removal is slow, unless told otherwise: one on a local disk is done in a
 * tenth of that.
 */
const SLOW_REMOVAL_MS = 0.05;

const DIED: Failure = { code: "EIO", name: "Error", message: "the disk's thread has died" };

/** When a {@linkcode WorkerDisk} does what. */
export interface WorkerDiskOptions {
  /** From how many verbs at once the thread is asked. @default 4 */
  readonly leastBurst?: number;
  /**
   * From how many ms on a removal is slow, and those after it are made several at a time. @default
   * 0.05
   */
  readonly slowRemovalMs?: number;
}

/** A {@linkcode Disk} with a thread of its own. */
export interface WorkerDisk extends Disk {
  /**
   * Start the thread now rather than when there is much to do; resolves once it serves, or never
   * will.
   */
  start(): Promise<void>;
  /** End the thread; nothing may be under way. The disk can still be used. */
  close(): void;
}

/**
 * A disk for a process that consumes: as `blockingDisk`, with a thread for bursts of renames, reads
 * and removals.
 *
 * Needs no permission that the queue doesn't need. While the thread runs, the process does not end
 * by itself: close the disk.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { workerDisk } from "@optimizelyd/maildir";
 *
 * const disk = workerDisk(); // for denoRuntime(disk)
 * await disk.start();
 * assertEquals((await disk.lstat(".")).kind, "directory");
 * disk.close();
 * ```
 */
export function workerDisk(options: WorkerDiskOptions = {}): WorkerDisk {
  const thread = new DiskThread(options);
  return {
    ...blockingDisk,
    list: (dir) => thread.list(dir),
    rename: (from, to) => thread.rename(from, to),
    read: (path, maxBytes) => thread.read(path, maxBytes),
    remove: (path) => thread.remove(path),
    take: (moves, maxBytes) => thread.take(moves, maxBytes),
    start: () => thread.start(),
    close: () => thread.close(),
  };
}

class DiskThread {
  /** Asked for, not yet served. */
  readonly #nextCalls: Call[] = [];
  readonly #nextRemovals: Call[] = [];
  readonly #calls = new Map<number, readonly Call[]>();
  readonly #removals = new Map<number, readonly Call[]>();
  readonly #listings = new Map<number, (names: Names) => void>();
  #lastNumber = 0;
  readonly #leastBurst: number;
  readonly #slowRemovalMs: number;
  #thread: Worker | undefined;
  readonly #onReady: (() => void)[] = [];
  #state: "none" | "starting" | "ready" | "dead" = "none";

  constructor({ leastBurst = LEAST_BURST, slowRemovalMs = SLOW_REMOVAL_MS }: WorkerDiskOptions) {
    this.#leastBurst = leastBurst;
    this.#slowRemovalMs = slowRemovalMs;
  }

  get #isReady(): boolean {
    return this.#state === "ready";
  }

  async start(): Promise<void> {
    if (this.#state === "none") this.#start();
    if (this.#state === "starting") {
      await new Promise<void>((resolve) => this.#onReady.push(resolve));
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#one("rename", from, to, 0);
  }

  async read(path: string, maxBytes: number): Promise<FileContent> {
    return (await this.#one("read", path, "", maxBytes))!;
  }

  remove(path: string): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#call({
        verb: "remove",
        path,
        to: "",
        maxBytes: 0,
        done: (answer) => "refused" in answer ? reject(answer.refused) : resolve(),
      })
    );
  }

  take(moves: readonly Move[], maxBytes: number): Promise<readonly Taken[]> {
    const taken = new Array<Taken>(moves.length);
    let left = moves.length;
    return new Promise((resolve) => {
      if (left === 0) resolve(taken);
      moves.forEach(({ from, to }, n) =>
        this.#call({
          verb: "take",
          path: from,
          to,
          maxBytes,
          done: (answer) => {
            taken[n] = answer;
            if (--left === 0) resolve(taken);
          },
        })
      );
    });
  }

  async *list(dir: string): AsyncIterable<DirEntry> {
    for await (const entries of this.#lists(dir)) {
      for (const entry of entries) yield entry; // `yield*` takes twice as long
    }
  }

  close(): void {
    this.#thread?.terminate();
    this.#thread = undefined;
    this.#become("none");
  }

  #one(
    verb: Call["verb"],
    path: string,
    to: string,
    maxBytes: number,
  ): Promise<FileContent | undefined> {
    return new Promise((resolve, reject) =>
      this.#call({
        verb,
        path,
        to,
        maxBytes,
        done: (answer) => {
          if ("refused" in answer) reject(answer.refused);
          else if ("unread" in answer) reject(answer.unread);
          else resolve(answer.content);
        },
      })
    );
  }

  #call(call: Call): void {
    const next = call.verb === "remove" ? this.#nextRemovals : this.#nextCalls;
    if (next.length === 0) queueMicrotask(() => this.#flush());
    next.push(call);
  }

  /**
   * Serve what has been asked for, unless the thread has enough of it to do: then it goes with what
   * is asked for meanwhile.
   */
  #flush(): void {
    const calls = this.#calls.size < MOST_BURSTS ? this.#nextCalls.splice(0) : [];
    const removals = this.#removals.size < MOST_BURSTS ? this.#nextRemovals.splice(0) : [];
    const count = calls.length + removals.length;
    if (count === 0) return;
    if (this.#state === "none" && count >= this.#leastBurst) this.#start();
    const isBusy = this.#calls.size + this.#removals.size > 0;
    if (this.#state === "ready" && (isBusy || count >= this.#leastBurst)) {
      this.#handOver(calls, removals);
    } else {
      for (const call of [...calls, ...removals]) serveHere(call);
    }
  }

  #handOver(calls: readonly Call[], removals: readonly Call[]): void {
    const burst = ++this.#lastNumber;
    if (calls.length > 0) this.#calls.set(burst, calls);
    if (removals.length > 0) this.#removals.set(burst, removals);
    this.#thread!.postMessage({
      burst,
      calls: calls.map(({ verb, path, to, maxBytes }) =>
        verb + SEPARATOR + path + SEPARATOR + to + SEPARATOR + maxBytes
      ).join(SEPARATOR),
      removals: removals.map(({ path }) => path).join(SEPARATOR),
    });
  }

  #start(): void {
    const thread = this.#thread = startThread(this.#slowRemovalMs);
    this.#state = "starting";
    thread.onmessage = ({ data }: MessageEvent<"ready" | Answers | Removed | Names>) => {
      if (data === "ready") this.#become("ready");
      else if ("answers" in data) this.#answered(data);
      else if ("removed" in data) this.#removed(data);
      else this.#named(data);
    };
    thread.onerror = (event) => {
      event.preventDefault();
      thread.terminate();
      this.#died();
    };
  }

  #become(state: "none" | "ready" | "dead"): void {
    this.#state = state;
    for (const resolve of this.#onReady.splice(0)) resolve();
  }

  #died(): void {
    this.#become("dead");
    for (const calls of [...this.#calls.values(), ...this.#removals.values()]) {
      for (const { done } of calls) done({ refused: errorOf(DIED) });
    }
    this.#calls.clear();
    this.#removals.clear();
    for (const names of this.#listings.keys()) {
      this.#named({ names, entries: "", isLast: true, failure: DIED });
    }
    this.#flush();
  }

  #answered({ answers, numbers, bytes, failures }: Answers): void {
    const calls = this.#calls.get(answers)!;
    this.#calls.delete(answers);
    this.#flushSoon();
    let [filled, failed] = [0, 0];
    calls.forEach(({ done }, n) => {
      const at = n * NUMBERS;
      if (numbers[at] === 0) return done({});
      if (numbers[at] === 2) return done({ unread: errorOf(failures[failed++]!) });
      if (numbers[at] === 3) return done({ refused: errorOf(failures[failed++]!) });
      const stat = statOf(numbers.subarray(at + 2, at + NUMBERS));
      const length = numbers[at + 1]!;
      const content = length < 0 ? undefined : bytes.subarray(filled, filled += length);
      done({ content: { stat, bytes: content } });
    });
  }

  #removed({ removed, failures }: Removed): void {
    const removals = this.#removals.get(removed)!;
    this.#removals.delete(removed);
    this.#flushSoon();
    removals.forEach(({ done }, n) => {
      const failure = failures.get(n);
      done(failure ? { refused: errorOf(failure) } : {});
    });
  }

  /** After those who get an answer now have gone on: what they ask for next goes together. */
  #flushSoon(): void {
    queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => this.#flush())));
  }

  /** A folder that turns out to be large is listed anew by the thread, before any of it is told. */
  async *#lists(dir: string): AsyncIterable<readonly DirEntry[]> {
    if (this.#isReady) return yield* this.#listsOfThread(dir);
    let some: DirEntry[] = [];
    let isTried = false;
    for await (const entry of blockingDisk.list(dir)) {
      some.push(entry);
      if (some.length < SETTINGS.names) continue;
      if (!isTried) await this.start();
      if (!isTried && this.#isReady) return yield* this.#listsOfThread(dir);
      isTried = true;
      yield some;
      some = [];
    }
    yield some;
  }

  /** The thread lists ahead: while some names are worked through, it looks for the next. */
  async *#listsOfThread(dir: string): AsyncIterable<readonly DirEntry[]> {
    const folder = ++this.#lastNumber;
    let next = this.#names({ folder, dir });
    let isOver = false;
    try {
      while (!isOver) {
        const { entries, isLast, failure } = await next;
        isOver = isLast;
        if (!isOver) next = this.#names({ folder });
        if (entries !== "") yield entries.split(SEPARATOR).map(entryOf);
        if (failure) throw errorOf(failure);
      }
    } finally {
      if (!isOver) this.#thread?.postMessage({ folder, isOver: true });
    }
  }

  #names(more: More): Promise<Names> {
    this.#thread!.postMessage(more);
    return new Promise((resolve) => this.#listings.set(more.folder, resolve));
  }

  #named(names: Names): void {
    const resolve = this.#listings.get(names.names);
    this.#listings.delete(names.names);
    resolve?.(names);
  }
}

function entryOf(entry: string): DirEntry {
  return { name: entry.slice(1), kind: KINDS[Number(entry[0])]! };
}

function statOf(numbers: Float64Array): Stat {
  return {
    kind: KINDS[numbers[0]!]!,
    size: numbers[1]!,
    mtimeMs: numbers[2]!,
    ctimeMs: numbers[3]!,
    ino: numbers[4]!,
    dev: numbers[5]!,
    nlink: numbers[6]!,
    mode: numbers[7]!,
    uid: numbers[8]!,
    gid: numbers[9]!,
  };
}

function serveHere({ verb, path, to, maxBytes, done }: Call): void {
  if (verb === "remove") {
    Promise.resolve(asyncDisk.remove(path)).then(() => done({}), (refused) => done({ refused }));
    return;
  }
  try {
    if (verb !== "read") blockingDisk.rename(path, to);
  } catch (refused) {
    return done({ refused });
  }
  if (verb === "rename") return done({});
  try {
    done({ content: blockingDisk.read(verb === "read" ? path : to, maxBytes) as FileContent });
  } catch (unread) {
    done({ unread });
  }
}

function errorOf({ code, name, message }: Failure): Error {
  const error = new Error(message);
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}
