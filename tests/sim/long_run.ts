/**
 * The long random simulation: everything on, from one seed.
 *
 * A {@linkcode Plan} is made from the seed and says when what goes wrong; what an endpoint does
 * with a request depends on the seed, the event and how often it has been sent. So a plan with less
 * in it is a plan too, and the shortest that still fails can be found by leaving out one thing
 * after the other.
 *
 * @module
 */

import type { Runtime } from "../../lib/runtime/runtime.ts";
import { optimizelyMerger } from "../../lib/merge/optimizely.ts";
import { NotAQueueError } from "../../lib/queue/layout.ts";
import { Arena, BASE, QUICK } from "./arena.ts";
import { randomChoices, seeded } from "./choices.ts";
import { lostReply } from "./faults.ts";
import type { Reply, SimRequest } from "./network.ts";
import type { SimProcess } from "./process.ts";
import type { Call, Fault } from "./process_disk.ts";

const MERGER = optimizelyMerger();
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** Time in which things go wrong, per step. */
const STEP_MS = 4 * SECOND_MS;

/**
 * Longest time after that until everything is settled: an hour repeated a few times, leases, the
 * skew between hosts, and Retry-After.
 */
const BUDGET_MS = 12 * HOUR_MS;

/** Where the queue is while it isn't where it belongs. */
const AWAY = "/away";

/** Something that happens at a moment. */
export type Incident =
  | { readonly atMs: number; readonly kind: "enqueue"; readonly n: number; readonly many: number }
  | {
    readonly atMs: number;
    readonly kind: "kill";
    readonly consumer: number;
    readonly downMs: number;
  }
  | {
    readonly atMs: number;
    readonly kind: "kill at verb";
    readonly consumer: number;
    readonly verbs: number;
  }
  | { readonly atMs: number; readonly kind: "stop"; readonly consumer: number }
  | {
    readonly atMs: number;
    readonly kind: "pause";
    readonly consumer: number;
    readonly ms: number;
  }
  | { readonly atMs: number; readonly kind: "jump"; readonly host: number; readonly ms: number }
  | {
    readonly atMs: number;
    readonly kind: "fault";
    readonly code: string;
    readonly ms: number;
    readonly oneIn: number;
  }
  | { readonly atMs: number; readonly kind: "away"; readonly ms: number };

/** What happens in a run. */
export interface Plan {
  /** Where the rest of chance comes from. */
  readonly seed: number;
  /** Hosts, by how far their clocks are ahead, ms. */
  readonly hosts: readonly number[];
  /** Consumers, by the index of their host. */
  readonly consumers: readonly number[];
  /** Whether the disk is a network file system. */
  readonly shared: boolean;
  /** How many of ten requests go wrong. */
  readonly badness: number;
  /** What happens when. */
  readonly incidents: readonly Incident[];
}

/** The plan of a seed. */
export function planOf(seed: number, steps: number): Plan {
  const random = seeded(seed * 7919 + 17);
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  const shared = below(3) === 0;
  const hosts = shared ? [0, pick([0, 10 * MINUTE_MS, -10 * MINUTE_MS])] : [0];
  const consumers = Array.from({ length: 1 + below(3) }, () => below(hosts.length));
  const incidents: Incident[] = [];
  const consumer = () => below(consumers.length);
  for (let step = 0; step < steps; step++) {
    const atMs = below(steps * STEP_MS);
    const kind = below(10);
    if (step === 0 || kind < 4) {
      incidents.push({ atMs, kind: "enqueue", n: step * 10, many: below(4) === 0 ? 3 : 1 });
    } else if (kind === 4) {
      incidents.push({ atMs, kind: "kill", consumer: consumer(), downMs: below(20 * SECOND_MS) });
    } else if (kind === 5) {
      incidents.push({ atMs, kind: "kill at verb", consumer: consumer(), verbs: below(40) });
    } else if (kind === 6) {
      incidents.push(
        below(3) === 0
          ? { atMs, kind: "stop", consumer: consumer() }
          : { atMs, kind: "pause", consumer: consumer(), ms: below(3 * QUICK.leaseMs!) },
      );
    } else if (kind === 7) {
      const ms = pick([HOUR_MS, -HOUR_MS, YEAR_MS, -YEAR_MS, -30 * SECOND_MS]);
      incidents.push({ atMs, kind: "jump", host: below(hosts.length), ms });
    } else if (kind === 8 && !shared && below(3) === 0) {
      incidents.push({ atMs, kind: "away", ms: below(40 * SECOND_MS) });
    } else {
      const code = pick(["EIO", "ENOSPC", "EACCES", "EMFILE", shared ? "a lost reply" : "EDQUOT"]);
      incidents.push({ atMs, kind: "fault", code, ms: below(10 * SECOND_MS), oneIn: 1 + below(6) });
    }
  }
  incidents.sort((a, b) => a.atMs - b.atMs);
  return { seed, hosts, consumers, shared, badness: below(8), incidents };
}

/**
 * What an endpoint does with a request: a function of the seed, the event and how often it was
 * sent.
 */
function replyOf(plan: Plan, request: SimRequest): Reply {
  if (request.nth >= 6) return { delayMs: 50 };
  const n = Number(/"n":(\d+)/.exec(request.body)?.[1] ?? 0);
  const random = seeded(plan.seed * 31 + n * 1009 + request.nth);
  const delayMs = Math.floor(random() * 2_000);
  if (random() * 10 >= plan.badness) return { delayMs };
  const kinds: readonly Reply[] = [
    { status: 503 },
    { status: 429, headers: { "retry-after": `${Math.floor(random() * 90)}` } },
    { status: 500, body: "no" },
    { status: 400 },
    { fails: "refused" },
    { fails: "crowded" },
    { fails: "reset before" },
    { fails: "reset after" },
    { fails: "hang" },
    { fails: "hang before" },
    { fails: "hang body", body: "x" },
    { status: 302, headers: { location: "http://elsewhere.test/" } },
  ];
  return { delayMs, ...kinds[Math.floor(random() * kinds.length)]! };
}

/** What a run came to. */
export interface LongRun {
  /** Events acknowledged. */
  readonly acknowledged: number;
  /** Second deliveries, each with a cause. */
  readonly duplicates: number;
  /** Events that ended in `doa/`. */
  readonly dead: number;
  /** Verbs of the disk. */
  readonly verbs: number;
  /** Processes killed. */
  readonly kills: number;
  /** Virtual time. */
  readonly ms: number;
}

/** How to run a plan. */
export interface LongRunOptions {
  /** Make the runtime of a consumer another one: to see whether the run notices. */
  readonly breakIt?: (runtime: Runtime) => Runtime;
  /** Collect what happens. */
  readonly log?: string[];
}

class Stage {
  readonly arena: Arena;
  kills = 0;
  readonly #plan: Plan;
  readonly #options: LongRunOptions;
  readonly #faults = randomChoices(1);
  readonly #slots: {
    process: SimProcess | undefined;
    stop: AbortController;
    notBeforeMs: number;
  }[];
  #window: { code: string; untilMs: number; oneIn: number } | undefined;
  #killIn = new Map<SimProcess, number>();
  #calm = false;
  #away: Promise<void> | undefined;

  constructor(plan: Plan, options: LongRunOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#faults = randomChoices(plan.seed + 5);
    this.arena = new Arena({
      seed: plan.seed,
      ...(plan.shared ? { networkDisk: randomChoices(plan.seed + 3) } : {}),
      maxTurns: 2_000_000,
      maxCalls: 2_000_000,
    });
    if (options.log) this.arena.log = options.log;
    // every other plan has one name for all its kernels
    const hostname = plan.seed % 2 === 0 ? "h" : undefined;
    plan.hosts.forEach((offsetMs, index) =>
      this.arena.world.host(`h${index}`, { offsetMs, hostname })
    );
    const { network } = this.arena.world;
    network.script = (request) => replyOf(plan, request);
    // of every third plan no more than a third of what could goes over a connection at once
    if (plan.seed % 3 === 0) network.cut = (length) => Math.ceil(length / 3);
    const chance = seeded(plan.seed + 9);
    network.connects = () => {
      if (chance() * 40 >= plan.badness) return undefined;
      return { delayMs: 100, fails: chance() < 0.5 ? "refused" : "crowded" };
    };
    this.arena.world.onVerb = (call) => this.#onVerb(call);
    this.#slots = plan.consumers.map(() => ({
      process: undefined,
      stop: new AbortController(),
      notBeforeMs: 0,
    }));
  }

  async play(): Promise<LongRun> {
    const { world } = this.arena;
    await world.run(Promise.race([this.#play(), this.#deadline()]));
    this.arena.judge();
    const dead = this.arena.files().filter((path) => /^doa\/.*(?<!\.why)$/.test(path)).length;
    return {
      acknowledged: this.arena.acknowledged.size,
      duplicates: this.arena.duplicates,
      dead,
      verbs: world.calls,
      kills: this.kills,
      ms: world.time.nowMs,
    };
  }

  async #deadline(): Promise<never> {
    const lastMs = this.#plan.incidents.at(-1)?.atMs ?? 0;
    await this.arena.world.time.sleep(lastMs + BUDGET_MS, undefined);
    throw new Error(`not settled in time: ${this.arena.files()}`);
  }

  async #play(): Promise<void> {
    const { time } = this.arena.world;
    const supervised = this.#slots.map((_, slot) => this.#supervise(slot));
    const producing: Promise<void>[] = [];
    for (const incident of this.#plan.incidents) {
      await time.sleep(incident.atMs - time.nowMs, undefined);
      if (incident.kind === "enqueue") producing.push(this.#produce(incident.n, incident.many));
      else this.#strike(incident);
    }
    await this.#away;
    this.#calm = true;
    await Promise.all([...producing, ...supervised]);
  }

  #strike(incident: Incident): void {
    const { world } = this.arena;
    this.#note(`${world.time.nowMs} ${JSON.stringify(incident)}`);
    switch (incident.kind) {
      case "kill": {
        const slot = this.#slots[incident.consumer]!;
        slot.notBeforeMs = world.time.nowMs + incident.downMs;
        this.#kill(slot.process);
        break;
      }
      case "kill at verb": {
        const { process } = this.#slots[incident.consumer]!;
        if (process?.alive) this.#killIn.set(process, incident.verbs);
        break;
      }
      case "stop":
        this.#slots[incident.consumer]!.stop.abort();
        break;
      case "pause":
        this.#slots[incident.consumer]!.process?.pause(incident.ms);
        break;
      case "jump":
        world.host(`h${incident.host}`).jump(incident.ms);
        break;
      case "away":
        void this.#goAway(incident.ms);
        break;
      case "fault":
        this.#window = {
          code: incident.code,
          untilMs: world.time.nowMs + incident.ms,
          oneIn: incident.oneIn,
        };
    }
  }

  /** Somebody moves the queue's directory and, after a while, back. */
  async #goAway(ms: number): Promise<void> {
    const { disk, time } = this.arena.world;
    if (this.#away) return;
    const move = (from: string, to: string) => disk.rename(from, to, this.arena.world.nowMs);
    move(BASE, AWAY);
    this.#away = time.sleep(ms, undefined).then(() => {
      move(AWAY, BASE);
      this.#away = undefined;
    });
    await this.#away;
  }

  #kill(process: SimProcess | undefined): void {
    if (!process?.alive) return;
    this.kills++;
    this.#note(`kill ${process.name}`);
    process.kill();
  }

  #onVerb(call: Call): Fault | undefined {
    const left = this.#killIn.get(call.process);
    if (left !== undefined) {
      this.#killIn.set(call.process, left - 1);
      if (left === 0) {
        this.#kill(call.process);
        return undefined;
      }
    }
    const window = this.#window;
    if (window === undefined || this.arena.world.time.nowMs >= window.untilMs) return undefined;
    if (this.#faults.choose(window.oneIn) !== 0) return undefined;
    const fault = faultOf(window.code, call);
    if (fault) this.#note(`${call.verb} ${call.path} fails: ${window.code}`);
    return fault;
  }

  /**
   * Start the consumer again whenever it has ended, and in the end let it run until nothing is
   * left.
   */
  async #supervise(slot: number): Promise<void> {
    const { arena } = this;
    const state = this.#slots[slot]!;
    for (;;) {
      const isLast = this.#calm;
      const process = arena.world.process({ host: `h${this.#plan.consumers[slot]}` });
      const { breakIt } = this.#options;
      if (breakIt) Object.assign(process, { runtime: breakIt(process.runtime) });
      state.process = process;
      state.stop = new AbortController();
      if (!isLast) this.#stopWhenCalm(state.stop);
      const consuming = arena.consume(
        process,
        isLast ? "until-empty" : "forever",
        // with a merger, events are batched before they are sent, although none of these has
        // company
        { ...QUICK, pollMs: 30_000, merge: this.#plan.seed % 4 === 0 ? MERGER : undefined },
        state.stop.signal,
      ).then(() => true, (error) => {
        this.#note(`${process.name} ends: ${error}`);
        if (isRefusal(error) || error.name === "DiskFailure") return false;
        throw error;
      });
      const ended = await Promise.race([consuming, this.#death(process)]);
      if (ended && isLast) return;
      const waitMs = Math.max(1_000, state.notBeforeMs - arena.world.time.nowMs);
      await arena.world.time.sleep(waitMs, undefined);
    }
  }

  async #stopWhenCalm(stop: AbortController): Promise<void> {
    while (!this.#calm && !stop.signal.aborted) {
      await this.arena.world.time.sleep(5_000, undefined);
    }
    stop.abort();
  }

  async #death(process: SimProcess): Promise<boolean> {
    const { time } = this.arena.world;
    while (process.alive && this.#slots.some((slot) => slot.process === process)) {
      await time.sleep(2_000, undefined);
    }
    return false;
  }

  /** A producer that gives up when it is refused: its event is not acknowledged then. */
  async #produce(n: number, many: number): Promise<void> {
    const process = this.arena.world.process({ host: "h0" });
    try {
      const queue = await this.arena.open(process);
      for (let index = 0; index < many; index++) {
        await this.arena.enqueue(queue, n + index, { url: `http://d${n % 3}.test/` });
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#note(`${process.name} could not enqueue: ${error}`);
    }
  }

  #note(line: string): void {
    this.#options.log?.push(line);
  }
}

/** What the disk refuses, or a directory that isn't there just now. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && ("code" in error || error instanceof NotAQueueError);
}

function faultOf(code: string, call: Call): Fault | undefined {
  if (code === "a lost reply") return lostReply(call);
  if (code !== "ENOSPC" && code !== "EDQUOT") return { code };
  switch (call.verb) {
    case "create":
      return { code, applied: "partly" };
    case "link":
    case "makeDir":
    case "rename":
      return { code };
    default:
      return undefined;
  }
}

/** Run a plan. */
export async function longRun(plan: Plan, options: LongRunOptions = {}): Promise<LongRun> {
  return await new Stage(plan, options).play();
}

/** Leave out of a plan that fails whatever it fails without. */
export async function shrink(plan: Plan, options: LongRunOptions = {}): Promise<Plan> {
  let smallest = plan;
  const fails = async (candidate: Plan) => {
    try {
      await longRun(candidate, { ...options, log: [] });
      return false;
    } catch {
      return true;
    }
  };
  const attempt = async (candidate: Plan) => {
    if (!await fails(candidate)) return false;
    smallest = candidate;
    return true;
  };
  for (let size = Math.ceil(plan.incidents.length / 2); size >= 1; size = size >> 1) {
    for (let from = smallest.incidents.length - size; from >= 0; from -= size) {
      await attempt({ ...smallest, incidents: smallest.incidents.toSpliced(from, size) });
    }
  }
  for (let count = smallest.consumers.length - 1; count >= 1; count--) {
    const incidents = smallest.incidents.filter((each) =>
      !("consumer" in each) || each.consumer < count
    );
    if (!await attempt({ ...smallest, consumers: smallest.consumers.slice(0, count), incidents })) {
      break;
    }
  }
  await attempt({ ...smallest, badness: 0 });
  if (smallest.hosts.length === 1) await attempt({ ...smallest, shared: false });
  return smallest;
}

/** A plan in a few lines. */
export function describePlan(plan: Plan): string {
  const { seed, hosts, consumers, shared, badness, incidents } = plan;
  return [
    `seed ${seed}, hosts ahead by ${hosts.join(", ")} ms, consumers on hosts ${
      consumers.join(", ")
    }, ` +
    `${shared ? "a network file system" : "a local disk"}, ${badness} of 10 requests go wrong`,
    ...incidents.map((incident) => `  ${JSON.stringify(incident)}`),
  ].join("\n");
}
