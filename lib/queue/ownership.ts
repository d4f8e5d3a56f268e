/**
 * Whose a queue is: whoever makes something in it, its owner must be able to use it.
 *
 * Root's folders and files are given to the owner of the queue. Who can't give away what only he
 * could use is refused, with what to do: an event that its consumer can't read would die, and a
 * hold in a folder that it can't look into would be seen by nobody.
 *
 * @module
 */

import { type Awaitable, type Disk, errorCode, type Stat } from "../runtime/runtime.ts";
import { step, type Steps } from "./steps.ts";

/** The owner of a queue, and what is known of who works on it. */
export interface Ownership {
  /** Numeric owner. */
  readonly uid: number;
  /** Numeric group. */
  readonly gid: number;
  /** Whether it is a group's. */
  readonly isShared: boolean;
  /** Whether what this process makes is known to be usable as it is. */
  isSettled: boolean;
}

const ROOT = 0;

/** Whose a folder is. */
export function* ownerOf(disk: Disk, path: string, isShared: boolean): Steps<Ownership> {
  const { uid, gid } = yield* step(disk.lstat(path));
  return { uid, gid, isShared, isSettled: false };
}

/** Whether the owner may use what somebody else has made. */
function isUsable({ uid, gid, mode }: Stat, owner: Ownership): boolean {
  if (owner.uid === ROOT || owner.uid === uid) return true;
  return (mode & 0o040) !== 0 && owner.gid === gid || (mode & 0o004) !== 0;
}

function isTheOwners({ uid, gid }: Stat, owner: Ownership): boolean {
  return uid === owner.uid && (gid === owner.gid || !owner.isShared);
}

/** @returns The error, when it may not be done. */
function* give(disk: Disk, path: string, uid: number, gid: number): Steps<unknown> {
  try {
    yield* step(disk.chown(path, uid, gid));
    return undefined;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return error;
  }
}

/**
 * See to it that the queue's owner can use a folder or file of the queue.
 *
 * @returns Whether nothing had to be done, or could be.
 * @throws An error with the code `EPERM` that says what to do, if this process can't.
 */
export function* handOver(disk: Disk, path: string, owner: Ownership): Steps<boolean> {
  const seen = yield* step(disk.lstat(path));
  if (isTheOwners(seen, owner)) return true;
  const cause = yield* give(disk, path, owner.uid, owner.gid);
  if (cause === undefined) return false;
  if (owner.isShared && seen.gid !== owner.gid) yield* give(disk, path, seen.uid, owner.gid);
  const now = yield* step(disk.lstat(path));
  if (!isUsable(now, owner)) throw refusal(path, seen, owner, cause);
  return now.gid === seen.gid;
}

/** As {@linkcode handOver}, of what has just been made; what can't be handed over is removed. */
export function* handOverMade(
  disk: Disk,
  path: string,
  owner: Ownership,
  remove: () => Awaitable<void>,
): Steps<void> {
  if (owner.isSettled) return;
  try {
    owner.isSettled = yield* handOver(disk, path, owner);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return; // removed meanwhile: whoever needs it will notice
    try {
      yield* step(remove());
    } catch {
      // it resists: nobody was promised it
    }
    throw error;
  }
}

function refusal(path: string, { uid }: Stat, owner: Ownership, cause: unknown): Error {
  const error = new Error(
    `Cannot write to the queue: it is user ${owner.uid}'s, who couldn't use ${path} of user ${uid}; ` +
      `run this as user ${owner.uid}, for example with sudo -u '#${owner.uid}'`,
    { cause },
  );
  return Object.assign(error, { code: "EPERM" });
}
