/**
 * A place is an opened queue directory: its path, its permission bits, and the disk it is on. What
 * every transition shares.
 *
 * @module
 */

import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { FOLDERS, makeFolder, type Modes } from "./layout.ts";
import { run } from "./steps.ts";

/** An opened queue directory. */
export interface Place {
  /** Path of the base directory, without a slash at the end. */
  readonly base: string;
  /** Permission bits. */
  readonly modes: Modes;
  /** The world. */
  readonly runtime: Runtime;
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
 */
export async function ensureFolder(place: Place, folder: string): Promise<void> {
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
  }
  return false;
}
