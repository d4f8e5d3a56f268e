/**
 * The queue: a maildir whose every transition is one rename.
 *
 * An event is one file. Its bytes are the producer's and never change; its state is the folder it
 * is in and what its name says after the `+`. No two names written here are ever equal (each claim
 * makes a fresh tag, which stays until the next), so no rename overwrites anything, and renaming
 * exactly the claimed name is the fence against a consumer that lost its lease.
 *
 *     state          where                             who may act              next
 *     being written  tmp/x                             its producer             new/
 *     ready          new/id, new/id+a@t~tag            any consumer, from t on  cur/
 *     claimed        cur/id+a@leaseEnd~tag             its owner; any consumer  removed, sent/,
 *                                                      after the lease          defer/, doa/, new/,
 *                                                                               cur/
 *     suspected      cur/id+a@leaseEnd~tagx<k>         as claimed             as claimed, in flight
 *     in flight      cur/id+a@leaseEnd~tagx<k>s        as claimed             as claimed, suspected
 *     deferred       defer/dest/[bucket/]id+a@due~tag  any, from due on         cur/
 *     dead           doa/id+a@died~tag, and .why       people; prune            new/id+0@t~tagr<t>
 *     delivered      sent/hour/id+a@delivered~tag      people; prune            new/id+0@t~tagp<t>
 *
 *     move       from → to                what makes it safe
 *     enqueue    tmp/ → new/              a link never overwrites; bytes, then name, are synced
 *                                         before the acknowledgement
 *     claim      new/, defer/ → cur/      one of several renames of a name succeeds; attempt + 1
 *     renew      cur/ → cur/              a later lease under a fresh tag
 *     take over  cur/ → cur/              the old owner's name is gone: whatever it does to it
 *                                         fails; attempt stays
 *     begin      cur/ → cur/              a suspected event goes in flight: x<k> becomes x<k>s,
 *                                         and the lease starts anew
 *     set aside  cur/ → cur/              it waits again: x<k>s becomes x<k>
 *     complete   cur/ → removed           only after the 2xx, and after its response is in res/
 *     keep       cur/ → sent/hour/        in place of the removal, where delivered events are
 *                                         kept; refused by the disk: removed, for nobody waits for
 *                                         a full disk to be told that an event was delivered
 *     defer      cur/ → defer/dest/bucket/
 *                                         refused by the disk: to new/ with its due time; refused
 *                                         again: the lease's end is the retry
 *     park       the same, unsent         gives the attempt back: its destination is down, held or
 *                                         busy
 *     postpone   new/ → defer/dest/bucket/
 *                                         unclaimed, as it is due much later; its time stays in its
 *                                         name, so whoever finds it where it is waits for it
 *     bury       cur/ → doa/              the reason is written first: a crash leaves a reason
 *                                         without a letter, which is swept
 *     release    cur/ → new/              gives the attempt back when nothing was sent
 *     retry      defer/… → new/           due now, under a fresh tag; attempts and age stay
 *     delete     new/, defer/, doa/ → removed
 *                                         exactly the name that was found: what has been claimed
 *                                         meanwhile, or has come, isn't hit
 *     requeue    doa/ → new/              the reason goes last; its age counts from when it was,
 *                                         which the end of the tag keeps until it is dead again, as
 *                                         it keeps until when a producer let it wait
 *     replay     sent/ → new/             delivered once more, under the same id or another; the
 *                                         `p` at the end of the tag stays until it is in sent/
 *                                         again, so that the same replay leaves it out
 *     prune      sent/, doa/, res/ → removed
 *                                         kept for long enough; a letter before its reason, a .meta
 *                                         before its answer: a crash leaves what is known as a part
 *
 * A consumer may die of an event, so take-overs are counted, but what only waited in the memory of
 * the dead is not to blame. The name of a fresh claim doesn't tell which of them were in flight (a
 * rename for each event would be too dear), so its take-over makes it x1, suspected, in any case.
 * From then on the name tells: a take-over of x<k> leaves the k, one of x<k>s makes it x<k+1>. Put
 * back unsent it stays suspected; once a consumer has survived it, its next claim begins without.
 *
 *     left behind by a crash              cleaned up by
 *     tmp/x, also linked into new/        sweep, 36 h
 *     cur/ claim                          take over: at once when its owner's lock is free, else
 *                                         after its lease
 *     doa/x.why without doa/x             sweep, 36 h
 *     cur/.owner                          whoever gets its lock, once it has taken over all that
 *                                         owner's claims; from where locks don't tell, sweep
 *     .owner on its way to cur/           sweep, 36 h
 *
 * A rename that answers "not found" has three causes: somebody else moved the file (leave it), the
 * target folder is missing (make it, again), or a network file system did the rename and lost the
 * reply (the target is there). Each verb tells them apart. A claim is tried again under another
 * fresh name: a producer may have dropped the same name anew, and the first claim may be there.
 *
 * @module
 */

import { encodeEvent, type EventInput } from "../event/encode.ts";
import type { Candidate, Reason } from "../store/store.ts";
import { errorCode, type Move, type Runtime, take, type Taken } from "../runtime/runtime.ts";
import { within } from "../runtime/within.ts";
import { Buckets } from "./buckets.ts";
import { MOST_DESTINATION_FOLDERS } from "./constants.ts";
import type { Depth } from "./depth.ts";
import { enqueue, enqueueMany, type EnqueueOptions } from "./enqueue.ts";
import { QueueFullError } from "./full.ts";
import { hostOf } from "./host.ts";
import { Limiter } from "./limiter.ts";
import { createFile, openLayout, type OpenOptions } from "./layout.ts";
import {
  type EventName,
  type Fate,
  formatName,
  isUsableId,
  parseName,
  parseTag,
  replacementId,
  tagSuffix,
} from "./name.ts";
import {
  confirmPlace,
  ensureFolder,
  ensureFolders,
  holds,
  identityOf,
  isMissing,
  type Place,
} from "./place.ts";
import { sentFolder } from "./sent.ts";
import { run, runSync, type Steps } from "./steps.ts";
import { Ids } from "./uuid.ts";

/** A claimed event. Its `name` is the fencing token. */
export interface Claim {
  /** The event's id. */
  readonly id: string;
  /** Its exact name in `cur/`. */
  readonly name: string;
  /** `.json` where the producer's name had it. */
  readonly extension: EventName["extension"];
  /** Attempts begun, this one included. */
  readonly attempt: number;
  /** Until when nobody else may take it, Unix ms. */
  readonly leaseEndMs: number;
  /** How many times in a row it was taken over in flight; the first time it may have waited. */
  readonly takeovers: number;
  /** Whether its name says that it is in flight, see {@linkcode Queue.begin}. */
  readonly isBegun: boolean;
  /** When it was brought back from the dead or replayed, Unix ms, if it was. */
  readonly requeuedMs: number | undefined;
  /** Whether it had been delivered when it was brought back. */
  readonly isReplay: boolean;
  /** This claim's tag. */
  readonly tag: string;
  /** The producer's name, when it could not be an id. */
  readonly replacedName?: string;
  /**
   * The tag's owner that this claim was taken over from; there only when it was just taken over.
   */
  readonly previousOwner?: string | undefined;
}

/** What came of a candidate: a claim, an error, or neither when another consumer was faster. */
export interface Claimed {
  /** The claim. */
  readonly claim?: Claim | undefined;
  /** What was read with it; absent when nothing was tried. */
  readonly taken?: Taken;
  /** The disk's error, when it refuses the rename. */
  readonly error?: unknown;
}

/** What became of a claim that was to be deferred or buried. */
export type Settled =
  /** It is where it should be. */
  | "done"
  /** The lease was lost; nothing was touched. */
  | "lost"
  /** The disk refused; the event is in `new/` with its due time. */
  | "returned"
  /** The disk refused that too; the claim stays and the end of its lease is the retry. */
  | "kept";

/**
 * The outcome of {@linkcode Queue.defer} and {@linkcode Queue.bury}: what became of the claim, and
 * what the disk said if it refused.
 */
export interface Settlement {
  /** What became of the claim. */
  readonly settled: Settled;
  /** The first thing the disk refused. */
  readonly error?: unknown;
  /** Where it waits below `defer/`, when it does. */
  readonly folder?: string;
}

/** A response to keep in `res/`. */
export interface StoredResponse {
  /** The decoded body. */
  readonly body: Uint8Array;
  /** What goes into the `.meta` beside it. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/**
 * The folder below `defer/` that destinations share when there are too many, and where events wait
 * whose own isn't known.
 */
export const SHARED_FOLDER = "others";

/**
 * What the disk refuses to park is left alone in `new/` for this long: it would be claimed again at
 * once.
 */
const REFUSED_PAUSE_MS = 1_000;

/** Of a claim that was not taken over. */
const UNSUSPECTED: Fate = { takeovers: 0, isBegun: false };

const encoder = new TextEncoder();

function bytesOf(event: EventInput | Uint8Array): Uint8Array {
  return event instanceof Uint8Array ? event : encodeEvent(event);
}

function depthOf(events: readonly Uint8Array[]): Depth {
  return { events: events.length, bytes: events.reduce((sum, { length }) => sum + length, 0) };
}

/**
 * The attempts that stay counted: one that was not sent is given back. Of a claim that was taken
 * over nobody knows whether it was.
 */
function attemptsBegun(claim: Claim, sent: boolean): number {
  const isCounted = sent || "previousOwner" in claim;
  return isCounted ? claim.attempt : Math.max(0, claim.attempt - 1);
}

/** The name of what answers an event's attempt. */
function responseName({ id, attempt, tag }: Claim): string {
  return `${id}+${attempt}~${tag}`;
}

function asJson(value: unknown): Uint8Array {
  return encoder.encode(`${JSON.stringify(value, null, 2)}\n`);
}

async function claimedBy(claiming: Promise<Claim | undefined>): Promise<Claimed> {
  try {
    return { claim: await claiming };
  } catch (error) {
    return { error };
  }
}

/** A queue, and one process's right to act on it. */
export class Queue {
  /** The opened directory. */
  readonly place: Place;
  /** `<host>-<pid>-<random>`: the start of every tag made here. */
  readonly owner: string;
  /** This host's part of the owner. */
  readonly host: string;
  /** What this host is called by its owner instead of its host name. */
  readonly ownerName: string | undefined;
  readonly #buckets: Buckets;
  readonly #limiter: Limiter | undefined;
  #claims = 0;
  #destinations: Set<string> | undefined;

  private constructor(
    place: Omit<Place, "witness">,
    host: string,
    { ownerName, limits }: OpenOptions,
  ) {
    const { pid, random } = place.runtime;
    const word = () => Math.floor(random() * 36 ** 4).toString(36).padStart(4, "0");
    this.host = host;
    this.ownerName = ownerName;
    const own = `${word()}${word()}`;
    this.owner = `${this.host}-${pid}-${own}`;
    this.place = { ...place, witness: `cur/.${this.owner}` };
    this.#buckets = new Buckets(own);
    this.#limiter = limits && new Limiter(this.place, limits);
  }

  /**
   * Open a queue directory.
   *
   * @throws {NotAQueueError} If the directory isn't a queue, or is missing and may not be made.
   * @throws {RangeError} If the owner's name is empty.
   * @throws {TypeError} If some room is to stay free, and nobody can tell how much there is.
   */
  static async open(baseDir: string, runtime: Runtime, options: OpenOptions = {}): Promise<Queue> {
    return await run(Queue.#open(baseDir, runtime, options));
  }

  /**
   * As {@linkcode Queue.open}, without returning to the event loop: for processes that exit right
   * after.
   *
   * @throws {TypeError} Also if the disk isn't a blocking one.
   */
  static openSync(baseDir: string, runtime: Runtime, options: OpenOptions = {}): Queue {
    return runSync(Queue.#open(baseDir, runtime, options));
  }

  static *#open(baseDir: string, runtime: Runtime, options: OpenOptions): Steps<Queue> {
    const base = baseDir.replace(/(?<=.)\/+$/, "");
    const { ownerName } = options;
    if (ownerName === "") {
      throw new RangeError("Cannot open the queue: ownerName must not be empty");
    }
    const disk = within(runtime.disk, base);
    const modes = yield* openLayout(disk, base, options);
    const identity = yield* identityOf(disk, base);
    const ids = new Ids();
    const place = { base, runtime: { ...runtime, disk }, modes, identity, ids };
    return new Queue(place, yield* hostOf(base, place.runtime, ownerName), options);
  }

  /**
   * Put one event on the queue: what to send, or the bytes of an event file, which are taken as
   * they are.
   *
   * @returns Its id, once it is durable.
   * @throws {TypeError} If what to send can't be.
   * @throws {RangeError} If the chosen id can't be one, or it is to wait for longer than 7 days.
   * @throws {EventExistsError} If the chosen id is in `new/` already.
   * @throws {QueueFullError} If as much waits as the queue's limits allow.
   * @throws The disk's error; the event is not acknowledged then.
   */
  async enqueue(event: EventInput | Uint8Array, options?: EnqueueOptions): Promise<string> {
    const bytes = bytesOf(event);
    return await this.#admit([bytes], () => enqueue(this.place, bytes, options));
  }

  /** Add events, unless they would be too many: what is known of how many wait may be wrong. */
  async #admit<T>(events: readonly Uint8Array[], add: () => Steps<T>): Promise<T> {
    const limiter = this.#limiter;
    if (limiter === undefined) return await run(add());
    const admit = () => run(limiter.admit(depthOf(events), add()));
    if (await run(limiter.isBlind())) await limiter.recount();
    try {
      return await admit();
    } catch (error) {
      const isDoubtful = error instanceof QueueFullError && error.isEstimate;
      if (!isDoubtful || !await limiter.recount()) throw error;
    }
    return await admit();
  }

  /**
   * As {@linkcode Queue.enqueue}, without returning to the event loop: for processes that exit
   * right after.
   *
   * @throws {TypeError} Also if the disk isn't a blocking one.
   */
  enqueueSync(event: EventInput | Uint8Array, options?: EnqueueOptions): string {
    const bytes = bytesOf(event);
    const add = enqueue(this.place, bytes, options);
    const limiter = this.#limiter;
    if (limiter === undefined) return runSync(add);
    // there is no time to count before: those that come next have the benefit of it
    const recount = () => void limiter.recount().catch(() => {});
    if (runSync(limiter.isBlind())) recount();
    try {
      return runSync(limiter.admit(depthOf([bytes]), add));
    } catch (error) {
      if (error instanceof QueueFullError && error.isEstimate) recount();
      throw error;
    }
  }

  /**
   * Put many events on the queue with one fsync of the folder, several times cheaper than one by
   * one.
   *
   * @returns Their ids, in the order given, once all are durable.
   * @throws {TypeError} If one of them can't be sent; none is on the queue then.
   * @throws {RangeError} If they are to wait for longer than 7 days; none is on the queue then.
   * @throws {QueueFullError} If as much waits as the queue's limits allow; none is on the queue.
   * @throws {EnqueueError} If the disk gives out in the middle; it names those that are on the
   * queue.
   */
  async enqueueMany(
    events: readonly (EventInput | Uint8Array)[],
    options?: Pick<EnqueueOptions, "notBefore">,
  ): Promise<string[]> {
    const bytes = events.map(bytesOf);
    return await this.#admit(bytes, () => enqueueMany(this.place, bytes, options));
  }

  /** Path of a name in a folder of this queue. */
  path(folder: string, name: string): string {
    return `${this.place.base}/${folder}/${name}`;
  }

  /** A tag nobody has made before. */
  nextTag(fate: Fate = UNSUSPECTED): string {
    this.#claims++;
    return `${this.owner}-${this.#claims}${tagSuffix(fate)}`;
  }

  /**
   * Claim an event in `new/` or `defer/`, whose attempt begins now.
   *
   * @returns `undefined` when another consumer was faster.
   * @throws The disk's error, when it refuses the rename.
   */
  async claim(folder: string, name: string, leaseMs: number): Promise<Claim | undefined> {
    const found = parseName(name);
    if (isUsableId(found.id)) {
      return await this.#take(folder, name, this.#wanted(folder, found, leaseMs));
    }
    const event = await this.#withUsableId(folder, name, found);
    const claim = event && await this.#take(folder, name, this.#wanted(folder, event, leaseMs));
    return claim && { ...claim, replacedName: name };
  }

  /**
   * Take over a claim in `cur/` whose lease has ended or whose owner is dead. The attempt stays
   * counted.
   *
   * @returns `undefined` when its owner has settled it, or another consumer was faster.
   */
  takeOver(name: string, leaseMs: number): Promise<Claim | undefined> {
    return this.claim("cur", name, leaseMs);
  }

  /**
   * Claim events, or take them over, side by side, and read at most `maxBytes` of each along: but
   * not of those that may have been the death of a consumer.
   *
   * @returns What came of each, in the order given. Never throws for what the disk refuses.
   */
  async claimMany(
    candidates: readonly Candidate[],
    leaseMs: number,
    maxBytes: number,
  ): Promise<readonly Claimed[]> {
    const claimed = new Array<Claimed>(candidates.length);
    const planned: { readonly at: number; readonly claim: Claim }[] = [];
    const moves: Move[] = [];
    const others: number[] = [];
    for (const [at, { folder, name }] of candidates.entries()) {
      const event = folder === "cur" ? undefined : parseName(name);
      const claim = event && isUsableId(event.id) && this.#wanted(folder, event, leaseMs);
      if (claim && claim.takeovers === 0) {
        planned.push({ at, claim });
        moves.push({ from: this.path(folder, name), to: this.path("cur", claim.name) });
      } else others.push(at);
    }
    const taken = await take(this.place.runtime.disk, moves, maxBytes);
    const slow: Promise<void>[] = [];
    const claimBySelf = async (at: number, claiming: Promise<Claim | undefined>) => {
      claimed[at] = await claimedBy(claiming);
    };
    planned.forEach(({ at, claim }, n) => {
      const { folder, name } = candidates[at]!;
      const answer = taken[n]!;
      if (!("refused" in answer)) claimed[at] = { claim, taken: answer };
      else if (!isMissing(answer.refused)) claimed[at] = { error: answer.refused };
      else slow.push(claimBySelf(at, this.#takeAgain(folder, name, claim)));
    });
    for (const at of others) {
      const { folder, name } = candidates[at]!;
      slow.push(claimBySelf(at, this.claim(folder, name, leaseMs)));
    }
    if (slow.length > 0) await Promise.all(slow);
    return claimed;
  }

  /** The claim that is to be, of an event in one of the folders: in `cur/` somebody's claim. */
  #wanted(folder: string, event: EventName, leaseMs: number): Claim {
    const { id, extension } = event;
    const leaseEndMs = this.place.runtime.clock.now() + leaseMs;
    const tag = event.tag === undefined ? undefined : parseTag(event.tag);
    const { takeovers, isBegun, requeuedMs, isReplay = false } = tag ?? UNSUSPECTED;
    const survived = isBegun ? 0 : takeovers;
    const fresh = {
      id,
      extension,
      attempt: event.attempt + 1,
      leaseEndMs,
      takeovers: survived,
      isBegun: false,
      requeuedMs,
      isReplay,
    };
    if (folder !== "cur") return this.#freshClaim(fresh);
    // Left in cur/ by the original, whose attempts are not counted in advance.
    const stranded = event.timeMs === undefined;
    const died = isBegun ? takeovers + 1 : Math.max(1, takeovers);
    const taken = this.#freshClaim({
      ...fresh,
      attempt: stranded ? event.attempt + 1 : Math.max(1, event.attempt),
      // A claim of our own whose lease has ended, since the disk refused to settle it, killed
      // nobody.
      takeovers: tag?.owner === this.owner ? survived : died,
    });
    return { ...taken, previousOwner: tag?.owner };
  }

  /** The event under an id that can be one; `undefined` when the file is gone. */
  async #withUsableId(
    folder: string,
    name: string,
    event: EventName,
  ): Promise<EventName | undefined> {
    const { disk, sha256 } = this.place.runtime;
    try {
      return {
        ...event,
        id: await replacementId(name, await disk.lstat(this.path(folder, name)), sha256),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * Start the lease of a claim anew.
   *
   * @returns The claim under its new name, or `undefined` when the lease was lost.
   */
  async renew(claim: Claim, leaseMs: number): Promise<Claim | undefined> {
    const leaseEndMs = this.place.runtime.clock.now() + leaseMs;
    const renewed = this.#freshClaim({ ...claim, leaseEndMs });
    const taken = await this.#take("cur", claim.name, renewed);
    if (!taken) await run(confirmPlace(this.place));
    return taken;
  }

  /**
   * Say of a claim that was taken over that it goes in flight now, so that the death of this
   * consumer counts against it, and start its lease anew.
   *
   * @returns The claim under its new name, or `undefined` when the lease was lost.
   */
  begin(claim: Claim, leaseMs: number): Promise<Claim | undefined> {
    return this.renew({ ...claim, isBegun: claim.takeovers > 0 }, leaseMs);
  }

  /**
   * Say of a claim that was begun that it only waits again, and start its lease anew.
   *
   * @returns The claim under its new name, or `undefined` when the lease was lost.
   */
  setAside(claim: Claim, leaseMs: number): Promise<Claim | undefined> {
    return this.renew({ ...claim, isBegun: false }, leaseMs);
  }

  async #take(folder: string, name: string, claim: Claim): Promise<Claim | undefined> {
    try {
      await this.place.runtime.disk.rename(this.path(folder, name), this.path("cur", claim.name));
      return claim;
    } catch (error) {
      if (!isMissing(error)) throw error;
      return await this.#takeAgain(folder, name, claim);
    }
  }

  /** The claim under a name that nobody has used. */
  #freshClaim(claim: Omit<Claim, "tag" | "name">): Claim {
    const tag = this.nextTag(claim);
    return { ...claim, tag, name: formatName(claim, claim.attempt, claim.leaseEndMs, tag) };
  }

  /**
   * After "not found": the target folder is missing, or the reply was lost, or somebody else has
   * it.
   */
  async #takeAgain(folder: string, name: string, claim: Claim): Promise<Claim | undefined> {
    const { disk } = this.place.runtime;
    const again = this.#freshClaim(claim);
    try {
      await disk.lstat(this.path(folder, name));
      await ensureFolder(this.place, "cur");
      // To another name: if the reply was lost, what is there now is a second event of that name,
      // and the first must not be replaced.
      await disk.rename(this.path(folder, name), this.path("cur", again.name));
      return again;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    // Asked by rename, not by lstat: a network file system may have cached that the name is not
    // there.
    const found = this.#freshClaim(claim);
    try {
      await disk.rename(this.path("cur", claim.name), this.path("cur", found.name));
      return found;
    } catch (error) {
      if (!isMissing(error)) throw error;
      return undefined;
    }
  }

  /**
   * Remove a delivered event.
   *
   * @returns `false` when the lease was lost: another consumer sends it again.
   * @throws The disk's error; it is not removed yet.
   */
  async complete(claim: Claim): Promise<boolean> {
    try {
      await this.place.runtime.disk.remove(this.path("cur", claim.name));
      return true;
    } catch (error) {
      if (!isMissing(error) || !await this.#isLost(claim)) throw error;
      return false;
    }
  }

  /**
   * Keep a delivered event in `sent/`, in the place of its removal.
   *
   * @returns `false` when the lease was lost: another consumer sends it again.
   * @throws The disk's error; it is not kept.
   */
  async keep(claim: Claim): Promise<boolean> {
    const sentMs = this.place.runtime.clock.now();
    const name = formatName(claim, claim.attempt, sentMs, claim.tag);
    return await this.#move(claim, sentFolder(sentMs), name);
  }

  /** Of a claim that was not found: whether somebody has it, rather than the directory was away. */
  async #isLost({ name }: Claim): Promise<boolean> {
    const isThere = await holds(this.place, "cur", name);
    await run(confirmPlace(this.place));
    return !isThere;
  }

  /**
   * Let an event wait below `defer/` until `dueMs` (Unix ms). Never throws for what the disk
   * refuses.
   *
   * @param sent Whether the attempt was; one that was not is given back: the event is parked.
   */
  async defer(
    claim: Claim,
    destination: string,
    dueMs: number,
    sent: boolean = true,
  ): Promise<Settlement> {
    const name = formatName(claim, attemptsBegun(claim, sent), dueMs, claim.tag);
    let folder: string | undefined;
    const choose = async () => {
      const shared = await this.folderOf(destination);
      return folder = `defer/${shared}/${this.#buckets.next(shared, dueMs)}`;
    };
    const nowMs = this.place.runtime.clock.now();
    const returnMs = sent ? dueMs : Math.max(dueMs, nowMs + REFUSED_PAUSE_MS);
    const settlement = await this.#settle(claim, choose, name, returnMs, sent);
    return settlement.settled === "done" && folder ? { ...settlement, folder } : settlement;
  }

  /**
   * Let an event that nobody has claimed, and that is due later, wait below `defer/` until then.
   *
   * @returns Where it waits there, and until when, Unix ms; `undefined` when somebody else has it.
   * @throws The disk's error; it is where it was, or where it should be.
   */
  async postpone(
    folder: "new",
    name: string,
    destination: string,
  ): Promise<{ readonly folder: string; readonly dueMs: number } | undefined> {
    const { tag, ...event } = parseName(name);
    const dueMs = event.timeMs ?? 0;
    // Its producer let it wait: its age counts from the end of that.
    const fate = tag === undefined ? { ...UNSUSPECTED, requeuedMs: dueMs } : parseTag(tag);
    const later = formatName(event, event.attempt, dueMs, this.nextTag(fate));
    const shared = await this.folderOf(destination);
    const bucket = `defer/${shared}/${this.#buckets.next(shared, dueMs)}`;
    const moved = await this.#moveName(folder, name, bucket, later);
    return moved ? { folder: bucket, dueMs } : undefined;
  }

  /**
   * Let an event that waits below `defer/` be due now. Its attempts and its age stay.
   *
   * @returns `false` when somebody else has it.
   * @throws The disk's error; it is where it was.
   */
  async hasten(folder: string, name: string): Promise<boolean> {
    const { tag, ...event } = parseName(name);
    const fate = tag === undefined ? UNSUSPECTED : parseTag(tag);
    const nowMs = this.place.runtime.clock.now();
    const due = formatName(event, event.attempt, nowMs, this.nextTag(fate));
    return await this.#moveName(folder, name, "new", due);
  }

  /**
   * Remove an event that nobody has claimed, for an operator wants it so.
   *
   * @returns `false` when it isn't there any more.
   * @throws The disk's error; it is there still.
   */
  async discard(folder: string, name: string): Promise<boolean> {
    try {
      await this.place.runtime.disk.remove(this.path(folder, name));
      return true;
    } catch (error) {
      if (!isMissing(error)) throw error;
      await run(confirmPlace(this.place));
      return false;
    }
  }

  /**
   * Give an event up: its reason to `doa/<name>.why`, then itself to `doa/<name>`. Never throws for
   * what the disk refuses: a reason that can't be written is reported and left out; an event that
   * can't be moved is due again at `dueMs` (Unix ms).
   */
  async bury(claim: Claim, reason: Reason, dueMs: number): Promise<Settlement> {
    const diedMs = this.place.runtime.clock.now();
    const name = formatName(claim, claim.attempt, diedMs, claim.tag);
    const why = this.path("doa", `${name}.why`);
    let refusal: { error?: unknown } = {};
    try {
      const at = new Date(diedMs).toISOString();
      await this.#createIn(
        "doa",
        `${name}.why`,
        asJson({ id: claim.id, at, attempt: claim.attempt, ...reason }),
      );
    } catch (error) {
      refusal = { error };
      await this.#discard(why); // a part of it may be there
    }
    const settlement = await this.#settle(claim, () => "doa", name, dueMs, true);
    if (settlement.settled !== "done") await this.#discard(why);
    return { ...refusal, ...settlement };
  }

  /**
   * Put an event back into `new/`, not before `dueMs` (Unix ms).
   *
   * @param sent Whether the attempt was; one that was not is given back.
   * @returns `false` when the lease was lost.
   * @throws The disk's error, when it refuses the rename: the claim stays and the end of its lease
   * is the retry.
   */
  async release(claim: Claim, dueMs: number, sent: boolean): Promise<boolean> {
    return await this.#move(
      claim,
      "new",
      formatName(claim, attemptsBegun(claim, sent), dueMs, claim.tag),
    );
  }

  /**
   * Keep a response in `res/`, body first, then its `.meta`, which is whole when it is there, and
   * says that the body is.
   *
   * @throws The disk's error; nothing of the response is left then.
   */
  async storeResponse(claim: Claim, response: StoredResponse): Promise<void> {
    const name = responseName(claim);
    try {
      await this.#createIn("res", name, response.body);
      await this.#createWhole("res", `${name}.meta`, asJson(response.meta));
    } catch (error) {
      await this.dropResponse(claim);
      throw error;
    }
  }

  /**
   * Begin to keep a response that comes in parts, or go on with it.
   *
   * @throws The disk's error; {@linkcode Queue.dropResponse} it then.
   */
  async addToResponse(claim: Claim, part: Uint8Array, isFirst: boolean): Promise<void> {
    const name = responseName(claim);
    if (isFirst) return await this.#createIn("res", name, part, false);
    await this.place.runtime.disk.append(this.path("res", name), part);
  }

  /**
   * A response that came in parts is whole: put it on stable storage, and then its `.meta`.
   *
   * @throws The disk's error; {@linkcode Queue.dropResponse} it then.
   */
  async finishResponse(claim: Claim, meta: StoredResponse["meta"]): Promise<void> {
    const name = responseName(claim);
    await this.place.runtime.disk.syncFile(this.path("res", name));
    await this.#createWhole("res", `${name}.meta`, asJson(meta));
  }

  /** Nothing of a response is wanted. */
  async dropResponse(claim: Claim): Promise<void> {
    const name = responseName(claim);
    await this.#discard(this.path("tmp", `${name}.meta`));
    await this.#discard(this.path("res", `${name}.meta`));
    await this.#discard(this.path("res", name));
  }

  /** Create a file by way of `tmp/`: it is never there in part. */
  async #createWhole(folder: string, name: string, bytes: Uint8Array): Promise<void> {
    await this.#createIn("tmp", name, bytes);
    try {
      await this.place.runtime.disk.rename(this.path("tmp", name), this.path(folder, name));
    } catch (error) {
      // Else the reply was lost.
      if (!isMissing(error) || !await holds(this.place, folder, name)) throw error;
    }
  }

  async #createIn(
    folder: string,
    name: string,
    bytes: Uint8Array,
    durable = true,
  ): Promise<void> {
    const { disk } = this.place.runtime;
    const create = () =>
      run(createFile(disk, this.path(folder, name), bytes, this.place.modes, durable));
    try {
      await create();
    } catch (error) {
      if (!isMissing(error)) throw error;
      await ensureFolder(this.place, folder);
      await create();
    }
  }

  /** Remove a file of ours that nobody was promised; what resists is the sweep's. */
  async #discard(path: string): Promise<void> {
    try {
      await this.place.runtime.disk.remove(path);
    } catch {
      // not there, or the disk refuses
    }
  }

  async #settle(
    claim: Claim,
    folder: () => string | Promise<string>,
    name: string,
    dueMs: number,
    sent: boolean,
  ): Promise<Settlement> {
    try {
      return { settled: await this.#move(claim, await folder(), name) ? "done" : "lost" };
    } catch (error) {
      try {
        return { settled: await this.release(claim, dueMs, sent) ? "returned" : "lost", error };
      } catch {
        return { settled: "kept", error };
      }
    }
  }

  /** Rename exactly the claimed name; `false` when it is no longer there. */
  #move(claim: Claim, folder: string, name: string): Promise<boolean> {
    return this.#moveName("cur", claim.name, folder, name);
  }

  async #moveName(at: string, was: string, folder: string, name: string): Promise<boolean> {
    const { disk } = this.place.runtime;
    const from = this.path(at, was);
    const to = this.path(folder, name);
    let missing: unknown;
    // Another consumer may remove the empty folder between making it and the rename.
    for (let tries = 0; tries < 3; tries++) {
      try {
        await disk.rename(from, to);
        return true;
      } catch (error) {
        if (!isMissing(error)) throw error;
        missing = error;
      }
      await ensureFolder(this.place, folder);
    }
    if (await holds(this.place, folder, name)) return true; // the reply was lost
    // The folder was removed each time.
    if (await holds(this.place, at, was)) throw missing;
    return false;
  }

  /**
   * The folder below `defer/` for a destination: its own, or {@linkcode SHARED_FOLDER} when there
   * are too many.
   *
   * @throws The disk's error.
   */
  async folderOf(destination: string): Promise<string> {
    if (this.#destinations?.has(destination)) return destination;
    this.#destinations ??= await this.#listDestinations();
    if (
      this.#destinations.size >= MOST_DESTINATION_FOLDERS && !this.#destinations.has(destination)
    ) return SHARED_FOLDER;
    this.#destinations.add(destination);
    return destination;
  }

  async #listDestinations(): Promise<Set<string>> {
    const folders = new Set<string>();
    try {
      for await (const { name, kind } of this.place.runtime.disk.list(`${this.place.base}/defer`)) {
        if (kind === "directory") folders.add(name);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
      await ensureFolders(this.place);
    }
    return folders;
  }

  /**
   * Remove an empty destination folder or bucket below `defer/`; one that isn't empty stays.
   *
   * @returns Whether it is gone.
   * @throws The disk's error.
   */
  async removeFolder(folder: string): Promise<boolean> {
    try {
      await this.place.runtime.disk.removeDir(`${this.place.base}/${folder}`);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOTEMPTY" || code === "EEXIST") return false;
      if (code !== "ENOENT") throw error;
    }
    this.#destinations?.delete(folder.slice("defer/".length));
    return true;
  }
}
