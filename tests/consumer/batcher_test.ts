import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import { Batcher } from "../../lib/consumer/batcher.ts";
import type { Prepared } from "../../lib/consumer/prepare.ts";
import { ARRAY_MERGER, eventText, type Parts, withMemory } from "../support/consumer_parts.ts";

const X = "http://a.test/x";
const Y = "http://a.test/y";

/** A batcher, and a way to events in a lane's memory. */
function batching(
  options: ConsumerOptions,
  body: (
    batcher: Batcher,
    event: (url: string, body?: unknown) => Promise<Prepared>,
    parts: Parts,
  ) => Promise<void>,
): Promise<void> {
  return withMemory({ merge: ARRAY_MERGER, ...options }, (parts, storage) => {
    const event = async (url: string, body: unknown = 1) => {
      storage.put(url === "" ? `{"url":"${X}"}` : eventText(url, body));
      await parts.pass(1);
      return await parts.prepared();
    };
    return body(parts.batcher!, event, parts);
  });
}

Deno.test("events wait for others while more can be taken in, until there are enough", () =>
  batching({ mergeCount: 3 }, async (batcher, event) => {
    const [first, second] = [await event(X), await event(X)];
    assertEquals(batcher.pick([first, second], false), []);
    assertEquals(batcher.pick([first, second], true), [first, second], "nobody else is coming");
    const queue = [first, second, await event(X), await event(X)];
    assertEquals(batcher.pick(queue, false), queue.slice(0, 3));
  }));

Deno.test("who has waited for a second goes with what there is, before a full batch of others", () =>
  batching({ mergeCount: 2 }, async (batcher, event, parts) => {
    const rare = await event(X);
    await parts.pass(990);
    const queue = [rare, await event(Y), await event(Y)];
    assertEquals(batcher.pick(queue, false), queue.slice(1), "not yet");
    await parts.pass(10);
    assertEquals(batcher.pick(queue, false), [rare]);
  }));

Deno.test("what can't be merged goes alone and at once", () =>
  batching({ mergeCount: 3 }, async (batcher, event) => {
    const queue = [await event(X), await event(""), await event(X)];
    assertEquals(batcher.pick(queue, false), [queue[1]!]);
  }));

Deno.test("no batch is larger than it may be; what is too large for any goes alone", () =>
  batching({ mergeCount: 9, mergeBytes: 10 }, async (batcher, event) => {
    const queue = [await event(X, 111), await event(X, 222), await event(X, 333)];
    const picked = batcher.pick(queue, false);
    assertEquals(picked, queue.slice(0, 2), "1 + 2 x 4 bytes, and 4 more would be too many");
    assertEquals((await batcher.batchOf(picked)).request.body, "[111,222]");
    const large = await event(X, "x".repeat(99));
    assertEquals(batcher.pick([large, queue[0]!], false), [large]);
  }));

Deno.test("where the queue is short events wait as long as told to, but not in a run that looks once", () =>
  batching({ mergeWaitMs: 200 }, async (batcher, event, parts) => {
    const queue = [await event(X), await event(X)];
    const dueMs = queue[0]!.merging!.sinceMs + 200;
    const once = new Batcher(parts.settings, parts.storage.world, true);
    assertEquals([batcher.dueMs(queue), once.dueMs(queue)], [dueMs, dueMs - 200]);
    assertEquals([batcher.pick(queue, true), once.pick(queue, true)], [[], queue]);
    await parts.pass(200);
    assertEquals(batcher.pick(queue, true), queue);
  }));

Deno.test("a lane with an event that goes alone is due at once, one with nothing never", () =>
  batching({ mergeWaitMs: 200 }, async (batcher, event) => {
    assertEquals(batcher.dueMs([await event(X), await event("")]), -Infinity);
    assertEquals(batcher.dueMs([]), Infinity);
  }));

Deno.test("a batch has one request, and the same key whatever the order; one event keeps its own", () =>
  batching({}, async (batcher, event) => {
    const [first, second] = [await event(X, "a"), await event(X, "b")];
    const batch = await batcher.batchOf([first, second]);
    assertEquals([batch.request.body, batch.request.url.href], ['["a","b"]', X]);
    assertMatch(batch.key, /^[0-9a-f]{64}$/);
    assertEquals((await batcher.batchOf([second, first])).key, batch.key);
    assertNotEquals((await batcher.batchOf([first, await event(X)])).key, batch.key);
    const alone = await batcher.batchOf([first]);
    assertEquals([alone.request, alone.key], [first.request, first.claim.id]);
  }));

Deno.test("a batch that was refused is halved until each is alone; the halves go at once, by themselves", () =>
  batching({ mergeCount: 50 }, async (batcher, event) => {
    const events = [await event(X, 1), await event(X, 2), await event(X, 3)];
    const halves = batcher.split(events);
    assertEquals(halves.map(({ claim }) => claim), events.map(({ claim }) => claim));
    const queue = [...halves, await event(X, 4)];
    const first = batcher.pick(queue, false);
    assertEquals(first, [halves[2]!], "alone, it isn't merged any more");
    const second = batcher.pick(queue.filter((event) => !first.includes(event)), false);
    assertEquals(second, halves.slice(0, 2));
    assert(batcher.split(second).every(({ merging }) => merging === undefined));
  }));

Deno.test("memory is full with a batch for each request in flight, or with 64 MiB", () =>
  batching({ concurrency: 20, mergeCount: 5 }, (batcher) => {
    assertEquals([batcher.isFull(99, 0), batcher.isFull(100, 0)], [false, true]);
    assertEquals([batcher.isFull(1, 2 ** 26 - 1), batcher.isFull(1, 2 ** 26)], [false, true]);
    assertEquals(batcher.mostOfLane, 80);
    return Promise.resolve();
  }));

Deno.test("with few requests in flight memory still has room for some kinds of events", () =>
  batching({ concurrency: 1, mergeCount: 5 }, (batcher) => {
    assertEquals([batcher.isFull(79, 0), batcher.isFull(80, 0)], [false, true]);
    return Promise.resolve();
  }));
