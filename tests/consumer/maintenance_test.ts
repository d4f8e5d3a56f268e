import { assert, assertEquals } from "@std/assert";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import { Maintenance } from "../../lib/consumer/maintenance.ts";
import type { Store } from "../../lib/store/store.ts";
import { A, attempt, eventText, type Parts, withMemory } from "../support/consumer_parts.ts";
import type { MemoryStorage } from "../store/memory_store.ts";

const HOUR_MS = 3_600_000;

/** A consumer's maintenance, and how often the store was looked at, swept and pruned by it. */
function maintaining(
  options: ConsumerOptions,
  body: (
    maintenance: Maintenance,
    parts: Parts,
    storage: MemoryStorage,
    counts: { refreshes: number; sweeps: number; prunes: number },
  ) => Promise<void>,
): Promise<void> {
  return withMemory(options, async (parts, storage) => {
    const counts = { refreshes: 0, sweeps: 0, prunes: 0 };
    const { lanes, sync, prefetch, settler, semaphore } = parts;
    const store: Store = Object.create(parts.store, {
      deferred: { get: () => parts.store.deferred },
      refresh: {
        value: () => {
          counts.refreshes++;
          return parts.store.refresh();
        },
      },
      sweep: {
        value: () => {
          counts.sweeps++;
          return Promise.resolve();
        },
      },
      prune: {
        value: () => {
          counts.prunes++;
          return Promise.resolve();
        },
      },
    });
    const maintenance = new Maintenance(
      { store, lanes, sync, prefetch, settler, semaphore },
      parts.settings,
      storage.world.clock,
    );
    await body(maintenance, parts, storage, counts);
  });
}

/** Find a destination down. */
async function trip(parts: Parts): Promise<void> {
  const failed = attempt("deferred", { reason: "connection refused" });
  for (let n = 0; n < 5; n++) await parts.conclude(parts.entry(), `${n}`, failed);
  assert(parts.entry().lane.isDown);
}

/** Park so many events for the destination. */
async function park(parts: Parts, storage: MemoryStorage, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    storage.put(eventText());
    await parts.sync.park(parts.entry(), await parts.prepared());
  }
}

Deno.test("what others may have changed is looked at at once, and then each poll", () =>
  maintaining({ pollMs: 1_000 }, async (maintenance, parts, storage, counts) => {
    storage.hold(A, true);
    await maintenance.runIfDue();
    assertEquals([counts.refreshes, maintenance.dueMs], [1, parts.nowMs + 1_000]);
    assertEquals(parts.told, ["held"]);
    storage.hold(A, false);
    await parts.pass(999);
    await maintenance.runIfDue();
    assertEquals([counts.refreshes, parts.told], [1, ["held"]]);
    await parts.pass(1);
    await maintenance.runIfDue();
    assertEquals([counts.refreshes, parts.told], [2, ["held", "resumed"]]);
  }));

Deno.test("how often may change while it runs", () =>
  maintaining({ pollMs: 1_000 }, async (maintenance, parts) => {
    parts.settings.change({ pollMs: 50 });
    await maintenance.runIfDue();
    assertEquals(maintenance.dueMs, parts.nowMs + 50);
  }));

Deno.test("after too many files were open one more is let in each poll, up to the limit", () =>
  maintaining({ concurrency: 4, pollMs: 1_000 }, async (maintenance, { semaphore }) => {
    for (let n = 0; n < 4; n++) semaphore.enter();
    semaphore.crowd();
    assertEquals(semaphore.limit, 2);
    await maintenance.runIfDue();
    assertEquals(semaphore.limit, 3);
  }));

Deno.test("what has waited too long for a destination that is down is given up", () =>
  maintaining({ maxAgeMs: 72 * HOUR_MS }, async (maintenance, parts, storage) => {
    await trip(parts);
    await park(parts, storage, 2);
    await parts.pass(71 * HOUR_MS);
    await park(parts, storage, 1);
    await maintenance.runIfDue();
    assertEquals([...storage.events].map(({ state }) => state), Array(3).fill("deferred"));
    await parts.pass(HOUR_MS);
    await maintenance.runIfDue();
    const events = [...storage.events];
    assertEquals(events.map(({ state }) => state), ["dead", "dead", "deferred"]);
    assert(events[0]!.reason!.reason.endsWith("which is down: connection refused"));
    assertEquals(events[2]!.attempt, 0, "it was looked at, which is no attempt");
  }));

Deno.test("what waits for a destination that works, or is held, is not given up", async () => {
  for (const isHeld of [false, true]) {
    await maintaining({}, async (maintenance, parts, storage) => {
      if (isHeld) {
        await trip(parts);
        storage.hold(A, true);
      }
      await park(parts, storage, 1);
      await parts.pass(100 * HOUR_MS);
      await maintenance.runIfDue();
      assertEquals([...storage.events].map(({ state }) => state), ["deferred"]);
    });
  }
});

Deno.test("of a long backlog a few are looked at each time", () =>
  maintaining({ pollMs: 1_000 }, async (maintenance, parts, storage) => {
    await trip(parts);
    await park(parts, storage, 100);
    await parts.pass(72 * HOUR_MS);
    await maintenance.runIfDue();
    const dead = () => [...storage.events].filter(({ state }) => state === "dead").length;
    assertEquals(dead(), 64);
    await parts.pass(1_000);
    await maintenance.runIfDue();
    assertEquals(dead(), 100);
  }));

Deno.test("it is swept and pruned at the start, then once a day and once an hour, until the stop", () =>
  maintaining({}, async (maintenance, parts, _, counts) => {
    const seen = () => [counts.sweeps, counts.prunes];
    const { first, all } = maintenance.cleanUp(parts.stop.signal);
    await first;
    assertEquals(seen(), [1, 1]);
    await parts.pass(HOUR_MS - 1);
    assertEquals(seen(), [1, 1]);
    await parts.pass(23 * HOUR_MS);
    assertEquals(seen(), [1, 24]);
    await parts.pass(24 * HOUR_MS + 2);
    assertEquals(seen(), [3, 49]);
    parts.stop.abort();
    await all;
    assertEquals(seen(), [3, 49]);
  }));
