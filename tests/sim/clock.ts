/**
 * Virtual time. It stands still while anybody can run, and then jumps to the next sleeper.
 *
 * Each host has a wall clock of its own, which can be off and can jump; the monotonic clock is the
 * same everywhere and never jumps.
 *
 * @module
 */

/** Nobody can run, nobody sleeps, and what was waited for has not settled. */
export class DeadlockError extends Error {
  override name = "DeadlockError";
}

/** The run goes on and on: more turns, or more calls at one instant, than any honest run needs. */
export class LivelockError extends Error {
  override name = "LivelockError";
}

interface Sleeper {
  atMs: number;
  readonly owner: unknown;
  readonly wake: () => void;
  readonly forget: () => void;
}

/** A promise that never settles: where those stop who are dead. */
export const never = <T>(): Promise<T> => new Promise<T>(() => {});

/** Virtual time and who sleeps in it. */
export class SimTime {
  #nowMs = 0;
  readonly #sleepers: Sleeper[] = []; // the next to wake last
  readonly #held = new Map<unknown, number>();

  /** Ms since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Number of sleepers that will wake by themselves. */
  get sleeping(): number {
    return this.#sleepers.filter((sleeper) => sleeper.atMs < Infinity).length;
  }

  /** Whether somebody wakes without time going on. */
  get isDue(): boolean {
    const next = this.#sleepers.at(-1);
    return next !== undefined && next.atMs <= this.#nowMs;
  }

  /** Sleep on behalf of `owner`. */
  sleep(ms: number, owner: unknown, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const forget = () => {
        signal?.removeEventListener("abort", wake);
        this.#drop(sleeper);
      };
      const wake = () => {
        forget();
        resolve();
      };
      const atMs = Math.max(this.#nowMs + (ms > 0 ? ms : 0), this.heldUntil(owner));
      const sleeper: Sleeper = { atMs, owner, wake, forget };
      signal?.addEventListener("abort", wake);
      this.#insert(sleeper);
    });
  }

  /** What `owner` has put to sleep wakes after so many ms at the earliest, in its order. */
  hold(owner: unknown, ms: number): void {
    const untilMs = Math.max(this.heldUntil(owner), this.#nowMs + ms);
    this.#held.set(owner, untilMs);
    for (const sleeper of this.#sleepers.filter((each) => each.owner === owner).reverse()) {
      if (sleeper.atMs >= untilMs) continue;
      this.#drop(sleeper);
      sleeper.atMs = untilMs;
      this.#insert(sleeper);
    }
  }

  /** Until when `owner` is held, ms since the world began; the past when it isn't. */
  heldUntil(owner: unknown): number {
    return this.#held.get(owner) ?? 0;
  }

  /** Jump to the next sleeper and wake it; false when nobody sleeps. */
  advance(): boolean {
    const next = this.#sleepers.at(-1);
    if (next === undefined || next.atMs === Infinity) return false;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.wake();
    return true;
  }

  /** Nobody will wake what `owner` has put to sleep. */
  forget(owner: unknown): void {
    for (const sleeper of this.#sleepers.filter((each) => each.owner === owner)) {
      sleeper.forget();
    }
  }

  #insert(sleeper: Sleeper): void {
    let index = this.#sleepers.length;
    while (index > 0 && this.#sleepers[index - 1]!.atMs <= sleeper.atMs) index--;
    this.#sleepers.splice(index, 0, sleeper);
  }

  #drop(sleeper: Sleeper): void {
    const index = this.#sleepers.lastIndexOf(sleeper);
    if (index >= 0) this.#sleepers.splice(index, 1);
  }
}

/** What a host is, besides its name in the world. */
export interface HostOptions {
  /** How far its wall clock is ahead of true time, ms. @default 0 */
  readonly offsetMs?: number | undefined;
  /** What it is called by its system: others may be called the same. @default its name */
  readonly hostname?: string | undefined;
  /**
   * Of hosts on one kernel, such as containers: locks and caches are the kernel's. @default its
   * name
   */
  readonly kernel?: string | undefined;
  /** How often it has been started. @default 1 */
  readonly boots?: number | undefined;
}

/** A host: what it is called, its kernel and its wall clock. */
export class SimHost {
  /** Its name in the world. */
  readonly name: string;
  /** What it is called by its system. */
  readonly hostname: string;
  /** The kernel it is on. */
  readonly kernel: string;
  /** How often it has been started. */
  boots: number;
  /** How far its wall clock is ahead of true time, ms. */
  offsetMs: number;
  readonly #trueMs: () => number;

  /** A host that is running. */
  constructor(name: string, trueMs: () => number, options: HostOptions = {}) {
    const { offsetMs = 0, hostname = name, kernel = name, boots = 1 } = options;
    this.name = name;
    this.hostname = hostname;
    this.kernel = kernel;
    this.boots = boots;
    this.offsetMs = offsetMs;
    this.#trueMs = trueMs;
  }

  /** Of its kernel since its last start. */
  get bootId(): string {
    return `boot-${this.boots}-of-${this.kernel}`;
  }

  /** Of its machine. */
  get machineId(): string {
    return `machine-${this.kernel}`;
  }

  /** Its wall clock, Unix ms. */
  now(): number {
    return Math.floor(this.#trueMs() + this.offsetMs);
  }

  /** Its wall clock jumps, by so many ms. */
  jump(ms: number): void {
    this.offsetMs += ms;
  }
}
