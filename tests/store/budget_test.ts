import { assert, assertEquals, assertThrows } from "@std/assert";
import { ByteBudget, defaultBudgetBytes } from "../../lib/store/budget.ts";

/** What has been answered so far of those who wait. */
function waiting(budget: ByteBudget, sizes: readonly number[]): (boolean | undefined)[] {
  const answers: (boolean | undefined)[] = sizes.map(() => undefined);
  for (const [n, bytes] of sizes.entries()) {
    budget.wait(bytes).then((isTaken) => answers[n] = isTaken);
  }
  return answers;
}

async function soon(): Promise<void> {
  for (let n = 0; n < 3; n++) await Promise.resolve();
}

Deno.test("bytes are taken while they fit; one event always fits, however large", () => {
  const budget = new ByteBudget(() => 100);
  assertEquals([budget.take(60), budget.take(40), budget.take(1)], [true, true, false]);
  budget.give(100);
  assertEquals([budget.take(1_000), budget.used, budget.take(1)], [true, 1_000, false]);
});

Deno.test("who waits gets bytes in the order of the calls, and nobody overtakes", async () => {
  const budget = new ByteBudget(() => 100);
  budget.take(100);
  const answers = waiting(budget, [50, 60, 10]);
  budget.give(50);
  await soon();
  assertEquals([answers, budget.take(1)], [[true, undefined, undefined], false]);
  budget.give(10);
  await soon();
  assertEquals(answers, [true, undefined, undefined], "10 would fit, but 60 was first");
  budget.give(50);
  await soon();
  assertEquals([answers, budget.used], [[true, true, undefined], 100]);
});

Deno.test("what is in memory already is counted, whether it fits or not", () => {
  const budget = new ByteBudget(() => 100);
  budget.add(150);
  assertEquals([budget.used, budget.fits(1)], [150, false]);
});

Deno.test("those who are turned away get nothing, and hinder nobody", async () => {
  const budget = new ByteBudget(() => 100);
  budget.take(100);
  const answers = waiting(budget, [10, 20]);
  assertEquals(budget.isAwaited, true);
  budget.turnAway();
  await soon();
  assertEquals([answers, budget.isAwaited, budget.used], [[false, false], false, 100]);
  budget.give(100);
  assertEquals(budget.take(5), true);
});

Deno.test("the limit may change at any time", () => {
  let limit = 100;
  const budget = new ByteBudget(() => limit);
  budget.take(100);
  limit = 150;
  assertEquals([budget.take(50), budget.take(1)], [true, false]);
});

Deno.test("unless told otherwise it is a quarter of the memory there is, 16 MiB at least and 256 MiB at most", () => {
  const MIB = 2 ** 20;
  const memories = [1 * MIB, 256 * MIB, 1_024 * MIB, 65_536 * MIB, undefined];
  assertEquals(
    memories.map((memoryBytes) => defaultBudgetBytes({ memoryBytes }, 17 * MIB)),
    [16 * MIB, 64 * MIB, 256 * MIB, 256 * MIB, 256 * MIB],
  );
});

Deno.test("how much memory there is is not asked for before it matters", () => {
  const world = {
    get memoryBytes(): number {
      throw new Error("asked");
    },
  };
  const budget = new ByteBudget((bytes) => defaultBudgetBytes(world, bytes));
  assert(budget.take(2 ** 24));
  budget.give(2 ** 24);
  assert(budget.take(2 ** 24 - 1) && budget.take(1));
  assertThrows(() => budget.take(1), Error, "asked");
});
