/**
 * A queue on a simulated disk, and what the parts of its store need, so that each can be tested
 * beside real ones.
 *
 * @module
 */

import { Queue } from "../../../lib/queue/queue.ts";
import { DeferredEvents } from "../../../lib/queue/store/deferred.ts";
import { ListingBackoff } from "../../../lib/queue/store/listing_backoff.ts";
import { Parts } from "../../../lib/queue/store/parts.ts";
import type { StoreLimits } from "../../../lib/store/store.ts";
import { Reporter } from "../../../lib/telemetry/reporter.ts";
import type { TraceEvent } from "../../../lib/telemetry/trace.ts";
import type { SimProcess } from "../../sim/process.ts";
import type { Call, Fault } from "../../sim/process_disk.ts";
import { World, type WorldOptions } from "../../sim/world.ts";

/** Where the queue is. */
export const BASE = "/q";

/** A destination's label. */
export const A = "http_a.test_80";

/** Such a queue, and one consumer's process. */
export class Ground {
  readonly world: World;
  readonly process: SimProcess;
  readonly queue: Queue;
  /** What was told. */
  readonly trace: TraceEvent[] = [];
  readonly reporter: Reporter;
  readonly limits: { current: StoreLimits } = {
    current: { leaseMs: 30_000, maxBytes: 1_000, pollMs: 1_000 },
  };
  /** What was asked of the disk, as `verb path`. */
  readonly asked: string[] = [];

  constructor(world: World, process: SimProcess, queue: Queue) {
    this.world = world;
    this.process = process;
    this.queue = queue;
    this.reporter = new Reporter((event) => void this.trace.push(event), process.runtime.clock);
    world.onPoint(({ verb, path }, phase) => {
      if (phase === "before") this.asked.push(`${verb} ${path.slice(BASE.length + 1)}`);
    });
  }

  get clock() {
    return this.process.runtime.clock;
  }

  /** The time, Unix ms. */
  get nowMs(): number {
    return this.clock.now();
  }

  /** Let so many ms pass. */
  pass(ms: number): Promise<void> {
    return this.world.time.sleep(ms, this.world);
  }

  /** Another process's hold of the queue. */
  async another(host?: string): Promise<{ readonly process: SimProcess; readonly queue: Queue }> {
    const process = this.world.process(host === undefined ? {} : { host });
    return { process, queue: await Queue.open(BASE, process.runtime) };
  }

  /** Put a file below the base directory, by its path there; its folders are made. */
  put(path: string, text = "{}", ageMs = 3_600_000): void {
    const parts = path.split("/").slice(0, -1);
    for (const [n] of parts.entries()) this.plant(parts.slice(0, n + 1).join("/"), "directory");
    this.world.disk.plant(`${BASE}/${path}`, { text, mtimeMs: this.world.nowMs - ageMs });
  }

  /** Put anything else there; a name that is there stays as it is. */
  plant(path: string, kind: "directory" | "symlink" | "other"): void {
    if (this.#isThere(path)) return;
    this.world.disk.plant(`${BASE}/${path}`, { kind, mtimeMs: this.world.nowMs - 3_600_000 });
  }

  #isThere(path: string): boolean {
    try {
      this.world.disk.stat(`${BASE}/${path}`);
      return true;
    } catch {
      return false;
    }
  }

  /** Let an event wait for a destination until then, Unix ms; its id. */
  async defer(dueMs: number, destination = A, queue = this.queue): Promise<string> {
    const id = await queue.enqueue(new TextEncoder().encode("{}"));
    const claim = await queue.claim("new", `${id}.json`, 30_000);
    const { folder } = await queue.defer(claim!, destination, dueMs);
    if (folder === undefined) throw new Error("It could not be deferred");
    return id;
  }

  /** Verbs that begin so fail, until told otherwise. */
  refuse(start: string | undefined, code = "EIO"): void {
    this.world.onVerb = ({ verb, path }: Call): Fault | undefined =>
      start !== undefined && `${verb} ${path.slice(BASE.length + 1)}`.startsWith(start)
        ? { code }
        : undefined;
  }

  /** What is asked of the disk while something is done. */
  async asks(act: () => Promise<unknown>): Promise<string[]> {
    const before = this.asked.length;
    await act();
    return this.asked.slice(before);
  }

  /** All names below a folder, sorted; folders end in a slash. */
  files(folder = ""): string[] {
    const start = `${BASE}/${folder}${folder === "" ? "" : "/"}`;
    return Object.keys(this.world.disk.image().files())
      .filter((path) => path.startsWith(start) && path !== start)
      .map((path) => path.slice(start.length));
  }

  /** What waits, as a consumer that has just begun sees it. */
  deferred(startMs = Infinity, parts = new Parts(this.queue.owner)): DeferredEvents {
    return new DeferredEvents(this.queue, this.reporter, this.limits, parts, startMs);
  }

  /** A consumer's patience with listings. */
  backoff(): ListingBackoff {
    return new ListingBackoff(this.clock, this.reporter);
  }

  /** The reasons of what was told, in order. */
  get reasons(): string[] {
    return this.trace.map((event) => "reason" in event ? event.reason ?? "" : "");
  }
}

/** Run a body in the world of such a queue. */
export function grounded(
  body: (ground: Ground) => Promise<void>,
  options: WorldOptions = {},
): Promise<void> {
  const world = new World(options);
  return world.run(async () => {
    const process = world.process();
    const queue = await Queue.open(BASE, process.runtime, { create: true });
    await body(new Ground(world, process, queue));
  });
}
