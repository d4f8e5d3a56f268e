/**
 * The runtime on Deno.
 *
 * The disk comes in three forms with the same promises: *blocking* (the default) serves each verb
 * with one system call on this thread, two to three times cheaper on a local disk; the second hands
 * it to Deno's thread pool, so that a slow network file system doesn't stop the requests in flight;
 * the third, in `disk_thread/`, is a consumer's.
 *
 * Somebody else may write into the folders, so a name may stand for another thing from one call to
 * the next. What is opened is looked at by what is open. Deno can't open without following and
 * without waiting, nor change the mode of what is open; `node:fs` can, and is loaded (16 ms) where
 * that is needed. With permissions for some paths only, Deno follows symlinks even where `node:fs`
 * is told not to, and cuts a slash at the end of a path; so nothing here relies on either alone.
 *
 * @module
 */

import { volumeOf } from "./volume.ts";
import { certificate, connect, connectionOf, lookup } from "./deno_sockets.ts";
import { hostIds } from "./host.ts";
import {
  type CreateOptions,
  type DirEntry,
  type Disk,
  errorCode,
  type FetchTerms,
  type FileContent,
  type Kind,
  type Lock,
  type Runtime,
  type Stat,
} from "./runtime.ts";
import { clock, gzip, hmacSha256, random, sha256 } from "./web.ts";

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
function isSame(a: Stat, b: Stat): boolean {
  return a.kind === b.kind && a.ino === b.ino && a.dev === b.dev;
}

function isReadable(stat: Stat, maxBytes: number): boolean {
  return stat.kind === "file" && stat.size <= maxBytes;
}

/** Loaded by its name when it is first needed: an import would cost every start. */
function node() {
  // deno-lint-ignore no-process-global -- an import is what is to be avoided
  return process.getBuiltinModule("node:fs");
}

/** Whole ms; 0 for a time beyond the calendar, as `statOf` has it. */
function timeOf(ms: number): number {
  return Math.abs(ms) <= 8.64e15 ? Math.floor(ms) : 0;
}

/** What `node:fs` says of a file that is open. */
interface NodeStats extends Omit<Stat, "kind"> {
  isFile(): boolean;
  isDirectory(): boolean;
}

function statOfNode(stats: NodeStats): Stat {
  const { size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid } = stats;
  return {
    kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other",
    size,
    mtimeMs: timeOf(mtimeMs),
    ctimeMs: timeOf(ctimeMs),
    ino,
    dev,
    nlink,
    mode: mode & 0o7777,
    uid,
    gid,
  };
}

function refusal(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

async function* list(dir: string): AsyncIterable<DirEntry> {
  for await (const entry of Deno.readDir(dir)) yield { name: entry.name, kind: kindOf(entry) };
}

function entries(dir: string): DirEntry[] {
  return Array.from(Deno.readDirSync(dir), (entry) => ({ name: entry.name, kind: kindOf(entry) }));
}

/**
 * Deno opens whatever comes up in a folder that it watches, following symlinks, and stands still,
 * this thread with it, when that is a FIFO. So where others write as well the folder is looked at.
 */
function watch(dir: string, onChange: () => void): () => void {
  try {
    return isShared(lstat(dir)) ? watchByLooks(dir, onChange) : watchByEvents(dir, onChange);
  } catch {
    return () => {}; // only a hint: no watches left, or a file system without them
  }
}

/** The time between two looks at a folder, soon after a change and long after. */
const SHORTEST_LOOK_MS = 10;
const LONGEST_LOOK_MS = 100;

/** Within this time another change may leave the mtime as it is. */
const MTIME_TICK_MS = 20;

function watchByLooks(dir: string, onChange: () => void): () => void {
  let seenMs = lstat(dir).mtimeMs;
  let pauseMs = SHORTEST_LOOK_MS;
  let timer = setTimeout(look, pauseMs);
  function look() {
    let mtimeMs = NaN;
    try {
      mtimeMs = lstat(dir).mtimeMs;
    } catch {
      // the folder went away: polling goes on
    }
    const isChanged = mtimeMs !== seenMs && !Number.isNaN(mtimeMs);
    // a fresh one is told again at the next look, for what came in the same tick
    seenMs = Date.now() - mtimeMs < MTIME_TICK_MS ? NaN : mtimeMs;
    pauseMs = isChanged ? SHORTEST_LOOK_MS : Math.min(pauseMs * 1.5, LONGEST_LOOK_MS);
    timer = setTimeout(look, pauseMs);
    if (isChanged) onChange();
  }
  return () => clearTimeout(timer);
}

function watchByEvents(dir: string, onChange: () => void): () => void {
  const watcher = Deno.watchFs(dir, { recursive: false });
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

/** What a file that was opened holds, unless it isn't the one that was seen or is too large. */
function contentOf(
  seen: Stat,
  stat: Stat,
  maxBytes: number,
  readInto: (rest: Uint8Array) => number | null,
): FileContent {
  if (!isSame(seen, stat) || stat.size > maxBytes) return { stat, bytes: undefined };
  const bytes = new Uint8Array(stat.size);
  let filled = 0;
  while (filled < bytes.length) {
    const count = readInto(bytes.subarray(filled));
    if (!count) break;
    filled += count;
  }
  return { stat, bytes: bytes.subarray(0, filled) };
}

/** Read, never waiting for the other end of a FIFO. */
function read(path: string, maxBytes: number): FileContent {
  const seen = lstat(path);
  if (!isReadable(seen, maxBytes)) return { stat: seen, bytes: undefined };
  const { openSync, fstatSync, readSync, closeSync, constants } = node();
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(path, O_RDONLY | O_NOFOLLOW! | O_NONBLOCK!);
  try {
    const stat = statOfNode(fstatSync(file));
    return contentOf(seen, stat, maxBytes, (rest) => readSync(file, rest));
  } finally {
    closeSync(file);
  }
}

/**
 * As `read`, for a file that was renamed here and therefore may be written to: 6 µs cheaper, the
 * half of it. Opened for reading and writing, a FIFO has both its ends.
 */
function readOwn(path: string, maxBytes: number): FileContent {
  const seen = lstat(path);
  if (!isReadable(seen, maxBytes)) return { stat: seen, bytes: undefined };
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true });
  } catch {
    return read(path, maxBytes); // another's, which may be read only; or gone
  }
  return closing(file, () => {
    const stat = statOf(file.statSync());
    return contentOf(seen, stat, maxBytes, (rest) => file.readSync(rest));
  });
}

function lstat(path: string): Stat {
  return statOf(Deno.lstatSync(path));
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

/** Make a file with just these permission bits: given to what is open, whatever the umask. */
function createExactly(path: string, bytes: Uint8Array, { mode, durable }: CreateOptions): void {
  const { openSync, fchmodSync, writeSync, fsyncSync, closeSync, constants } = node();
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW!, mode);
  try {
    fchmodSync(file, mode);
    for (let written = 0; written < bytes.length;) {
      written += writeSync(file, bytes, written, bytes.length - written);
    }
    if (durable) fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function create(path: string, bytes: Uint8Array, options: CreateOptions): void {
  if (options.exact) return createExactly(path, bytes, options);
  closing(Deno.openSync(path, { write: true, createNew: true, mode: options.mode }), (file) => {
    for (let written = 0; written < bytes.length;) {
      written += file.writeSync(bytes.subarray(written));
    }
    if (options.durable) file.syncSync();
  });
}

/** What was seen at a path that must be a folder's. */
function asFolder(path: string, seen: Stat): Stat {
  if (seen.kind === "directory") return seen;
  throw refusal("ENOTDIR", `'${path}' is not a folder`);
}

/** Open a folder, and only a folder, and use it. */
function usingFolder<T>(path: string, use: (folder: number) => T): T {
  const seen = asFolder(path, lstat(path));
  const { openSync, fstatSync, closeSync, constants } = node();
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const folder = openSync(path, O_RDONLY | O_DIRECTORY! | O_NOFOLLOW! | O_NONBLOCK!);
  try {
    if (!isSame(seen, statOfNode(fstatSync(folder)))) {
      throw refusal("ENOTDIR", `'${path}' was exchanged`);
    }
    return use(folder);
  } finally {
    closeSync(folder);
  }
}

function chmod(path: string, mode: number): void {
  usingFolder(path, (folder) => node().fchmodSync(folder, mode));
}

function makeDir(path: string, mode: number, exact = false): void {
  Deno.mkdirSync(path, { mode });
  if (exact) chmod(path, mode);
}

function removeDir(path: string): void {
  // what removes a folder would remove a file of that name as well
  asFolder(path, lstat(path));
  Deno.removeSync(path);
}

function touch(path: string, ms: number): void {
  node().lutimesSync(path, new Date(ms), new Date(ms));
}

/** Whether others write here as well, who may put a FIFO in the place of a folder. */
function isShared({ mode }: Stat): boolean {
  return (mode & 0o022) !== 0;
}

function syncShared(path: string): void {
  usingFolder(path, (folder) => node().fsyncSync(folder));
}

function syncDir(path: string): void {
  if (isShared(asFolder(path, lstat(path)))) return syncShared(path);
  closing(Deno.openSync(path), (dir) => dir.syncSync());
}

/** What was seen at a path that must be a file's. */
function asFile(path: string, seen: Stat): Stat {
  if (seen.kind === "file") return seen;
  throw refusal(seen.kind === "directory" ? "EISDIR" : "ELOOP", `'${path}' is no file`);
}

/** Open what was seen, and nothing else, and use it. */
function using<T>(
  path: string,
  seen: Stat,
  flags: number,
  use: (file: number, stat: Stat) => T,
): T {
  const { openSync, fstatSync, closeSync, constants } = node();
  const { O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(path, flags | O_NOFOLLOW! | O_NONBLOCK!);
  try {
    const stat = statOfNode(fstatSync(file));
    if (!isSame(seen, stat)) throw refusal("ELOOP", `'${path}' was exchanged`);
    return use(file, stat);
  } finally {
    closeSync(file);
  }
}

function syncFile(path: string): void {
  const { constants, fsyncSync } = node();
  using(path, asFile(path, lstat(path)), constants.O_RDONLY, (file) => fsyncSync(file));
}

function append(path: string, bytes: Uint8Array): void {
  const { constants: { O_WRONLY, O_APPEND }, writeSync } = node();
  using(path, asFile(path, lstat(path)), O_WRONLY | O_APPEND, (file) => {
    for (let written = 0; written < bytes.length;) {
      written += writeSync(file, bytes, written, bytes.length - written);
    }
  });
}

function readPart(path: string, at: number, length: number): Uint8Array {
  const { constants: { O_RDONLY }, readSync } = node();
  return using(path, asFile(path, lstat(path)), O_RDONLY, (file) => {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const count = readSync(file, bytes, filled, length - filled, at + filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  });
}

function chown(path: string, uid: number, gid: number): void {
  const seen = lstat(path);
  if (seen.kind === "symlink") throw refusal("ELOOP", `chown '${path}'`);
  const { constants, fchownSync } = node();
  using(path, seen, constants.O_RDONLY, (file, { kind, nlink }) => {
    if (kind !== "directory" && nlink > 1) throw refusal("EMLINK", `chown '${path}'`);
    fchownSync(file, uid, gid);
  });
}

/** The lock, when what is open is what was seen, and nobody has it. */
function lockIf(isOurs: boolean, file: Deno.FsFile, path: string, isSeen: boolean) {
  if (!isOurs || !isSeen) file.close();
  if (!isSeen) throw refusal("ELOOP", `'${path}' was exchanged`);
  return isOurs ? lockOf(file) : undefined;
}

/**
 * What a thread of its own may do to a disk, for one that is given its program as a text:
 * functions, and those they are made of.
 */
export const THREAD_VERBS = {
  list,
  lstat,
  read,
  readOwn,
  rename,
  remove,
  removeInPool,
  monotonicMs,
} as const;
export const THREAD_PARTS = [
  kindOf,
  statOf,
  statOfNode,
  timeOf,
  node,
  isSame,
  isReadable,
  contentOf,
  closing,
] as const;

/** A disk whose verbs block this thread for one system call each. */
export const blockingDisk: Disk = {
  list,
  entries,
  watch,
  lstat,
  read,
  readPart,
  create,
  append,
  rename,
  link: (from, to) => Deno.linkSync(from, to),
  remove,
  makeDir,
  removeDir,
  touch,
  chmod,
  chown,
  syncDir,
  syncFile,
  tryLock(path) {
    const seen = asFile(path, lstat(path));
    const file = Deno.openSync(path, { read: true, write: true });
    let isTried = false;
    try {
      const isSeen = isSame(seen, statOf(file.statSync()));
      const isOurs = isSeen && file.tryLockSync(true);
      isTried = true;
      return lockIf(isOurs, file, path, isSeen);
    } finally {
      if (!isTried) file.close();
    }
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
    const { promises, constants } = node();
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await promises.open(path, O_RDONLY | O_NOFOLLOW! | O_NONBLOCK!);
    try {
      const stat = statOfNode(await file.stat());
      if (!isSame(seen, stat) || stat.size > maxBytes) return { stat, bytes: undefined };
      const bytes = new Uint8Array(stat.size);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, null);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return { stat, bytes: bytes.subarray(0, filled) };
    } finally {
      await file.close();
    }
  },
  async create(path, bytes, options: CreateOptions) {
    if (options.exact) return createExactly(path, bytes, options);
    const opening = Deno.open(path, { write: true, createNew: true, mode: options.mode });
    await closingLater(opening, async (file) => {
      for (let written = 0; written < bytes.length;) {
        written += await file.write(bytes.subarray(written));
      }
      if (options.durable) await file.sync();
    });
  },
  rename: (from, to) => Deno.rename(from, to),
  link: (from, to) => Deno.link(from, to),
  remove: removeInPool,
  async makeDir(path, mode, exact = false) {
    await Deno.mkdir(path, { mode });
    if (exact) chmod(path, mode);
  },
  async removeDir(path) {
    asFolder(path, statOf(await Deno.lstat(path)));
    await Deno.remove(path);
  },
  touch: (path, ms) => node().promises.lutimes(path, new Date(ms), new Date(ms)),
  chmod: async (path, mode) => await Promise.resolve(chmod(path, mode)),
  chown: async (path, uid, gid) => await Promise.resolve(chown(path, uid, gid)),
  async syncDir(path) {
    if (isShared(asFolder(path, statOf(await Deno.lstat(path))))) return syncShared(path);
    await closingLater(Deno.open(path), (dir) => dir.sync());
  },
  syncFile: async (path) => await Promise.resolve(syncFile(path)),
  readPart: async (path, at, length) => await Promise.resolve(readPart(path, at, length)),
  append: async (path, bytes) => await Promise.resolve(append(path, bytes)),
  async tryLock(path) {
    const seen = asFile(path, statOf(await Deno.lstat(path)));
    const file = await Deno.open(path, { read: true, write: true });
    let isTried = false;
    try {
      const isSeen = isSame(seen, statOf(await file.stat()));
      const isOurs = isSeen && await file.tryLock(true);
      isTried = true;
      return lockIf(isOurs, file, path, isSeen);
    } finally {
      if (!isTried) file.close();
    }
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

/**
 * A small file of the system's; `undefined` without permission, which isn't asked for: nobody
 * should have to answer a question about it. (What is in `/proc` Deno lets only those read who may
 * do everything.)
 */
function readOfSystem(path: string): string | undefined {
  try {
    const { state } = Deno.permissions.querySync({ name: "read", path });
    return state === "granted" ? Deno.readTextFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function mayReach(url: URL): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return Deno.permissions.querySync({ name: "net", host: `${url.hostname}:${port}` }).state ===
    "granted";
}

/**
 * How long a connection is kept that nobody uses. Deno's own 90 s of many destinations use up
 * files.
 */
const IDLE_MS = 15_000;

/** The connections kept by `fetch`; made when they are needed. */
let connections: Deno.HttpClient | undefined;

/** Those with endpoints that have terms of their own. */
const special = new Map<FetchTerms, Deno.HttpClient>();

/** Most of those. */
const MOST_SPECIAL = 256;

function fetchDeno(url: string, init: RequestInit, terms?: FetchTerms): Promise<Response> {
  connections ??= Deno.createHttpClient({ poolIdleTimeout: IDLE_MS });
  const client = terms === undefined ? connections : clientOf(terms);
  return fetch(url, { ...init, client });
}

function clientOf(terms: FetchTerms): Deno.HttpClient {
  let client = special.get(terms);
  if (client === undefined) {
    if (special.size >= MOST_SPECIAL) closeSpecial();
    const { ca, cert, key, proxy } = terms;
    client = Deno.createHttpClient({
      poolIdleTimeout: IDLE_MS,
      ...(ca === undefined ? {} : { caCerts: [...ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(proxy === undefined ? {} : { proxy: proxyOf(proxy) }),
    });
    special.set(terms, client);
  }
  return client;
}

/** A proxy's URL with its user info apart from it. */
function proxyOf(text: string): Deno.Proxy {
  const url = new URL(text);
  const [username, password] = [url.username, url.password].map(decodeURIComponent) as [
    string,
    string,
  ];
  url.username = url.password = "";
  return username === "" ? { url: url.href } : { url: url.href, basicAuth: { username, password } };
}

function closeSpecial(): void {
  for (const client of special.values()) client.close();
  special.clear();
}

/** What is in flight goes on. */
function closeIdle(): void {
  connections?.close();
  connections = undefined;
  closeSpecial();
}

/** Deno's `fetch` leaves everything as it came when asked to, and else knows these two. */
function decodes(contentEncoding: string, acceptEncoding: string): boolean {
  return acceptEncoding !== "identity" && (contentEncoding === "gzip" || contentEncoding === "br");
}

/** What Deno's `fetch` reads of the environment, which needs no permission of ours. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

function proxies(): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of PROXIES) {
    for (const variable of [name, name.toLowerCase()]) {
      const { state } = Deno.permissions.querySync({ name: "env", variable });
      const value = state === "granted" ? Deno.env.get(variable) : undefined;
      if (value) found[name] ??= value;
    }
  }
  return found;
}

const listen: NonNullable<Runtime["listen"]> = (address) => {
  const listener = Deno.listen(address);
  const { hostname, port } = listener.addr;
  return {
    hostname,
    port,
    accept: async () => connectionOf(await listener.accept()),
    close: () => listener.close(),
  };
};

/** Asked for once, when it is needed: to load what tells it takes 20 ms. */
let memory: number | undefined;

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

function spareFiles(dir: string, most: number): number {
  const open: Deno.FsFile[] = [];
  let spare = most;
  try {
    while (open.length < most) open.push(Deno.openSync(dir));
  } catch (error) {
    const code = errorCode(error);
    if (code === "EMFILE" || code === "ENFILE") spare = open.length; // else nothing can be known
  }
  for (const file of open) file.close();
  return spare;
}

/** The runtime this process runs on; `disk` is {@linkcode blockingDisk} unless told otherwise. */
export function denoRuntime(disk: Disk = blockingDisk): Runtime {
  return {
    disk,
    clock,
    lookup,
    connect,
    certificate,
    volume: volumeOf(Deno.build.os),
    proxies,
    fetch: fetchDeno,
    closeIdle,
    decodes,
    listen,
    spareFiles,
    mayReach,
    random,
    sha256,
    gzip,
    hmacSha256,
    hostname: hostname(),
    ...hostIds(Deno.build.os, readOfSystem),
    pid: Deno.pid,
    get memoryBytes() {
      return memory ??= memoryBytes();
    },
  };
}
