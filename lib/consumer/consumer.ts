/**
 * The consumer: begin, work while there is something to do, look around, rest, and stop in good
 * order. The way of an event is in `dispatcher.ts`.
 *
 * Nothing an event, a file or an endpoint does ends the loop. It ends when asked to, when its work
 * is done (modes `once` and `until-empty`), or when the disk has refused to list or to let claim
 * for half a minute.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import { ByteBudget, defaultBudgetBytes } from "../store/budget.ts";
import type { Storage, Store } from "../store/store.ts";
import { GuardedTrace } from "../telemetry/guard.ts";
import { type Counts, Tally } from "../telemetry/summary.ts";
import type { Trace } from "../telemetry/trace.ts";
import { assemble } from "./assemble.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Maintenance } from "./maintenance.ts";
import type { ConsumerOptions, ConsumerSettings } from "../config/consumer.ts";
import type { ReadSecret } from "../http/credentials.ts";
import type { LiveOfDestinations, Settings } from "../config/settings.ts";
import { settingsOf } from "./options.ts";
import { Semaphore } from "./semaphore.ts";

/** When a consumer's work is done. */
export type Mode =
  /** Never: until it is stopped. */
  | "forever"
  /** After one listing of what is due. */
  | "once"
  /** When nothing is left in `new/`, `cur/` and `defer/`, whoever holds it. */
  | "until-empty";

const MODES: Readonly<Record<Mode, true>> = { forever: true, once: true, "until-empty": true };

/** What a consumer did. */
export interface Summary extends Counts {
  /** Whether nothing was left when it ended; always `false` in mode `forever`. */
  readonly empty: boolean;
  /** What the application's trace threw first, if it did. */
  readonly traceFailure?: { readonly error: unknown };
}

/** A stop waits at least so long for the store to answer, whatever the grace time. */
const LEAST_WAIT_MS = 1_000;

/** As good as for ever, for a wait that something else ends. */
const HOUR_MS = 60 * 60_000;

/** Delivers the events of a store. Several on one need no configuration. */
export class Consumer {
  /** What it was told; may change while it works. */
  readonly settings: Settings;
  /** The memory that event bodies may take, of this consumer and whoever shares it. */
  readonly memory: ByteBudget;
  readonly #storage: Storage;
  readonly #trace: GuardedTrace;
  readonly #semaphore: Semaphore;
  readonly #readSecret: ReadSecret | undefined;
  #hasRun = false;

  /**
   * A consumer of a storage, such as a maildir.
   *
   * @throws {RangeError} If an option is out of its range or contradicts another.
   */
  constructor(storage: Storage, options: ConsumerOptions = {}) {
    this.settings = settingsOf(options);
    this.memory = new ByteBudget((bytes) =>
      this.settings.current.memoryBytes || defaultBudgetBytes(storage.world, bytes)
    );
    this.#storage = storage;
    this.#trace = new GuardedTrace(options.trace ?? (() => {}));
    this.#semaphore = new Semaphore(this.settings.current.concurrency);
    this.#readSecret = options.readSecret;
  }

  /** Requests in flight right now. */
  get inFlight(): number {
    return this.#semaphore.inside;
  }

  /**
   * Consume. May be called once.
   *
   * @param signal Stops it in good order: no new claims, what is in flight gets the grace time,
   * what is left goes back to `new/`.
   * @throws {TypeError} If there is no such mode, or it was called before.
   * @throws {DiskFailure} If the disk refuses for half a minute. What is in flight is settled
   * first, as far as the disk lets it.
   * @throws The disk's error, if a folder of the queue is not writable or on another file system at
   * the start.
   */
  async run(mode: Mode = "forever", signal?: AbortSignal): Promise<Summary> {
    if (!Object.hasOwn(MODES, mode)) {
      const known = Object.keys(MODES).join(" or ");
      throw new TypeError(`Cannot consume: mode must be ${known}, current value is ${mode}`);
    }
    if (this.#hasRun) throw new TypeError("Cannot consume: run() may be called once; make another");
    this.#hasRun = true;
    const { settings: options } = this;
    const parts = {
      storage: this.#storage,
      options,
      trace: this.#trace,
      semaphore: this.#semaphore,
      budget: this.memory,
      readSecret: this.#readSecret,
    };
    return await new Run(parts, mode).toEnd(signal);
  }
}

/** What a run works with. */
interface RunParts {
  readonly storage: Storage;
  readonly options: LiveOfDestinations<ConsumerSettings>;
  readonly trace: GuardedTrace;
  readonly semaphore: Semaphore;
  readonly budget: ByteBudget;
  readonly readSecret: ReadSecret | undefined;
}

/** One run of a consumer. */
class Run {
  readonly #mode: Mode;
  readonly #options: LiveOfDestinations<ConsumerSettings>;
  readonly #clock: Clock;
  readonly #trace: GuardedTrace;
  readonly #tally = new Tally();
  readonly #stop = new AbortController();
  readonly #semaphore: Semaphore;
  readonly #store: Store;
  readonly #dispatcher: Dispatcher;
  readonly #maintenance: Maintenance;
  readonly #closeJournal: () => Promise<void>;

  constructor(parts: RunParts, mode: Mode) {
    const { storage, options, trace: guarded, semaphore, budget, readSecret } = parts;
    const { world } = storage;
    const once = mode === "once";
    this.#mode = mode;
    this.#options = options;
    this.#clock = world.clock;
    this.#trace = guarded;
    this.#semaphore = semaphore;
    const tell: Trace = (event) => {
      this.#tally.note(event);
      guarded.tell(event);
    };
    const journal = storage.journal?.({ limits: options, trace: tell });
    this.#closeJournal = async () => await journal?.close();
    const trace: Trace = (event) => {
      tell(event);
      journal?.note(event);
    };
    const store = this.#store = storage.connect({ limits: options, trace, once });
    const { signal: stop } = this.#stop;
    const shared = { store, world, options, semaphore, budget, trace, readSecret };
    const { dispatcher, maintenance } = assemble({ ...shared, stop, once });
    this.#dispatcher = dispatcher;
    this.#maintenance = maintenance;
  }

  async toEnd(signal: AbortSignal | undefined): Promise<Summary> {
    await this.#store.open();
    const stop = () => this.#beginStop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    const cleaning = this.#maintenance.cleanUp(this.#stop.signal);
    try {
      const empty = await this.#loop();
      // Who runs once a minute cleans up too, if that doesn't take too long.
      const graceMs = this.#clock.sleep(this.#options.current.graceMs, this.#stop.signal);
      await Promise.race([cleaning.first, graceMs]);
      this.#beginStop();
      await this.#drain();
      if (this.#semaphore.bug) throw this.#semaphore.bug.error;
      const traceFailure = this.#trace.failure;
      return { ...this.#tally.counts, empty, ...(traceFailure ? { traceFailure } : {}) };
    } finally {
      this.#beginStop();
      await this.#drain();
      await cleaning.all;
      await this.#closeJournal(); // first: the store lifts the limit on waiting for the disk
      await this.#store.close();
      this.#dispatcher.close();
      signal?.removeEventListener("abort", stop);
    }
  }

  /** A store that answers no more must not keep the process from ending. */
  #beginStop(): void {
    this.#store.limitWait(Math.max(this.#options.current.graceMs, LEAST_WAIT_MS));
    this.#stop.abort("stopped");
    this.#semaphore.wake();
  }

  /** @returns Whether nothing was left. */
  async #loop(): Promise<boolean> {
    while (!this.#hasEnded) {
      const { changes } = this.#semaphore;
      await this.#maintenance.runIfDue();
      if (await this.#dispatcher.run(this.#maintenance.dueMs)) continue;
      if (this.#hasEnded) break;
      if (this.#mode === "once" && this.#dispatcher.hasDealtWithAll) {
        await this.#store.refresh(); // what was delivered and couldn't be removed
        return await this.#store.left() === "nothing";
      }
      if (this.#mode === "until-empty" && this.#dispatcher.isAtRest) {
        const left = await this.#store.left();
        if (left !== "more") return left === "nothing";
      }
      await this.#rest(changes);
    }
    return false;
  }

  get #hasEnded(): boolean {
    return this.#stop.signal.aborted || this.#semaphore.bug !== undefined;
  }

  /** Give back what waits in memory, wait for what is in flight, then call it off. */
  async #drain(): Promise<void> {
    await this.#dispatcher.drain();
    await this.#semaphore.empty(this.#options.current.graceMs, this.#clock);
    this.#dispatcher.abort();
    while (this.#semaphore.inside > 0) await this.#semaphore.empty(HOUR_MS, this.#clock);
  }

  /**
   * Sleep until something is due, a folder may have changed, a request ends, or the next look is
   * due anyway.
   *
   * @param seen Changes that have been acted upon.
   */
  async #rest(seen: number): Promise<void> {
    if (this.#store.watch(() => this.#semaphore.wake())) return;
    const nowMs = this.#clock.monotonic();
    const untilMs = Math.min(this.#maintenance.dueMs, this.#dispatcher.restUntilMs(nowMs));
    await this.#semaphore.rest(Math.max(0, untilMs - nowMs), seen, this.#clock);
    this.#dispatcher.rested();
  }
}
