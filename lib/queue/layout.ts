/**
 * The folders of a queue: what counts as one, how it is made, and with which permissions.
 *
 * @module
 */

import {
  type CreateOptions,
  type DirEntry,
  type Disk,
  errorCode,
  type Kind,
  type Stat,
} from "../runtime/runtime.ts";
import { bucketTimeMs } from "./buckets.ts";
import type { QueueLimits } from "./full.ts";
import { handOverMade, type Ownership, ownershipOf } from "./ownership.ts";
import { step, type Steps } from "./steps.ts";

/** The six folders; all but `defer` are the original's. */
export const FOLDERS = ["tmp", "new", "cur", "defer", "doa", "res"] as const;

/** Where the journal is, once there is one. */
export const LOG_FOLDER = "log";

/** Where delivered events are kept, once some are. */
export const SENT_FOLDER = "sent";

/** A queue without these is whole. */
const OPTIONAL_FOLDERS: readonly string[] = [LOG_FOLDER, SENT_FOLDER];

const ORIGINAL_FOLDERS = FOLDERS.filter((name) => name !== "defer");

/** Permission bits of folders and files, and whose they are. */
export interface Modes {
  /** Of the base directory, if it is made. */
  readonly base: number;
  /** Of the folders above it, if they are made. */
  readonly above: number;
  /** Of `tmp/` and `new/`, which producers write into. */
  readonly entrance: number;
  /** Of every other folder. */
  readonly dir: number;
  /** Of an event that is put on the queue. */
  readonly event: number;
  /** Of every other file we make. */
  readonly file: number;
  /** Of what all producers add to. */
  readonly counter: number;
  /** Whether the bits must hold against the umask. */
  readonly exact: boolean;
  /** Whether producers may add events, but neither see nor remove what is there. */
  readonly isDrop: boolean;
  /** Who must be able to use them; whoever has just made the queue, when it is missing. */
  readonly owner?: Ownership;
}

const PRIVATE: Modes = {
  base: 0o700,
  above: 0o700,
  entrance: 0o700,
  dir: 0o700,
  event: 0o600,
  file: 0o600,
  counter: 0o600,
  exact: false,
  isDrop: false,
};

const SHARED: Modes = {
  base: 0o2770,
  above: 0o2750,
  entrance: 0o2770,
  dir: 0o2770,
  event: 0o660,
  file: 0o660,
  counter: 0o660,
  exact: true,
  isDrop: false,
};

const DROP: Modes = {
  base: 0o710,
  above: 0o710,
  entrance: 0o1733,
  dir: 0o700,
  event: 0o644, // the consumer is another user; nobody else can get to its name
  file: 0o600,
  counter: 0o666, // below `tmp/`, so the group's alone; each producer is another user
  exact: true,
  isDrop: true,
};

function isDropsEntrance(mode: number): boolean {
  return (mode & 0o1777) === DROP.entrance;
}

function modesOf(group: OpenOptions["group"], entrance: number | undefined): Modes {
  if (group === "drop") return DROP;
  if (group) return SHARED;
  if (entrance === undefined) return PRIVATE;
  if (isDropsEntrance(entrance)) return DROP;
  return (entrance & 0o020) === 0 ? PRIVATE : SHARED;
}

function modeOf(folder: string, modes: Modes): number {
  return folder === "tmp" || folder === "new" ? modes.entrance : modes.dir;
}

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
   * Share it with the directory's group: folders 2770, files 0660, for those who trust each other.
   * `"drop"` for those who don't: they may add events but neither see nor remove what is there;
   * `tmp/` and `new/` 1733, the rest 0700. What an existing queue has is kept without it.
   * @default {false}
   */
  readonly group?: boolean | "drop";
  /**
   * What this host is called in place of its host name, for containers that come back under other
   * names. No other machine may have that name. @default {the host name}
   */
  readonly ownerName?: string | undefined;
  /** How much may wait; producers are refused above that. @default {no limits} */
  readonly limits?: QueueLimits;
}

function parentOf(path: string): string {
  const parent = path.replace(/\/+[^/]+\/*$/, "");
  return parent === path ? "." : parent || "/";
}

/** @param isParentThere Whether the folder above is known to be there. */
function* makeBase(
  disk: Disk,
  base: string,
  mode: number,
  modes: Modes,
  isParentThere = false,
): Steps<void> {
  try {
    yield* step(disk.makeDir(base, mode, modes.exact));
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    if (errorCode(error) !== "ENOENT") throw error;
    if (isParentThere) {
      // as below /proc
      throw new NotAQueueError(`Cannot create the queue: ${base} can't be made there`, {
        cause: error,
      });
    }
    yield* makeBase(disk, parentOf(base), modes.above, modes);
    return yield* makeBase(disk, base, mode, modes, true);
  }
  try {
    yield* step(disk.syncDir(parentOf(base)));
  } catch (error) {
    // A directory that a power cut may take away is no place for events.
    yield* step(disk.removeDir(base));
    throw error;
  }
}

function mustBeFolder(path: string, kind: Kind): NotAQueueError {
  const is = kind === "symlink"
    ? "a symlink, which is not followed"
    : kind === "other"
    ? "a socket, FIFO or device"
    : `a ${kind}`;
  return new NotAQueueError(`Cannot open the queue: ${path} must be a folder, it is ${is}`);
}

function isOurs(name: string): boolean {
  return (FOLDERS as readonly string[]).includes(name);
}

/**
 * The six names, of a directory whose names may not be listed: one where events are only dropped.
 */
function* lookUp(disk: Disk, base: string): Steps<DirEntry[] | undefined> {
  const found: DirEntry[] = [];
  let isDrop = false;
  for (const name of FOLDERS) {
    try {
      const { kind, mode } = yield* step(disk.lstat(`${base}/${name}`));
      found.push({ name, kind });
      if (name === "new") isDrop = isDropsEntrance(mode);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
    }
  }
  return isDrop ? found : undefined;
}

function* entriesOf(disk: Disk, base: string): Steps<readonly DirEntry[]> {
  try {
    return yield* step(disk.entries(base));
  } catch (error) {
    const found = errorCode(error) === "EACCES" ? yield* lookUp(disk, base) : undefined;
    if (found) return found;
    throw error;
  }
}

/**
 * The names that decide whether a directory is a queue, or `undefined` when there is no directory.
 *
 * @throws {NotAQueueError} If one of ours is no folder.
 */
function* survey(
  disk: Disk,
  base: string,
): Steps<{ folders: Set<string>; foreign: string[]; optional: string[] } | undefined> {
  const folders = new Set<string>();
  const foreign: string[] = [];
  const optional: string[] = [];
  try {
    for (const { name, kind } of yield* entriesOf(disk, base)) {
      if (name.startsWith(".") || name === "lost+found") continue;
      if (OPTIONAL_FOLDERS.includes(name) && kind === "directory") optional.push(name);
      else if (!isOurs(name)) foreign.push(name);
      else if (kind !== "directory") throw mustBeFolder(`${base}/${name}`, kind);
      else folders.add(name);
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    if (errorCode(error) !== "ENOTDIR") throw error;
    throw new NotAQueueError(`Cannot open the queue: ${base} must be a directory, it is a file`, {
      cause: error,
    });
  }
  // Beside none of our folders they are another program's.
  if (folders.size === 0) foreign.push(...optional);
  return { folders, foreign: foreign.slice(0, 3), optional };
}

/** What tells whose the queue is: `new/`, or what there is instead. */
function* eldestOf(disk: Disk, base: string, folders: ReadonlySet<string>): Steps<Stat> {
  const [any = "."] = folders.has("new") ? ["new"] : folders;
  return yield* step(disk.lstat(`${base}/${any}`));
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
  const eldest = found && (yield* eldestOf(disk, base, folders));
  const bits = modesOf(options.group, folders.has("new") ? eldest?.mode : undefined);
  const owner = eldest && ownershipOf(eldest, bits.exact && !bits.isDrop);
  const modes: Modes = owner ? { ...bits, owner } : bits;
  if (!found) yield* makeBase(disk, base, modes.base, modes);
  if (options.create) {
    let made = 0;
    for (const name of FOLDERS) {
      if (!folders.has(name)) made += Number(yield* makeFolder(disk, base, name, modes));
    }
    if (made > 0) yield* step(disk.syncDir(base));
  }
  if (options.group) {
    for (const name of [...folders, ...found?.optional ?? []]) {
      const mode = modeOf(name, modes);
      if ((yield* step(disk.lstat(`${base}/${name}`))).mode !== mode) {
        yield* step(disk.chmod(`${base}/${name}`, mode));
      }
    }
    // Who may write here may put other folders in the place of these.
    const isOpen = found && modes.isDrop && ((yield* step(disk.lstat(base))).mode & 0o022) !== 0;
    if (isOpen) yield* step(disk.chmod(base, modes.base));
  }
  return modes;
}

/**
 * See to it that every folder below `defer/` is one, before anything is done there.
 *
 * @param onHidden Told of one that can't be looked at: that is its destination's trouble only.
 * @throws {NotAQueueError} If there is a symlink in the place of one.
 */
export function* checkDeferred(
  disk: Disk,
  base: string,
  onHidden: (folder: string, error: unknown) => void,
): Steps<void> {
  for (const { name, kind } of yield* entriesIfThere(disk, `${base}/defer`)) {
    if (name.startsWith(".")) continue;
    const folder = `${base}/defer/${name}`;
    if (kind === "symlink") throw mustBeFolder(folder, kind);
    if (kind !== "directory") continue;
    let buckets: readonly DirEntry[] = [];
    try {
      buckets = yield* entriesIfThere(disk, folder);
    } catch (error) {
      onHidden(`defer/${name}`, error);
    }
    for (const { name, kind } of buckets) {
      const isBucket = bucketTimeMs(name) !== undefined;
      if (isBucket && kind === "symlink") throw mustBeFolder(`${folder}/${name}`, kind);
    }
  }
}

function* entriesIfThere(disk: Disk, folder: string): Steps<readonly DirEntry[]> {
  try {
    return yield* step(disk.entries(folder));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Make a folder with the queue's bits, given by its path below the base directory; false when it
 * was there.
 */
export function* makeFolder(
  disk: Disk,
  base: string,
  folder: string,
  modes: Modes,
): Steps<boolean> {
  try {
    yield* step(disk.makeDir(`${base}/${folder}`, modeOf(folder, modes), modes.exact));
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
  if (modes.owner) {
    const made = `${base}/${folder}`;
    yield* handOverMade(disk, made, modes.owner, () => disk.removeDir(made));
  }
  return true;
}

/** Make an event's file with the queue's bits and owner, on stable storage on return if durable. */
export function* createEvent(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  modes: Modes,
  durable: boolean,
): Steps<void> {
  yield* create(disk, path, bytes, modes, { mode: modes.event, exact: modes.exact, durable });
}

/** Make any other file with the queue's bits and owner, on stable storage on return if durable. */
export function* createFile(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  modes: Modes,
  durable: boolean,
): Steps<void> {
  yield* create(disk, path, bytes, modes, { mode: modes.file, exact: modes.exact, durable });
}

/** Make a file that all producers add to; a crash may lose it. */
export function* createCounter(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  modes: Modes,
): Steps<void> {
  const { counter: mode, exact } = modes;
  yield* create(disk, path, bytes, modes, { mode, exact, durable: false });
}

function* create(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  { owner }: Modes,
  options: CreateOptions,
): Steps<void> {
  yield* step(disk.create(path, bytes, options));
  if (owner) yield* handOverMade(disk, path, owner, () => disk.remove(path));
}
