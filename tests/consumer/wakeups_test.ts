import { assertEquals } from "@std/assert";
import { WakeUps } from "../../lib/consumer/wakeups.ts";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import { A, ARRAY_MERGER, eventText, type Parts, withMemory } from "../support/consumer_parts.ts";
import type { MemoryStorage } from "../store/memory_store.ts";

/** The wake-ups of a consumer that looks at its lanes for the first time. */
function waking(
  body: (wakeUps: WakeUps, parts: Parts, storage: MemoryStorage) => Promise<void>,
  options: ConsumerOptions = {},
  once = false,
): Promise<void> {
  return withMemory(options, async (parts, storage) => {
    await parts.pass(1_000);
    const { lanes, store, batcher } = parts;
    const wakeUps = new WakeUps({ clock: storage.world.clock, lanes, store, batcher }, once);
    await body(wakeUps, parts, storage);
  });
}

/** Let an event wait for the destination until then, Unix ms. */
async function defer(parts: Parts, storage: MemoryStorage, dueMs: number): Promise<void> {
  storage.put(eventText());
  await (await parts.claim()).defer(A, dueMs);
}

/** Whether a lane has been woken; it has to be again then. */
function isWoken({ lanes, nowMs }: Parts): boolean {
  return lanes.next(nowMs) !== undefined;
}

Deno.test("with nothing that waits a rest need not end", () =>
  waking((wakeUps, parts) => {
    assertEquals([wakeUps.beforeRestMs(parts.nowMs), isWoken(parts)], [Infinity, false]);
    return Promise.resolve();
  }));

Deno.test("a rest ends when the first that waits in the store is due, and its lane is woken then", () =>
  waking(async (wakeUps, parts, storage) => {
    parts.entry();
    await defer(parts, storage, storage.nowMs + 500);
    const untilMs = wakeUps.beforeRestMs(parts.nowMs);
    assertEquals([untilMs - parts.nowMs, isWoken(parts)], [500, false]);
    await parts.pass(499);
    wakeUps.wakeDue();
    assertEquals(isWoken(parts), false);
    await parts.pass(1);
    wakeUps.wakeDue();
    assertEquals(isWoken(parts), true);
  }));

Deno.test("what is due waits as long as its lane is to be left alone", () =>
  waking(async (wakeUps, parts, storage) => {
    parts.entry().lane.holdUntil(parts.nowMs + 3_000);
    await defer(parts, storage, storage.nowMs);
    assertEquals(wakeUps.beforeRestMs(parts.nowMs) - parts.nowMs, 3_000);
    assertEquals(isWoken(parts), false);
  }));

Deno.test("what an operator holds ends no rest", () =>
  waking(async (wakeUps, parts, storage) => {
    parts.entry().lane.isHeld = true;
    await defer(parts, storage, storage.nowMs);
    assertEquals(wakeUps.beforeRestMs(parts.nowMs), Infinity);
  }));

Deno.test("lanes are looked through every 10 ms at most, unless all are to be woken", () =>
  waking(async (wakeUps, parts, storage) => {
    wakeUps.beforeRestMs(parts.nowMs);
    parts.entry();
    await defer(parts, storage, storage.nowMs);
    await parts.pass(1);
    assertEquals(wakeUps.beforeRestMs(parts.nowMs) - parts.nowMs, 9, "to be looked at again then");
    assertEquals(isWoken(parts), false);
    wakeUps.wakeAll();
    assertEquals(isWoken(parts), true);
  }));

Deno.test("for a run that looks once what falls due later ends no rest", () =>
  waking(
    async (wakeUps, parts, storage) => {
      parts.entry();
      await defer(parts, storage, storage.nowMs + 500);
      assertEquals(wakeUps.beforeRestMs(parts.nowMs), Infinity);
    },
    {},
    true,
  ));

Deno.test("what waits in memory for others to share a request ends a rest when it waits no longer", () =>
  waking(async (wakeUps, parts, storage) => {
    storage.put(eventText());
    parts.lanes.enqueue(parts.entry(), await parts.prepared());
    assertEquals(wakeUps.beforeRestMs(parts.nowMs) - parts.nowMs, 250);
  }, { merge: ARRAY_MERGER, mergeWaitMs: 250 }));
