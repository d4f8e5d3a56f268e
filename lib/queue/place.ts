/**
 * A place is an opened queue directory: its path, its permission bits, and the disk it is on. What
 * every transition shares.
 *
 * The directory may be moved or unmounted while somebody works on it, and an empty one may be left
 * where it was. So nothing is made in it, no folder is taken for empty and no claim for lost
 * because something is missing, before {@linkcode confirmPlace} has said that it is still there.
 *
 * @module
 */

import { type Disk, errorCode, type Runtime } from "../runtime/runtime.ts";
import { FOLDERS, makeFolder, type Modes } from "./layout.ts";
import { run, step, type Steps } from "./steps.ts";
import type { Ids } from "./uuid.ts";

/** What tells a directory from others. */
export interface Identity {
  /** Its device. */
  readonly dev: number;
  /** Its number there. */
  readonly ino: number;
}

/** An opened queue directory. */
export interface Place {
  /** Path of the base directory, without a slash at the end. */
  readonly base: string;
  /** Permission bits. */
  readonly modes: Modes;
  /** The world. */
  readonly runtime: Runtime;
  /** What the base directory was when it was opened. */
  readonly identity: Identity;
  /** Makes the ids of events that are put in here. */
  readonly ids: Ids;
  /** A path below it that only this process makes there, while it consumes. */
  readonly witness: string;
}

/** The base directory is not where it was. */
export class MisplacedError extends Error {
  /** The class, for `catch`. */
  override readonly name = "MisplacedError";
  /** What every disk says of what is not there. */
  readonly code = "ENOENT";
}

/** What tells a base directory from others, where it is a symlink that of a folder in it. */
export function* identityOf(disk: Disk, base: string): Steps<Identity> {
  const { kind, dev, ino } = yield* step(disk.lstat(base));
  return kind === "symlink" ? yield* step(disk.lstat(`${base}/new`)) : { dev, ino };
}

/**
 * See whether the base directory is where it was.
 *
 * @throws {MisplacedError} If it was moved, unmounted or replaced.
 * @throws The disk's error.
 */
export function* confirmPlace({ base, runtime, identity, witness }: Place): Steps<void> {
  const { disk } = runtime;
  try {
    const { dev, ino } = yield* identityOf(disk, base);
    if (dev === identity.dev && ino === identity.ino) return;
    // There are file systems that number their files anew now and then.
    yield* step(disk.lstat(`${base}/${witness}`));
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw cause;
    throw new MisplacedError(
      `the base directory is not where it was: ${base} was moved, unmounted or replaced`,
      { cause },
    );
  }
}

/** Whether a disk error means "not there". */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === "ENOENT";
}

/** Whether a disk error means "no room". */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/**
 * Make a folder of the queue, given by its path below the base directory, and those above it.
 * Existing ones are left as they are.
 *
 * @throws {MisplacedError} If the base directory isn't there any more.
 * @throws The disk's error.
 */
export async function ensureFolder(place: Place, folder: string): Promise<void> {
  await run(confirmPlace(place));
  const parts = folder.split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    const below = parts.slice(0, depth).join("/");
    await run(makeFolder(place.runtime.disk, place.base, below, place.modes));
  }
}

/** Make whichever of the six folders is missing. */
export async function ensureFolders(place: Place): Promise<void> {
  for (const folder of FOLDERS) await ensureFolder(place, folder);
}

/**
 * Whether a folder holds a name, by listing it: on a network file system the only answer that is
 * never stale.
 */
export async function holds(place: Place, folder: string, name: string): Promise<boolean> {
  try {
    for await (const entry of place.runtime.disk.list(`${place.base}/${folder}`)) {
      if (entry.name === name) return true;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    await run(confirmPlace(place));
  }
  return false;
}
