/**
 * One claimed event's way: look at the file, check it, send it, settle the claim.
 *
 * Nothing an event, its file, its endpoint or the disk does is an exception here: each has an
 * ending. What is thrown is a bug.
 *
 * @module
 */

import { destinationFolder } from "../event/destination.ts";
import { type EventRequest, parseEvent } from "../event/request.ts";
import { givesUp, retryDelayMs } from "../http/schedule.ts";
import { type Attempt, forbidden, Sender } from "../http/sender.ts";
import { CLOCK_SKEW_MS, LEASE_MARGIN_MS, MOST_TAKEOVERS } from "../queue/constants.ts";
import {
  type Claim,
  type Queue,
  type Reason,
  type Settlement,
  SHARED_FOLDER,
} from "../queue/queue.ts";
import { uuidTimeMs } from "../queue/uuid.ts";
import { errorCode, type Stat, type Taken } from "../runtime/runtime.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Gathered } from "./batcher.ts";
import type { LeaseLost } from "../telemetry/trace.ts";

/** How an event's way ended. */
export type Ending =
  /** Answered 2xx and removed (or about to be, see {@linkcode Delivery.removeDelivered}). */
  | "delivered"
  /** Waits for a later attempt. */
  | "deferred"
  /** Waits in `defer/` until its destination can be sent to; unsent. */
  | "parked"
  /** In `doa/`. */
  | "dead"
  /** Back in `new/`, unsent or cut short by a stop. */
  | "released"
  /** Another consumer has it. */
  | "lost"
  /** The disk refused; the claim stays until its lease ends. */
  | "kept"
  /** Released since too many files are open: fewer at a time, please. */
  | "crowded";

/** A file in `new/` that ends early and is younger than this may still be being written. */
const WRITING_MS = 60_000;

/** How long such a file is left alone. */
const WRITING_PAUSE_MS = 5_000;

/** How long an event is left alone that met too many open files. */
const CROWDED_PAUSE_MS = 1_000;

const UNREADABLE = new Set(["EACCES", "EPERM", "ENOTCAPABLE"]);
const TOO_MANY_OPEN = new Set(["EMFILE", "ENFILE"]);

/** A claimed event that has been looked at and can be sent. */
export interface Prepared {
  /** Its claim. */
  readonly claim: Claim;
  /** What to send. */
  readonly request: EventRequest;
  /** The destination's folder name. */
  readonly destination: string;
  /** Of its file. */
  readonly stat: Stat;
  /** What merging knows of it; `undefined` when it goes alone. */
  readonly gathered?: Gathered;
}

/** How a prepared event's way ended. */
export interface Ended {
  /** How. */
  readonly ending: Ending;
  /** What came of the attempt, when there was one. */
  readonly attempt?: Attempt;
}

/** How the ways of events ended that shared a request. */
export interface MergedEnded {
  /** One for each event whose way has ended. */
  readonly endings: readonly Ending[];
  /** What came of the attempt, when there was one. */
  readonly attempt?: Attempt;
  /**
   * The endpoint refused the request; these are claimed still, and which of them is to blame is to
   * be found out.
   */
  readonly refused?: readonly Prepared[];
}

/** How often leases are renewed that ran down while others were. */
const MOST_RENEWALS = 3;

/** Takes claimed events to their ends. */
export class Delivery {
  readonly #queue: Queue;
  readonly #options: ResolvedOptions;
  readonly #onDeferred: (folder: string, dueMs: number) => void;
  readonly #sender: Sender;
  readonly #held = new Set<string>();
  /** Folder names by URL object, which events of one endpoint share. */
  readonly #destinations = new WeakMap<URL, string>();
  readonly #delivered = new Map<string, Claim>();
  /** Resolves when no suspected event is being looked at. */
  #looking: Promise<unknown> = Promise.resolve();
  #stopping = false;

  /** @param onDeferred Told where an event waits, and until when (Unix ms). */
  constructor(
    queue: Queue,
    options: ResolvedOptions,
    onDeferred: (folder: string, dueMs: number) => void,
  ) {
    this.#queue = queue;
    this.#options = options;
    this.#onDeferred = onDeferred;
    this.#sender = new Sender(queue.place.runtime, options);
  }

  /** Whether a name in `cur/` is a claim in flight here. */
  isHeld(name: string): boolean {
    return this.#held.has(name) || this.#delivered.has(name);
  }

  /** From now on nothing is sent; what is in flight goes on. */
  stop(): void {
    this.#stopping = true;
  }

  /** Call off what is in flight; it goes back to `new/`. */
  abort(): void {
    this.#sender.abortAll();
  }

  /** Let go of what is held of the runtime. Nothing may be in flight. */
  close(): void {
    this.#sender.close();
  }

  /**
   * Look at a claimed event: what to send where, or how its way ended without that. A promise only
   * when the disk is to be asked.
   *
   * @param taken What was read with the claim.
   */
  prepare(claim: Claim, taken?: Taken): Prepared | Promise<Prepared | Ending> {
    this.#held.add(claim.name);
    const { stat, bytes } = taken?.content ?? {};
    if (stat && bytes && claim.takeovers < MOST_TAKEOVERS) {
      const parsed = parseEvent(bytes);
      const destination = parsed.kind === "request" &&
        this.#destinations.get(parsed.request.url);
      if (destination && this.#sender.mayReach(parsed.request.url)) {
        const { request } = parsed;
        return { claim, request, destination, stat, ...this.#gathered(request) };
      }
    }
    return this.#prepareLooking(claim, taken);
  }

  async #prepareLooking(claim: Claim, taken: Taken | undefined): Promise<Prepared | Ending> {
    let prepared: Prepared | Ending | undefined;
    try {
      return prepared = claim.takeovers > 0 && claim.takeovers < MOST_TAKEOVERS
        ? await this.#lookWarily(claim)
        : await this.#look(claim, taken);
    } finally {
      if (typeof prepared !== "object" || prepared.claim !== claim) this.#held.delete(claim.name);
    }
  }

  /**
   * Look at a suspected event as at one that is in flight: a consumer may have died of no more than
   * that. One after the other, so that none is blamed for what another did.
   */
  #lookWarily(claim: Claim): Promise<Prepared | Ending> {
    const looked = this.#looking.then(() => this.#lookAsInFlight(claim));
    this.#looking = looked.catch(() => {}); // whoever called hears of it
    return looked;
  }

  async #lookAsInFlight(claim: Claim): Promise<Prepared | Ending> {
    const begun = await this.#leased(claim);
    if (!begun) return "lost";
    try {
      const prepared = await this.#look(begun, undefined);
      if (typeof prepared === "string") return prepared;
      const waiting = await this.#relet(begun, (leaseMs) => this.#queue.setAside(begun, leaseMs));
      return waiting ? { ...prepared, claim: waiting } : "lost";
    } finally {
      this.#held.delete(begun.name);
    }
  }

  /** Send a prepared event and settle its claim. */
  async send({ claim: prepared, request, destination, stat }: Prepared): Promise<Ended> {
    let claim: Claim | undefined = prepared;
    try {
      if (!this.#mayBeSent(claim) && !this.#stopping) claim = await this.#leased(claim);
      if (!claim) return { ending: "lost" };
      if (this.#stopping) return { ending: await this.#giveBack(claim) };
      const attempt = await this.#sender.send(request, claim.id);
      return { ending: await this.#settle(claim, destination, attempt, stat), attempt };
    } finally {
      this.#held.delete(prepared.name);
      if (claim) this.#held.delete(claim.name);
    }
  }

  /**
   * Send prepared events that share a request, and settle each claim on its own.
   *
   * None dies for another's sake: a refusal of several settles nothing.
   */
  async sendMerged(events: readonly Prepared[]): Promise<MergedEnded> {
    let refused: readonly Prepared[] | undefined;
    const held = new Set(events.map(({ claim }) => claim.name));
    try {
      const { ready, endings } = await this.#allLeased(events, held);
      if (ready.length === 0) return { endings };
      if (this.#stopping) {
        const released = ready.map(({ claim }) => this.#giveBack(claim));
        return { endings: [...endings, ...await Promise.all(released)] };
      }
      const attempt = await this.#sendAsOne(ready);
      if (attempt.outcome === "refused" && attempt.status !== undefined && ready.length > 1) {
        return { endings, attempt, refused: refused = ready };
      }
      // each on its own, also where a caller's trace throws
      const settled = ready.map(async ({ claim, destination, stat }) =>
        await this.#settle(claim, destination, attempt, stat, ready.length)
      );
      return { endings: [...endings, ...await Promise.all(settled)], attempt };
    } finally {
      for (const { claim } of refused ?? []) held.delete(claim.name);
      for (const name of held) this.#held.delete(name);
    }
  }

  /**
   * Those whose leases all outlive an attempt that begins now, and how the ways of the others
   * ended.
   */
  async #allLeased(
    events: readonly Prepared[],
    held: Set<string>,
  ): Promise<{ readonly ready: readonly Prepared[]; readonly endings: readonly Ending[] }> {
    const endings: Ending[] = [];
    let ready = events;
    for (let times = 0; times < MOST_RENEWALS; times++) {
      if (ready.every(({ claim }) => this.#mayBeSent(claim))) return { ready, endings };
      const renewed = await Promise.all(ready.map(async (event) => {
        if (this.#mayBeSent(event.claim)) return event;
        const claim = await this.#leased(event.claim);
        if (claim) held.add(claim.name);
        return claim && { ...event, claim };
      }));
      ready = renewed.filter((event) => event !== undefined);
      while (endings.length < events.length - ready.length) endings.push("lost");
    }
    const late = ready.filter(({ claim }) => !this.#mayBeSent(claim));
    const released = late.map(({ claim }) =>
      this.#release(claim, "its lease can't be renewed in time", this.#now(), false)
    );
    endings.push(...await Promise.all(released));
    return { ready: ready.filter((event) => !late.includes(event)), endings };
  }

  async #sendAsOne(events: readonly Prepared[]): Promise<Attempt> {
    const [{ request, claim }] = events as [Prepared];
    if (events.length === 1) return await this.#sender.send(request, claim.id);
    const { sha256 } = this.#queue.place.runtime;
    const parts = events.map(({ gathered }) => gathered!.part);
    const key = await sha256(events.map(({ claim: { id } }) => id).sort().join("\n"));
    return await this.#sender.send(this.#options.merge!.merge(request, parts), key);
  }

  /** Put a prepared event back, unsent: the consumer is stopping. */
  async release({ claim }: Prepared): Promise<Ending> {
    try {
      return await this.#giveBack(claim);
    } finally {
      this.#held.delete(claim.name);
    }
  }

  /**
   * Let a prepared event wait in `defer/`, unsent and without a line in the log, until `dueMs`,
   * Unix ms.
   *
   * @param onParked Told where it is.
   */
  async park(
    { claim, destination }: Prepared,
    dueMs: number,
    onParked: (folder: string, dueMs: number) => void,
  ): Promise<Ending> {
    try {
      const settlement = await this.#queue.defer(claim, destination, dueMs, false);
      return this.#settled(claim, "defer", settlement, "parked", () => {
        if (settlement.folder !== undefined) onParked(settlement.folder, dueMs);
      });
    } finally {
      this.#held.delete(claim.name);
    }
  }

  /**
   * Give a prepared event up that has waited too long for its destination; `undefined` when it has
   * not.
   */
  async expire({ claim, destination, stat }: Prepared, why: string): Promise<Ending | undefined> {
    const ageMs = this.#ageMs(claim, stat);
    if (ageMs < this.#options.maxAgeMs) return undefined;
    try {
      const reason = `it has waited for ${
        Math.round(ageMs / 3_600_000)
      } h for its destination, which is down: ${why}`;
      return await this.#bury(claim, { outcome: "deferred", reason, destination });
    } finally {
      this.#held.delete(claim.name);
    }
  }

  #giveBack(claim: Claim): Promise<Ending> {
    return this.#release(claim, "the consumer is stopping", this.#now(), false);
  }

  #now(): number {
    return this.#queue.place.runtime.clock.now();
  }

  /** The request a claimed file asks for, or how its way ends without one. */
  async #look(claim: Claim, taken: Taken | undefined): Promise<Ending | Prepared> {
    if (claim.takeovers >= MOST_TAKEOVERS) {
      return await this.#bury(claim, {
        outcome: "refused",
        reason: `its consumer died ${claim.takeovers} times while it was being sent`,
      });
    }
    const { disk } = this.#queue.place.runtime;
    const { maxBytes } = this.#options;
    let content;
    try {
      if (taken && "unread" in taken) throw taken.unread;
      content = taken?.content ?? await disk.read(this.#queue.path("cur", claim.name), maxBytes);
    } catch (error) {
      return await this.#unreadable(claim, error);
    }
    const { bytes, stat } = content;
    if (bytes === undefined) {
      if (stat.kind !== "file") {
        return await this.#release(claim, `not a file but a ${stat.kind}`, this.#now(), false);
      }
      const reason =
        `the file must be at most ${maxBytes} bytes (--max-bytes), it has ${stat.size}`;
      return await this.#bury(claim, { outcome: "refused", reason });
    }
    const parsed = parseEvent(bytes);
    if (parsed.kind === "unfinished" && this.#isBeingWritten(stat)) {
      return await this.#release(
        claim,
        `${parsed.reason}; it may still be being written`,
        this.#now() + WRITING_PAUSE_MS,
        false,
      );
    }
    if (parsed.kind === "unfinished") {
      return await this.#bury(claim, { outcome: "refused", reason: parsed.reason });
    }
    const url = parsed.kind === "refused" ? parsed.url : parsed.request.url;
    if (parsed.kind === "request" && this.#sender.mayReach(parsed.request.url)) {
      const { request } = parsed;
      const destination = this.#destinations.get(request.url) ??
        await this.#destination(request.url);
      return { claim, request, destination, stat, ...this.#gathered(request) };
    }
    const reason = parsed.kind === "refused" ? parsed.reason : forbidden(parsed.request.url);
    return await this.#bury(claim, {
      outcome: "refused",
      reason,
      destination: url && await this.#destination(url),
    });
  }

  #gathered(request: EventRequest): { readonly gathered?: Gathered } {
    const part = this.#options.merge?.partOf(request);
    if (!part) return {};
    const sinceMs = this.#queue.place.runtime.clock.monotonic();
    return { gathered: { part, group: part.key, sinceMs } };
  }

  #isBeingWritten(stat: Stat): boolean {
    const ageMs = this.#now() - stat.mtimeMs;
    return ageMs < WRITING_MS && ageMs > -CLOCK_SKEW_MS;
  }

  async #destination(url: URL): Promise<string> {
    const { sha256 } = this.#queue.place.runtime;
    const folder = await destinationFolder(url, sha256);
    this.#destinations.set(url, folder);
    return folder;
  }

  async #unreadable(claim: Claim, error: unknown): Promise<Ending> {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code === "ENOENT") return this.#lost(claim, "read");
    if (TOO_MANY_OPEN.has(code)) {
      const reason = `too many files are open: ${code}`;
      await this.#release(claim, reason, this.#now() + CROWDED_PAUSE_MS, false);
      return "crowded";
    }
    if (!UNREADABLE.has(code)) {
      return await this.#defer(claim, SHARED_FOLDER, `the file can't be read: ${code}`);
    }
    let owner = "";
    try {
      const { mode, uid } = await this.#queue.place.runtime.disk.lstat(
        this.#queue.path("cur", claim.name),
      );
      owner = `, it belongs to user ${uid} and has mode ${mode.toString(8).padStart(4, "0")}`;
    } catch {
      // gone or out of sight: the reason does without
    }
    const reason = `the file must be readable by this program${owner}: ${code}`;
    return await this.#bury(claim, { outcome: "refused", reason });
  }

  /**
   * The claim with its lease started anew, and begun if it is suspected; `undefined` when it was
   * lost.
   */
  #leased(claim: Claim): Promise<Claim | undefined> {
    return this.#relet(claim, (leaseMs) => this.#queue.begin(claim, leaseMs));
  }

  async #relet(
    claim: Claim,
    verb: (leaseMs: number) => Promise<Claim | undefined>,
  ): Promise<Claim | undefined> {
    try {
      const renewed = await verb(this.#options.leaseMs);
      if (renewed) this.#held.add(renewed.name);
      else this.#lost(claim, "renew");
      return renewed;
    } catch (error) {
      this.#trouble(
        claim,
        "renew",
        error,
        "sent only once its lease has ended and a claim succeeds",
      );
      return undefined;
    }
  }

  #mayBeSent(claim: Claim): boolean {
    return this.#outlivesAttempt(claim) && (claim.takeovers === 0 || claim.isBegun);
  }

  #outlivesAttempt({ leaseEndMs }: Claim): boolean {
    return this.#now() + this.#options.timeoutMs + LEASE_MARGIN_MS <= leaseEndMs;
  }

  /** @param merged How many events shared the attempt. */
  #settle(
    claim: Claim,
    folder: string,
    attempt: Attempt,
    stat: Stat,
    merged = 1,
  ): Promise<Ending> {
    return attempt.outcome === "delivered" && !attempt.response
      ? this.#complete(claim, folder, attempt, merged)
      : this.#settleOtherwise(claim, folder, attempt, stat, merged);
  }

  async #settleOtherwise(
    claim: Claim,
    folder: string,
    attempt: Attempt,
    stat: Stat,
    merged: number,
  ): Promise<Ending> {
    if (attempt.outcome === "aborted") {
      return await this.#release(claim, "the consumer is stopping", this.#now(), true);
    }
    if (attempt.outcome === "refused") {
      return await this.#bury(claim, reasonOf(attempt, "refused", folder), attempt.ms, merged);
    }
    if (attempt.outcome === "deferred") {
      return await this.#retry(claim, folder, attempt, stat, merged);
    }
    if (attempt.response) {
      try {
        await this.#queue.storeResponse(claim, attempt.response);
      } catch (error) {
        this.#trouble(claim, "store response", error, "asked again later");
        const { response: _, ...failed } = attempt;
        const reason = `the response can't be written to res/: ${errorCode(error)}`;
        return await this.#retry(claim, folder, { ...failed, outcome: "deferred", reason }, stat);
      }
    }
    return await this.#complete(claim, folder, attempt, merged);
  }

  #complete(
    claim: Claim,
    destination: string,
    attempt: Attempt,
    merged: number,
  ): Promise<Ending> {
    const { id } = claim;
    this.#options.trace({
      type: "delivered",
      id,
      destination,
      status: attempt.status ?? 0,
      attempt: claim.attempt,
      ms: attempt.ms,
      ...(merged > 1 ? { merged } : {}),
    });
    return this.#remove(claim);
  }

  /** Remove a delivered event's file, now or later. */
  async #remove(claim: Claim): Promise<"delivered"> {
    try {
      if (!await this.#queue.complete(claim)) this.#lost(claim, "complete");
      this.#delivered.delete(claim.name);
    } catch (error) {
      this.#trouble(
        claim,
        "complete",
        error,
        "it is delivered; its file is removed as soon as the disk allows",
      );
      this.#delivered.set(claim.name, claim);
    }
    return "delivered";
  }

  /** Try again to remove the files of delivered events that the disk refused to remove. */
  async removeDelivered(): Promise<void> {
    for (const claim of [...this.#delivered.values()]) await this.#remove(claim);
  }

  async #retry(
    claim: Claim,
    destination: string,
    attempt: Attempt,
    stat: Stat,
    merged = 1,
  ): Promise<Ending> {
    const { maxAttempts, maxAgeMs } = this.#options;
    const ageMs = this.#ageMs(claim, stat);
    const givenUp = givesUp({ attempt: claim.attempt, ageMs, maxAttempts, maxAgeMs });
    if (givenUp === undefined) {
      return await this.#defer(claim, destination, attempt.reason, attempt, merged);
    }
    const reason = `${givenUp}; the last answer: ${attempt.reason}`;
    return await this.#bury(
      claim,
      { ...reasonOf(attempt, "deferred", destination), reason },
      attempt.ms,
      merged,
    );
  }

  #ageMs(claim: Claim, stat: Stat): number {
    return this.#now() - Math.max(stat.mtimeMs, uuidTimeMs(claim.id) ?? 0);
  }

  async #defer(
    claim: Claim,
    destination: string,
    reason: string,
    attempt?: Attempt,
    merged = 1,
  ): Promise<Ending> {
    const dueMs = this.#now() + this.#delayMs(claim, attempt?.retryAfterMs);
    const settlement = await this.#queue.defer(claim, destination, dueMs, true);
    return this.#settled(claim, "defer", settlement, "deferred", () => {
      if (settlement.folder !== undefined) this.#onDeferred(settlement.folder, dueMs);
      const ended = {
        id: claim.id,
        destination,
        attempt: claim.attempt,
        ms: attempt?.ms ?? 0,
        reason,
        dueMs,
        ...(merged > 1 ? { merged } : {}),
      };
      this.#options.trace({
        type: "deferred",
        ...ended,
        ...(attempt?.status === undefined ? {} : { status: attempt.status }),
      });
    });
  }

  #delayMs(claim: Claim, retryAfterMs: number | undefined): number {
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = this.#options;
    const random = this.#queue.place.runtime.random();
    return retryDelayMs({ attempt: claim.attempt, random, baseMs, capMs, retryAfterMs });
  }

  async #bury(claim: Claim, why: Reason, ms = 0, merged = 1): Promise<Ending> {
    const dueMs = this.#now() + this.#options.backoffCapMs;
    const settlement = await this.#queue.bury(claim, why, dueMs);
    return this.#settled(claim, "bury", settlement, "dead", () => {
      const { status, destination, reason } = why;
      this.#options.trace({
        type: "dead",
        id: claim.id,
        attempt: claim.attempt,
        ms,
        reason,
        ...(status === undefined ? {} : { status }),
        ...(destination === undefined ? {} : { destination }),
        ...(merged > 1 ? { merged } : {}),
      });
    });
  }

  async #release(claim: Claim, reason: string, dueMs: number, sent: boolean): Promise<Ending> {
    try {
      if (!await this.#queue.release(claim, dueMs, sent)) return this.#lost(claim, "release");
    } catch (error) {
      this.#trouble(claim, "release", error, "it stays claimed until its lease ends");
      return "kept";
    }
    this.#options.trace({ type: "released", id: claim.id, reason, dueMs });
    return "released";
  }

  #settled(
    claim: Claim,
    verb: "defer" | "bury",
    { settled, error }: Settlement,
    done: Ending,
    tell: () => void,
  ): Ending {
    if (settled === "lost") return this.#lost(claim, verb);
    if (settled === "done") {
      if (error !== undefined) this.#trouble(claim, verb, error, "its reason could not be written");
      tell();
      return done;
    }
    const fate = settled === "returned"
      ? "it is back in new/ and due later"
      : "it stays claimed until its lease ends";
    this.#trouble(claim, verb, error, fate);
    return settled === "returned" ? "released" : "kept";
  }

  #lost(claim: Claim, verb: LeaseLost["verb"]): Ending {
    this.#options.trace({ type: "lease-lost", id: claim.id, verb });
    return "lost";
  }

  /** Report what the disk refused; anything else is a bug and thrown on. */
  #trouble(claim: Claim, verb: string, error: unknown, reason: string): void {
    const code = errorCode(error);
    if (code === undefined) throw error;
    this.#options.trace({ type: "disk-trouble", verb, code, reason, id: claim.id });
  }
}

function reasonOf(attempt: Attempt, outcome: Reason["outcome"], destination: string): Reason {
  const { reason, status, answer } = attempt;
  return { outcome, status, reason, destination, answer };
}
