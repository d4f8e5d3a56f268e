/**
 * The parts of a consumer, put together around a small store in a simulated world, so that each can
 * be tested beside real ones.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import { Settings } from "../../lib/config/settings.ts";
import { Batcher } from "../../lib/consumer/batcher.ts";
import { LaneSync } from "../../lib/consumer/lane_sync.ts";
import { Prefetch } from "../../lib/consumer/prefetch.ts";
import { type Prepared, Preparer, type Rejection } from "../../lib/consumer/prepare.ts";
import { Semaphore } from "../../lib/consumer/semaphore.ts";
import { Settler } from "../../lib/consumer/settle.ts";
import { Destinations } from "../../lib/event/destination.ts";
import { type Attempt, Sender } from "../../lib/http/sender.ts";
import { type LaneEntry, Lanes } from "../../lib/lanes/lanes.ts";
import type { Merger } from "../../lib/merge/merger.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { Maildir } from "../../lib/queue/store/maildir_store.ts";
import { ByteBudget } from "../../lib/store/budget.ts";
import type { Claim, Storage, Store } from "../../lib/store/store.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { World, type WorldOptions } from "../sim/world.ts";
import { MemoryStorage } from "../store/memory_store.ts";

/** The label of `http://a.test/`, where events go unless told otherwise. */
export const A = "http_a.test_80";

/** An event's text. */
export function eventText(url = "http://a.test/", body: unknown = 1): string {
  return JSON.stringify({ url, requestBody: body });
}

/** What a consumer is made from here. */
interface Given {
  readonly world: World;
  readonly storage: Storage;
  readonly options: ConsumerOptions;
  readonly once: boolean;
}

/** The parts of one consumer. */
export class Parts {
  readonly world: World;
  readonly storage: Storage;
  readonly store: Store;
  readonly settings: Settings;
  /** What was told. */
  readonly trace: TraceEvent[] = [];
  readonly stop = new AbortController();
  readonly semaphore: Semaphore;
  readonly lanes: Lanes<Prepared>;
  readonly sender: Sender;
  readonly settler: Settler;
  readonly preparer: Preparer;
  readonly sync: LaneSync;
  readonly prefetch: Prefetch;
  readonly budget: ByteBudget;
  readonly batcher: Batcher | undefined;

  constructor({ world, storage, options, once }: Given) {
    this.world = world;
    this.storage = storage;
    this.settings = new Settings(options);
    const { settings, trace } = this;
    const tell = (event: TraceEvent) => void trace.push(event);
    const store = this.store = storage.connect({ limits: settings, trace: tell, once });
    const { concurrency: most, perDestination, ratePerSecond, merge } = settings.current;
    this.batcher = merge && new Batcher(settings, storage.world, once);
    const limits = { most, fixed: perDestination || undefined, ratePerSecond };
    const lanes = this.lanes = new Lanes<Prepared>(limits, this.batcher?.mostOfLane);
    const semaphore = this.semaphore = new Semaphore(most);
    this.sender = new Sender(storage.world, settings);
    const budget = this.budget = new ByteBudget(() => settings.current.memoryBytes || Infinity);
    const settler = this.settler = new Settler(settings, storage.world, tell, budget);
    const preparer = this.preparer = new Preparer(
      settings,
      storage.world,
      new Destinations(storage.world.sha256),
    );
    this.sync = new LaneSync({ store, lanes, settler, world: storage.world, trace: tell });
    const parts = { store, preparer, settler, semaphore, lanes, budget };
    this.prefetch = new Prefetch(parts, settings, this.stop.signal);
  }

  /** Monotonic ms. */
  get nowMs(): number {
    return this.storage.world.clock.monotonic();
  }

  /** The types of what was told, in order. */
  get told(): string[] {
    return this.trace.map((event) => event.type === "lane" ? event.change : event.type);
  }

  /** Let so many ms pass. */
  pass(ms: number): Promise<void> {
    return this.world.time.sleep(ms, this.world);
  }

  /** Claim what is offered next. */
  async claim(): Promise<Claim> {
    const candidates = await this.store.candidates(1, true);
    const { claimed: [claim] } = await this.store.claim(candidates);
    assert(typeof claim === "object", `the claim is ${claim}`);
    return claim;
  }

  /** Claim what is offered next, and look at it. */
  async prepare(): Promise<Prepared | Rejection> {
    return await this.preparer.prepare(await this.claim());
  }

  /** Claim what is offered next, which can be sent. */
  async prepared(): Promise<Prepared> {
    const prepared = await this.prepare();
    assert(!("kind" in prepared), `it is ${JSON.stringify(prepared)}`);
    return prepared;
  }

  /** A destination's lane. */
  entry(destination = A): LaneEntry<Prepared> {
    return this.lanes.of(destination, this.nowMs);
  }

  /** A request goes out on a lane and ends like that. */
  async conclude(entry: LaneEntry<Prepared>, id: string, ended: Attempt): Promise<void> {
    await this.sync.conclude(this.lanes.started(entry, this.nowMs), id, ended);
  }
}

/** The parts of a consumer of events in memory; the body is run in their world. */
export function withMemory(
  options: ConsumerOptions,
  body: (parts: Parts, storage: MemoryStorage) => Promise<void>,
  once = false,
): Promise<void> {
  const world = new World();
  const storage = new MemoryStorage(world.process().runtime);
  return world.run(async () => {
    const parts = new Parts({ world, storage, options, once });
    await parts.store.open();
    await body(parts, storage);
  });
}

/** The parts of a consumer of a maildir on a simulated disk. */
export function withMaildir(
  options: ConsumerOptions,
  body: (parts: Parts, queue: Queue) => Promise<void>,
  around: WorldOptions = {},
): Promise<void> {
  const world = new World(around);
  return world.run(async () => {
    const { runtime } = world.process();
    const queue = await Queue.open("/q", runtime, { create: true });
    const parts = new Parts({ world, storage: new Maildir(queue), options, once: false });
    await parts.store.open();
    await body(parts, queue);
  });
}

/** What came of an attempt. */
export function attempt(outcome: Attempt["outcome"], more: Partial<Attempt> = {}): Attempt {
  return { outcome, reason: `it is ${outcome}`, ms: 7, ...more };
}

/** Merges the bodies of POSTs to one URL into a JSON array. */
export const ARRAY_MERGER: Merger = {
  name: "array",
  partOf: ({ url, method, body }) =>
    body === undefined
      ? undefined
      : { key: `${method} ${url}`, text: body, bytes: body.length + 1, frameBytes: 1 },
  merge: (first, parts) => ({ ...first, body: `[${parts.map(({ text }) => text).join()}]` }),
};
