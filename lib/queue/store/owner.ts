/**
 * The owner file: how a consumer's death is seen at once by others on its kernel, be they in other
 * containers.
 *
 * A consumer makes `.<host>-<pid>-<random>` in `tmp/`, locks it and renames it into `cur/`; the
 * kernel lets go of the lock when the process dies. It is an accelerator only: without it, and
 * between kernels, the lease decides. What is in it is for people; its mtime says that its owner
 * lives, where the lock can't be seen. Whoever takes over a dead owner's claims holds its lock
 * meanwhile, and sets that mtime to 0, so that nobody takes the lock for a sign of life.
 *
 * @module
 */

import { errorCode, type Lock } from "../../runtime/runtime.ts";
import { createFile } from "../layout.ts";
import { LONGEST_LEASE_MS } from "../../store/limits.ts";
import { CLOCK_SKEW_MS } from "../constants.ts";
import { isSameKernel, parseName, parseOwnerFile, parseTag } from "../name.ts";
import { holds, isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { run } from "../steps.ts";

/**
 * The folders' way from `tmp/` to `cur/` that shows whether all are on one file system and
 * writable.
 */
export const WAY = ["tmp", "new", "defer", "doa", "res", "cur"] as const;

/** How often a consumer touches its owner file. */
export const TOUCH_EVERY_MS = 15 * 60_000;

/** One that was not touched for so long is that of a dead owner, if it has no claims either. */
const FORGOTTEN_MS = LONGEST_LEASE_MS + CLOCK_SKEW_MS + 2 * TOUCH_EVERY_MS;

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
 * @throws The disk's error (EXDEV, EROFS, EACCES, ...), when a folder is not fit.
 */
export async function acquireOwner(queue: Queue): Promise<OwnerFile | undefined> {
  const { disk } = queue.place.runtime;
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
 * Find out whether the owner of a file in `cur/` is dead, which only a process on its own kernel
 * can.
 *
 * @returns The file, held, when its owner is dead; `"alive"` or `"unknown"` otherwise.
 */
export async function lockDeadOwner(
  queue: Queue,
  name: string,
): Promise<OwnerFile | "alive" | "unknown"> {
  const parsed = parseOwnerFile(name);
  if (!parsed || !isSameKernel(parsed.host, queue.host)) return "unknown";
  try {
    const lock = await queue.place.runtime.disk.tryLock(queue.path("cur", name));
    return lock ? { owner: parsed.owner, lock } : "alive";
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return "unknown"; // removed meanwhile, not ours to open, or no locks here
  }
}

/**
 * Show others that the lock of an owner file is held because its owner is dead. What the disk
 * refuses makes them wait for a part of the events that nobody has.
 */
export async function markSurvived(queue: Queue, name: string): Promise<void> {
  await touch(queue, name, 0);
}

/** Whether the lock of an owner file is held because its owner is dead. */
export async function isSurvived(queue: Queue, name: string): Promise<boolean> {
  try {
    return (await queue.place.runtime.disk.lstat(queue.path("cur", name))).mtimeMs === 0;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

/** Show others that this process lives. What the disk refuses is done again later. */
export async function touchOwner(queue: Queue): Promise<void> {
  await touch(queue, `.${queue.owner}`, queue.place.runtime.clock.now());
}

async function touch(queue: Queue, name: string, mtimeMs: number): Promise<void> {
  try {
    await queue.place.runtime.disk.touch(queue.path("cur", name), mtimeMs);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

/**
 * Remove the owner file of somebody who has vanished where the lock doesn't tell, on another kernel
 * or before a restart: nobody has touched it for long, and it has no claims.
 *
 * @returns Whether it is gone.
 * @throws The disk's error.
 */
export async function sweepOwner(queue: Queue, name: string): Promise<boolean> {
  const { disk, clock } = queue.place.runtime;
  const path = queue.path("cur", name);
  const owner = parseOwnerFile(name)?.owner;
  if (owner === undefined || owner === queue.owner) return false;
  const { mtimeMs, ctimeMs } = await disk.lstat(path);
  if (clock.now() - Math.max(mtimeMs, ctimeMs) <= FORGOTTEN_MS) return false;
  const lock = await tryLockIfAny(queue, name);
  if (lock === "held") return false;
  try {
    // Listed after the lock was taken: of a dead owner's claims none is added.
    for await (const claim of disk.list(`${queue.place.base}/cur`)) {
      const { tag } = parseName(claim.name);
      if (tag !== undefined && parseTag(tag)?.owner === owner) return false;
    }
    await disk.remove(path);
    return true;
  } finally {
    lock?.release();
  }
}

/** The lock of an owner file, or who has it; `undefined` where there are no locks. */
async function tryLockIfAny(queue: Queue, name: string): Promise<Lock | "held" | undefined> {
  try {
    return await queue.place.runtime.disk.tryLock(queue.path("cur", name)) ?? "held";
  } catch (error) {
    if (errorCode(error) === undefined || isMissing(error)) throw error;
    return undefined;
  }
}

/** For people, in one line. */
function describeOwner({ ownerName, place: { runtime } }: Queue): Uint8Array {
  const { hostname, bootId, machineId, pid, clock } = runtime;
  const since = new Date(clock.now()).toISOString();
  const line = JSON.stringify({ host: hostname, ownerName, bootId, machineId, pid, since });
  return new TextEncoder().encode(`${line}\n`);
}

async function make(queue: Queue, folder: string, name: string): Promise<void> {
  const { runtime: { disk }, modes } = queue.place;
  try {
    await run(createFile(disk, queue.path(folder, name), describeOwner(queue), modes, true));
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
