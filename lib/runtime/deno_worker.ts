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
 * The thread's program is a text, made of functions of this module and of `deno.ts`: Deno loads a
 * module from a file only with the permission to read it, which a consumer locked to its queue has
 * not, and an executable has no such file.
 *
 * @module
 */

import { asyncDisk, blockingDisk, THREAD_PARTS, THREAD_VERBS } from "./deno.ts";
import type { DirEntry, Disk, FileContent, Kind, Move, Stat, Taken } from "./runtime.ts";

/** A verb that somebody waits for. */
interface Call {
  readonly verb: "rename" | "read" | "take" | "remove";
  readonly path: string;
  /** The new name. */
  readonly to: string;
  readonly maxBytes: number;
  readonly done: (answer: Taken) => void;
}

/**
 * Verbs for the thread, their parts one after the other with {@linkcode SEPARATOR} between them.
 */
interface Burst {
  readonly burst: number;
  /** Four parts each: verb, path, new name, most bytes. */
  readonly calls: string;
  /** One path each. */
  readonly removals: string;
}

/** Names of a folder, wanted by the thread's number for it: the first time with its path. */
interface More {
  readonly folder: number;
  readonly dir?: string;
  /** No more are wanted. */
  readonly isOver?: boolean;
}

/** An error, as it travels. */
interface Failure {
  readonly code?: string | undefined;
  readonly name: string;
  readonly message: string;
}

/** What became of the calls of a burst. */
interface Answers {
  readonly answers: number;
  /**
   * {@linkcode NUMBERS} each: what became of it, the size of what was read, or -1; and the file's
   * stat.
   */
  readonly numbers: Float64Array;
  /** What was read, one after the other. */
  readonly bytes: Uint8Array;
  /** Of the calls that failed, in their order. */
  readonly failures: readonly Failure[];
}

/** What became of the removals of a burst, by their index. */
interface Removed {
  readonly removed: number;
  readonly failures: ReadonlyMap<number, Failure>;
}

/** Some names of a folder. */
interface Names {
  readonly names: number;
  /** Each with the digit of its kind before it, {@linkcode SEPARATOR} between them. */
  readonly entries: string;
  readonly isLast: boolean;
  readonly failure?: Failure;
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

/** What a path can't have in it. */
const SEPARATOR = "\0";

/**
 * How many numbers answer a call. The first is 0 for done, 1 for read, 2 for not read, 3 for
 * refused.
 */
const NUMBERS = 12;

const KINDS: readonly Kind[] = ["file", "directory", "symlink", "other"];

/** What the thread's program is told. */
interface Settings {
  readonly separator: string;
  readonly numbers: number;
  readonly kinds: readonly Kind[];
  /** Names of a folder that travel together. */
  readonly names: number;
  /** Of so many removals the first few are timed. */
  readonly removals: number;
  readonly timed: number;
  readonly slowRemovalMs: number;
}

const SETTINGS: Omit<Settings, "slowRemovalMs"> = {
  separator: SEPARATOR,
  numbers: NUMBERS,
  kinds: KINDS,
  names: 512,
  removals: 4_096,
  timed: 8,
};

const DIED: Failure = { code: "EIO", name: "Error", message: "the disk's thread has died" };

/**
 * The thread's program. It runs there and knows nothing of this module but what it is given.
 *
 * Removals that are slow, as where each waits for the device to discard the file's blocks, or for a
 * server, go to Deno's thread pool, several at a time, and the rest doesn't wait for them.
 */
function serve(
  thread: Worker,
  verbs: typeof THREAD_VERBS,
  settings: Settings,
): void {
  const { separator, numbers: width, kinds } = settings;
  const folders = new Map<number, AsyncIterator<DirEntry>>();
  let [removals, slow] = [0, 0];

  thread.onmessage = ({ data }: MessageEvent<Burst | More>) => {
    if ("folder" in data) {
      if (data.isOver) folders.delete(data.folder);
      else list(data);
      return;
    }
    if (data.calls !== "") thread.postMessage(serveCalls(data.burst, data.calls.split(separator)));
    if (data.removals !== "") remove(data.burst, data.removals.split(separator));
  };
  thread.postMessage("ready");

  function serveCalls(answers: number, parts: readonly string[]): Answers {
    const numbers = new Float64Array(parts.length / 4 * width);
    const contents: Uint8Array[] = [];
    const failures: Failure[] = [];
    for (let n = 0, at = 0; n < parts.length; n += 4, at += width) {
      const [verb, from, to, maxBytes] = [parts[n]!, parts[n + 1]!, parts[n + 2]!, parts[n + 3]!];
      let path = from;
      numbers[at] = 3;
      try {
        if (verb !== "read") {
          verbs.rename(from, to);
          path = to;
          numbers[at] = 0;
        }
        if (verb === "rename") continue;
        numbers[at] = 2;
        const { stat, bytes } = verbs.read(path, Number(maxBytes));
        if (bytes) contents.push(bytes);
        const { kind, size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid } = stat;
        const [code, length] = [kinds.indexOf(kind), bytes ? bytes.length : -1];
        numbers.set([1, length, code, size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid], at);
      } catch (error) {
        failures.push(failureOf(error));
      }
    }
    return { answers, numbers, bytes: joined(contents), failures };
  }

  function joined(contents: readonly Uint8Array[]): Uint8Array {
    const bytes = new Uint8Array(contents.reduce((sum, { length }) => sum + length, 0));
    let filled = 0;
    for (const content of contents) {
      bytes.set(content, filled);
      filled += content.length;
    }
    return bytes;
  }

  async function remove(removed: number, paths: readonly string[]): Promise<void> {
    const failures = new Map<number, Failure>();
    const pooled: Promise<void>[] = [];
    for (const [n, path] of paths.entries()) {
      const failed = (error: unknown) => void failures.set(n, failureOf(error));
      const turn = removals++ % settings.removals;
      if (turn === 0) slow = 0;
      if (turn >= settings.timed && slow > settings.timed / 2) {
        pooled.push(verbs.removeInPool(path).catch(failed));
        continue;
      }
      const startMs = verbs.monotonicMs();
      try {
        verbs.remove(path);
      } catch (error) {
        failed(error);
      }
      if (turn < settings.timed && verbs.monotonicMs() - startMs >= settings.slowRemovalMs) slow++;
    }
    if (pooled.length > 0) await Promise.all(pooled);
    thread.postMessage({ removed, failures });
  }

  async function list({ folder, dir }: More): Promise<void> {
    const entries: string[] = [];
    let found: Omit<Names, "entries">;
    try {
      if (dir !== undefined) folders.set(folder, verbs.list(dir)[Symbol.asyncIterator]());
      const names = folders.get(folder)!;
      for (let next; entries.length < settings.names && !(next = await names.next()).done;) {
        const { name, kind } = next.value;
        entries.push(`${kinds.indexOf(kind)}${name}`);
      }
      found = { names: folder, isLast: entries.length < settings.names };
    } catch (error) {
      found = { names: folder, isLast: true, failure: failureOf(error) };
    }
    if (found.isLast) folders.delete(folder);
    thread.postMessage({ ...found, entries: entries.join(separator) });
  }

  function failureOf(error: unknown): Failure {
    const { code, name, message } = error as Failure;
    return { code, name, message };
  }
}

function startThread(slowRemovalMs: number): Worker {
  // by the names they have here, which a bundler may have changed
  const verbs = Object.entries(THREAD_VERBS).map(([verb, { name }]) => `${verb}: ${name}`);
  const settings = JSON.stringify({ ...SETTINGS, slowRemovalMs });
  const program = [...THREAD_PARTS, ...Object.values(THREAD_VERBS), serve].join("\n") +
    `\n${serve.name}(self, { ${verbs.join()} }, ${settings});`;
  const url = `data:text/javascript,${encodeURIComponent(program)}`;
  return new Worker(url, { type: "module", name: "disk" });
}

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
