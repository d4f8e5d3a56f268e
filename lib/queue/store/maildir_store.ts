/**
 * The store of a maildir: how one consumer finds, claims and settles the events of a queue
 * directory.
 *
 *     poller     what is due in new/, in shared folders of defer/, and abandoned in cur/
 *     deferred   what waits for one destination, and its marks
 *     claims     claiming side by side; each claim settles itself
 *     recovery   claims nobody works on any more, peers, owner files
 *
 * @module
 */

import type {
  Candidate,
  ClaimedMany,
  Deferred,
  Recorder,
  Storage,
  Store,
  StoreOptions,
  World,
} from "../../store/store.ts";
import { Journal } from "../../telemetry/journal.ts";
import { Reporter } from "../../telemetry/reporter.ts";
import { checkDeferred } from "../layout.ts";
import { recountForProducers } from "../limiter.ts";
import { logWriter, pruneLog } from "../log.ts";
import { confirmPlace, isDiskFull } from "../place.ts";
import { prune } from "../prune.ts";
import type { Queue } from "../queue.ts";
import { isEmpty } from "../status.ts";
import { run } from "../steps.ts";
import { sweep } from "../sweep.ts";
import type { MaildirClaim } from "./claim.ts";
import { ClaimBackoff } from "./claim_backoff.ts";
import { Claims } from "./claims.ts";
import { DeferredEvents, DeferredFolder, HIDDEN } from "./deferred.ts";
import { fateOf, ListingBackoff } from "./listing_backoff.ts";
import { acquireOwner, type OwnerFile, releaseOwner } from "./owner.ts";
import { Parts } from "./parts.ts";
import { Poller } from "./poller.ts";
import { Postponed } from "./postponed.ts";
import { ReadyEvents } from "./ready.ts";
import { AbandonedClaims } from "./recovery.ts";
import { strayReport } from "./strays.ts";

/**
 * Above this many claims without a rest the disk need not tell that more has come: the folder is
 * listed again anyway, and each claim would be told too.
 */
const CLAIMS_WITHOUT_WATCH = 64;

/**
 * Pruning rests so many times as long as it works: it keeps up with a consumer that does nothing
 * else than to deliver, and leaves it most of the disk.
 */
const REST = 3;

/** A queue directory as a storage for consumers. */
export class Maildir implements Storage {
  readonly #queue: Queue;

  /** Of an opened queue. */
  constructor(queue: Queue) {
    this.#queue = queue;
  }

  get world(): World {
    return this.#queue.place.runtime;
  }

  connect(options: StoreOptions): Store {
    return new MaildirStore(partsOf(this.#queue, options));
  }

  journal({ limits, trace }: Pick<StoreOptions, "limits" | "trace">): Recorder {
    const { clock } = this.#queue.place.runtime;
    const reporter = new Reporter(trace, clock);
    return new Journal({
      write: logWriter(this.#queue),
      isWanted: () => (limits.current.keepLogMs ?? 0) > 0,
      onRefused: (error) => {
        const reason = "its lines are lost, the events are not concerned";
        reporter.unexpected("journal", error, reason, { subject: "journal" });
      },
    }, clock);
  }
}

/** What a store is made of. */
interface MaildirStoreParts {
  readonly queue: Queue;
  readonly reporter: Reporter;
  readonly backoff: ListingBackoff;
  readonly deferred: DeferredEvents;
  readonly abandoned: AbandonedClaims;
  readonly poller: Poller;
  readonly claims: Claims;
  readonly limits: StoreOptions["limits"];
}

function partsOf(queue: Queue, { limits, trace, once }: StoreOptions): MaildirStoreParts {
  const { clock } = queue.place.runtime;
  const { leaseMs } = limits.current;
  const reporter = new Reporter(trace, clock);
  const onOther = strayReport(reporter);
  const backoff = new ListingBackoff(clock, reporter);
  const startMs = once ? clock.now() : Infinity;
  const parts = new Parts(queue.owner);
  const deferred = new DeferredEvents(queue, reporter, limits, parts, startMs);
  const added = (folder: string, dueMs: number) => deferred.added(folder, dueMs);
  const held = new Set<string>();
  const labelOf = (destination: string) => deferred.labelOf(destination);
  const delivered = new Set<MaildirClaim>();
  const ofClaims = { queue, reporter, limits, held, delivered, labelOf, added };
  const claims = new Claims(ofClaims, new ClaimBackoff(clock), trace);
  const isHeld = (name: string) => held.has(name);
  const abandoned = new AbandonedClaims(queue, leaseMs, isHeld, onOther, parts);
  abandoned.looksOnce = once;
  const later = new Postponed(queue, reporter, added);
  const ready = new ReadyEvents(queue.place, onOther, later, parts);
  const poller = new Poller({ clock, ready, abandoned, deferred, parts, backoff }, limits, once);
  return { queue, reporter, backoff, deferred, abandoned, poller, claims, limits };
}

/** One consumer's way to the events of a queue directory; made by {@linkcode Maildir}. */
export class MaildirStore implements Store {
  readonly #queue: Queue;
  readonly #reporter: Reporter;
  readonly #backoff: ListingBackoff;
  readonly #deferred: DeferredEvents;
  readonly #abandoned: AbandonedClaims;
  readonly #poller: Poller;
  readonly #claims: Claims;
  readonly #limits: StoreOptions["limits"];
  #owner: OwnerFile | undefined;
  #unwatch: (() => void) | undefined;
  #liftLimit: (() => void) | undefined;
  #claimsSinceRest = 0;

  /** Nothing is done yet. */
  constructor(parts: MaildirStoreParts) {
    this.#queue = parts.queue;
    this.#reporter = parts.reporter;
    this.#backoff = parts.backoff;
    this.#deferred = parts.deferred;
    this.#abandoned = parts.abandoned;
    this.#poller = parts.poller;
    this.#claims = parts.claims;
    this.#limits = parts.limits;
  }

  async open(): Promise<void> {
    const { base, runtime: { disk } } = this.#queue.place;
    try {
      await run(checkDeferred(disk, base, (path, error) => {
        this.#reporter.trouble("list", error, HIDDEN, { path });
      }));
      this.#owner = await acquireOwner(this.#queue);
    } catch (error) {
      // A full disk may have no room for one more name; events can be delivered all the same, which
      // makes room.
      if (!isDiskFull(error)) throw error;
      const fate = "without an owner file only the leases will tell of its death";
      this.#reporter.trouble("start", error, fate);
    }
  }

  limitWait(ms: number): void {
    const { disk } = this.#queue.place.runtime;
    this.#liftLimit ??= disk.limitWait?.(ms, () => {
      const reason = `the disk has not answered for ${ms / 1_000} s and is given up; what was ` +
        "claimed stays so until another consumer takes it over";
      this.#reporter.refused("stop", "EIO", reason);
    });
  }

  async close(): Promise<void> {
    try {
      await this.#takeLeave();
    } finally {
      this.#liftLimit?.();
    }
  }

  async #takeLeave(): Promise<void> {
    this.#stopWatching();
    // The last chance: whoever takes these claims over sends their events again.
    await this.#claims.removeDelivered();
    await this.#try("list", "owner files of the dead are left to the next consumer", () => {
      return this.#abandoned.close();
    });
    await this.#try("mark", "`status` shows a breaker that is no more", () => {
      return this.#deferred.withdrawMarks();
    });
    this.#reporter.flush(true);
    if (this.#owner) await releaseOwner(this.#queue, this.#owner);
  }

  candidates(
    most: number,
    mayWait: boolean,
  ): readonly Candidate[] | Promise<readonly Candidate[]> {
    return this.#poller.next(most, mayWait);
  }

  get restUntilMs(): number {
    return this.#poller.restUntilMs;
  }

  get hasOfferedAll(): boolean {
    return this.#poller.hasFinished;
  }

  async claim(candidates: readonly Candidate[]): Promise<ClaimedMany> {
    const result = await this.#claims.claim(candidates);
    for (const claimed of result.claimed) {
      if (typeof claimed === "object") {
        this.#poller.decided(true);
        this.#claimsSinceRest++;
      } else if (claimed === "gone") this.#poller.decided(false);
    }
    if (this.#claimsSinceRest > CLAIMS_WITHOUT_WATCH) this.#stopWatching();
    return result;
  }

  get deferred(): Iterable<Deferred> {
    return this.#deferred;
  }

  deferredOf(destination: string): Deferred | undefined {
    return this.#deferred.get(destination);
  }

  hasDue(deferred: Deferred): boolean {
    return deferred instanceof DeferredFolder && this.#deferred.hasDue(deferred);
  }

  async nextDue(deferred: Deferred): Promise<Candidate | undefined> {
    return deferred instanceof DeferredFolder ? await this.#poller.nextDue(deferred) : undefined;
  }

  async refresh(): Promise<void> {
    this.#reporter.flush();
    await this.#claims.removeDelivered();
    try {
      await this.#deferred.refresh();
    } catch (error) {
      this.#reporter.trouble("list", error, fateOf(error), { subject: "folders" });
    }
  }

  look(destination: string): Promise<Deferred | undefined> {
    return this.#deferred.look(destination);
  }

  async markAfter(destination: string, untilMs: number): Promise<void> {
    await this.#mark(() => this.#deferred.word.after(destination, untilMs));
  }

  async markOpen(destination: string, error: string): Promise<void> {
    await this.#mark(() => this.#deferred.word.open(destination, error));
  }

  async unmarkOpen(destination: string): Promise<void> {
    await this.#mark(() => this.#deferred.word.takeBackOpen(destination));
  }

  async markStruggling(destination: string, share: number, error: string): Promise<void> {
    await this.#mark(() => this.#deferred.word.struggling(destination, share, error));
  }

  async unmarkStruggling(destination: string): Promise<void> {
    await this.#mark(() => this.#deferred.word.takeBackStruggling(destination));
  }

  async markAway(destination: string, sinceMs: number): Promise<void> {
    await this.#mark(() => this.#deferred.word.away(destination, sinceMs));
  }

  async unmarkAway(destination: string): Promise<void> {
    await this.#mark(() => this.#deferred.word.takeBackAway(destination));
  }

  get hasPeers(): boolean {
    return this.#abandoned.hasPeers;
  }

  watch(onChange: () => void): boolean {
    this.#claimsSinceRest = 0;
    if (this.#unwatch) return false;
    const { place } = this.#queue;
    this.#unwatch = place.runtime.disk.watch(`${place.base}/new`, () => {
      this.#poller.wake();
      onChange();
    });
    this.#poller.wake();
    return true;
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  async left(): Promise<"nothing" | "held" | "more"> {
    const isHeld = (destination: string) => this.#deferred.isHeldForLong(destination);
    const confirm = () => run(confirmPlace(this.#queue.place));
    try {
      await confirm();
      // What isn't held first: others may take the last of it between two looks, which doesn't make
      // it held.
      if (!await isEmpty(this.#queue, (destination) => !isHeld(destination))) return "more";
      const hidesAny = [...this.#deferred].some(({ isOutOfSight }) => isOutOfSight);
      const left = !hidesAny && await isEmpty(this.#queue) ? "nothing" : "held";
      await confirm();
      this.#backoff.listed("all");
      return left;
    } catch (error) {
      this.#backoff.notListed(error, "all");
      return "more"; // what can't be listed may hold something
    }
  }

  async sweep(signal: AbortSignal): Promise<void> {
    await this.#try("sweep", "swept again tomorrow", async () => {
      await sweep(this.#queue, signal);
    });
  }

  async prune(signal: AbortSignal): Promise<void> {
    const { keepSentMs, keepDeadMs, keepResMs, keepLogMs } = this.#limits.current;
    const limits = [["sent", keepSentMs], ["dead", keepDeadMs], ["res", keepResMs]] as const;
    for (const [kept, keepMs = 0] of limits) {
      if (keepMs === 0) continue;
      const beforeMs = this.#queue.place.runtime.clock.now() - keepMs;
      await this.#try("prune", "what is old is removed an hour later", async () => {
        await prune(this.#queue, kept, beforeMs, { signal, rest: REST });
      });
    }
    if (keepLogMs === undefined) return;
    await this.#try("journal", "what is old is removed an hour later", async () => {
      await pruneLog(this.#queue, keepLogMs, signal);
    });
  }

  async recount(signal: AbortSignal): Promise<void> {
    await this.#try("count", "producers with limits go by an older count", async () => {
      await recountForProducers(this.#queue.place, signal);
    });
  }

  #mark(mark: () => Promise<void>): Promise<void> {
    return this.#try("mark", "other consumers and `status` don't hear of it", mark);
  }

  async #try(verb: string, fate: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#reporter.trouble(verb, error, fate);
    }
  }
}
