import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Consumer, openQueue, optimizelyMerger } from "../../mod.ts";
import type { ConsumerOptions, ConsumerSettings } from "../../lib/config/consumer.ts";
import { type Live, Settings } from "../../lib/config/settings.ts";
import { settingsOf } from "../../lib/consumer/options.ts";
import { tempDir } from "../support/temp_dir.ts";

/** Why a consumer can't have such options. */
function refusal(options: ConsumerOptions): string {
  return assertThrows(() => settingsOf(options), RangeError).message;
}

Deno.test("without options there are the documented defaults", () => {
  const documented: Partial<ConsumerSettings> = {
    concurrency: 64,
    perDestination: 0,
    ratePerSecond: Infinity,
    timeoutMs: 30_000,
    leaseMs: 60_000,
    maxAttempts: Infinity,
    maxAgeMs: 259_200_000,
    backoffBaseMs: 1_000,
    backoffCapMs: 600_000,
    graceMs: 10_000,
    maxBytes: 4_194_304,
    onStatus: new Map(),
    pollMs: 1_000,
    merge: undefined,
    mergeWaitMs: 0,
    mergeCount: 50,
    mergeBytes: 3_000_000,
  };
  assertEquals({ ...new Settings().current, ...documented }, new Settings().current);
});

Deno.test("a consumer refuses a value outside its limits, limits and value named", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  assertThrows(
    () => new Consumer(queue, { pollMs: 0 }),
    RangeError,
    "Cannot consume: pollMs must be a whole number from 10 to 3600000 (1h), current value is 0",
  );
  assertEquals(
    refusal({ threads: 0 }),
    "Cannot consume: concurrency must be a whole number from 1 to 10000, current value is 0",
  );
  assertStringIncludes(refusal({ concurrency: NaN }), "current value is NaN");
  assertStringIncludes(refusal({ leaseMs: 3_600_001 }), "from 1 to 3600000 (1h)");
  assertStringIncludes(refusal({ backoffCapMs: 8 * 86_400_000 }), "from 1 to 604800000 (7d)");
  assertEquals(
    refusal({ ratePerSecond: 0 }),
    "Cannot consume: ratePerSecond must be greater than 0 and at most 1000000, current value is 0",
  );
});

Deno.test("options that contradict each other are refused, naming both", () => {
  assertEquals(
    refusal({ timeoutMs: 30_000, leaseMs: 39_999 }),
    "Cannot consume: leaseMs must be at least timeoutMs + 10s (40000), current value is 39999",
  );
  assertEquals(
    refusal({ backoffBaseMs: 5_000, backoffCapMs: 4_000 }),
    "Cannot consume: backoffCapMs must be at least backoffBaseMs (5000), current value is 4000",
  );
  assertEquals(
    refusal({ perDestination: 65 }),
    "Cannot consume: perDestination must be at most concurrency (64), current value is 65",
  );
  assertEquals(
    refusal({ timeoutMs: 3_571_000 }),
    "Cannot consume: leaseMs must be a whole number from 1 to 3600000 (1h), " +
      "current value is 3601000 (the default, timeout + 30s)",
  );
});

Deno.test("what says no limit needs none", () => {
  const options = { ratePerSecond: Infinity, maxAttempts: Infinity, perDestination: 0 };
  const { ratePerSecond, maxAttempts, perDestination } = new Settings(options).current;
  assertEquals({ ratePerSecond, maxAttempts, perDestination }, options);
});

Deno.test("threads is another name of concurrency, not a second option", () => {
  assertEquals(settingsOf({ threads: 8 }).current.concurrency, 8);
  assertEquals(settingsOf({ concurrency: 8 }).current.concurrency, 8);
  assertEquals(
    refusal({ threads: 8, concurrency: 4 }),
    "Cannot consume: threads must be left out beside concurrency, which is the same, " +
      "current value is 8",
  );
});

Deno.test("a change is seen by whoever looks next, and not by who has looked", () => {
  const settings = new Settings({ graceMs: 5 });
  const live: Live<{ readonly pollMs: number; readonly graceMs: number }> = settings;
  const before = live.current;
  settings.change({ pollMs: 50 });
  assertEquals([before.pollMs, live.current.pollMs], [1_000, 50]);
  assertEquals(live.current.graceMs, 5);
});

Deno.test("what follows from a changed option changes too; undefined is the default again", () => {
  const settings = new Settings({ timeoutMs: 5_000 });
  assertEquals(settings.current.leaseMs, 35_000);
  settings.change({ timeoutMs: 60_000 });
  assertEquals(settings.current.leaseMs, 90_000);
  settings.change({ leaseMs: 100_000 });
  settings.change({ timeoutMs: undefined });
  assertEquals([settings.current.timeoutMs, settings.current.leaseMs], [30_000, 100_000]);
});

Deno.test("a change is made as a whole or not at all, and all that is wrong is told", () => {
  const settings = new Settings({ perDestination: 8 });
  const before = settings.current;
  const change = (changes: Parameters<Settings["change"]>[0]) =>
    assertThrows(() => settings.change(changes), RangeError).message;
  assertEquals(
    change({ graceMs: 1, pollMs: 0, maxBytes: -1 }),
    "Cannot change: maxBytes must be a whole number from 1 to 268435456 (256MiB), " +
      "current value is -1; pollMs must be a whole number from 10 to 3600000 (1h), " +
      "current value is 0",
  );
  assertEquals(
    change({ concurrency: 4, timeoutMs: 5_000, leaseMs: 6_000 }),
    "Cannot change: perDestination must be at most concurrency (4), current value is 8; " +
      "leaseMs must be at least timeoutMs + 10s (15000), current value is 6000",
  );
  assert(settings.current === before);
});

Deno.test("what can't change while a consumer runs is refused by name, unless it stays the same", () => {
  const settings = new Settings({ merge: optimizelyMerger() });
  const message = "merge can't change while it runs";
  assertThrows(() => settings.change({ merge: undefined, pollMs: 50 }), RangeError, message);
  assertEquals(settings.current.pollMs, 1_000);
  settings.change({ merge: optimizelyMerger(), mergeWaitMs: 20 });
  assertEquals(settings.current.mergeWaitMs, 20);
  assertThrows(() => new Settings().change({ merge: optimizelyMerger() }), RangeError, message);
});

Deno.test("refusals tell beforehand why a change would be refused", () => {
  const settings = new Settings();
  assertEquals(settings.refusals({ timeoutMs: 60_000, leaseMs: 65_000 }), [
    "leaseMs must be at least timeoutMs + 10s (70000), current value is 65000",
  ]);
  assertEquals(settings.refusals({ timeoutMs: 5_000 }), []);
});
