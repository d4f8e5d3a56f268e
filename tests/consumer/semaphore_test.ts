import { assert, assertEquals } from "@std/assert";
import { Semaphore } from "../../lib/consumer/semaphore.ts";
import { World } from "../sim/world.ts";

/** A semaphore with so many inside. */
function withInside(inside: number, limit = inside): Semaphore {
  const semaphore = new Semaphore(limit);
  for (let n = 0; n < inside; n++) semaphore.enter();
  return semaphore;
}

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown> | undefined): Promise<boolean> {
  let settled = false;
  promise?.then(() => settled = true);
  for (let n = 0; n < 3; n++) await Promise.resolve();
  return settled;
}

Deno.test("there is room below the limit, which may change at any time", () => {
  const semaphore = withInside(2, 3);
  assert(semaphore.hasRoom);
  semaphore.enter();
  assertEquals([semaphore.inside, semaphore.hasRoom], [3, false]);
  semaphore.limit = 4;
  assert(semaphore.hasRoom);
  semaphore.limit = 1;
  semaphore.leave();
  assertEquals(semaphore.hasRoom, false);
});

Deno.test("change() waits until somebody goes out, or is woken", async () => {
  const semaphore = withInside(2);
  for (const act of [() => semaphore.leave(), () => semaphore.wake()]) {
    const change = semaphore.change();
    assertEquals(await isSettled(change), false);
    act();
    assert(await isSettled(change));
  }
});

Deno.test("empty() waits until nobody is inside, whoever wakes, or until its time is over", async () => {
  const world = new World();
  const { clock } = world.process().runtime;
  await world.run(async () => {
    const semaphore = withInside(2);
    await semaphore.empty(500, clock);
    assertEquals([world.time.nowMs, semaphore.inside], [500, 2]);
    const empty = semaphore.empty(500, clock);
    semaphore.wake();
    semaphore.leave();
    assertEquals(await isSettled(empty), false);
    semaphore.leave();
    await empty;
    await semaphore.empty(500, clock);
    assertEquals([world.time.nowMs, world.time.sleeping], [500, 0]);
  });
});

Deno.test("one who goes in after another went out doesn't keep those waiting who have seen it", async () => {
  const semaphore = withInside(2);
  const change = semaphore.change();
  semaphore.leave();
  semaphore.enter();
  assert(await isSettled(change));
});

Deno.test("a rest lasts its time, and ends at once when something has changed or changes", async () => {
  const world = new World();
  const { clock } = world.process().runtime;
  await world.run(async () => {
    const semaphore = withInside(1);
    await semaphore.rest(500, semaphore.changes, clock);
    assertEquals(world.time.nowMs, 500);
    const seen = semaphore.changes;
    semaphore.leave();
    await semaphore.rest(500, seen, clock);
    assertEquals(world.time.nowMs, 500, "it has changed since");
    const resting = semaphore.rest(500, semaphore.changes, clock);
    await clock.sleep(100);
    semaphore.wake();
    await resting;
    assertEquals(world.time.nowMs, 600);
    assertEquals(world.time.sleeping, 0);
  });
});

Deno.test("too many open files leave half of what is inside, and never nothing", () => {
  for (const [inside, limit] of [[10, 5], [3, 1], [1, 1], [0, 1]] as const) {
    const semaphore = withInside(inside, 64);
    semaphore.crowd();
    assertEquals(semaphore.limit, limit);
  }
});

Deno.test("the first bug is kept, and everybody who waits is to see it", async () => {
  const semaphore = withInside(3);
  const waiting = [semaphore.change(), semaphore.change()];
  const bug = new TypeError("first");
  semaphore.fail(bug);
  semaphore.fail(new TypeError("second"));
  assertEquals(semaphore.bug?.error, bug);
  for (const promise of waiting) assert(await isSettled(promise));
});
