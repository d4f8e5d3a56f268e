/**
 * A world: processes on hosts that share a disk, a network and virtual time.
 *
 * Real promises drive the code under test. Once all of them rest, one waiting verb is let go (with
 * a scheduler) or time jumps to the next sleeper. A run is a pure function of the world's options,
 * its seed among them, and of the test's own code.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { type Choices, firstChoice, seeded } from "./choices.ts";
import { DeadlockError, type HostOptions, LivelockError, SimHost, SimTime } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import type { DiskImage } from "./image.ts";
import { SimNetwork } from "./network.ts";
import { NetworkView } from "./network_view.ts";
import { type ProcessWorld, SimProcess } from "./process.ts";
import { SimSockets } from "./sockets.ts";
import type { Call, Fault, PendingCall, Phase } from "./process_disk.ts";
import { JUMP, REDUNDANT, RedundantRun, type Scheduler } from "./scheduler.ts";

/** When a world begins unless told otherwise: 2026-11-21T00:00:00Z. */
export const START_MS = Date.UTC(2026, 10, 21);

/** How a world is. */
export interface WorldOptions {
  /** Where all chance comes from. @default 1 */
  readonly seed?: number;
  /**
   * Begin with what a crash left, at the time of the crash; `boots`: how often hosts have been
   * started since, the one that goes on included.
   */
  readonly from?: { readonly disk: DiskImage; readonly nowMs: number; readonly boots?: number };
  /** True time at its beginning, Unix ms. @default {@linkcode START_MS} or that of `from` */
  readonly startMs?: number;
  /**
   * Make the disk a network file system; the choices are among the fresh answer (0) and the stale
   * ones. `true`: always fresh.
   */
  readonly networkDisk?: boolean | Choices;
  /** Decides which verb is next; without one, verbs answer at once and without a promise. */
  readonly scheduler?: Scheduler;
  /** How long a verb takes before its effect, ms of virtual time; 0 is at once. */
  readonly latencyMs?: (call: PendingCall) => number;
  /** Whether `watch` tells of changes by processes on the same host. @default true */
  readonly watches?: boolean;
  /** How many names a listing fetches in one step. @default 64 */
  readonly listChunk?: number;
  /** How many turns one `run` may take. @default 200_000 */
  readonly maxTurns?: number;
  /** How many verbs and looks at the clock there may be without time going on. @default 200_000 */
  readonly maxCalls?: number;
}

interface Waiting extends PendingCall {
  readonly go: () => void;
}

interface Watch {
  readonly dir: string;
  readonly process: SimProcess;
  readonly onChange: () => void;
}

/** What is going on, in one line: `edge-1 rename /q/new/a → /q/cur/b`. */
export function describe(call: PendingCall): string {
  const to = call.to === undefined ? "" : ` → ${call.to}`;
  return `${call.process.name} ${call.verb} ${call.path}${to}`;
}

/** A simulated world. */
export class World implements ProcessWorld {
  /** The disk, for a test to prepare and to look at. */
  readonly disk: SimDisk;
  /** Virtual time. */
  readonly time = new SimTime();
  /** The endpoints. */
  readonly network = new SimNetwork(this.time, (error) => this.fail(error));
  /** Connections with them. */
  readonly sockets = new SimSockets(this.network, this.time);
  /** The hosts' caches, on a network file system. */
  readonly view: NetworkView | undefined;
  /** How many names a listing fetches in one step. */
  readonly listChunk: number;
  /** Makes verbs fail: asked for each when its turn has come. May kill its process. */
  onVerb: (call: Call) => Fault | undefined = () => undefined;
  readonly #options: WorldOptions;
  readonly #startMs: number;
  readonly #random: () => number;
  readonly #hosts = new Map<string, SimHost>();
  readonly #processes: SimProcess[] = [];
  readonly #observers: ((call: Call, phase: Phase) => void)[] = [];
  #waiting: Waiting[] = [];
  #watches: Watch[] = [];
  #calls = 0;
  #callsAtOnce = 0;
  #failure: Error | undefined;

  /** A world in which nothing happens yet. */
  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#startMs = options.startMs ?? options.from?.nowMs ?? START_MS;
    this.#random = seeded(options.seed ?? 1);
    this.disk = new SimDisk(this.#startMs, options.from?.disk);
    this.listChunk = options.listChunk ?? 64;
    const { networkDisk = false } = options;
    if (networkDisk !== false) {
      const choices = networkDisk === true ? firstChoice : networkDisk;
      this.view = new NetworkView(() => this.time.nowMs, choices);
    }
  }

  /** True time, Unix ms. */
  get nowMs(): number {
    return this.#startMs + this.time.nowMs;
  }

  /** How many verbs had their turn. */
  get calls(): number {
    return this.#calls;
  }

  /** How often its hosts had been started when it began. */
  get boots(): number {
    return this.#options.from?.boots ?? 1;
  }

  /** The host of that name, made when first asked for. */
  host(name: string, options: HostOptions = {}): SimHost {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new SimHost(name, () => this.nowMs, { boots: this.boots, ...options });
      this.#hosts.set(name, host);
    }
    return host;
  }

  /** A kernel is started again: all its processes are gone. */
  reboot(kernel: string): void {
    for (const process of this.#processes) if (process.host.kernel === kernel) process.kill();
    for (const host of this.#hosts.values()) if (host.kernel === kernel) host.boots++;
  }

  /** Start a process. */
  process(options: { readonly host?: string; readonly pid?: number } = {}): SimProcess {
    const host = this.host(options.host ?? "edge");
    const pid = options.pid ?? 100 + this.#processes.length;
    const random = seeded(Math.floor(this.#random() * 2 ** 32));
    const process = new SimProcess(this, host, pid, random);
    this.#processes.push(process);
    return process;
  }

  /**
   * Call `observer` at every moment at which a crash can strike. It may take images, kill processes
   * and make clocks jump.
   */
  onPoint(observer: (call: Call, phase: Phase) => void): void {
    this.#observers.push(observer);
  }

  /**
   * Let everything run until `work` has settled, and give its result. Time goes on only while
   * somebody runs the world.
   */
  async run<T>(work: Promise<T> | (() => Promise<T>)): Promise<T> {
    const promise = typeof work === "function" ? work() : work;
    let settled = false;
    const settle = () => void (settled = true);
    promise.then(settle, settle);
    for (let turns = this.#options.maxTurns ?? 200_000;; turns--) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#failure !== undefined) throw this.#failure;
      if (settled) return promise;
      if (turns <= 0) throw new LivelockError(`Cannot finish: too many turns, ${this.#state()}`);
      if (!this.#step()) throw new DeadlockError(`Cannot go on: ${this.#state()}`);
    }
  }

  /** Let everything run for so many ms of virtual time. */
  advance(ms: number): Promise<void> {
    return this.run(this.time.sleep(ms, this));
  }

  /**
   * End the run with an error: of the test's own, so that the code under test can't take it for the
   * world's.
   */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error
      ? error
      : new Error("The test failed", { cause: error });
    for (const process of this.#processes) process.kill();
  }

  /** See {@linkcode DiskWorld}; as all below, for the processes. */
  turn(call: PendingCall): Promise<void> | undefined {
    const heldMs = this.time.heldUntil(call.process) - this.time.nowMs;
    const latencyMs = Math.max(this.#options.latencyMs?.(call) ?? 0, heldMs, 0);
    const { scheduler } = this.#options;
    if (latencyMs === 0 && scheduler === undefined) return undefined;
    const late = latencyMs > 0 ? this.time.sleep(latencyMs, call.process) : undefined;
    if (scheduler === undefined) return late;
    const queue = () =>
      new Promise<void>((go) => {
        if (call.process.alive) this.#waiting.push({ ...call, go });
      });
    return late === undefined ? queue() : late.then(queue);
  }

  /** The next verb's number. */
  nextIndex(): number {
    this.asked();
    return this.#calls++;
  }

  /** Tell the observers. */
  point(call: Call, phase: Phase): void {
    try {
      for (const observer of this.#observers) observer(call, phase);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ask for a fault. */
  faultOf(call: Call): Fault | undefined {
    try {
      return this.onVerb(call);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  /** Tell the watchers on the same host. */
  announce(path: string, process: SimProcess): void {
    for (const watch of this.#watches) {
      if (watch.dir !== path || watch.process.host !== process.host) continue;
      queueMicrotask(() => {
        if (watch.process.alive && this.#watches.includes(watch)) watch.onChange();
      });
    }
  }

  /** The host's time; on a network file system the server's. */
  stampMs(process: SimProcess): number {
    return this.view === undefined ? process.host.now() : Math.floor(this.nowMs);
  }

  /** Watch a folder. */
  watch(dir: string, process: SimProcess, onChange: () => void): () => void {
    if (this.#options.watches === false || !process.alive) return () => {};
    const watch = { dir: `/${dir.split("/").filter(Boolean).join("/")}`, process, onChange };
    this.#watches.push(watch);
    return () => void (this.#watches = this.#watches.filter((each) => each !== watch));
  }

  /** Count a call that takes no time. */
  asked(): void {
    if (++this.#callsAtOnce <= (this.#options.maxCalls ?? 200_000)) return;
    this.fail(new LivelockError(`Cannot finish: too much at one instant, ${this.#state()}`));
    throw this.#failure;
  }

  /** A process is dead. */
  bury(process: SimProcess): void {
    this.time.forget(process);
    this.disk.unlockAll(process, this.stampMs(process));
    this.network.forget(process);
    this.sockets.forget(process);
    this.#waiting = this.#waiting.filter((call) => call.process !== process);
    this.#watches = this.#watches.filter((watch) => watch.process !== process);
  }

  #step(): boolean {
    if (this.time.isDue) return this.time.advance();
    if (this.#waiting.length > 0) {
      const index = this.#options.scheduler!.pick(this.#waiting, this.time.sleeping > 0);
      if (index === REDUNDANT) throw new RedundantRun("Another run shows the same");
      if (index !== JUMP) {
        this.#waiting.splice(index, 1)[0]!.go();
        return true;
      }
    }
    const before = this.time.nowMs;
    if (!this.time.advance()) return this.#waiting.length > 0;
    if (this.time.nowMs > before) this.#callsAtOnce = 0;
    return true;
  }

  #state(): string {
    const waiting = this.#waiting.map(describe).join(", ") || "no verb";
    return `${waiting} waiting, ${this.time.sleeping} sleeping, after ${this.time.nowMs} ms and ${this.#calls} verbs`;
  }
}
