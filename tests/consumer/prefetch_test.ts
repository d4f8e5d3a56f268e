import { assert, assertEquals } from "@std/assert";
import { memoryFor } from "../../lib/store/budget.ts";
import type { Queue } from "../../lib/queue/queue.ts";
import { DiskFailure } from "../../lib/store/failure.ts";
import type { Call, Fault } from "../sim/process_disk.ts";
import {
  A,
  attempt,
  eventText,
  type Parts,
  withMaildir,
  withMemory,
} from "../support/consumer_parts.ts";

/** Put so many events on the queue, the oldest first; their ids. */
async function put(queue: Queue, count: number, parts: Parts): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    ids.push(await queue.enqueue(new TextEncoder().encode(eventText())));
    await parts.pass(1);
  }
  return ids;
}

/** Whether a verb is a claim. */
function isClaim({ verb, path, to }: Call): boolean {
  return verb === "rename" && to?.startsWith("/q/cur/") === true && !path.includes("/.");
}

/** The ids of what comes back first. */
async function next({ prefetch }: Parts): Promise<string[]> {
  return (await prefetch.next()).events.map(({ claim }) => claim.id);
}

Deno.test("claims are under way in three groups at most, and come back in order", () =>
  withMaildir({}, async (parts, queue) => {
    const ids = await put(queue, 7, parts);
    const { prefetch } = parts;
    assert(await prefetch.begin(3));
    assertEquals([prefetch.mayBegin, prefetch.underWay, prefetch.isBack], [true, 3, false]);
    assert(await prefetch.begin(2), "of what is at hand, without a look");
    assert(await prefetch.begin(1));
    assertEquals([prefetch.mayBegin, prefetch.isWanted, prefetch.underWay], [false, false, 6]);
    assertEquals(await next(parts), ids.slice(0, 3));
    assertEquals([prefetch.mayBegin, prefetch.underWay], [true, 3]);
    assertEquals(await next(parts), ids.slice(3, 5));
    assert(await prefetch.begin(9));
    assertEquals(await next(parts), ids.slice(5, 6));
    assertEquals(await next(parts), ids.slice(6));
    assertEquals([await prefetch.begin(9), prefetch.underWay], [false, 0]);
  }, { latencyMs: () => 5 }));

Deno.test("nothing is listed while claims are under way", () =>
  withMaildir({ pollMs: 1_000 }, async (parts, queue) => {
    const { prefetch, world } = parts;
    await put(queue, 1, parts);
    assert(await prefetch.begin(1));
    await parts.pass(2_000);
    const { calls } = world;
    assertEquals([await prefetch.begin(1), world.calls, prefetch.isBack], [false, calls, false]);
    assertEquals((await next(parts)).length, 1);
    assertEquals(await prefetch.begin(1), false);
    assert(world.calls > calls + 2, "now it is");
  }, { latencyMs: ({ verb, to }) => verb === "rename" && to?.includes("/cur/") ? 5_000 : 0 }));

Deno.test("the loop is woken when claims are back", () =>
  withMaildir({}, async (parts, queue) => {
    await put(queue, 1, parts);
    await parts.prefetch.begin(1);
    await parts.semaphore.change();
    assert(parts.prefetch.isBack);
    await next(parts);
  }, { latencyMs: () => 5 }));

Deno.test("claims are made in numbers that are worth it, unless somebody waits for them", () =>
  withMaildir({ concurrency: 64 }, async (parts, queue) => {
    const { prefetch } = parts;
    assertEquals([5, 16, 1_000].map((free) => prefetch.room(free)), [5, 16, 32]);
    await put(queue, 1, parts);
    await prefetch.begin(1);
    assertEquals([31, 32, 1_000].map((free) => prefetch.room(free)), [0, 32, 32]);
    await next(parts);
  }, { latencyMs: () => 5 }));

Deno.test("no more is claimed while all requests are in flight and enough for the next is in memory", () =>
  withMemory({ concurrency: 8 }, async (parts, storage) => {
    const { prefetch, semaphore, lanes } = parts;
    for (let n = 0; n < 4; n++) {
      storage.put(eventText());
      assert(prefetch.isWanted);
      lanes.enqueue(parts.entry(), await parts.prepared());
    }
    assert(prefetch.isWanted, "requests may go out");
    for (let n = 0; n < 8; n++) semaphore.enter();
    assertEquals(prefetch.isWanted, false);
    semaphore.leave();
    assert(prefetch.isWanted);
  }));

Deno.test("too many open files leave half of what is in flight; their events wait a second", () =>
  withMaildir({}, async (parts, queue) => {
    const [first] = await put(queue, 2, parts);
    const { semaphore, world, prefetch } = parts;
    let reads = 0;
    world.onVerb = ({ verb }) => verb === "read" && ++reads === 2 ? { code: "EMFILE" } : undefined;
    for (let n = 0; n < 10; n++) semaphore.enter();
    await prefetch.begin(2);
    assertEquals(await next(parts), [first]);
    assertEquals(semaphore.limit, 5);
    const [released, ...more] = parts.trace;
    assert(released?.type === "released");
    assertEquals([released.dueMs - world.nowMs, more], [1_000, []]);
  }));

/** Refuses so many claims, as a full disk does. */
function full(times: number): (call: Call) => Fault | undefined {
  return (call) => isClaim(call) && times-- > 0 ? { code: "ENOSPC" } : undefined;
}

Deno.test("a claim for which there is no room is tried again when something has left", () =>
  withMaildir({}, async (parts, queue) => {
    const ids = await put(queue, 3, parts);
    const { semaphore, world, prefetch } = parts;
    for (let n = 0; n < 2; n++) semaphore.enter();
    world.onVerb = full(4);
    await prefetch.begin(3);
    await parts.pass(1);
    const { calls } = world;
    await parts.pass(10_000);
    assertEquals([prefetch.isBack, world.calls], [false, calls], "it isn't tried meanwhile");
    semaphore.leave(); // makes room for none
    await parts.pass(1);
    assertEquals(prefetch.isBack, false);
    semaphore.leave();
    await parts.pass(1);
    assert(prefetch.isBack, "nobody is left who could make room");
    assertEquals(await next(parts), ids.slice(1, 2));
    assertEquals(parts.told, ["disk-trouble"]);
  }));

Deno.test("nobody waits for room who is to stop, or when nothing is in flight", async () => {
  for (const stops of [true, false]) {
    await withMaildir({}, async (parts, queue) => {
      await put(queue, 1, parts);
      parts.world.onVerb = full(1);
      if (stops) parts.semaphore.enter();
      await parts.prefetch.begin(1);
      if (stops) {
        parts.stop.abort();
        parts.semaphore.wake();
      }
      assertEquals(await next(parts), []);
    });
  }
});

Deno.test("what can't be sent is settled on the way, and the others come", () =>
  withMemory({}, async (parts, storage) => {
    storage.put("no event");
    const fine = storage.put(eventText());
    await parts.prefetch.begin(9);
    assertEquals(await next(parts), [fine]);
    assertEquals(parts.told, ["dead"]);
  }));

Deno.test("of a backlog the next event that can be sent comes, and those before it are settled", () =>
  withMemory({}, async (parts, storage) => {
    storage.put("no event");
    const fine = storage.put(eventText());
    for (let n = 0; n < 2; n++) await (await parts.claim()).defer(A, storage.nowMs);
    assertEquals(parts.prefetch.hasDue(A), true);
    assertEquals(parts.prefetch.destinationsWithDue, [A]);
    assertEquals((await parts.prefetch.nextDue(A))?.claim.id, fine);
    assertEquals(parts.told, ["dead"]);
    assertEquals([parts.prefetch.hasDue(A), await parts.prefetch.nextDue(A)], [false, undefined]);
    assertEquals(await parts.prefetch.nextDue("http_unknown_80"), undefined);
  }));

Deno.test("a store's last word comes with what was claimed before it", () =>
  withMaildir({}, async (parts, queue) => {
    await put(queue, 4, parts);
    const { world, prefetch } = parts;
    let claims = 0;
    world.onVerb = (call) => isClaim(call) && ++claims % 4 !== 0 ? { code: "EIO" } : undefined;
    await prefetch.begin(4);
    assertEquals((await next(parts)).length, 1);
    await put(queue, 1, parts);
    world.onVerb = (call) => isClaim(call) ? { code: "EIO" } : undefined;
    for (let waitedMs = 0;; waitedMs += 1_000) {
      assert(waitedMs < 300_000);
      await parts.pass(1_000);
      if (!await prefetch.begin(9)) continue;
      const { events, failure } = await prefetch.next();
      assertEquals(events, []);
      if (failure === undefined) continue;
      assert(failure instanceof DiskFailure);
      assert(waitedMs >= 29_000);
      return;
    }
  }));

/** Large enough not to be read along with its claim; two don't fit into the memory. */
const LARGE = eventText("http://a.test/", "x".repeat(100_000));

/** A consumer with little memory, and so many large events. */
function withLarge(
  count: number,
  body: (parts: Parts, ids: string[], queue: Queue) => Promise<void>,
): Promise<void> {
  return withMaildir({ memoryBytes: 2 ** 20 }, async (parts, queue) => {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) {
      ids.push(await queue.enqueue(new TextEncoder().encode(LARGE)));
      await parts.pass(1);
    }
    await body(parts, ids, queue);
  });
}

Deno.test("large events are read one after the other, as there is memory for them", () =>
  withLarge(3, async (parts, ids) => {
    const { prefetch, budget, settler } = parts;
    await prefetch.begin(3);
    await parts.pass(1);
    for (const [n, id] of ids.entries()) {
      assertEquals([prefetch.isBack, prefetch.underWay], [true, 3 - n]);
      assertEquals(prefetch.isOutOfMemory, n < 2);
      const { events: [event, ...more] } = await prefetch.next();
      assertEquals([event?.claim.id, more], [id, []]);
      assertEquals(budget.used, memoryFor(LARGE.length));
      await settler.settle(event!, attempt("delivered"));
      await parts.pass(1);
    }
    assertEquals([prefetch.underWay, budget.used], [0, 0]);
  }));

Deno.test("what waits for memory goes back unsent when the consumer stops", () =>
  withLarge(2, async (parts, ids) => {
    const { prefetch, settler } = parts;
    await prefetch.begin(2);
    await parts.pass(1);
    prefetch.turnAway();
    const { events: [event] } = await prefetch.next();
    await settler.release(event!);
    while (prefetch.underWay > 0) await prefetch.next();
    assertEquals(parts.trace.map((event) => event.type === "released" && event.id), [
      ids[1]!,
      ids[0]!,
    ]);
    assertEquals(parts.budget.used, 0);
  }));

Deno.test("no backlog is due while there is no memory for the largest event there may be", () =>
  withLarge(1, async (parts, _, queue) => {
    await put(queue, 1, parts);
    const { prefetch, store } = parts;
    const [large, small] = [await parts.prepared(), await parts.claim()];
    parts.budget.add(memoryFor(large.bytes));
    await small.defer(A, queue.place.runtime.clock.now());
    assertEquals([prefetch.hasDue(A), store.hasDue(store.deferredOf(A)!)], [false, true]);
    await parts.settler.release(large);
    assertEquals(prefetch.hasDue(A), true);
  }));

Deno.test("of events that were taken over one at a time is looked at, as if it were being sent", () =>
  withMemory({}, async (parts, storage) => {
    const ids = [storage.put(eventText()), storage.put("no event"), storage.put(eventText())];
    const left = { state: "claimed", attempt: 1, takeovers: 1, timeMs: storage.nowMs } as const;
    for (const event of storage.events) Object.assign(event, left);
    const begun = () =>
      [...storage.events].filter(({ isBegun, state }) => isBegun && state === "claimed")
        .map(({ id }) => id);
    const seen: string[][] = [];
    const claim = parts.store.claim.bind(parts.store);
    parts.store.claim = async (candidates) => {
      const result = await claim(candidates);
      for (const one of result.claimed) {
        if (typeof one === "string") continue;
        const read = one.read.bind(one);
        one.read = () => {
          seen.push(begun());
          return read();
        };
      }
      return result;
    };
    await parts.prefetch.begin(3);
    assertEquals(await next(parts), [ids[0]!, ids[2]!]);
    assertEquals(seen, ids.map((id) => [id]));
    assertEquals(begun(), [], "what waits isn't to blame");
    assertEquals(parts.told, ["taken-over", "taken-over", "taken-over", "dead"]);
  }));
