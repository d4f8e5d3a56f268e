/**
 * The runtime on Deno.
 *
 * The disk comes in three forms with the same promises: *blocking* (the default) serves each verb
 * with one system call on this thread, two to three times cheaper on a local disk; the second hands
 * it to Deno's thread pool, so that a slow network file system doesn't stop the requests in flight;
 * the third, in `deno_worker.ts`, is a consumer's.
 *
 * @module
 */

import type {
  CreateOptions,
  DirEntry,
  Disk,
  FileContent,
  Kind,
  Lock,
  Runtime,
  Stat,
} from "./runtime.ts";
import { clock, random, sha256 } from "./web.ts";

function kindOf(info: { isFile: boolean; isDirectory: boolean; isSymlink: boolean }): Kind {
  if (info.isSymlink) return "symlink";
  return info.isFile ? "file" : info.isDirectory ? "directory" : "other";
}

function statOf(info: Deno.FileInfo): Stat {
  return {
    kind: kindOf(info),
    size: info.size,
    mtimeMs: info.mtime?.getTime() || 0, // a time beyond the calendar is NaN
    ctimeMs: info.ctime?.getTime() || 0,
    ino: info.ino ?? 0,
    dev: info.dev,
    nlink: info.nlink ?? 1,
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}

/** What `lstat` saw is what was opened: the guard against a path exchanged between the two. */
function isSameFile(a: Stat, b: Stat): boolean {
  return b.kind === "file" && a.ino === b.ino && a.dev === b.dev;
}

function isReadable(stat: Stat, maxBytes: number): boolean {
  return stat.kind === "file" && stat.size <= maxBytes;
}

async function* list(dir: string): AsyncIterable<DirEntry> {
  for await (const entry of Deno.readDir(dir)) yield { name: entry.name, kind: kindOf(entry) };
}

function entries(dir: string): DirEntry[] {
  return Array.from(Deno.readDirSync(dir), (entry) => ({ name: entry.name, kind: kindOf(entry) }));
}

function watch(dir: string, onChange: () => void): () => void {
  let watcher: Deno.FsWatcher;
  try {
    watcher = Deno.watchFs(dir, { recursive: false });
  } catch {
    return () => {}; // only a hint: no watches left, or a file system without them
  }
  (async () => {
    try {
      for await (const _ of watcher) onChange();
    } catch {
      // the folder went away or the watch broke: polling goes on
    }
  })();
  return () => {
    try {
      watcher.close();
    } catch {
      // already closed by the failure above
    }
  };
}

function lockOf(file: Deno.FsFile): Lock {
  let isHeld = true;
  return {
    release() {
      if (isHeld) file.close();
      isHeld = false;
    },
  };
}

/** Use a file and close it. (`using` would keep this module from loading on Node 20.) */
function closing<T>(file: Deno.FsFile, use: (file: Deno.FsFile) => T): T {
  try {
    return use(file);
  } finally {
    file.close();
  }
}

async function closingLater<T>(
  opening: Promise<Deno.FsFile>,
  use: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const file = await opening;
  try {
    return await use(file);
  } finally {
    file.close();
  }
}

/**
 * The path such that only a folder answers to it: `Deno.remove` alone would remove a file of that
 * name.
 */
const folder = (path: string) => `${path}/`;

const asDate = (ms: number) => new Date(ms);

function read(path: string, maxBytes: number): FileContent {
  const seen = statOf(Deno.lstatSync(path));
  if (!isReadable(seen, maxBytes)) return { stat: seen, bytes: undefined };
  return closing(Deno.openSync(path), (file) => {
    const stat = statOf(file.statSync());
    if (!isSameFile(seen, stat) || stat.size > maxBytes) return { stat, bytes: undefined };
    const bytes = new Uint8Array(stat.size);
    let filled = 0;
    while (filled < bytes.length) {
      const count = file.readSync(bytes.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    return { stat, bytes: bytes.subarray(0, filled) };
  });
}

function rename(from: string, to: string): void {
  Deno.renameSync(from, to);
}

function remove(path: string): void {
  Deno.removeSync(path);
}

function removeInPool(path: string): Promise<void> {
  return Deno.remove(path);
}

function monotonicMs(): number {
  return performance.now();
}

/** Loaded by its name when it is first needed: an import would cost every start. */
function node() {
  // deno-lint-ignore no-process-global -- an import is what is to be avoided
  return process.getBuiltinModule("node:fs");
}

function refusal(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

/** By what is open: a path may stand for another file from one call to the next. */
function chown(path: string, uid: number, gid: number): void {
  const seen = statOf(Deno.lstatSync(path));
  if (seen.kind === "symlink") throw refusal("ELOOP", `chown '${path}'`);
  const { openSync, fstatSync, fchownSync, closeSync, constants } = node();
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(path, O_RDONLY | O_NOFOLLOW! | O_NONBLOCK!);
  try {
    const { ino, dev, nlink } = fstatSync(file);
    if (ino !== seen.ino || dev !== seen.dev) throw refusal("ELOOP", `'${path}' was exchanged`);
    if (seen.kind !== "directory" && nlink > 1) throw refusal("EMLINK", `chown '${path}'`);
    fchownSync(file, uid, gid);
  } finally {
    closeSync(file);
  }
}

/**
 * What a thread of its own may do to a disk, for one that is given its program as a text:
 * functions, and those they are made of.
 */
export const THREAD_VERBS = { list, read, rename, remove, removeInPool, monotonicMs } as const;
export const THREAD_PARTS = [kindOf, statOf, isSameFile, isReadable, closing] as const;

/** A disk whose verbs block this thread for one system call each. */
export const blockingDisk: Disk = {
  list,
  entries,
  watch,
  lstat: (path) => statOf(Deno.lstatSync(path)),
  read,
  create(path, bytes, options: CreateOptions) {
    closing(Deno.openSync(path, { write: true, createNew: true, mode: options.mode }), (file) => {
      for (let written = 0; written < bytes.length;) {
        written += file.writeSync(bytes.subarray(written));
      }
      if (options.durable) file.syncSync();
    });
  },
  rename,
  link: (from, to) => Deno.linkSync(from, to),
  remove,
  makeDir: (path, mode) => Deno.mkdirSync(path, { mode }),
  removeDir: (path) => Deno.removeSync(folder(path)),
  touch: (path, ms) => Deno.utimeSync(path, asDate(ms), asDate(ms)),
  chmod: (path, mode) => Deno.chmodSync(path, mode),
  chown,
  syncDir: (path) => closing(Deno.openSync(path), (dir) => dir.syncSync()),
  tryLock(path) {
    const file = Deno.openSync(path, { read: true, write: true });
    let isLocked = false;
    try {
      isLocked = file.tryLockSync(true);
    } finally {
      if (!isLocked) file.close();
    }
    return isLocked ? lockOf(file) : undefined;
  },
};

/** A disk whose verbs run on Deno's thread pool. */
export const asyncDisk: Disk = {
  list,
  async entries(dir) {
    const found: DirEntry[] = [];
    for await (const entry of list(dir)) found.push(entry);
    return found;
  },
  watch,
  lstat: async (path) => statOf(await Deno.lstat(path)),
  async read(path, maxBytes): Promise<FileContent> {
    const seen = statOf(await Deno.lstat(path));
    if (!isReadable(seen, maxBytes)) return { stat: seen, bytes: undefined };
    return await closingLater(Deno.open(path), async (file) => {
      const stat = statOf(await file.stat());
      if (!isSameFile(seen, stat) || stat.size > maxBytes) return { stat, bytes: undefined };
      const bytes = new Uint8Array(stat.size);
      let filled = 0;
      while (filled < bytes.length) {
        const count = await file.read(bytes.subarray(filled));
        if (count === null) break;
        filled += count;
      }
      return { stat, bytes: bytes.subarray(0, filled) };
    });
  },
  create(path, bytes, { mode, durable }: CreateOptions) {
    const opening = Deno.open(path, { write: true, createNew: true, mode });
    return closingLater(opening, async (file) => {
      for (let written = 0; written < bytes.length;) {
        written += await file.write(bytes.subarray(written));
      }
      if (durable) await file.sync();
    });
  },
  rename: (from, to) => Deno.rename(from, to),
  link: (from, to) => Deno.link(from, to),
  remove: removeInPool,
  makeDir: (path, mode) => Deno.mkdir(path, { mode }),
  removeDir: (path) => Deno.remove(folder(path)),
  touch: (path, ms) => Deno.utime(path, asDate(ms), asDate(ms)),
  chmod: (path, mode) => Deno.chmod(path, mode),
  chown: async (path, uid, gid) => await Promise.resolve(chown(path, uid, gid)),
  syncDir: (path) => closingLater(Deno.open(path), (dir) => dir.sync()),
  async tryLock(path) {
    const file = await Deno.open(path, { read: true, write: true });
    let isLocked = false;
    try {
      isLocked = await file.tryLock(true);
    } finally {
      if (!isLocked) file.close();
    }
    return isLocked ? lockOf(file) : undefined;
  },
};

/**
 * This host's name; without permission to ask a name nobody else has, so that no other host's
 * claims are taken for ours.
 */
function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return `h${Math.floor(random() * 2 ** 32).toString(36)}`;
  }
}

function mayReach(url: URL): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return Deno.permissions.querySync({ name: "net", host: `${url.hostname}:${port}` }).state ===
    "granted";
}

/** How long a connection is kept that nobody uses. Deno's own 90 s of many destinations use up files. */
const IDLE_MS = 15_000;

/** The connections kept by `fetch`; made when they are needed. */
let connections: Deno.HttpClient | undefined;

function fetchDeno(url: string, init: RequestInit): Promise<Response> {
  connections ??= Deno.createHttpClient({ poolIdleTimeout: IDLE_MS });
  return fetch(url, { ...init, client: connections });
}

/** What is in flight goes on. */
function closeIdle(): void {
  connections?.close();
  connections = undefined;
}

/** Deno's `fetch` leaves everything as it came when asked to, and else knows these two. */
function decodes(contentEncoding: string, acceptEncoding: string): boolean {
  return acceptEncoding !== "identity" && (contentEncoding === "gzip" || contentEncoding === "br");
}

const serve: NonNullable<Runtime["serve"]> = (address, handler) => {
  const cut = new AbortController();
  const server = Deno.serve({ ...address, signal: cut.signal, onListen() {} }, handler);
  const { hostname, port } = server.addr;
  return {
    hostname,
    port,
    async stop(requests) {
      if (requests === "answer") return await server.shutdown();
      cut.abort();
      await server.finished;
    },
  };
};

/**
 * The machine's memory, or that of the container around this process, which Deno tells only by way
 * of Node's `process`: 0 or a huge number there means that there is no limit.
 */
function memoryBytes(): number | undefined {
  try {
    const { total } = Deno.systemMemoryInfo();
    const { process } = globalThis as { process?: { constrainedMemory?(): number } };
    const limit = process?.constrainedMemory?.() ?? 0;
    return limit > 0 && limit < total ? limit : total;
  } catch {
    return undefined; // this build may not ask
  }
}

/** The runtime this process runs on; `disk` is {@linkcode blockingDisk} unless told otherwise. */
export function denoRuntime(disk: Disk = blockingDisk): Runtime {
  return {
    disk,
    clock,
    fetch: fetchDeno,
    closeIdle,
    decodes,
    serve,
    mayReach,
    random,
    sha256,
    hostname: hostname(),
    pid: Deno.pid,
    memoryBytes: memoryBytes(),
  };
}
