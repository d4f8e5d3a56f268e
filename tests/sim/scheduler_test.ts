import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Choices, Paths, randomChoices, replay } from "./choices.ts";
import {
  everyInterleaving,
  interleaving,
  type InterleavingBounds,
  isDependent,
  type Scheduler,
} from "./scheduler.ts";
import type { Verb } from "./process_disk.ts";
import { World } from "./world.ts";

Deno.test("Paths takes every path once, however deep each is", () => {
  const paths = new Paths({ limit: 100 });
  const taken: string[] = [];
  while (paths.next()) {
    const first = paths.choose(3);
    taken.push(first === 1 ? `1${paths.choose(2)}${paths.choose(2)}` : `${first}`);
  }
  assertEquals(taken, ["0", "100", "101", "110", "111", "2"]);
  assertEquals([paths.count, paths.complete], [6, true]);
});

Deno.test("Paths stops at its limit and says so", () => {
  const paths = new Paths({ limit: 3 });
  while (paths.next()) paths.choose(10);
  assertEquals([paths.count, paths.complete], [3, false]);
});

Deno.test("Paths without a choice is one path", () => {
  const paths = new Paths({ limit: 3 });
  while (paths.next());
  assertEquals([paths.count, paths.complete], [1, true]);
});

Deno.test("Paths notices a run that can't be reproduced", () => {
  const paths = new Paths({ limit: 3 });
  paths.next();
  paths.choose(3);
  paths.next();
  assertThrows(() => paths.choose(2), Error, "not reproducible");
});

Deno.test("a path can be replayed, and chance too", () => {
  const paths = new Paths({ limit: 5 });
  for (let count = 0; count < 5; count++) {
    paths.next();
    paths.choose(2), paths.choose(3);
  }
  assertEquals(paths.path, [1, 1]);
  const again = replay(paths.path);
  assertEquals([again.choose(2), again.choose(3), again.choose(9)], [1, 1, 0]);
  const draw = (choices: Choices) => Array.from({ length: 9 }, () => choices.choose(5)).join();
  assertEquals(draw(randomChoices(3)), draw(randomChoices(3)));
});

/** The orders in which two processes' verbs can happen, as letters. */
async function orders(
  verbs: { a: number; b: number },
  bounds?: InterleavingBounds,
): Promise<string[]> {
  const found: string[] = [];
  const paths = new Paths({ limit: 10_000 });
  while (paths.next()) {
    const world = new World({ scheduler: interleaving(paths, bounds) });
    let order = "";
    const work = async (name: "a" | "b") => {
      const { disk } = world.process().runtime;
      for (let count = 0; count < verbs[name]; count++) {
        await disk.lstat("/");
        order += name;
      }
    };
    await world.run(Promise.all([work("a"), work("b")]));
    found.push(order);
  }
  assert(paths.complete);
  assertEquals(new Set(found).size, found.length);
  return found;
}

Deno.test("interleaving() tries every order of two processes' verbs once", async () => {
  assertEquals((await orders({ a: 1, b: 2 })).sort(), ["abb", "bab", "bba"]);
  assertEquals((await orders({ a: 4, b: 4 })).length, 70);
});

Deno.test("interleaving() can be bounded by how often a process is made to wait", async () => {
  assertEquals(await orders({ a: 2, b: 2 }, { preemptions: 0 }), ["aabb", "bbaa"]);
  assertEquals((await orders({ a: 2, b: 2 }, { preemptions: 1 })).sort(), [
    "aabb",
    "abba",
    "baab",
    "bbaa",
  ]);
});

Deno.test("interleaving() can let time go on while a verb waits", async () => {
  const paths = new Paths({ limit: 100 });
  const seen = new Set<string>();
  while (paths.next()) {
    const world = new World({ scheduler: interleaving(paths, { timeJumps: 1 }) });
    let order = "";
    const consumer = async () => {
      await world.process().runtime.disk.lstat("/");
      order += `verb at ${world.time.nowMs}`;
    };
    const sleeper = world.process().runtime.clock.sleep(60_000);
    await world.run(Promise.all([consumer(), sleeper]));
    seen.add(order);
  }
  assertEquals([...seen], ["verb at 0", "verb at 60000"]);
});

Deno.test("exactly one of two processes gets a file by rename, in every order", async () => {
  const paths = new Paths({ limit: 1_000 });
  while (paths.next()) {
    const world = new World({ scheduler: interleaving(paths) });
    world.disk.plant("/a");
    const claim = async (to: string) => {
      try {
        await world.process().runtime.disk.rename("/a", to);
        return 1;
      } catch {
        return 0;
      }
    };
    const [first, second] = await world.run(Promise.all([claim("/b"), claim("/c")]));
    assertEquals(first! + second!, 1);
  }
  assertEquals([paths.count, paths.complete], [2, true]);
});

Deno.test("a request that is answered at once doesn't wait for the verbs of others", async () => {
  const orders = new Set<string>();
  await everyInterleaving({ limit: 100 }, async (scheduler) => {
    const world = new World({ scheduler });
    let order = "";
    const work = async (name: string) => {
      const { disk, fetch } = world.process().runtime;
      await disk.lstat("/");
      await fetch("http://a/", {});
      await disk.lstat("/");
      order += name;
    };
    await world.run(Promise.all([work("a"), work("b")]));
    orders.add(order);
  });
  assertEquals([...orders].sort(), ["ab", "ba"]);
});

Deno.test("isDependent() knows which verbs can be exchanged", () => {
  const { process } = { process: new World().process() };
  const call = (verb: Verb, path: string, to?: string) => ({ verb, path, to, process });
  const claim = call("rename", "/q/new/a", "/q/cur/a1");
  const depends: [ReturnType<typeof call>, boolean][] = [
    [call("rename", "/q/new/a", "/q/cur/a2"), true],
    [call("rename", "/q/new/b", "/q/cur/b1"), false],
    [call("lstat", "/q/new/a"), true],
    [call("lstat", "/q/cur/a1"), true],
    [call("lstat", "/q/new"), false],
    [call("list", "/q/new"), true],
    [call("list", "/q/cur"), true],
    [call("list", "/q"), false],
    [call("list", "/q/doa"), false],
    [call("removeDir", "/q/cur"), true],
    [call("makeDir", "/q/cur"), true],
    [call("makeDir", "/q/defer"), false],
    [call("syncDir", "/q/new"), false],
    [call("tryLock", "/q/cur/.x"), true],
    [call("remove", "/q/cur/a11"), false],
  ];
  for (const [other, expected] of depends) {
    const name = `${other.verb} ${other.path}`;
    assertEquals([name, isDependent(claim, other)], [name, expected]);
    assertEquals([name, isDependent(other, claim)], [name, expected]);
  }
  assertEquals(isDependent(call("read", "/q/new/a"), call("list", "/q/new")), false);
});

/**
 * Three processes that claim files in different orders, as seen from outside: who got what, and who
 * found the folder how.
 */
async function claimRace(scheduler: Scheduler): Promise<string> {
  const world = new World({ scheduler });
  for (const path of ["/new", "/cur"]) world.disk.plant(path, { kind: "directory" });
  for (const name of ["a", "b"]) world.disk.plant(`/new/${name}`);
  const got: string[] = ["", "", ""];
  const claim = async (index: number, order: string) => {
    const { disk } = world.process().runtime;
    for await (const { name } of disk.list("/new")) got[index] += name;
    for (const name of order) {
      try {
        await disk.rename(`/new/${name}`, `/cur/${name}${index}`);
        got[index] += `+${name}`;
      } catch {
        got[index] += `-${name}`;
      }
    }
  };
  await world.run(Promise.all([claim(0, "ab"), claim(1, "ba"), claim(2, "b")]));
  return got.join(" ");
}

Deno.test("pruned runs show all that all runs show, with far fewer", async () => {
  const outcomes: Set<string>[] = [];
  const counts: number[] = [];
  for (const prune of [false, true]) {
    const seen = new Set<string>();
    const count = await everyInterleaving({ limit: 10_000, prune }, async (scheduler) => {
      seen.add(await claimRace(scheduler));
    });
    assert(count.complete);
    outcomes.push(seen);
    counts.push(count.runs);
  }
  assertEquals([...outcomes[1]!].sort(), [...outcomes[0]!].sort());
  assert(counts[0] === 560 && counts[1]! < 200, `${counts}`);
});

Deno.test("everyInterleaving() names the path of the run that failed", async () => {
  const error = await assertRejects(() =>
    everyInterleaving({ limit: 10_000 }, async (scheduler) => {
      const outcome = await claimRace(scheduler);
      if (outcome.includes("-a")) throw new Error("lost a");
    })
  ) as Error;
  const path = /replay\(\[([\d,]+)\]\): lost a/.exec(error.message)![1]!;
  const again = interleaving(replay(path.split(",").map(Number)));
  assert((await claimRace(again)).includes("-a"));
});
