/**
 * A store without files: what the port asks of a store, and nothing else.
 *
 * It shows that the port needs no directory, and is what the consumer's parts are tested with.
 * Events are kept in a map, oldest first. Each change of an event makes its token another, so that
 * whoever acts by an old one has lost it. A claim ends with its lease: nothing else tells of a
 * death.
 *
 * @module
 */

import { LONGEST_WAIT_MS } from "../../lib/store/limits.ts";
import type {
  AnswerWriter,
  Candidate,
  Claim,
  Claimed,
  ClaimedMany,
  Content,
  Deferred,
  Reason,
  Storage,
  Store,
  StoreOptions,
  World,
} from "../../lib/store/store.ts";

/** An event that is kept. */
export interface MemoryEvent {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly putMs: number;
  state: "ready" | "claimed" | "deferred" | "dead";
  /** When it is due, its lease ends, or it died, Unix ms. */
  timeMs: number;
  attempt: number;
  takeovers: number;
  /** Whether it is in flight, as far as a suspected one says so. */
  isBegun: boolean;
  /** Another after each change. */
  token: number;
  /** Whose claim it is. */
  owner?: MemoryStore | undefined;
  /** What it waits for, when that is known. */
  destination?: string | undefined;
  /** Why it is dead. */
  reason?: Reason;
}

/** An answer that is kept. */
export interface MemoryAnswer {
  readonly id: string;
  readonly atMs: number;
  readonly bytes: Uint8Array;
  readonly meta: Readonly<Record<string, unknown>>;
}

/** What others say of a destination. */
interface Marks {
  isHeld: boolean;
  afterMs: number;
  readonly openBy: Set<MemoryStore>;
  readonly strugglingBy: Map<MemoryStore, number>;
  awaySinceMs: number;
}

/** Events in memory. */
export class MemoryStorage implements Storage {
  readonly world: World;
  /** All that is not delivered, oldest first. */
  readonly events = new Set<MemoryEvent>();
  readonly answers: MemoryAnswer[] = [];
  readonly marks = new Map<string, Marks>();
  /** Who is at work. */
  readonly consumers = new Set<Store>();
  /** Who is told that something has come. */
  readonly watchers = new Map<MemoryStore, () => void>();
  /** How often the events have been looked through. */
  asked = 0;
  #made = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** Put an event in, which is due at `dueMs`, Unix ms. */
  put(content: string | Uint8Array, dueMs = 0, id = `event-${++this.#made}`): string {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.events.add({
      id,
      bytes,
      putMs: this.nowMs,
      state: "ready",
      timeMs: dueMs,
      attempt: 0,
      takeovers: 0,
      isBegun: false,
      token: 0,
    });
    for (const tell of this.watchers.values()) tell();
    return id;
  }

  get nowMs(): number {
    return this.world.clock.now();
  }

  /** As an operator: hold a destination, or let it go. */
  hold(destination: string, isHeld: boolean): void {
    this.marksOf(destination).isHeld = isHeld;
  }

  /** What is said of a destination. */
  marksOf(destination: string): Marks {
    let marks = this.marks.get(destination);
    if (!marks) {
      this.marks.set(
        destination,
        marks = {
          isHeld: false,
          afterMs: 0,
          openBy: new Set(),
          strugglingBy: new Map(),
          awaySinceMs: 0,
        },
      );
    }
    return marks;
  }

  /** Those that wait for a destination, the first to be due first. */
  waiting(destination: string | undefined): MemoryEvent[] {
    return [...this.events]
      .filter((event) => event.state === "deferred" && event.destination === destination)
      .sort((a, b) => a.timeMs - b.timeMs);
  }

  connect(options: StoreOptions): MemoryStore {
    return new MemoryStore(this, options);
  }
}

class MemoryCandidate implements Candidate {
  readonly folder: string;
  readonly name: string;
  readonly token: number;

  readonly event: MemoryEvent;

  constructor(event: MemoryEvent) {
    this.event = event;
    this.folder = event.state;
    this.name = event.id;
    this.token = event.token;
  }
}

/** A consumer's way to them. */
export class MemoryStore implements Store {
  readonly #storage: MemoryStorage;
  readonly #options: StoreOptions;
  readonly #startMs: number;
  #slice: Candidate[] = [];
  #hasLooked = false;
  /** Whether nothing was claimed of what was found last. */
  #isFruitless = false;
  hasOfferedAll = false;
  /** When the first event that was not due at the last look is, Unix ms. */
  #nextMs = Infinity;
  #restUntilMs = 0;

  constructor(storage: MemoryStorage, options: StoreOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#startMs = options.once ? storage.nowMs : Infinity;
  }

  limitWait(): void {
    // nothing here is ever waited for
  }

  open(): Promise<void> {
    this.#storage.consumers.add(this);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#storage.consumers.delete(this);
    this.#storage.watchers.delete(this);
    for (const { openBy, strugglingBy } of this.#storage.marks.values()) {
      openBy.delete(this);
      strugglingBy.delete(this);
    }
    return Promise.resolve();
  }

  candidates(most: number, mayWait: boolean): readonly Candidate[] {
    if (this.#slice.length === 0 && mayWait) this.#fill();
    return this.#slice.splice(0, most);
  }

  /** Look through all events, but not at once again if nothing of what was found was claimed. */
  #fill(): void {
    const nowMs = this.#storage.world.clock.monotonic();
    if (nowMs < this.#restUntilMs) return;
    if (this.#isFruitless || this.#options.once && this.#hasLooked) return this.#rest(nowMs);
    this.#hasLooked = true;
    this.#slice = this.#look();
    this.#isFruitless = this.#slice.length > 0;
    if (!this.#isFruitless) this.#rest(nowMs);
  }

  #rest(nowMs: number): void {
    const { once, limits: { current: { pollMs } } } = this.#options;
    const ahead = nowMs - this.#storage.nowMs;
    this.hasOfferedAll = true;
    this.#isFruitless = false;
    this.#restUntilMs = once ? Infinity : Math.min(nowMs + pollMs, ahead + this.#nextMs);
  }

  #look(): Candidate[] {
    this.#storage.asked++;
    const { nowMs } = this.#storage;
    const due: Candidate[] = [];
    this.#nextMs = Infinity;
    for (const event of this.#storage.events) {
      if (!this.#mayBeOffered(event)) continue;
      if (isDue(event, nowMs)) due.push(new MemoryCandidate(event));
      else this.#nextMs = Math.min(this.#nextMs, event.timeMs);
    }
    return due;
  }

  #mayBeOffered({ state, owner, destination }: MemoryEvent): boolean {
    if (state === "claimed") return owner !== this;
    return state === "ready" || state === "deferred" && destination === undefined;
  }

  get restUntilMs(): number {
    return this.#slice.length > 0 ? 0 : this.#restUntilMs;
  }

  claim(candidates: readonly Candidate[]): Promise<ClaimedMany> {
    return Promise.resolve({ claimed: candidates.map((one) => this.#claim(one)) });
  }

  #claim(candidate: Candidate): Claimed {
    if (!(candidate instanceof MemoryCandidate)) {
      throw new TypeError("Not a candidate of this store");
    }
    const { event, token } = candidate;
    if (event.token !== token) return "gone";
    this.#isFruitless = false;
    const { id } = event;
    const isTakenOver = event.state === "claimed";
    if (isTakenOver) {
      if (event.takeovers === 0 || event.isBegun) event.takeovers++;
      this.#options.trace({ type: "taken-over", id, owner: undefined, takeovers: event.takeovers });
    } else {
      event.attempt++;
      if (event.isBegun) event.takeovers = 0; // a consumer has survived it
    }
    return new MemoryClaim(this.#storage, event, this, isTakenOver, this.#options);
  }

  get deferred(): Iterable<Deferred> {
    const labels = new Set(this.#storage.marks.keys());
    for (const { state, destination } of this.#storage.events) {
      if (state === "deferred" && destination !== undefined) labels.add(destination);
    }
    return [...labels].flatMap((destination) => this.deferredOf(destination) ?? []);
  }

  deferredOf(destination: string): Deferred | undefined {
    const deferred = new MemoryDeferred(this.#storage, destination);
    return deferred.isOfUse ? deferred : undefined;
  }

  hasDue(deferred: Deferred): boolean {
    return deferred.nextDueMs <= Math.min(this.#startMs, this.#storage.nowMs);
  }

  nextDue(deferred: Deferred): Promise<Candidate | undefined> {
    const [event] = this.hasDue(deferred) ? this.#storage.waiting(deferred.destination) : [];
    return Promise.resolve(event && new MemoryCandidate(event));
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  look(destination: string): Promise<Deferred | undefined> {
    return Promise.resolve(this.deferredOf(destination));
  }

  markAfter(destination: string, untilMs: number): Promise<void> {
    const marks = this.#storage.marksOf(destination);
    marks.afterMs = Math.max(marks.afterMs, untilMs);
    return Promise.resolve();
  }

  markOpen(destination: string): Promise<void> {
    this.#storage.marksOf(destination).openBy.add(this);
    return Promise.resolve();
  }

  unmarkOpen(destination: string): Promise<void> {
    this.#storage.marksOf(destination).openBy.clear();
    return Promise.resolve();
  }

  markStruggling(destination: string, share: number): Promise<void> {
    this.#storage.marksOf(destination).strugglingBy.set(this, share);
    return Promise.resolve();
  }

  unmarkStruggling(destination: string): Promise<void> {
    this.#storage.marksOf(destination).strugglingBy.clear();
    return Promise.resolve();
  }

  markAway(destination: string, sinceMs: number): Promise<void> {
    const marks = this.#storage.marksOf(destination);
    marks.awaySinceMs = Math.min(marks.awaySinceMs || sinceMs, sinceMs);
    return Promise.resolve();
  }

  unmarkAway(destination: string): Promise<void> {
    this.#storage.marksOf(destination).awaySinceMs = 0;
    return Promise.resolve();
  }

  get hasPeers(): boolean {
    return this.#storage.consumers.size > 1;
  }

  watch(onChange: () => void): boolean {
    if (this.#storage.watchers.has(this)) return false;
    this.#storage.watchers.set(this, () => {
      this.#restUntilMs = 0;
      onChange();
    });
    this.#restUntilMs = 0;
    return true;
  }

  left(): Promise<"nothing" | "held" | "more"> {
    const left = [...this.#storage.events].filter(({ state }) => state !== "dead");
    const isHeld = ({ state, destination }: MemoryEvent) =>
      state === "deferred" && destination !== undefined &&
      this.#storage.marks.get(destination)?.isHeld === true;
    return Promise.resolve(left.length === 0 ? "nothing" : left.every(isHeld) ? "held" : "more");
  }

  sweep(): Promise<void> {
    return Promise.resolve();
  }

  prune(): Promise<void> {
    const { events, answers, nowMs } = this.#storage;
    const { keepDeadMs = 0, keepResMs = 0 } = this.#options.limits.current;
    const isOld = (ms: number, keepMs: number) => keepMs > 0 && ms < nowMs - keepMs;
    for (const event of events) {
      if (event.state === "dead" && isOld(event.timeMs, keepDeadMs)) events.delete(event);
    }
    const young = answers.filter(({ atMs }) => !isOld(atMs, keepResMs));
    answers.splice(0, answers.length, ...young);
    return Promise.resolve();
  }
}

function isDue({ timeMs }: MemoryEvent, nowMs: number): boolean {
  return timeMs <= nowMs || timeMs > nowMs + LONGEST_WAIT_MS;
}

/** What waits for a destination, and is said of it, as it is at each moment. */
class MemoryDeferred implements Deferred {
  readonly destination: string;
  readonly #storage: MemoryStorage;

  constructor(storage: MemoryStorage, destination: string) {
    this.#storage = storage;
    this.destination = destination;
  }

  get #marks(): Marks | undefined {
    return this.#storage.marks.get(this.destination);
  }

  get isOfUse(): boolean {
    const { isHeld, afterMs, isMarkedOpen, isMarkedStruggling, awaySinceMs, nextDueMs } = this;
    return isHeld || afterMs > 0 || isMarkedOpen || isMarkedStruggling || awaySinceMs > 0 ||
      nextDueMs < Infinity;
  }

  get isHeld(): boolean {
    return this.#marks?.isHeld ?? false;
  }

  get afterMs(): number {
    const { afterMs = 0 } = this.#marks ?? {};
    return afterMs > this.#storage.nowMs ? afterMs : 0;
  }

  get isMarkedOpen(): boolean {
    return (this.#marks?.openBy.size ?? 0) > 0;
  }

  get isMarkedStruggling(): boolean {
    return (this.#marks?.strugglingBy.size ?? 0) > 0;
  }

  get awaySinceMs(): number {
    return this.#marks?.awaySinceMs ?? 0;
  }

  get nextDueMs(): number {
    return this.#storage.waiting(this.destination)[0]?.timeMs ?? Infinity;
  }

  get oldestMs(): number {
    return this.nextDueMs;
  }
}

class MemoryClaim implements Claim {
  readonly #storage: MemoryStorage;
  readonly #options: StoreOptions;
  readonly #event: MemoryEvent;
  #token: number;
  readonly #isTakenOver: boolean;
  readonly id: string;
  readonly attempt: number;
  readonly takeovers: number;
  readonly enqueuedMs: number;
  readonly unreadBytes = 0;
  leaseEndMs: number;

  constructor(
    storage: MemoryStorage,
    event: MemoryEvent,
    owner: MemoryStore,
    isTakenOver: boolean,
    options: StoreOptions,
  ) {
    this.#storage = storage;
    this.#options = options;
    this.#event = event;
    this.#token = ++event.token;
    this.#isTakenOver = isTakenOver;
    this.id = event.id;
    this.attempt = event.attempt;
    this.takeovers = event.takeovers;
    this.enqueuedMs = event.putMs;
    this.leaseEndMs = storage.nowMs + options.limits.current.leaseMs;
    Object.assign(event, { state: "claimed", owner, isBegun: false, timeMs: this.leaseEndMs });
  }

  read(): Content {
    if (this.#event.token !== this.#token) return { kind: "lost" };
    const { bytes } = this.#event;
    const { maxBytes } = this.#options.limits.current;
    if (bytes.length <= maxBytes) return { kind: "bytes", bytes, mayBeUnfinished: false };
    const reason = `the event must be at most ${maxBytes} bytes, it has ${bytes.length}`;
    return { kind: "refused", reason };
  }

  renew(): Promise<"done" | "lost"> {
    this.leaseEndMs = this.#storage.nowMs + this.#options.limits.current.leaseMs;
    return this.#goOn({ timeMs: this.leaseEndMs });
  }

  begin(): Promise<"done" | "lost"> {
    return this.#goOn({ isBegun: true });
  }

  setAside(): Promise<"done" | "lost"> {
    return this.#goOn({ isBegun: false });
  }

  complete(): Promise<"done" | "lost"> {
    if (!this.#isOurs) return Promise.resolve("lost");
    this.#storage.events.delete(this.#event);
    return this.#end({});
  }

  defer(destination: string | undefined, dueMs: number): Promise<"done" | "lost"> {
    return this.#end({ state: "deferred", destination, timeMs: dueMs });
  }

  park(destination: string): Promise<"done" | "lost"> {
    const { nowMs } = this.#storage;
    return this.#end({ state: "deferred", destination, timeMs: nowMs, attempt: this.#unsent });
  }

  bury(reason: Reason): Promise<"done" | "lost"> {
    return this.#end({ state: "dead", reason, timeMs: this.#storage.nowMs });
  }

  release(dueMs: number, sent: boolean): Promise<"done" | "lost"> {
    const attempt = sent ? this.attempt : this.#unsent;
    return this.#end({ state: "ready", timeMs: dueMs, attempt });
  }

  get #isOurs(): boolean {
    return this.#event.token === this.#token;
  }

  /** Of a claim that was taken over nobody knows whether it was sent. */
  get #unsent(): number {
    return this.#isTakenOver ? this.attempt : this.attempt - 1;
  }

  async #goOn(change: Partial<MemoryEvent>): Promise<"done" | "lost"> {
    const fate = await this.#end(change);
    if (fate === "done") this.#token = this.#event.token;
    return fate;
  }

  #end(change: Partial<MemoryEvent>): Promise<"done" | "lost"> {
    if (!this.#isOurs) return Promise.resolve("lost");
    Object.assign(this.#event, change);
    this.#event.token++;
    return Promise.resolve("done");
  }

  answer(): AnswerWriter {
    const chunks: number[] = [];
    const { id } = this;
    return {
      write: (bytes) => void chunks.push(...bytes),
      finish: (meta) => {
        const { nowMs: atMs } = this.#storage;
        this.#storage.answers.push({ id, atMs, bytes: new Uint8Array(chunks), meta });
        return Promise.resolve();
      },
      discard: () => Promise.resolve(),
    };
  }
}
