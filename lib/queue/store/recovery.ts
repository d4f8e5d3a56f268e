/**
 * Claims in `cur/` that nobody is working on any more: crash recovery is take-over, there is no
 * other.
 *
 * Who may be taken over:
 * - a dead owner on this kernel, whatever its host name (its owner file's lock is free): at once;
 * - anybody, once the lease has ended: by the claim's own clock at its time (the machine's, also
 *   after a restart), seen from another host 15 minutes later;
 * - but an owner that isn't known to be dead only after this consumer has itself seen the claim
 *   stay as it is for a whole lease: a wall clock that jumps, here or there, ends leases that still
 *   run. (A consumer that looks only once can't wait for that; for it the lease decides, unless the
 *   owner's lock is held.)
 * - a lease so far ahead that no clock can have set it has ended too; a file without a lease once
 *   its mtime is that old.
 *
 * @module
 */

import { CLOCK_SKEW_MS } from "../constants.ts";
import { LONGEST_LEASE_MS } from "../../store/limits.ts";
import type { Candidate } from "../../store/store.ts";
import { SLICE, whyNotAnEvent } from "./listing.ts";
import {
  type EventName,
  hasSameClock,
  parseName,
  parseOwnerFile,
  parseTag,
  type Tag,
} from "../name.ts";
import {
  isSurvived,
  lockDeadOwner,
  markSurvived,
  type OwnerFile,
  releaseOwner,
  TOUCH_EVERY_MS,
  touchOwner,
} from "./owner.ts";
import { confirmPlace, isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { run } from "../steps.ts";
import { errorCode } from "../../runtime/runtime.ts";
import type { Parts } from "./parts.ts";
import type { OnOther } from "./strays.ts";

/** A lease further ahead than this was not set by this clock, or before it went back. */
const FURTHEST_LEASE_MS = LONGEST_LEASE_MS + CLOCK_SKEW_MS;

/** `cur/`, as far as its claims may be taken over. */
export class AbandonedClaims {
  /** Whether other consumers seem to be at work on the queue. */
  hasPeers = false;
  /** Owner files of which it can't be told from here whether their owners live. */
  #unknownOwners = 0;
  readonly #queue: Queue;
  readonly #leaseMs: number;
  readonly #isHeld: (name: string) => boolean;
  readonly #onOther: OnOther;
  readonly #parts: Parts;
  /** Owner files of dead owners, held until all their claims are taken over. */
  readonly #deadOwners = new Map<string, OwnerFile>();
  /** Owners whose locks are held because they are dead, by another consumer. */
  readonly #survived = new Set<string>();
  /**
   * Until when claims whose owners may be alive are left alone unless they change, monotonic ms.
   */
  #watched = new Map<string, number>();
  /** When others are to be shown again that this consumer lives, monotonic ms. */
  #touchAtMs: number;
  /** Whether there is only one look. */
  looksOnce = false;

  /** Whether others have come or gone since {@linkcode AbandonedClaims.next} was called before. */
  hasNewPeers = false;

  /**
   * @param isHeld Whether a name in `cur/` is in flight here.
   * @param parts Told with whom events are shared.
   */
  constructor(
    queue: Queue,
    leaseMs: number,
    isHeld: (name: string) => boolean,
    onOther: OnOther,
    parts: Parts,
  ) {
    this.#queue = queue;
    this.#leaseMs = leaseMs;
    this.#isHeld = isHeld;
    this.#onOther = onOther;
    this.#parts = parts;
    this.#touchAtMs = queue.place.runtime.clock.monotonic() + TOUCH_EVERY_MS;
  }

  /**
   * What may be taken over now.
   *
   * @throws {MisplacedError} If the base directory isn't where it was.
   * @throws The disk's error.
   */
  async next(): Promise<Candidate[]> {
    await run(confirmPlace(this.#queue.place));
    await this.#touchIfDue();
    const alive = await this.#findDeadOwners();
    const claimless = new Set(this.#deadOwners.keys());
    const abandoned: Candidate[] = [];
    const watched = new Map<string, number>();
    let others = alive.size + this.#unknownOwners;
    const sharing = new Set([...alive].filter((owner) => !this.#survived.has(owner)));
    for await (const name of this.#claims()) {
      const event = parseName(name);
      const tag = event.tag === undefined ? undefined : parseTag(event.tag);
      if (tag) claimless.delete(tag.owner);
      if (this.#isHeld(name)) continue;
      if (tag && tag.owner !== this.#queue.owner && !this.#deadOwners.has(tag.owner)) {
        others++;
        if (this.#isAtWork(event, tag)) sharing.add(tag.owner);
      }
      const isWatched = tag !== undefined && tag.owner !== this.#queue.owner &&
        (alive.has(tag.owner) || !this.looksOnce);
      if (isWatched) watched.set(name, this.#watched.get(name) ?? this.#watchUntilMs(event));
      if (
        abandoned.length < SLICE &&
        await this.#isAbandoned(name, event, tag, isWatched ? watched.get(name)! : -Infinity)
      ) {
        abandoned.push({ folder: "cur", name });
      }
    }
    this.#watched = watched;
    this.hasPeers = others > 0;
    this.hasNewPeers = this.#parts.shareWith(sharing);
    // Listed after their locks were taken, and none of their claims is left: the owner files have
    // done their duty.
    await this.#forgetAll(claimless);
    return abandoned;
  }

  async #touchIfDue(): Promise<void> {
    const nowMs = this.#queue.place.runtime.clock.monotonic();
    if (nowMs < this.#touchAtMs) return;
    this.#touchAtMs = nowMs + TOUCH_EVERY_MS;
    await touchOwner(this.#queue);
  }

  /**
   * Let go of the owner files held: those whose claims are all taken over are done with, others are
   * for the next consumer.
   */
  async close(): Promise<void> {
    try {
      await this.#forgetAll(await this.#claimless());
    } finally {
      for (const { lock } of this.#deadOwners.values()) lock.release();
      this.#deadOwners.clear();
    }
  }

  /** Dead owners none of whose claims is left. */
  async #claimless(): Promise<Set<string>> {
    const claimless = new Set(this.#deadOwners.keys());
    if (claimless.size === 0) return claimless;
    for await (const name of this.#claims()) {
      const { tag } = parseName(name);
      claimless.delete((tag === undefined ? undefined : parseTag(tag)?.owner) ?? "");
    }
    return claimless;
  }

  async #forgetAll(owners: Iterable<string>): Promise<void> {
    for (const owner of owners) await this.#forget(owner);
  }

  async #forget(owner: string): Promise<void> {
    const held = this.#deadOwners.get(owner);
    this.#deadOwners.delete(owner);
    if (held) await releaseOwner(this.#queue, held);
  }

  /** A lease from now; longer when what is left of the claim's own is longer and can be true. */
  #watchUntilMs({ timeMs = 0 }: EventName): number {
    const { clock } = this.#queue.place.runtime;
    const leftMs = timeMs - clock.now();
    return clock.monotonic() +
      (leftMs <= FURTHEST_LEASE_MS ? Math.max(leftMs, this.#leaseMs) : this.#leaseMs);
  }

  /** Take the locks of this kernel's dead owners; returns who is alive. */
  async #findDeadOwners(): Promise<Set<string>> {
    const alive = new Set<string>();
    this.#unknownOwners = 0;
    this.#survived.clear();
    for await (const { name, kind } of this.#names()) {
      const file = kind === "file" ? parseOwnerFile(name) : undefined;
      if (!file || file.owner === this.#queue.owner || this.#deadOwners.has(file.owner)) continue;
      const found = await lockDeadOwner(this.#queue, name);
      if (found === "unknown") this.#unknownOwners++;
      else if (found !== "alive") {
        this.#deadOwners.set(file.owner, found);
        await markSurvived(this.#queue, name);
      } else {
        alive.add(file.owner);
        if (await isSurvived(this.#queue, name)) this.#survived.add(file.owner);
      }
    }
    return alive;
  }

  /** Whether the owner of a claim has a part of the events: its lease runs, and it isn't dead. */
  #isAtWork({ timeMs = 0 }: EventName, { owner }: Tag): boolean {
    return timeMs > this.#queue.place.runtime.clock.now() && !this.#survived.has(owner);
  }

  async *#claims(): AsyncIterable<string> {
    for await (const entry of this.#names()) {
      const other = await whyNotAnEvent(this.#queue.place, "cur", entry);
      if (other === undefined) yield entry.name;
      else this.#onOther(`cur/${entry.name}`, other);
    }
  }

  async *#names() {
    try {
      yield* this.#queue.place.runtime.disk.list(`${this.#queue.place.base}/cur`);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async #isAbandoned(
    name: string,
    event: EventName,
    tag: Tag | undefined,
    watchedUntilMs: number,
  ): Promise<boolean> {
    const { clock } = this.#queue.place.runtime;
    if (tag && this.#deadOwners.has(tag.owner)) return true;
    if (event.timeMs === undefined) return await this.#isStranded(name);
    const leaseEndMs = event.timeMs +
      (tag && hasSameClock(tag.host, this.#queue.host) ? 0 : CLOCK_SKEW_MS);
    const aheadMs = event.timeMs - clock.now();
    if (clock.now() < leaseEndMs && aheadMs <= FURTHEST_LEASE_MS) return false;
    return clock.monotonic() >= watchedUntilMs;
  }

  /** A file without a lease: its mtime tells. */
  async #isStranded(name: string): Promise<boolean> {
    const { clock, disk } = this.#queue.place.runtime;
    try {
      const { mtimeMs } = await disk.lstat(this.#queue.path("cur", name));
      return Math.abs(clock.now() - mtimeMs) > FURTHEST_LEASE_MS;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return false;
    }
  }
}
