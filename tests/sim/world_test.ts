import { assert, assertEquals, assertRejects } from "@std/assert";
import { errorCode } from "../../lib/runtime/runtime.ts";
import { DeadlockError, LivelockError } from "./clock.ts";
import { diskFull, failAt, lostReply } from "./faults.ts";
import { describe, START_MS, World } from "./world.ts";

const text = (value: string) => new TextEncoder().encode(value);
const DURABLE = { mode: 0o600, durable: true };
const HOUR_MS = 3_600_000;

async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

Deno.test("time stands still while anybody runs and jumps to the next sleeper", async () => {
  const world = new World();
  const { clock } = world.process().runtime;
  const woke: string[] = [];
  const sleep = async (name: string, ms: number) => {
    await clock.sleep(ms);
    woke.push(`${name} ${world.time.nowMs}`);
  };
  await world.run(Promise.all([sleep("year", 31e9), sleep("b", 5), sleep("a", 2), sleep("c", 5)]));
  assertEquals(woke, ["a 2", "b 5", "c 5", "year 31000000000"]);
  assertEquals(clock.now(), START_MS + 31e9);
});

Deno.test("a host's wall clock jumps, the monotonic one and other hosts' don't", async () => {
  const world = new World();
  const near = world.process({ host: "near" }).runtime.clock;
  const far = world.process({ host: "far" }).runtime.clock;
  world.host("near").jump(-HOUR_MS);
  const sleeping = near.sleep(10);
  world.host("near").jump(HOUR_MS / 2);
  await world.run(sleeping);
  assertEquals([near.now() - START_MS, far.now() - START_MS], [10 - HOUR_MS / 2, 10]);
  assertEquals(near.monotonic(), 10);
});

Deno.test("files are dated by the clock of the host that writes them", async () => {
  const world = new World();
  world.host("late", { offsetMs: 600_000 });
  const { disk } = world.process({ host: "late" }).runtime;
  await disk.create("/a", text(""), DURABLE);
  assertEquals((await disk.lstat("/a")).mtimeMs, START_MS + 600_000);
});

Deno.test("run() ends with a DeadlockError when nobody will ever go on", async () => {
  const world = new World();
  await assertRejects(() => world.run(new Promise(() => {})), DeadlockError);
  world.network.script = () => ({ fails: "hang" });
  const { fetch } = world.process().runtime;
  await assertRejects(() => world.run(fetch("http://a/", {})), DeadlockError);
});

Deno.test("run() ends with a LivelockError when it goes on and on", async () => {
  const world = new World({ maxTurns: 100 });
  const { clock } = world.process().runtime;
  const polling = async () => {
    for (;;) await clock.sleep(1_000);
  };
  await assertRejects(() => world.run(polling), LivelockError, "turns");
});

Deno.test("run() ends with a LivelockError when verbs never end at one instant", async () => {
  const world = new World({ maxCalls: 500 });
  const { disk } = world.process().runtime;
  const spinning = async () => {
    for (;;) await disk.lstat("/");
  };
  await assertRejects(() => world.run(spinning), LivelockError, "instant");
});

Deno.test("an error of the test's own hooks ends the run, whatever the code under test catches", async () => {
  const world = new World();
  const { disk } = world.process().runtime;
  world.onVerb = () => {
    throw new RangeError("in the hook");
  };
  const work = async () => {
    try {
      await disk.lstat("/");
    } catch {
      // swallowed
    }
  };
  await assertRejects(() => world.run(work), RangeError);
});

Deno.test("a run is a pure function of its seed", async () => {
  const run = async (seed: number) => {
    const world = new World({ seed, latencyMs: () => 1 });
    const log: string[] = [];
    world.onPoint((call, phase) => log.push(`${world.time.nowMs} ${phase} ${describe(call)}`));
    const worker = async () => {
      const { disk, clock, random } = world.process().runtime;
      for (let count = 0; count < 20; count++) {
        await disk.create(`/${random()}`, text("x"), DURABLE);
        await clock.sleep(random() * 100);
      }
    };
    await world.run(Promise.all([worker(), worker(), worker()]));
    return log.join("\n");
  };
  assertEquals(await run(7), await run(7));
  assert(await run(7) !== await run(8));
});

Deno.test("kill() stops a process at its verb, without catch or finally", async () => {
  const world = new World();
  const process = world.process();
  const { disk, clock } = process.runtime;
  const log: string[] = [];
  world.onPoint((call, phase) => {
    if (call.path === "/b" && phase === "after") process.kill();
  });
  const work = async () => {
    try {
      await disk.create("/a", text("a"), DURABLE);
      log.push("a");
      await disk.create("/b", text("b"), DURABLE);
      log.push("b");
    } catch {
      log.push("caught");
    } finally {
      log.push("tidied");
    }
  };
  work();
  const ticking = async () => {
    await clock.sleep(1);
    log.push("ticked");
  };
  ticking();
  await world.advance(1_000);
  assertEquals(log, ["a"]);
  assertEquals(Object.keys(world.disk.image().files()), ["/a", "/b"]);
  assertEquals(process.alive, false);
});

Deno.test("kill() stops a process within create(), whose file stays as it is by then", async () => {
  for (const [phase, left] of [["before", undefined], ["named", ""], ["half", "ab"]] as const) {
    const world = new World();
    const process = world.process();
    world.onPoint((_, at) => {
      if (at === phase) process.kill();
    });
    let isDone = false;
    Promise.resolve(process.runtime.disk.create("/a", text("abcd"), DURABLE))
      .then(() => isDone = true);
    await world.advance(1);
    assertEquals([isDone, world.disk.image().files()["/a"]], [false, left]);
  }
});

Deno.test("kill() frees the locks and forgets the requests of the dead", async () => {
  const world = new World();
  world.network.script = () => ({ delayMs: 50 });
  world.disk.plant("/lock");
  const dying = world.process();
  const living = world.process().runtime;
  assert(await dying.runtime.disk.tryLock("/lock") !== undefined);
  assertEquals(await living.disk.tryLock("/lock"), undefined);
  let isAnswered = false;
  dying.runtime.fetch("http://a/", { method: "POST" }).then(() => isAnswered = true);
  dying.kill();
  assert(await living.disk.tryLock("/lock") !== undefined);
  await world.advance(100);
  assertEquals([isAnswered, world.network.inFlight, world.network.taken.length], [false, 0, 1]);
  assertEquals(world.network.taken[0]!.answered, false);
});

Deno.test("a verb fails with the code it is told, with or without its effect", async () => {
  const world = new World();
  const { disk } = world.process().runtime;
  world.onVerb = failAt(0, { code: "EIO" });
  assertEquals(await codeOf(() => disk.create("/a", text("abcd"), DURABLE)), "EIO");
  world.onVerb = failAt(1, { code: "ENOSPC", applied: "partly" });
  assertEquals(await codeOf(() => disk.create("/b", text("abcd"), DURABLE)), "ENOSPC");
  world.onVerb = lostReply;
  assertEquals(await codeOf(() => disk.rename("/b", "/c")), "ENOENT");
  assertEquals(await codeOf(() => disk.makeDir("/d", 0o700)), "EEXIST");
  assertEquals(world.disk.image().files(), { "/c": "ab", "/d/": "" });
});

Deno.test("on a full disk nothing can be made, and only so many renames go through", async () => {
  const world = new World();
  const { disk } = world.process().runtime;
  for (const name of "abc") world.disk.plant(`/${name}`, { text: name });
  world.onVerb = diskFull({ renames: 1 });
  assertEquals(await codeOf(() => disk.rename("/a", "/a2")), undefined);
  assertEquals(await codeOf(() => disk.rename("/b", "/b2")), "ENOSPC");
  assertEquals(await codeOf(() => disk.link("/b", "/b2")), "ENOSPC");
  assertEquals(await codeOf(() => disk.makeDir("/d", 0o700)), "ENOSPC");
  assertEquals(await codeOf(() => disk.remove("/c")), undefined);
  assertEquals(Object.keys(world.disk.image().files()), ["/a2", "/b"]);
});

Deno.test("watch() tells of changes in its folder until stopped, on the same host only", async () => {
  const world = new World();
  const here = world.process({ host: "here" }).runtime;
  const there = world.process({ host: "there" }).runtime;
  world.disk.plant("/q", { kind: "directory" });
  let changes = 0;
  const stop = here.disk.watch("/q/", () => changes++);
  await world.run(async () => {
    await here.disk.create("/q/a", text(""), DURABLE);
    await there.disk.create("/q/b", text(""), DURABLE);
    await here.disk.create("/c", text(""), DURABLE);
  });
  assertEquals(changes, 1);
  stop();
  await world.run(async () => await here.disk.rename("/c", "/q/c"));
  assertEquals(changes, 1);
});

Deno.test("a verb with latency takes its time, and only then its effect", async () => {
  const world = new World({ latencyMs: (call) => call.verb === "rename" ? 70_000 : 0 });
  world.disk.plant("/a");
  const { disk } = world.process().runtime;
  const renaming = disk.rename("/a", "/b");
  await world.advance(69_999);
  assertEquals(Object.keys(world.disk.image().files()), ["/a"]);
  await world.run(Promise.resolve(renaming));
  assertEquals([Object.keys(world.disk.image().files()), world.time.nowMs], [["/b"], 70_000]);
});

Deno.test("pause() holds a process's verbs, sleeps and answers back, in their order, and nobody else's", async () => {
  const world = new World();
  world.network.script = () => ({ delayMs: 10 });
  const [paused, other] = [world.process(), world.process()];
  const log: string[] = [];
  const note = (what: string) => () => log.push(`${what} ${world.time.nowMs}`);
  const { clock, disk, fetch } = paused.runtime;
  const late = [
    clock.sleep(20).then(note("sleep")),
    fetch("http://a/", {}).then(note("answer")),
    clock.sleep(900).then(note("long sleep")),
  ];
  paused.pause(500);
  late.push(Promise.resolve(disk.lstat("/")).then(note("verb")));
  late.push(other.runtime.clock.sleep(30).then(note("other")));
  await world.run(Promise.all(late));
  await disk.lstat("/");
  assertEquals(log, ["other 30", "answer 500", "sleep 500", "verb 500", "long sleep 900"]);
  assertEquals(world.time.nowMs, 900);
});
