/**
 * Who consumes a queue, by the owner files in `cur/`, and whose claims there are.
 *
 * @module
 */

import { isSameKernel, parseName, parseOwnerFile, parseTag } from "./name.ts";
import { isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";
import { isSurvived, lockDeadOwner, TOUCH_EVERY_MS } from "./store/owner.ts";

/** Of one that hasn't touched its file for so long nothing is known. */
const SILENT_MS = 2 * TOUCH_EVERY_MS;

/** A consumer, by its owner file. */
export interface ConsumerSign {
  /** `<host>-<pid>-<random>`. */
  readonly owner: string;
  /** `silent`: on another machine, and not heard of for half an hour. */
  readonly state: "alive" | "dead" | "silent";
  /** Whether it is on this kernel, so that its lock tells. */
  readonly isHere: boolean;
  /** For how long its file hasn't been touched, ms. */
  readonly silentMs: number;
}

/** Consumers, and claims. */
export interface Consumers {
  /** Each that has an owner file. */
  readonly signs: readonly ConsumerSign[];
  /** How many claims each owner has, whether or not it has a file. */
  readonly claims: ReadonlyMap<string, number>;
}

/**
 * Look who consumes.
 *
 * @throws The disk's error.
 */
export async function consumersOf(queue: Queue): Promise<Consumers> {
  const signs: ConsumerSign[] = [];
  const claims = new Map<string, number>();
  try {
    for await (const { name } of queue.place.runtime.disk.list(`${queue.place.base}/cur`)) {
      if (parseOwnerFile(name)) {
        const sign = await signOf(queue, name);
        if (sign) signs.push(sign);
        continue;
      }
      const { tag } = parseName(name);
      const owner = tag === undefined ? undefined : parseTag(tag)?.owner;
      if (owner !== undefined) claims.set(owner, (claims.get(owner) ?? 0) + 1);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return { signs, claims };
}

/** @returns `undefined` when it has just ended. */
async function signOf(queue: Queue, name: string): Promise<ConsumerSign | undefined> {
  const { disk, clock } = queue.place.runtime;
  const { owner, host } = parseOwnerFile(name)!;
  try {
    const { mtimeMs } = await disk.lstat(queue.path("cur", name));
    const silentMs = clock.now() - mtimeMs;
    const known = { owner, isHere: isSameKernel(host, queue.host), silentMs };
    const found = await lockDeadOwner(queue, name);
    if (typeof found === "object") found.lock.release();
    // The lock of a dead one may be held by whoever takes its claims over.
    const isDead = typeof found === "object" || found === "alive" && await isSurvived(queue, name);
    if (isDead) return { ...known, state: "dead" };
    return { ...known, state: found === "unknown" && silentMs > SILENT_MS ? "silent" : "alive" };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
