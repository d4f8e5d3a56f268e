/**
 * A disk for a consumer on Deno: what comes in bursts is served by a thread of its own, while this
 * one talks to endpoints.
 *
 * What is asked for while the thread is busy goes to it together: to wake a thread costs more than
 * any verb, and as much for thirty verbs as for one. Few are served in place. The thread is started
 * by the first burst, or the first large folder; a consumer that has little to do never has it.
 * Should it die, what it was working on fails with `EIO` (whether it was done is not known, as with
 * a disk that doesn't answer), and everything is served in place from then on. Should the disk
 * answer nothing for longer than it may (`limitWait`), it is given up: nothing is asked of it any
 * more, for in place it would stop this thread as well.
 *
 * @module
 */

import { asyncDisk, blockingDisk, THREAD_VERBS } from "../deno.ts";
import type { DirEntry, Disk, FileContent, Move, Stat, Taken } from "../runtime.ts";
import { clock } from "../web.ts";
import { guarded } from "../within.ts";
import { programOf, startThread } from "./program.ts";
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

/** What the disk fails with once it is given up. */
const GIVEN_UP: Failure = { code: "EIO", name: "Error", message: "the disk has not answered" };

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
  return threadedDisk(options, startThread);
}

/** As {@linkcode workerDisk}, with a thread that is started by `start`. */
export function threadedDisk(
  options: WorkerDiskOptions,
  start: typeof startThread,
): WorkerDisk {
  const thread = new DiskThread(options, start);
  const inPlace = unless(() => thread.isGivenUp, blockingDisk);
  const verbs = {
    list: (dir: string) => thread.list(dir),
    rename: (from: string, to: string) => thread.rename(from, to),
    read: (path: string, maxBytes: number) => thread.read(path, maxBytes),
    remove: (path: string) => thread.remove(path),
    take: (moves: readonly Move[], maxBytes: number) => thread.take(moves, maxBytes),
    limitWait: (ms: number, onGivenUp: () => void) => thread.limitWait(ms, onGivenUp),
  };
  return {
    ...inPlace,
    ...verbs,
    within(root) {
      thread.keepWithin(root);
      return { ...guarded(inPlace, root), ...verbs };
    },
    start: () => thread.start(),
    close: () => thread.close(),
  };
}

/** A disk all of whose verbs fail once it is given up. */
function unless(isGivenUp: () => boolean, disk: Disk): Disk {
  const verbs = Object.entries(disk).map(([name, verb]) => [
    name,
    (...given: unknown[]) => {
      if (isGivenUp()) throw errorOf(GIVEN_UP);
      return verb(...given);
    },
  ]);
  return Object.fromEntries(verbs);
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
  readonly #startThread: typeof startThread;
  readonly #roots = new Set<string>();
  /** Few verbs are served here; removals in Deno's pool. */
  #here: Disk = { ...blockingDisk, remove: asyncDisk.remove };
  /** As `#here`, to read what was renamed here. */
  #own: Disk = { ...this.#here, read: THREAD_VERBS.readOwn };
  #thread: Worker | undefined;
  readonly #onReady: (() => void)[] = [];
  #state: "none" | "starting" | "ready" | "dead" | "given up" = "none";
  /** How often the thread has answered. */
  #answers = 0;

  constructor(
    { leastBurst = LEAST_BURST, slowRemovalMs = SLOW_REMOVAL_MS }: WorkerDiskOptions,
    start: typeof startThread,
  ) {
    this.#leastBurst = leastBurst;
    this.#slowRemovalMs = slowRemovalMs;
    this.#startThread = start;
  }

  get isGivenUp(): boolean {
    return this.#state === "given up";
  }

  get #isReady(): boolean {
    return this.#state === "ready";
  }

  /** Whether an answer is waited for. */
  get #isBusy(): boolean {
    return this.#calls.size + this.#removals.size + this.#listings.size + this.#onReady.length > 0;
  }

  /** From now on follow no symlink below `root`. */
  keepWithin(root: string): void {
    if (this.#roots.has(root)) return;
    this.#roots.add(root);
    this.#here = guarded(this.#here, root);
    this.#own = guarded(this.#own, root);
    this.#thread?.postMessage({ root });
  }

  limitWait(ms: number, onGivenUp: () => void): () => void {
    const lifted = new AbortController();
    const watch = async () => {
      while (!lifted.signal.aborted && !this.isGivenUp) {
        const [answers, wasBusy] = [this.#answers, this.#isBusy];
        await clock.sleep(ms, lifted.signal);
        if (lifted.signal.aborted || !wasBusy || !this.#isBusy) continue;
        if (answers !== this.#answers) continue;
        this.#thread?.terminate();
        this.#end("given up", GIVEN_UP);
        onGivenUp();
      }
    };
    void watch();
    return () => lifted.abort();
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
    if (!this.isGivenUp) this.#become("none");
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
    if (this.isGivenUp) return fail([...calls, ...removals], GIVEN_UP);
    if (this.#state === "none" && count >= this.#leastBurst) this.#start();
    const isBusy = this.#calls.size + this.#removals.size > 0;
    if (this.#state === "ready" && (isBusy || count >= this.#leastBurst)) {
      this.#handOver(calls, removals);
    } else {
      for (const call of calls) serveCall(call, this.#own, this.#here);
      for (const removal of removals) serveRemoval(removal, this.#here);
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
    const thread = this.#thread = this.#startThread(
      programOf(this.#slowRemovalMs, [...this.#roots]),
    );
    this.#state = "starting";
    thread.onmessage = ({ data }: MessageEvent<"ready" | Answers | Removed | Names>) => {
      this.#answers++;
      if (data === "ready") this.#become("ready");
      else if ("answers" in data) this.#answered(data);
      else if ("removed" in data) this.#removed(data);
      else this.#named(data);
    };
    thread.onerror = (event) => {
      event.preventDefault();
      thread.terminate();
      this.#end("dead", DIED);
    };
  }

  #become(state: "none" | "ready" | "dead" | "given up"): void {
    this.#state = state;
    for (const resolve of this.#onReady.splice(0)) resolve();
  }

  /** The thread is no more: what it was working on has failed. */
  #end(state: "dead" | "given up", failure: Failure): void {
    this.#become(state);
    const underWay = [...this.#calls.values(), ...this.#removals.values()].flat();
    this.#calls.clear();
    this.#removals.clear();
    fail(underWay, failure);
    for (const names of this.#listings.keys()) {
      this.#named({ names, entries: "", isLast: true, failure });
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
    if (this.isGivenUp) throw errorOf(GIVEN_UP);
    if (this.#isReady) return yield* this.#listsOfThread(dir);
    let some: DirEntry[] = [];
    let isTried = false;
    for await (const entry of this.#here.list(dir)) {
      some.push(entry);
      if (some.length < SETTINGS.names) continue;
      if (!isTried) await this.start();
      if (this.isGivenUp) throw errorOf(GIVEN_UP);
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

function fail(calls: readonly Call[], failure: Failure): void {
  for (const { done } of calls) done({ refused: errorOf(failure) });
}

function serveRemoval({ path, done }: Call, disk: Disk): void {
  const removing = (async () => await disk.remove(path))();
  removing.then(() => done({}), (refused) => done({ refused }));
}

/** @param own As `disk`, for what it has renamed itself. */
function serveCall({ verb, path, to, maxBytes, done }: Call, own: Disk, disk: Disk): void {
  try {
    if (verb !== "read") disk.rename(path, to);
  } catch (refused) {
    return done({ refused });
  }
  if (verb === "rename") return done({});
  try {
    const content = verb === "read" ? disk.read(path, maxBytes) : own.read(to, maxBytes);
    done({ content: content as FileContent });
  } catch (unread) {
    done({ unread });
  }
}

function errorOf({ code, name, message }: Failure): Error {
  const error = new Error(message);
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}
