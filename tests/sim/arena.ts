/**
 * A world with one queue in it, and a judge who sees everything: what was acknowledged, what every
 * endpoint took and answered, who held which claim since when, and what every consumer reported.
 *
 * What must hold, whatever happened:
 * - acknowledged ⇒ taken with a 2xx, or in `doa/`, with exactly the bytes that were put in;
 * - no rename ever replaces another file;
 * - a second delivery has a cause that the design names: the 2xx did not arrive, the sender died
 *   before the removal, or the sender reported that its lease was lost;
 * - nobody takes over a claim of a living process within its lease, unless a scenario allows it;
 * - in the end nothing is left in `new/`, `cur/` and `defer/`, and every dead letter has its reason
 *   beside it.
 *
 * @module
 */

import { Consumer, type Mode, type Summary } from "../../lib/consumer/consumer.ts";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { Maildir } from "../../lib/queue/store/maildir_store.ts";
import type { SimProcess } from "./process.ts";
import type { Call, Phase } from "./process_disk.ts";
import { describe, World, type WorldOptions } from "./world.ts";

/** Where the queue is. */
export const BASE = "/q";

/** The folders of a queue. */
export const FOLDERS = ["tmp", "new", "cur", "defer", "doa", "res"] as const;

/** Short attempts, so that scenarios are short; leases as long as the options allow at least. */
export const QUICK: ConsumerOptions = {
  timeoutMs: 5_000,
  leaseMs: 30_000,
  backoffBaseMs: 1_000,
  backoffCapMs: 60_000,
  graceMs: 1_000,
  pollMs: 5_000,
};

/** The text of an event file, with a number in it that JSON.parse can't keep. */
export function eventText(n: number, url = "http://a.test/"): string {
  return `{"url":${JSON.stringify(url)},"requestBody":${bodyText(n)}}`;
}

/** What is sent for {@linkcode eventText}. */
export function bodyText(n: number): string {
  return `{"n":${n},"big":90071992547409931}`;
}

interface HeldClaim {
  readonly process: SimProcess;
  readonly sinceMs: number;
}

/** What an arena allows. */
export interface ArenaOptions extends WorldOptions {
  /** How long the leases are that nobody else may cut short. @default that of {@linkcode QUICK} */
  readonly leaseMs?: number;
  /**
   * Whether a living claim may be taken over (the scenario breaks an assumption of the design).
   * @default false
   */
  readonly allowTakeovers?: boolean;
}

/** A queue's world, its history and its judge. */
export class Arena {
  /** The world. */
  readonly world: World;
  /** What was acknowledged: id → the body to be sent. */
  readonly acknowledged = new Map<string, string>();
  /** What was put in, acknowledged or not: id → the body. */
  readonly offered = new Map<string, string>();
  /** Everything that consumers reported. */
  readonly reports: { readonly process: SimProcess; readonly event: TraceEvent }[] = [];
  /** Everybody who has had to do with the queue. */
  readonly processes: SimProcess[] = [];
  /** What happened, if kept. */
  log: string[] | undefined;
  readonly #leaseMs: number;
  readonly #allowTakeovers: boolean;
  readonly #held = new Map<string, HeldClaim>();
  #moves = false;
  #fails = false;
  /** What could not be made. */
  readonly refused = new Set<string>();

  /** A world with an empty queue, or with what a crash left of one. */
  constructor(options: ArenaOptions = {}) {
    this.world = new World(options);
    this.#leaseMs = options.leaseMs ?? QUICK.leaseMs!;
    this.#allowTakeovers = options.allowTakeovers ?? false;
    if (options.from === undefined) {
      this.world.disk.plant(BASE, { kind: "directory", mode: 0o700 });
      for (const name of FOLDERS) {
        this.world.disk.plant(`${BASE}/${name}`, { kind: "directory", mode: 0o700 });
      }
    }
    const { world } = this;
    const faultOf = world.faultOf.bind(world);
    world.faultOf = (call) => {
      const fault = faultOf(call);
      this.#fails = fault !== undefined;
      if (this.#fails && call.verb === "create") this.refused.add(call.path);
      return fault;
    };
    world.onPoint((call, phase) => this.#watch(call, phase));
  }

  /** A process's own hold of the queue. */
  async open(process: SimProcess): Promise<Queue> {
    this.processes.push(process);
    return await Queue.open(BASE, process.runtime);
  }

  /** Put an event on the queue as if it had been acknowledged long ago. */
  plant(
    id: string,
    n: number,
    options: { folder?: string; url?: string; name?: string } = {},
  ): void {
    const { folder = "new", url, name = `${id}.json` } = options;
    this.world.disk.plant(`${BASE}/${folder}/${name}`, {
      text: eventText(n, url),
      mtimeMs: this.world.nowMs,
    });
    this.acknowledged.set(id, bodyText(n));
    this.offered.set(id, bodyText(n));
  }

  /** Enqueue an event from a process, and note the acknowledgement. */
  async enqueue(
    queue: Queue,
    n: number,
    options: { id?: string; url?: string } = {},
  ): Promise<string> {
    const { id, url } = options;
    if (id !== undefined) this.offered.set(id, bodyText(n));
    const bytes = new TextEncoder().encode(eventText(n, url));
    const given = await queue.enqueue(bytes, id === undefined ? {} : { id });
    this.offered.set(given, bodyText(n));
    this.acknowledged.set(given, bodyText(n));
    return given;
  }

  /** Run a consumer in a process. */
  async consume(
    process: SimProcess,
    mode: Mode,
    options: ConsumerOptions = QUICK,
    signal?: AbortSignal,
  ): Promise<Summary> {
    const trace = (event: TraceEvent) => {
      if (!process.alive) return;
      this.reports.push({ process, event });
      if (event.type === "disk-trouble" || event.type === "lease-lost") {
        this.#letGo(process, event.id);
      }
      this.#note(() => `${process.name} reports ${JSON.stringify(event)}`);
    };
    const consumer = new Consumer(new Maildir(await this.open(process)), {
      keepLogMs: 0, // what is left of events is looked at, and the journal has tests of its own
      ...options,
      trace,
    });
    try {
      return await consumer.run(mode, signal);
    } finally {
      for (const [name, held] of this.#held) {
        if (held.process === process) this.#held.delete(name); // nobody works on it now
      }
    }
  }

  /** A report that the lease of an event was lost, by a test that settles by hand. */
  reportLost(process: SimProcess, id: string): void {
    this.reports.push({ process, event: { type: "lease-lost", id, verb: "complete" } });
  }

  /** The folders' files, as `folder/name`. */
  files(): string[] {
    return Object.keys(this.world.disk.image().files())
      .filter((path) => path.startsWith(`${BASE}/`) && !path.endsWith("/"))
      .map((path) => path.slice(BASE.length + 1));
  }

  /**
   * Judge the end.
   *
   * @throws An error that says everything that is wrong.
   */
  judge(): void {
    const wrong = [...this.#judgeFiles(), ...this.#judgeDeliveries()];
    if (wrong.length > 0) throw new Error(wrong.join("; "));
  }

  /** Ids that were taken with a 2xx more than once, and how often more. */
  get duplicates(): number {
    let more = 0;
    for (const requests of this.#deliveries().values()) more += requests.length - 1;
    return more;
  }

  *#judgeFiles(): Generator<string> {
    const files = this.world.disk.image().files();
    for (const [path, text] of Object.entries(files)) {
      const [folder, ...rest] = path.slice(BASE.length + 1).split("/");
      const name = rest.at(-1) ?? "";
      if (path.endsWith("/") || name.startsWith(".")) continue;
      if (folder === "new" || folder === "cur" || folder === "defer") {
        yield `stuck: ${path}`;
      } else if (folder === "doa" && name.endsWith(".why")) {
        if (!(path.slice(0, -4) in files) && !this.#mayStray()) yield `no letter for ${path}`;
      } else if (folder === "doa") {
        const hasReason = `${path}.why` in files || this.refused.has(`${path}.why`);
        if (!hasReason) yield `no reason for ${path}`;
        const body = this.offered.get(parseName(name).id);
        if (body !== undefined && !text.endsWith(`"requestBody":${body}}`)) {
          yield `bytes changed: ${path}`;
        }
      }
    }
  }

  /**
   * Whether a reason without a letter can be left over, for the sweep: somebody died, or the disk
   * refused.
   */
  #mayStray(): boolean {
    return this.processes.some((process) => !process.alive) ||
      this.reports.some(({ event }) => event.type === "disk-trouble");
  }

  #deliveries() {
    const all = new Map<string, typeof this.world.network.taken>();
    for (const request of this.world.network.taken) {
      const status = request.reply.status ?? 200;
      if (status < 200 || status > 299) continue;
      const id = request.key ?? "";
      all.set(id, [...(all.get(id) ?? []), request]);
    }
    return all;
  }

  *#judgeDeliveries(): Generator<string> {
    const dead = new Set<string>();
    for (const path of this.files()) {
      if (path.startsWith("doa/") && !path.endsWith(".why")) dead.add(parseName(path.slice(4)).id);
    }
    const deliveries = this.#deliveries();
    for (const id of this.acknowledged.keys()) {
      if (!deliveries.has(id) && !dead.has(id)) yield `lost: ${id}`;
    }
    for (const [id, requests] of deliveries) {
      const body = this.offered.get(id);
      for (const request of requests) {
        if (request.body !== body && body !== undefined) {
          yield `sent ${request.body} instead of ${body}`;
        }
      }
      if (requests.length <= this.times(id)) continue;
      const unexplained = requests.filter(({ answered, process }) =>
        answered && process.alive && !this.#lostLease(process, id)
      );
      if (unexplained.length > this.times(id)) {
        yield `delivered ${requests.length} times without a cause: ${id}`;
      }
    }
  }

  /** How many events there are with an id; a scenario that drops the same id twice says so. */
  times: (id: string) => number = () => 1;

  #lostLease(process: SimProcess, id: string): boolean {
    return this.reports.some(({ process: by, event }) =>
      by === process && (event.type === "lease-lost" && event.id === id ||
        event.type === "disk-trouble" && event.verb === "complete" && event.id === id)
    );
  }

  #watch(call: Call, phase: Phase): void {
    if (phase === "before") this.#note(() => `${this.world.time.nowMs} ${describe(call)}`);
    if (call.verb === "remove" && phase === "after") this.#held.delete(nameIn("cur", call.path));
    if (call.verb !== "rename" || call.to === undefined) return;
    if (phase === "before") this.#beforeRename(call, call.to);
    else if (phase === "after") this.#afterRename(call, call.to);
  }

  #inode(path: string): number | undefined {
    return this.world.disk.peek(path)?.ino;
  }

  #beforeRename(call: Call, to: string): void {
    const from = this.#inode(call.path);
    this.#moves = from !== undefined;
    if (from === undefined) return;
    const replaced = this.#inode(to);
    if (replaced !== undefined && replaced !== from) {
      throw new Error(`A rename replaces a file: ${describe(call)}`);
    }
    const held = this.#held.get(nameIn("cur", call.path));
    if (held === undefined || held.process === call.process || this.#allowTakeovers) return;
    if (!held.process.alive || this.world.time.nowMs - held.sinceMs >= this.#leaseMs) return;
    throw new Error(
      `A living claim of ${held.process.name} is taken over after ${
        this.world.time.nowMs - held.sinceMs
      } ms: ${describe(call)}`,
    );
  }

  #afterRename(call: Call, to: string): void {
    if (!this.#moves || this.#inode(to) === undefined) return;
    this.#held.delete(nameIn("cur", call.path));
    const name = nameIn("cur", to);
    // Who lost the reply doesn't know of its claim.
    if (name !== "" && !name.startsWith(".") && !this.#fails) {
      this.#held.set(name, { process: call.process, sinceMs: this.world.time.nowMs });
    }
  }

  /** A process has given up on its claim of an event, which may be there still. */
  #letGo(process: SimProcess, id: string | undefined): void {
    for (const [name, held] of this.#held) {
      if (held.process === process && parseName(name).id === id) this.#held.delete(name);
    }
  }

  #note(line: () => string): void {
    this.log?.push(line());
  }
}

function nameIn(folder: string, path: string): string {
  const start = `${BASE}/${folder}/`;
  return path.startsWith(start) ? path.slice(start.length) : "";
}

/**
 * A world that goes on from where another ended, in which every claim left over is recovered by one
 * fresh consumer on the same host.
 */
export async function rescue(arena: Arena, host = "edge"): Promise<void> {
  const { world } = arena;
  const after = new Arena({
    from: { disk: world.disk.image(), nowMs: world.nowMs },
    allowTakeovers: true,
  });
  const process = after.world.process({ host, pid: 999 });
  await after.world.run(after.consume(process, "until-empty"));
  for (const request of after.world.network.taken) world.network.taken.push(request);
  for (const [id, body] of arena.offered) after.offered.set(id, body);
  for (const [id, body] of arena.acknowledged) after.acknowledged.set(id, body);
  after.reports.push(...arena.reports);
  after.world.network.taken.splice(0, Infinity, ...world.network.taken);
  after.processes.push(...arena.processes);
  for (const path of arena.refused) after.refused.add(path);
  after.times = arena.times;
  after.judge();
}

/** Say how far a sweep went, in the output of the test. */
export function tell(line: string): void {
  // deno-lint-ignore no-console
  console.log(line);
}
