/**
 * The consumer: look for what is due, claim it, send it, settle it, with so many requests in flight; stop in good order.
 *
 * Nothing an event, a file or an endpoint does ends the loop. It ends when asked to, when its work is done (modes `once` and
 * `until-empty`), or when the disk has refused to list or to let claim for half a minute.
 *
 * @module
 */

import type { Candidate, NotAnEvent } from "../queue/listing.ts";
import { acquireOwner, type OwnerFile, releaseOwner } from "../queue/owner.ts";
import { isDiskFull } from "../queue/place.ts";
import type { Claim, Queue } from "../queue/queue.ts";
import { isEmpty } from "../queue/status.ts";
import { sweep } from "../queue/sweep.ts";
import { errorCode } from "../runtime/runtime.ts";
import { DeferredEvents, ReadyEvents, type Source } from "./backlog.ts";
import { Delivery, type Ending } from "./delivery.ts";
import { Gate } from "./gate.ts";
import { type ConsumerOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { AbandonedClaims } from "./recovery.ts";
import { Resistance } from "./resistance.ts";

/** When a consumer's work is done. */
export type Mode =
  /** Never: until it is stopped. */
  | "forever"
  /** After one listing of what is due. */
  | "once"
  /** When nothing is left in `new/`, `cur/` and `defer/`, whoever holds it. */
  | "until-empty";

/** What a consumer did, in events; an event deferred twice counts twice. */
export type Summary = Readonly<Record<Ending, number>> & {
  /** Whether nothing was left when it ended; always `false` in mode `forever`. */
  readonly empty: boolean;
};

/** What is swept is 36 h old, so once a day is often enough. */
const SWEEP_EVERY_MS = 24 * 60 * 60_000;

/** A folder that takes long to list is looked at less often: one part listing, this many parts sleep. */
const REST_PER_LISTING = 9;

/** Longest such sleep. */
const LONGEST_REST_MS = 60_000;

/** Above this many claims in a round the disk need not tell that more has come: there is another round anyway. */
const BUSY_CLAIMS = 64;

/** Most paths remembered as told. */
const MOST_TOLD = 10_000;

const NOT_AN_EVENT: Readonly<Record<Exclude<NotAnEvent, "dot file">, string>> = {
  directory: "a folder, not an event file",
  symlink: "a symlink, not an event file; it is not followed",
  other: "a socket, FIFO or device, not an event file",
  unreachable: "its name is not UTF-8 and can't be reached from here; rename it",
};

/** What came of a round. */
interface Round {
  claims: number;
  /** Candidates that somebody else took. */
  gone: number;
  listingMs: number;
}

/** Delivers the events of a queue. Several on one queue need no configuration. */
export class Consumer {
  readonly #queue: Queue;
  readonly #options: ResolvedOptions;
  readonly #gate: Gate;
  readonly #delivery: Delivery;
  readonly #resistance: Resistance;
  readonly #abandoned: AbandonedClaims;
  readonly #sources: readonly Source[];
  readonly #told = new Set<string>();
  readonly #counts: Record<Ending, number> = {
    delivered: 0,
    deferred: 0,
    dead: 0,
    released: 0,
    lost: 0,
    kept: 0,
    crowded: 0,
  };
  /** Sources of which one whole pass is done. */
  readonly #finished = new Set<Source>();
  readonly #stop = new AbortController();
  #mode: Mode = "forever";
  #nap: AbortController | undefined;
  #woken = false;
  #unwatch: (() => void) | undefined;
  #recoverAtMs = 0;
  #diskIsFull = false;
  #bug: { error: unknown } | undefined;

  /**
   * A consumer of a queue.
   *
   * @throws {RangeError} If an option is out of its range or contradicts another.
   */
  constructor(queue: Queue, options: ConsumerOptions = {}) {
    const onOther = (path: string, why: NotAnEvent) => {
      if (why !== "dot file") this.#tell(path, NOT_AN_EVENT[why]);
    };
    this.#queue = queue;
    this.#options = resolveOptions(options);
    this.#gate = new Gate(this.#options.threads);
    this.#delivery = new Delivery(queue, this.#options);
    this.#resistance = new Resistance(queue.place.runtime.clock);
    this.#abandoned = new AbandonedClaims(
      queue,
      this.#options.leaseMs,
      (name) => this.#delivery.isHeld(name),
      onOther,
    );
    this.#sources = [new ReadyEvents(queue, onOther), new DeferredEvents(queue, onOther)];
  }

  /** Requests in flight right now. */
  get inFlight(): number {
    return this.#gate.inside;
  }

  /**
   * Consume. May be called once.
   *
   * @param signal Stops it in good order: no new claims, what is in flight gets the grace time, what is left goes back to `new/`.
   * @throws {DiskFailure} If the disk refuses for half a minute. What is in flight is settled first, as far as the disk lets it.
   * @throws The disk's error, if a folder of the queue is not writable or on another file system at the start.
   */
  async run(mode: Mode = "forever", signal?: AbortSignal): Promise<Summary> {
    this.#mode = mode;
    this.#abandoned.looksOnce = mode === "once";
    const owner = await this.#acquireOwner();
    const stop = () => this.#beginStop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    const sweeping = this.#sweepDaily();
    try {
      const empty = await this.#loop();
      await this.#drain();
      if (this.#bug) throw this.#bug.error;
      return { ...this.#counts, empty };
    } finally {
      this.#beginStop();
      await this.#drain();
      await sweeping;
      await this.#close(owner);
      signal?.removeEventListener("abort", stop);
    }
  }

  /** A full disk may have no room for one more name; events can be delivered all the same, which makes room. */
  async #acquireOwner(): Promise<OwnerFile | undefined> {
    try {
      return await acquireOwner(this.#queue);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#trouble("start", error, "without an owner file only the leases will tell of its death");
      return undefined;
    }
  }

  #beginStop(): void {
    this.#delivery.stop();
    this.#stop.abort();
    this.#gate.wake();
    this.#wake();
  }

  /** Wait for what is in flight, then call it off. */
  async #drain(): Promise<void> {
    const { clock } = this.#queue.place.runtime;
    const drained = new AbortController();
    const grace = clock.sleep(this.#options.graceMs, drained.signal).then(() => this.#gate.wake());
    await this.#gate.empty();
    drained.abort();
    await grace;
    this.#delivery.abort();
    while (this.#gate.inside > 0) await this.#gate.empty();
  }

  async #close(owner: OwnerFile | undefined): Promise<void> {
    this.#unwatch?.();
    await this.#delivery.removeDelivered(); // the last chance: whoever takes the claim over sends the event again
    try {
      await this.#abandoned.close();
    } catch (error) {
      this.#trouble("list", error, "owner files of the dead are left to the next consumer");
    }
    this.#delivery.close();
    if (owner) await releaseOwner(this.#queue, owner);
  }

  /** @returns Whether nothing was left. */
  async #loop(): Promise<boolean> {
    let fruitless = 0;
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      const round = await this.#round();
      if (this.#mode === "once") {
        if (!round.ended) continue;
        await this.#gate.empty();
        await this.#delivery.removeDelivered();
        return await this.#isEmpty();
      }
      fruitless = round.claims > 0 ? 0 : fruitless + 1;
      // When others took all that was listed there may be more: look once again before resting.
      if (round.claims > 0 || !round.ended || (round.gone > 0 && fruitless < 2)) continue;
      if (this.#mode === "until-empty" && this.#gate.inside === 0 && await this.#isEmpty()) {
        return true;
      }
      await this.#idle(round.listingMs * REST_PER_LISTING);
    }
    return false;
  }

  /** Whether nothing is left, as far as the disk lets that be seen: what can't be listed may hold something. */
  async #isEmpty(): Promise<boolean> {
    try {
      return await isEmpty(this.#queue);
    } catch (error) {
      this.#trouble("list", error, "looked at again later");
      this.#resistance.notListed(error);
      return false;
    }
  }

  /** One slice of every source. */
  async #round(): Promise<Round & { ended: boolean }> {
    const { clock } = this.#queue.place.runtime;
    const round: Round = { claims: 0, gone: 0, listingMs: 0 };
    if (clock.monotonic() >= this.#recoverAtMs) {
      await this.#delivery.removeDelivered();
      await this.#work(this.#abandoned, round);
      this.#gate.limit = Math.min(this.#options.threads, this.#gate.limit + 1);
      this.#recoverAtMs = clock.monotonic() + this.#options.pollMs;
    }
    let ended = true;
    for (const source of this.#sources) {
      if (this.#mode === "once" && this.#finished.has(source)) continue;
      await this.#work(source, round);
      if (source.passEnded) this.#finished.add(source);
      else ended = false;
    }
    if (round.claims > BUSY_CLAIMS) {
      this.#unwatch?.();
      this.#unwatch = undefined;
    }
    return { ...round, ended };
  }

  async #work(source: Source, round: Round): Promise<void> {
    const { clock } = this.#queue.place.runtime;
    const startMs = clock.monotonic();
    let slice: Candidate[];
    try {
      slice = await source.next();
      this.#resistance.listed();
    } catch (error) {
      this.#trouble("list", error, "looked at again later");
      this.#resistance.notListed(error);
      return;
    } finally {
      round.listingMs += clock.monotonic() - startMs;
    }
    for (const candidate of slice) {
      if (this.#resistance.rests(candidate)) continue;
      await this.#gate.room();
      if (this.#stop.signal.aborted) return;
      const claim = await this.#claim(candidate);
      if (claim === "refused") continue;
      if (claim) this.#start(claim);
      if (claim) round.claims++;
      else round.gone++;
    }
  }

  /** @returns `undefined` when somebody else has it. */
  async #claim(candidate: Candidate): Promise<Claim | undefined | "refused"> {
    for (let tries = 0;; tries++) {
      try {
        const { folder, name } = candidate;
        const { leaseMs } = this.#options;
        const claim = folder === "cur"
          ? await this.#queue.takeOver(name, leaseMs)
          : await this.#queue.claim(folder, name, leaseMs);
        this.#resistance.claimed(candidate);
        this.#diskIsFull = false;
        return claim;
      } catch (error) {
        const code = errorCode(error);
        if (code === undefined) throw error;
        const path = `${candidate.folder}/${candidate.name}`;
        if (!isDiskFull(error)) {
          if (this.#resistance.refused(candidate, error)) {
            this.#tell(path, `can't be claimed: ${code}; tried again later`);
          }
          return "refused";
        }
        if (!this.#diskIsFull) {
          this.#trouble(
            "claim",
            error,
            "what can be claimed is delivered, the rest waits for room",
          );
        }
        this.#diskIsFull = true;
        if (tries > 0 || !this.#gate.inside) return "refused";
        await this.#gate.oneOut(); // a settled event may have made room for a name
        if (this.#stop.signal.aborted) return "refused";
      }
    }
  }

  #start(claim: Claim): void {
    if (claim.replacedName !== undefined) {
      this.#options.trace({ type: "id-replaced", id: claim.id, name: claim.replacedName });
    }
    if (claim.takeovers > 0) {
      const { id, previousOwner: owner, takeovers } = claim;
      this.#options.trace({ type: "taken-over", id, owner, takeovers });
    }
    this.#gate.enter();
    this.#delivery.deliver(claim).then(
      (ending) => this.#ended(ending),
      (error) => this.#failed(error),
    );
  }

  #ended(ending: Ending): void {
    this.#counts[ending]++;
    if (ending === "crowded") this.#gate.limit = Math.max(1, Math.floor(this.#gate.inside / 2));
    this.#gate.leave();
    if (this.#gate.inside === 0 && this.#mode === "until-empty") this.#wake();
  }

  /** A bug: no event, file, endpoint or disk gets here. */
  #failed(error: unknown): void {
    this.#bug ??= { error };
    this.#gate.leave();
    this.#beginStop();
  }

  /** Sleep until something is due, a folder may have changed, or the next look is due anyway. */
  async #idle(restMs: number): Promise<void> {
    const { clock, disk } = this.#queue.place.runtime;
    if (!this.#unwatch) {
      this.#unwatch = disk.watch(`${this.#queue.place.base}/new`, () => this.#wake());
      return; // what came after the look and before the watch is found by one more look
    }
    const nap = this.#nap = new AbortController();
    const dueMs = Math.min(...this.#sources.map((source) => source.nextDueMs));
    const sleepMs = Math.max(
      Math.min(restMs, LONGEST_REST_MS),
      Math.min(this.#options.pollMs, Math.max(0, dueMs - clock.now())),
    );
    if (!this.#stop.signal.aborted && !this.#woken) await clock.sleep(sleepMs, nap.signal);
    this.#nap = undefined;
  }

  #wake(): void {
    this.#woken = true;
    this.#nap?.abort();
  }

  async #sweepDaily(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await sweep(this.#queue, signal);
      } catch (error) {
        this.#trouble("sweep", error, "swept again tomorrow");
      }
      await this.#queue.place.runtime.clock.sleep(SWEEP_EVERY_MS, signal);
    }
  }

  #trouble(verb: string, error: unknown, reason: string): void {
    const code = errorCode(error);
    if (code === undefined) throw error;
    this.#options.trace({ type: "disk-trouble", verb, code, reason });
  }

  /** Report a path once. */
  #tell(path: string, reason: string): void {
    if (this.#told.has(path)) return;
    if (this.#told.size >= MOST_TOLD) this.#told.clear();
    this.#told.add(path);
    this.#options.trace({ type: "skipped", path, reason });
  }
}
