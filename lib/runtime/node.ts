/**
 * The runtime on Node.
 *
 * Every verb is one blocking call, as in Deno's default. Node has no file locks: `tryLock` answers
 * ENOTSUP, as a file system without them does, so that the lease alone decides when a consumer's
 * claims are taken over.
 *
 * @module
 */

import {
  closeSync,
  constants,
  type Dirent,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  type Stats,
  unlinkSync,
  watch,
  writeSync,
} from "node:fs";
import { opendir } from "node:fs/promises";
import { hostname, totalmem } from "node:os";
import process from "node:process";
import { hostIds } from "./host.ts";
import { certificate, connect, lookup } from "./node_sockets.ts";
import { volumeOf } from "./volume.ts";
import type { DirEntry, Disk, FileContent, Kind, Runtime, Stat } from "./runtime.ts";
import { clock, gzip, hmacSha256, random, sha256 } from "./web.ts";

/** Names fetched from the system at a time. */
const LIST_BUFFER = 1_024;

/**
 * `utimes` takes seconds, too coarse for a whole number of ms: a microsecond more, and what is cut
 * off is below it.
 */
const MICROSECOND_MS = 0.001;

function kindOf(entry: Stats | Dirent): Kind {
  if (entry.isSymbolicLink()) return "symlink";
  return entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other";
}

/** The furthest time that a calendar has, Unix ms. */
const LAST_MS = 8.64e15;

/** Whole ms; 0 for a time beyond the calendar. */
function timeOf(ms: number): number {
  return Math.abs(ms) <= LAST_MS ? Math.floor(ms) : 0;
}

function statOf(stats: Stats): Stat {
  return {
    kind: kindOf(stats),
    size: stats.size,
    mtimeMs: timeOf(stats.mtimeMs),
    ctimeMs: timeOf(stats.ctimeMs),
    ino: stats.ino,
    dev: stats.dev,
    nlink: stats.nlink,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

const entryOf = (entry: Dirent): DirEntry => ({ name: entry.name, kind: kindOf(entry) });

const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } =
  constants;

/** For reading: neither through a symlink nor waiting for the other end of a FIFO. */
const READING = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/** For adding to a file: neither through a symlink nor waiting for the other end of a FIFO. */
const APPENDING = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;

/** For a new file: not through a symlink. */
const CREATING = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

/** Open a file, use it and close it. */
function using<T>(path: string, flags: number, mode: number, use: (file: number) => T): T {
  const file = openSync(path, flags, mode);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

/** Open a folder, and only a folder, and use it. */
function usingFolder<T>(path: string, use: (folder: number) => T): T {
  return using(path, READING | O_DIRECTORY, 0, use);
}

function readAll(file: number, size: number, at: number = 0): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(file, bytes, filled, size - filled, at + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function codedError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function mustBeFile(path: string): void {
  const kind = kindOf(lstatSync(path));
  if (kind === "directory") throw codedError("EISDIR", `'${path}' is no file`);
  if (kind !== "file") throw codedError("ELOOP", `'${path}' is no file`);
}

/** A disk whose verbs block this thread for one system call each. */
export const nodeDisk: Disk = {
  async *list(dir) {
    for await (const entry of await opendir(dir, { bufferSize: LIST_BUFFER })) yield entryOf(entry);
  },
  entries: (dir) => readdirSync(dir, { withFileTypes: true }).map(entryOf),
  lstat: (path) => statOf(lstatSync(path)),
  read(path, maxBytes): FileContent {
    const seen = statOf(lstatSync(path));
    if (seen.kind !== "file" || seen.size > maxBytes) return { stat: seen, bytes: undefined };
    return using(path, READING, 0, (file) => {
      const stat = statOf(fstatSync(file));
      // what was seen is what was opened, or the path was exchanged between the two
      const isSame = stat.kind === "file" && stat.ino === seen.ino && stat.dev === seen.dev;
      if (!isSame || stat.size > maxBytes) return { stat, bytes: undefined };
      return { stat, bytes: readAll(file, stat.size) };
    });
  },
  create(path, bytes, { mode, exact, durable }) {
    using(path, CREATING, mode, (file) => {
      if (exact) fchmodSync(file, mode);
      for (let written = 0; written < bytes.length;) {
        written += writeSync(file, bytes, written, bytes.length - written);
      }
      if (durable) fsyncSync(file);
    });
  },
  readPart(path, at, length) {
    mustBeFile(path);
    return using(path, READING, 0, (file) => readAll(file, length, at));
  },
  append(path, bytes) {
    mustBeFile(path);
    using(path, APPENDING, 0, (file) => {
      for (let written = 0; written < bytes.length;) {
        written += writeSync(file, bytes, written, bytes.length - written);
      }
    });
  },
  rename: (from, to) => renameSync(from, to),
  link: (from, to) => linkSync(from, to),
  remove: (path) => unlinkSync(path),
  makeDir(path, mode, exact) {
    mkdirSync(path, { mode });
    if (exact) usingFolder(path, (folder) => fchmodSync(folder, mode));
  },
  removeDir: (path) => rmdirSync(path),
  touch(path, ms) {
    const seconds = (ms + MICROSECOND_MS) / 1_000;
    lutimesSync(path, seconds, seconds);
  },
  chmod: (path, mode) => usingFolder(path, (folder) => fchmodSync(folder, mode)),
  syncDir: (path) => usingFolder(path, (folder) => fsyncSync(folder)),
  syncFile(path) {
    mustBeFile(path);
    using(path, READING, 0, (file) => fsyncSync(file));
  },
  chown(path, uid, gid) {
    const seen = statOf(lstatSync(path));
    if (seen.kind === "symlink") throw codedError("ELOOP", `chown '${path}'`);
    using(path, READING, 0, (file) => {
      const { ino, dev, nlink } = fstatSync(file);
      if (ino !== seen.ino || dev !== seen.dev) {
        throw codedError("ELOOP", `'${path}' was exchanged`);
      }
      if (seen.kind !== "directory" && nlink > 1) throw codedError("EMLINK", `chown '${path}'`);
      fchownSync(file, uid, gid);
    });
  },
  tryLock(path) {
    mustBeFile(path);
    throw codedError("ENOTSUP", `Node has no file locks, lock '${path}'`);
  },
  watch(dir, onChange) {
    try {
      const watcher = watch(dir, { persistent: false }, () => onChange());
      watcher.on("error", () => {}); // the folder went away or the watch broke: polling goes on
      return () => watcher.close();
    } catch {
      return () => {}; // only a hint: no watches left, or a file system without them
    }
  },
};

/** The machine's memory, or that of the container around this process. */
function memoryBytes(): number {
  const [total, limit] = [totalmem(), process.constrainedMemory?.() ?? 0];
  return limit > 0 && limit < total ? limit : total;
}

/** What Node's `fetch` decodes, whatever was asked for. */
const DECODED = new Set(["gzip", "x-gzip", "deflate", "br"]);

function readOfSystem(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Node's `fetch` uses proxies only when it is told to, since its version 24. */
function proxies(): Readonly<Record<string, string>> {
  const { env } = process;
  const found: Record<string, string> = {};
  if (env.NODE_USE_ENV_PROXY !== "1") return found;
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) {
    const value = env[name.toLowerCase()] || env[name];
    if (value) found[name] = value;
  }
  return found;
}

/**
 * The runtime this process runs on. Node asks for no permissions: it may reach whatever the network
 * lets it.
 */
export function nodeRuntime(): Runtime {
  return {
    disk: nodeDisk,
    clock,
    // modules are loaded by name since 20.16
    ...(typeof process.getBuiltinModule === "function"
      ? { lookup, connect, certificate, volume: volumeOf(process.platform) }
      : {}),
    proxies,
    fetch(url, init, terms) {
      if (terms === undefined) return fetch(url, init);
      const error = new TypeError("fetch on Node has no certificates and proxies of its own");
      return Promise.reject(error);
    },
    decodes: (contentEncoding) => DECODED.has(contentEncoding),
    mayReach: () => true,
    random,
    sha256,
    gzip,
    hmacSha256,
    hostname: hostname(),
    ...hostIds(process.platform, readOfSystem),
    pid: process.pid,
    memoryBytes: memoryBytes(),
  };
}
