/**
 * The owner file: how a consumer's death is seen at once by others on its host.
 *
 * A consumer makes `.<host>-<pid>-<random>` in `tmp/`, locks it and renames it into `cur/`; the
 * kernel lets go of the lock when the process dies. It is an accelerator only: without it, and
 * between hosts, the lease decides.
 *
 * @module
 */

import { errorCode, type Lock } from "../../runtime/runtime.ts";
import { checkDeferred, createFile } from "../layout.ts";
import { parseOwnerFile } from "../name.ts";
import { holds, isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { run } from "../steps.ts";

/**
 * The folders' way from `tmp/` to `cur/` that shows whether all are on one file system and
 * writable.
 */
export const WAY = ["tmp", "new", "defer", "doa", "res", "cur"] as const;

/** A held owner file. */
export interface OwnerFile {
  /** Whose it is. */
  readonly owner: string;
  /** The lock on it. */
  readonly lock: Lock;
}

/**
 * Make and lock this process's owner file, and carry it through all folders on its way.
 *
 * @returns `undefined` where the file system has no locks: the lease decides alone.
 * @throws {NotAQueueError} If there is a symlink in the place of a folder below `defer/`.
 * @throws The disk's error (EXDEV, EROFS, EACCES, ...), when a folder is not fit.
 */
export async function acquireOwner(queue: Queue): Promise<OwnerFile | undefined> {
  const { disk } = queue.place.runtime;
  await run(checkDeferred(disk, queue.place.base));
  const name = `.${queue.owner}`;
  let at: string = "tmp";
  let lock: Lock | undefined;
  try {
    await make(queue, at, name);
    lock = await tryLock(queue, at, name);
    for (const folder of WAY.slice(1)) {
      await carry(queue, at, folder, name);
      at = folder;
    }
    if (lock !== undefined) return { owner: queue.owner, lock };
    await disk.remove(queue.path("cur", name));
    return undefined;
  } catch (error) {
    await remove(queue, at, name);
    lock?.release();
    throw error;
  }
}

/** Remove an owner file, when all of its owner's claims are settled, and let go of its lock. */
export async function releaseOwner(queue: Queue, held: OwnerFile): Promise<void> {
  await remove(queue, "cur", `.${held.owner}`);
  held.lock.release();
}

/**
 * Find out whether the owner of a file in `cur/` is dead, which only a process on its own host can.
 *
 * @returns The file, held, when its owner is dead; `"alive"` or `"unknown"` otherwise.
 */
export async function inheritOwner(
  queue: Queue,
  name: string,
): Promise<OwnerFile | "alive" | "unknown"> {
  const parsed = parseOwnerFile(name);
  if (!parsed || parsed.host !== queue.host) return "unknown";
  try {
    const lock = await queue.place.runtime.disk.tryLock(queue.path("cur", name));
    return lock ? { owner: parsed.owner, lock } : "alive";
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return "unknown"; // removed meanwhile, not ours to open, or no locks here
  }
}

async function make(queue: Queue, folder: string, name: string): Promise<void> {
  const { runtime: { disk }, modes } = queue.place;
  try {
    await run(createFile(disk, queue.path(folder, name), new Uint8Array(), modes, false));
  } catch (error) {
    // Nobody else makes this name: the reply was lost.
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

async function carry(queue: Queue, from: string, to: string, name: string): Promise<void> {
  try {
    await queue.place.runtime.disk.rename(queue.path(from, name), queue.path(to, name));
  } catch (error) {
    // It is there: the reply was lost.
    if (!isMissing(error) || !await holds(queue.place, to, name)) throw error;
  }
}

async function tryLock(queue: Queue, folder: string, name: string): Promise<Lock | undefined> {
  try {
    return await queue.place.runtime.disk.tryLock(queue.path(folder, name));
  } catch (error) {
    if (errorCode(error) === undefined || isMissing(error)) throw error;
    return undefined;
  }
}

async function remove(queue: Queue, folder: string, name: string): Promise<void> {
  try {
    await queue.place.runtime.disk.remove(queue.path(folder, name));
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}
