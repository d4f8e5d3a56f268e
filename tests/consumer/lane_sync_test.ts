import { assert, assertEquals } from "@std/assert";
import type { Attempt } from "../../lib/http/sender.ts";
import type { Deferred } from "../../lib/store/store.ts";
import { A, attempt, eventText, type Parts, withMemory } from "../support/consumer_parts.ts";
import { LIMITS } from "../store/bench.ts";
import type { MemoryStorage } from "../store/memory_store.ts";

const REFUSED = attempt("deferred", { reason: "connection refused" });
const FAILED = attempt("deferred", { status: 502, reason: "the endpoint answered 502" });
const ANSWERED = attempt("delivered", { status: 200 });

/** Keep so many events in memory for a lane. */
async function fill(parts: Parts, storage: MemoryStorage, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    storage.put(eventText());
    parts.lanes.enqueue(parts.entry(), await parts.prepared());
  }
}

/** What the store says of the destination. */
function marks({ store }: Parts): Deferred {
  return store.deferredOf(A)!;
}

/** Attempts of different events that all end like that. */
async function conclude(parts: Parts, ended: Attempt, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await parts.conclude(parts.entry(), `event ${n}`, ended);
}

/** Where the events are. */
function states({ events }: MemoryStorage): string[] {
  return [...events].map(({ state }) => state);
}

Deno.test("a held destination is told once, and what waits in memory for it is parked", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 3);
    storage.hold(A, true);
    await parts.sync.apply(marks(parts));
    await parts.sync.apply(marks(parts));
    assertEquals(parts.told, ["held", "parked", "parked", "parked"]);
    assertEquals([states(storage), parts.lanes.queued], [Array(3).fill("deferred"), 0]);
    assertEquals(parts.entry().lane.isHeld, true);
    storage.hold(A, false);
    await parts.sync.apply(marks(parts));
    assertEquals([parts.told.at(-1), parts.entry().lane.isHeld], ["resumed", false]);
    assertEquals(parts.lanes.next(parts.nowMs), parts.entry(), "and it may send again");
  }));

Deno.test("a hold ends with the last word of its destination, too", () =>
  withMemory({}, async (parts, storage) => {
    storage.hold(A, true);
    await parts.sync.apply(marks(parts));
    parts.sync.resumeUnmarked();
    assertEquals(parts.told, ["held"]);
    storage.hold(A, false);
    assertEquals(parts.store.deferredOf(A), undefined);
    parts.sync.resumeUnmarked();
    parts.sync.resumeUnmarked();
    assertEquals(parts.told, ["held", "resumed"]);
  }));

Deno.test("until when others were asked to leave a destination alone this consumer does too", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 1);
    storage.marksOf(A).afterMs = storage.nowMs + 5_000;
    await parts.sync.apply(marks(parts));
    const entry = parts.entry();
    assertEquals(parts.lanes.readyMs(entry, parts.nowMs), parts.nowMs + 5_000);
    assertEquals(parts.told, ["parked"]);
    await parts.pass(5_000);
    assert(parts.lanes.admits(entry, parts.nowMs));
  }));

Deno.test("a destination that has failed again and again is told down, to all, and its events are parked", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 2);
    await conclude(parts, REFUSED, 4);
    assertEquals(parts.told, []);
    await conclude(parts, REFUSED, 1);
    const [opened, ...more] = parts.trace;
    assert(opened?.type === "lane");
    const { change, reason, untilMs = 0 } = opened;
    assertEquals([change, reason], ["opened", "connection refused"]);
    assert(untilMs >= storage.nowMs + 1_000 && untilMs <= storage.nowMs + 1_251);
    assertEquals(more.map(({ type }) => type), ["parked", "parked"]);
    assert(marks(parts).isMarkedOpen);
  }));

Deno.test("the first answer of a destination that was down is told, to all", () =>
  withMemory({}, async (parts, storage) => {
    await conclude(parts, REFUSED, 5);
    await fill(parts, storage, 1);
    await parts.pass(2_000);
    await conclude(parts, ANSWERED, 1);
    assertEquals(parts.told, ["opened", "recovered"]);
    assertEquals(storage.marksOf(A).openBy.size, 0);
  }));

Deno.test("an answer takes back what others say of a destination", () =>
  withMemory({}, async (parts, storage) => {
    const other = storage.connect({ limits: { current: LIMITS }, trace: () => {}, once: false });
    await other.markOpen(A);
    await conclude(parts, ANSWERED, 1);
    assertEquals(storage.marksOf(A).openBy.size, 0);
    await other.markOpen(A);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).openBy.size, 0, "this consumer has been answered, and knows");
  }));

Deno.test("what others say of a destination stands while this consumer knows no better", () =>
  withMemory({}, async (parts, storage) => {
    const other = storage.connect({ limits: { current: LIMITS }, trace: () => {}, once: false });
    await other.markOpen(A);
    await parts.sync.apply(marks(parts));
    assert(marks(parts).isMarkedOpen);
    assert(parts.lanes.admits(parts.entry(), parts.nowMs), "and it finds out itself");
  }));

/** As many good answers and failures, each of another event. */
async function alternate(parts: Parts, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await parts.conclude(parts.entry(), `failed ${n}`, FAILED);
    await parts.conclude(parts.entry(), `good ${n}`, ANSWERED);
  }
}

Deno.test("a destination that fails half of the requests is told struggling, to all, with the part that succeeds", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 1);
    await alternate(parts, 10);
    assertEquals(parts.trace, [{
      type: "lane",
      destination: A,
      change: "struggling",
      reason: "the endpoint answered 502",
      share: 0.5,
    }]);
    assertEquals([...storage.marksOf(A).strugglingBy.values()], [0.5]);
    assertEquals(parts.lanes.queued, 1, "and it is sent to");
    await conclude(parts, ANSWERED, 15);
    await parts.sync.apply(marks(parts));
    const [share] = storage.marksOf(A).strugglingBy.values();
    assert(Math.abs(share! - 25 / 35) < 0.01, `${share} is told anew`);
    await conclude(parts, ANSWERED, 100);
    assertEquals(parts.told, ["struggling", "healthy"]);
    assertEquals(storage.marksOf(A).strugglingBy.size, 0);
  }));

Deno.test("what was struggling and is down is told down alone", () =>
  withMemory({}, async (parts, storage) => {
    await alternate(parts, 10);
    await conclude(parts, REFUSED, 20);
    assertEquals(parts.told, ["struggling", "opened"]);
    const { strugglingBy, openBy } = storage.marksOf(A);
    assertEquals([strugglingBy.size, openBy.size], [0, 1]);
  }));

Deno.test("that another finds a destination struggling is taken back by one that is answered well", () =>
  withMemory({}, async (parts, storage) => {
    const other = storage.connect({ limits: { current: LIMITS }, trace: () => {}, once: false });
    await other.markStruggling(A, 0.5);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).strugglingBy.size, 1, "this consumer knows no better");
    await conclude(parts, ANSWERED, 1);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).strugglingBy.size, 0);
  }));

Deno.test("an outage of five seconds and more is told to all, until the slow start after it is over", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 1);
    const sinceMs = storage.nowMs;
    await conclude(parts, REFUSED, 5);
    await parts.pass(4_999);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).awaySinceMs, 0);
    await parts.pass(1);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).awaySinceMs, sinceMs);
    await parts.pass(595_000);
    await conclude(parts, ANSWERED, 1);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).awaySinceMs, sinceMs);
    await parts.pass(70_000);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).awaySinceMs, 0);
  }));

Deno.test("a destination that others say was away begins slowly here too", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 3);
    storage.marksOf(A).awaySinceMs = storage.nowMs - 3_600_000;
    await parts.sync.apply(marks(parts));
    await conclude(parts, ANSWERED, 1);
    const entry = parts.entry();
    await conclude(parts, ANSWERED, 1);
    assert(parts.lanes.readyMs(entry, parts.nowMs) > parts.nowMs, "ten a second at first");
    await parts.sync.apply(marks(parts));
    assert(storage.marksOf(A).awaySinceMs > 0, "and the next one will as well");
  }));

Deno.test("one that was only told of an outage doesn't tell others of it once it is over", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 1);
    await parts.sync.parkAll(parts.entry());
    storage.marksOf(A).awaySinceMs = storage.nowMs - 3_600_000;
    await parts.sync.apply(marks(parts));
    storage.marksOf(A).awaySinceMs = 0; // somebody has made good for it
    await parts.pass(10_000);
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).awaySinceMs, 0);
    for (let n = 0; n < 3; n++) await conclude(parts, ANSWERED, 1);
    assert(parts.lanes.admits(parts.entry(), parts.nowMs), "and begins at full rate");
  }));

Deno.test("what is known to be up since is not believed to have been away", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 1);
    await parts.pass(10_000);
    await conclude(parts, ANSWERED, 1);
    storage.marksOf(A).awaySinceMs = storage.nowMs - 5_000;
    await parts.sync.apply(marks(parts));
    assertEquals(storage.marksOf(A).awaySinceMs, 0);
    assert(parts.lanes.admits(parts.entry(), parts.nowMs));
  }));

Deno.test("an endpoint that asks to be left alone is, by all, and that is told once", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 1);
    const busy = attempt("deferred", { status: 503, reason: "busy", pauseMs: 60_000 });
    const untilMs = storage.nowMs + 60_000;
    await conclude(parts, busy, 2);
    assertEquals(parts.trace[0], {
      type: "lane",
      destination: A,
      change: "throttled",
      reason: "busy",
      untilMs,
    });
    assertEquals(parts.told, ["throttled", "parked"]);
    assertEquals(marks(parts).afterMs, untilMs);
    assertEquals(parts.lanes.readyMs(parts.entry(), parts.nowMs), parts.nowMs + 60_000);
  }));

Deno.test("an attempt that says nothing of its destination changes nothing", () =>
  withMemory({}, async (parts, storage) => {
    await conclude(parts, attempt("refused", { status: 404 }), 9);
    await conclude(parts, attempt("aborted"), 9);
    assertEquals([parts.told, [...storage.marks]], [[], []]);
    assert(parts.lanes.admits(parts.entry(), parts.nowMs));
  }));

Deno.test("among peers what was just said of a destination calls a request off", () =>
  withMemory({}, async (parts, storage) => {
    assertEquals(parts.sync.hasPeers, false);
    await storage.connect({ limits: { current: LIMITS }, trace: () => {}, once: false }).open();
    assertEquals(parts.sync.hasPeers, true);
    const entry = parts.entry();
    await fill(parts, storage, 1);
    await parts.sync.parkAll(entry);
    assertEquals(await parts.sync.isCalledOff(entry), false);
    storage.hold(A, true);
    assertEquals(await parts.sync.isCalledOff(entry), true);
    storage.hold(A, false);
    assertEquals(await parts.sync.isCalledOff(entry), false);
    storage.marksOf(A).afterMs = storage.nowMs + 1;
    assertEquals(await parts.sync.isCalledOff(entry), true);
  }));

Deno.test("parking many lets others have a turn in between", () =>
  withMemory({}, async (parts, storage) => {
    await fill(parts, storage, 33);
    let turns = 0;
    const counting = (async () => {
      for (;;) {
        await parts.storage.world.clock.sleep(0);
        turns++;
      }
    })();
    void counting;
    const entry = parts.entry();
    for (const event of parts.lanes.empty(entry)) await parts.sync.park(entry, event);
    assertEquals(turns, 2);
  }));
