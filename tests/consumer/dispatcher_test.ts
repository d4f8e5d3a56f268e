import { assert, assertEquals, assertRejects } from "@std/assert";
import { Settings } from "../../lib/config/settings.ts";
import { ByteBudget } from "../../lib/store/budget.ts";
import { assemble } from "../../lib/consumer/assemble.ts";
import { Consumer, type Mode, type Summary } from "../../lib/consumer/consumer.ts";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { Dispatcher } from "../../lib/consumer/dispatcher.ts";
import type { Maintenance } from "../../lib/consumer/maintenance.ts";
import { Semaphore } from "../../lib/consumer/semaphore.ts";
import { DiskFailure } from "../../lib/store/failure.ts";
import type { Claim, Store } from "../../lib/store/store.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { World } from "../sim/world.ts";
import { LIMITS } from "../store/bench.ts";
import { type MemoryAnswer, MemoryStorage } from "../store/memory_store.ts";
import { A, ARRAY_MERGER, eventText } from "../support/consumer_parts.ts";

/** Endpoints, events in memory for them, and what their consumers report. */
class Yard {
  readonly world = new World();
  readonly storage = new MemoryStorage(this.world.process().runtime);
  readonly trace: TraceEvent[] = [];

  put(count: number, url?: string): string[] {
    return Array.from({ length: count }, (_, n) => this.storage.put(eventText(url, n)));
  }

  /** A whole consumer's work. */
  consume(mode: Mode, options: ConsumerOptions = {}, signal?: AbortSignal): Promise<Summary> {
    const trace = (event: TraceEvent) => void this.trace.push(event);
    return new Consumer(this.storage, { ...options, trace }).run(mode, signal);
  }

  /** The bodies that arrived, in order. */
  get bodies(): string[] {
    return this.world.network.taken.map(({ body }) => body);
  }

  /** Where the events are, with their attempts. */
  get states(): string[] {
    return [...this.storage.events].map(({ state, attempt }) => `${state} ${attempt}`);
  }
}

/** A dispatcher that is run by hand, and what is around it. */
interface Bench {
  readonly yard: Yard;
  readonly dispatcher: Dispatcher;
  readonly maintenance: Maintenance;
  readonly store: Store;
  readonly semaphore: Semaphore;
  readonly stop: AbortController;
  /** Claim what is offered next, by another consumer. */
  claim(): Promise<Claim>;
  /** Wait until nothing is in flight. */
  empty(): Promise<void>;
  /** Work until nothing is in flight and there is nothing to do right now. */
  work(): Promise<void>;
  nowMs(): number;
}

async function dispatching(
  options: ConsumerOptions,
  body: (bench: Bench) => Promise<void>,
  once = false,
): Promise<void> {
  const yard = new Yard();
  const { storage } = yard;
  const settings = new Settings(options);
  const semaphore = new Semaphore(settings.current.concurrency);
  const stop = new AbortController();
  const trace = (event: TraceEvent) => void yard.trace.push(event);
  const store = storage.connect({ limits: settings, trace, once });
  const other = storage.connect({ limits: settings, trace, once: false });
  const { world } = storage;
  const budget = new ByteBudget(() => 2 ** 28);
  const parts = { store, world, options: settings, semaphore, budget, trace, once };
  const assembled = assemble({ ...parts, stop: stop.signal });
  const { dispatcher } = assembled;
  await yard.world.run(() =>
    body({
      ...assembled,
      yard,
      store,
      semaphore,
      stop,
      async claim() {
        const { claimed: [claim] } = await other.claim(other.candidates(1, true));
        assert(typeof claim === "object");
        return claim;
      },
      empty: () => semaphore.empty(Infinity, world.clock),
      async work() {
        for (;;) {
          while (await dispatcher.run(Infinity) && !semaphore.bug) { /* more may be due */ }
          const nowMs = world.clock.monotonic();
          if (semaphore.inside > 0) await semaphore.change();
          else if (dispatcher.restUntilMs(nowMs) > nowMs) return;
          dispatcher.rested();
        }
      },
      nowMs: () => world.clock.monotonic(),
    })
  );
}

Deno.test("a consumer delivers everything out of a store without files", async () => {
  const yard = new Yard();
  const failing = new Set(yard.put(9, "http://b.test/").slice(0, 3));
  const ids = [...yard.storage.events].map(({ id }) => id).concat(yard.put(91));
  yard.world.network.script = ({ key, nth }) =>
    nth < 2 && failing.has(key!) ? { status: 500 } : undefined;
  const summary = await yard.world.run(yard.consume("until-empty"));
  assertEquals([summary.delivered, summary.deferred, summary.empty], [100, 6, true]);
  const delivered = yard.world.network.taken.filter(({ reply }) => reply.status === undefined);
  assertEquals(delivered.map(({ key }) => key!).sort(), ids.sort());
  assertEquals(yard.states, []);
});

Deno.test("two consumers of a store without files deliver each event once", async () => {
  const yard = new Yard();
  const ids = yard.put(60);
  yard.world.network.script = () => ({ delayMs: 5 });
  const summaries = await yard.world.run(
    Promise.all([1, 2].map(() => yard.consume("until-empty", { concurrency: 4 }))),
  );
  assertEquals(summaries.map(({ delivered }) => delivered > 0), [true, true]);
  assertEquals(yard.world.network.keys.sort(), ids.sort());
});

Deno.test("no more requests are in flight than may be", async () => {
  const yard = new Yard();
  yard.put(40);
  yard.world.network.script = () => ({ delayMs: 10 });
  await yard.world.run(yard.consume("until-empty", { concurrency: 3, perDestination: 3 }));
  assertEquals([yard.world.network.mostInFlight, yard.bodies.length], [3, 40]);
});

Deno.test("it sends what is due until there is nothing to do, and says so", () =>
  dispatching({}, async ({ work, dispatcher, semaphore, yard }) => {
    yard.put(5);
    assertEquals(await dispatcher.run(Infinity), false);
    assert(semaphore.inside > 0, "nothing more can be done until they are answered");
    assertEquals([dispatcher.isAtRest, dispatcher.hasDealtWithAll], [false, false]);
    await work();
    assertEquals(yard.bodies, ["0", "1", "2", "3", "4"]);
    assertEquals([dispatcher.isAtRest, dispatcher.hasDealtWithAll], [true, true]);
    assertEquals(await dispatcher.run(Infinity), false);
  }));

Deno.test("it comes back when its time is over, although there is more to do", () =>
  dispatching({ concurrency: 1 }, async ({ empty, dispatcher, yard, nowMs, stop }) => {
    yard.put(100);
    yard.world.network.script = () => ({ delayMs: 10 });
    assertEquals(await dispatcher.run(nowMs() + 45), true);
    assertEquals(nowMs(), 50);
    assert(yard.bodies.length <= 6);
    assertEquals(dispatcher.hasDealtWithAll, false);
    stop.abort();
    await dispatcher.drain();
    await empty();
  }));

Deno.test("a long backlog keeps nothing new from being sent, however few requests may be in flight", async () => {
  for (const concurrency of [1, 2, 5]) {
    await dispatching({ concurrency }, async ({ work, maintenance, yard, claim }) => {
      const backlog = yard.put(40);
      for (let n = 0; n < 40; n++) await (await claim()).defer(A, yard.storage.nowMs);
      const fresh = [...yard.put(1), ...yard.put(1, "http://b.test/")];
      yard.world.network.script = () => ({ delayMs: 1 });
      await maintenance.runIfDue(); // the lane hears of its backlog
      await work();
      const { keys } = yard.world.network;
      assertEquals([...keys].sort(), [...backlog, ...fresh].sort());
      assertEquals(keys.slice(0, 10).filter((key) => fresh.includes(key)), fresh);
    });
  }
});

Deno.test("a backlog holds events of other destinations too: each goes where it wants", () =>
  dispatching({}, async ({ work, maintenance, yard, claim }) => {
    yard.put(1, "http://b.test/");
    await (await claim()).defer(A, yard.storage.nowMs);
    await maintenance.runIfDue();
    await work();
    assertEquals(yard.world.network.taken.map(({ url }) => url), ["http://b.test/"]);
  }));

Deno.test("what an operator holds waits unsent in the store, and the others go", () =>
  dispatching({}, async ({ work, dispatcher, maintenance, yard }) => {
    yard.storage.hold(A, true);
    await maintenance.runIfDue();
    yard.put(3);
    yard.put(1, "http://b.test/");
    await work();
    assertEquals(yard.states, Array(3).fill("deferred 0"));
    assertEquals(yard.bodies.length, 1);
    assert(dispatcher.hasDealtWithAll, "what is held is dealt with");
  }));

Deno.test("a stop puts back what is in memory, its attempts too; what is in flight ends", () =>
  dispatching({ concurrency: 4 }, async ({ empty, dispatcher, yard, stop, semaphore, nowMs }) => {
    yard.put(8);
    yard.world.network.script = () => ({ delayMs: 100 });
    const running = dispatcher.run(nowMs() + 50);
    await yard.storage.world.clock.sleep(50);
    stop.abort();
    semaphore.wake();
    await running;
    await dispatcher.drain();
    const inFlight = yard.states.filter((state) => state === "claimed 1").length;
    assertEquals([inFlight, semaphore.inside], [4, 4]);
    assertEquals(yard.states.filter((state) => state === "ready 0").length, 4);
    await empty();
    assertEquals([yard.bodies.length, yard.states], [4, Array(4).fill("ready 0")]);
  }));

Deno.test("what is called off goes back, its attempt still counted", () =>
  dispatching({}, async ({ empty, dispatcher, yard, nowMs, stop, semaphore }) => {
    yard.put(2);
    yard.world.network.script = () => ({ fails: "hang" });
    const running = dispatcher.run(nowMs() + 10);
    await yard.storage.world.clock.sleep(10);
    stop.abort();
    semaphore.wake();
    await running;
    dispatcher.abort();
    await empty();
    assertEquals(yard.states, ["ready 1", "ready 1"]);
    dispatcher.close();
  }));

Deno.test("among peers what was just said counts: nothing is sent after it", () =>
  dispatching({}, async ({ work, maintenance, yard, store }) => {
    await store.open();
    await yard.storage.connect({ limits: { current: LIMITS }, trace: () => {}, once: false })
      .open();
    await maintenance.runIfDue();
    yard.put(2);
    yard.storage.hold(A, true);
    await work();
    assertEquals([yard.bodies, yard.states], [[], Array(2).fill("deferred 0")]);
  }));

Deno.test("events that go together share a request, and each is delivered", () =>
  dispatching({ merge: ARRAY_MERGER, mergeCount: 3 }, async ({ work, yard }) => {
    yard.put(7);
    await work();
    assertEquals(yard.bodies, ["[0,1,2]", "[3,4,5]", "6"]);
    assertEquals(yard.states, []);
    const merged = yard.trace.map((event) => event.type === "delivered" && event.merged);
    assertEquals(merged, [3, 3, 3, 3, 3, 3, undefined]);
  }));

Deno.test("the one that is to blame for a batch's refusal is found, and dies alone", () =>
  dispatching({ merge: ARRAY_MERGER, mergeCount: 8 }, async ({ work, yard }) => {
    const ids = yard.put(8);
    yard.world.network.script = ({ body }) => body.includes("5") ? { status: 422 } : undefined;
    await work();
    const dead = yard.trace.filter((event) => event.type === "dead");
    assertEquals(dead.map(({ id, merged }) => [id, merged]), [[ids[5], undefined]]);
    assertEquals(yard.trace.filter(({ type }) => type === "delivered").length, 7);
    assertEquals(
      yard.bodies,
      ["[0,1,2,3,4,5,6,7]", "[0,1,2,3]", "[4,5,6,7]", "[4,5]", "[6,7]"]
        .concat("4", "5"),
    );
  }));

Deno.test("a bug that a request meets ends the work, and is the consumer's to throw", () =>
  dispatching({}, async ({ empty, dispatcher, yard, semaphore, store }) => {
    yard.put(1);
    const claim = store.claim.bind(store);
    store.claim = async (candidates) => {
      const result = await claim(candidates);
      for (const one of result.claimed) {
        if (typeof one === "object") one.complete = () => Promise.reject(new TypeError("a bug"));
      }
      return result;
    };
    await dispatcher.run(Infinity);
    await empty();
    assertEquals((semaphore.bug?.error as Error).message, "a bug");
    yard.put(1);
    assertEquals(await dispatcher.run(Infinity), true);
    assertEquals([yard.bodies, semaphore.inside], [["0"], 0]);
  }));

Deno.test("a store's last word is thrown after what was claimed before it is sent", () =>
  dispatching({}, async ({ empty, dispatcher, yard, store }) => {
    yard.put(2);
    const claim = store.claim.bind(store);
    store.claim = async (candidates) => {
      const { claimed } = await claim(candidates.slice(0, 1));
      return { claimed: [...claimed, "resists"], failure: new DiskFailure("no more") };
    };
    await assertRejects(() => dispatcher.run(Infinity), DiskFailure, "no more");
    await empty();
    assertEquals([yard.bodies, yard.states], [["0"], ["ready 0"]]);
  }));

Deno.test("a rest ends when the store may have something, or its first event is due", () =>
  dispatching({ pollMs: 5_000 }, async ({ work, dispatcher, maintenance, yard, claim, nowMs }) => {
    yard.put(1);
    await (await claim()).defer(A, yard.storage.nowMs + 3_000);
    await maintenance.runIfDue();
    await work();
    const { clock } = yard.storage.world;
    await clock.sleep(10);
    assertEquals(dispatcher.restUntilMs(nowMs()) - nowMs(), 2_990);
    await clock.sleep(2_990);
    dispatcher.rested();
    await work();
    assertEquals(yard.bodies, ["0"]);
    await clock.sleep(10);
    assertEquals(dispatcher.restUntilMs(nowMs()) - nowMs(), 1_990, "until the next poll");
  }));

Deno.test("a run that looks once has dealt with all when what was due has been offered and sent", () =>
  dispatching({}, async ({ work, dispatcher, yard }) => {
    yard.put(3);
    assertEquals(dispatcher.hasDealtWithAll, false);
    await work();
    assertEquals([dispatcher.hasDealtWithAll, yard.bodies.length], [true, 3]);
    yard.put(1);
    await work();
    assertEquals(yard.bodies.length, 3);
  }, true));

/** Put events in that were taken over so many times, and abandoned again. */
function putSuspects(yard: Yard, takeovers: readonly number[]): string[] {
  const ids = yard.put(takeovers.length);
  for (const event of yard.storage.events) {
    const n = ids.indexOf(event.id);
    if (n === -1) continue;
    const left = { state: "claimed", attempt: 1, takeovers: takeovers[n]! - 1, isBegun: true };
    Object.assign(event, { ...left, timeMs: yard.storage.nowMs - 1 });
  }
  return ids;
}

Deno.test("suspects are sent alone, those with the fewest deaths first; others go in between", () =>
  dispatching({}, async ({ work, yard }) => {
    const suspects = putSuspects(yard, [4, 2]);
    const others = yard.put(20);
    const beside = new Map<string, number>();
    const { network } = yard.world;
    network.script = ({ key }) => {
      beside.set(key!, network.inFlight);
      return { delayMs: 10 };
    };
    await work();
    assertEquals(suspects.map((id) => beside.get(id)), [1, 1], "nothing beside them");
    assert(others.some((id) => beside.get(id)! > 1));
    const order = network.keys.filter((key) => suspects.includes(key));
    assertEquals(order, suspects.toReversed());
    const [first, second] = order.map((key) => network.keys.indexOf(key));
    assert(second! - first! > 1, "others had their time");
    assertEquals(yard.states, []);
  }));

Deno.test("a suspect whose destination can't be sent to waits for it like any other", () =>
  dispatching({}, async ({ work, maintenance, yard }) => {
    yard.storage.hold(A, true);
    await maintenance.runIfDue();
    putSuspects(yard, [3]);
    await work();
    assertEquals([yard.bodies, yard.states], [[], ["deferred 1"]]);
  }));

Deno.test("a stop puts suspects back, too", () =>
  dispatching({}, async ({ empty, dispatcher, yard, stop, semaphore }) => {
    yard.put(1);
    yard.world.network.script = () => ({ delayMs: 100 });
    putSuspects(yard, [2, 2]);
    const running = dispatcher.run(Infinity);
    await yard.storage.world.clock.sleep(50);
    stop.abort();
    semaphore.wake();
    await running;
    await dispatcher.drain();
    await empty();
    assertEquals(yard.states, Array(2).fill("ready 1"));
  }));

Deno.test("an answer that asks for something is kept as it comes", () =>
  dispatching({}, async ({ work, yard }) => {
    const id = yard.storage.put('{"url":"http://a.test/"}');
    yard.world.network.script = () => ({ body: "hello" });
    await work();
    const [{ id: of, bytes, meta }] = yard.storage.answers as [MemoryAnswer];
    assertEquals([of, new TextDecoder().decode(bytes)], [id, "hello"]);
    assertEquals([meta.status, meta.truncated, yard.states], [200, false, []]);
  }));
