/**
 * The folders of a queue: what counts as one, how it is made, and with which permissions.
 *
 * @module
 */

import { type Disk, errorCode } from "../runtime/runtime.ts";
import { handOverMade, ownerOf, type Ownership } from "./ownership.ts";
import { step, type Steps } from "./steps.ts";

/** The six folders; all but `defer` are the original's. */
export const FOLDERS = ["tmp", "new", "cur", "defer", "doa", "res"] as const;

const ORIGINAL_FOLDERS = FOLDERS.filter((name) => name !== "defer");

/** Permission bits of folders and files, and whose they are. */
export interface Modes {
  /** Of every folder in the queue. */
  readonly dir: number;
  /** Of every file we make. */
  readonly file: number;
  /** Whether the bits must hold against the umask. */
  readonly exact: boolean;
  /** Who must be able to use them; whoever has just made the queue, when it is missing. */
  readonly owner?: Ownership;
}

const PRIVATE: Modes = { dir: 0o700, file: 0o600, exact: false };
const SHARED: Modes = { dir: 0o2770, file: 0o660, exact: true };

/** The directory is not a queue, and this command doesn't make it one. */
export class NotAQueueError extends Error {
  /** The class, for `catch`. */
  override readonly name = "NotAQueueError";
}

/** What to do with a directory that isn't a queue yet. */
export interface OpenOptions {
  /** Make the queue where the directory is missing or empty. @default {false} */
  readonly create?: boolean;
  /**
   * Share it with the directory's group: folders 2770, files 0660. What an existing queue has is
   * kept without it. @default {false}
   */
  readonly group?: boolean;
}

function parentOf(path: string): string {
  const parent = path.replace(/\/+[^/]+\/*$/, "");
  return parent === path ? "." : parent || "/";
}

function* makeBase(disk: Disk, base: string): Steps<void> {
  try {
    yield* step(disk.makeDir(base, 0o700));
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    if (errorCode(error) !== "ENOENT") throw error;
    yield* makeBase(disk, parentOf(base));
    return yield* makeBase(disk, base);
  }
  try {
    yield* step(disk.syncDir(parentOf(base)));
  } catch (error) {
    // A directory that a power cut may take away is no place for events.
    yield* step(disk.removeDir(base));
    throw error;
  }
}

/**
 * The names that decide whether a directory is a queue, or `undefined` when there is no directory.
 */
function* survey(
  disk: Disk,
  base: string,
): Steps<{ folders: Set<string>; foreign: string[] } | undefined> {
  const folders = new Set<string>();
  const foreign: string[] = [];
  try {
    for (const { name, kind } of yield* step(disk.entries(base))) {
      if (name.startsWith(".") || name === "lost+found") continue;
      if (kind === "directory" && (FOLDERS as readonly string[]).includes(name)) folders.add(name);
      else if (foreign.length < 3) foreign.push(name);
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    if (errorCode(error) !== "ENOTDIR") throw error;
    throw new NotAQueueError(`Cannot open the queue: ${base} must be a directory, it is a file`, {
      cause: error,
    });
  }
  return { folders, foreign };
}

/**
 * Check that a directory is a queue (all of the original's five folders are there, or nothing but
 * some of the six), make what is missing if asked to, and find out its permission bits.
 *
 * @throws {NotAQueueError} If it isn't one, or is missing and may not be made.
 */
export function* openLayout(disk: Disk, base: string, options: OpenOptions): Steps<Modes> {
  const found = yield* survey(disk, base);
  const folders = found?.folders ?? new Set<string>();
  if (!ORIGINAL_FOLDERS.every((name) => folders.has(name))) {
    if (found && found.foreign.length > 0) {
      const names = found.foreign.map((name) => JSON.stringify(name)).join(", ");
      throw new NotAQueueError(
        `Cannot open the queue: ${base} must hold the folders ${
          FOLDERS.join(" ")
        } or be empty, but it holds ${names}`,
      );
    }
    if (!options.create && folders.size === 0) {
      const state = found ? "empty" : "missing";
      throw new NotAQueueError(
        `Cannot open the queue: ${base} must hold the folders ${
          FOLDERS.join(" ")
        }, but it is ${state}`,
      );
    }
  }
  if (!found) yield* makeBase(disk, base);
  const isGroups = options.group ||
    folders.has("new") && isShared((yield* step(disk.lstat(`${base}/new`))).mode);
  const bits = isGroups ? SHARED : PRIVATE;
  const [ofAll = "."] = folders.has("new") ? ["new"] : folders;
  const owner = found && (yield* ownerOf(disk, `${base}/${ofAll}`, bits.exact));
  const modes: Modes = owner ? { ...bits, owner } : bits;
  if (options.create) {
    let made = 0;
    for (const name of FOLDERS) {
      if (!folders.has(name)) made += Number(yield* makeFolder(disk, `${base}/${name}`, modes));
    }
    if (made > 0) yield* step(disk.syncDir(base));
  }
  if (options.group) {
    for (const name of folders) {
      if ((yield* step(disk.lstat(`${base}/${name}`))).mode !== modes.dir) {
        yield* step(disk.chmod(`${base}/${name}`, modes.dir));
      }
    }
  }
  return modes;
}

function isShared(mode: number): boolean {
  return (mode & 0o020) !== 0;
}

/** Make a folder with the queue's bits and owner; false when it was there. */
export function* makeFolder(disk: Disk, path: string, modes: Modes): Steps<boolean> {
  try {
    yield* step(disk.makeDir(path, modes.dir));
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
  if (modes.exact) yield* step(disk.chmod(path, modes.dir));
  if (modes.owner) yield* handOverMade(disk, path, modes.owner, () => disk.removeDir(path));
  return true;
}

/** Make a file with the queue's bits and owner, on stable storage on return if durable. */
export function* createFile(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  modes: Modes,
  durable: boolean,
): Steps<void> {
  yield* step(disk.create(path, bytes, { mode: modes.file, durable }));
  if (modes.exact) yield* step(disk.chmod(path, modes.file));
  if (modes.owner) yield* handOverMade(disk, path, modes.owner, () => disk.remove(path));
}
