import { assert, assertEquals } from "@std/assert";
import type { Disk } from "../../lib/runtime/runtime.ts";
import { CrashSweep } from "./crash.ts";
import type { CrashModel } from "./disk.ts";
import { World } from "./world.ts";

const text = (value: string) => new TextEncoder().encode(value);
const DURABLE = { mode: 0o600, durable: true };
const LOOSE = { mode: 0o600, durable: false };

function queueWorld(): World {
  const world = new World();
  for (const dir of ["/q", "/q/tmp", "/q/new", "/q/cur"]) {
    world.disk.plant(dir, { kind: "directory" });
  }
  return world;
}

/** Every set of files, as `path=bytes`, that a crash at the end of `work` may leave. */
async function leftBy(model: CrashModel, work: (disk: Disk) => Promise<void>): Promise<string[]> {
  const world = queueWorld();
  world.disk.record();
  await world.run(() => work(world.process().runtime.disk));
  const left = [...world.disk.images(model)].map((image) =>
    Object.entries(image.files())
      .filter(([path]) => !path.endsWith("/"))
      .map(([path, bytes]) => `${path.slice(3)}=${bytes}`).join(" ")
  );
  return [...new Set(left)].sort();
}

Deno.test("a process kill leaves everything, synced or not", async () => {
  const left = await leftBy("kill", async (disk) => {
    await disk.create("/q/tmp/a", text("abcd"), LOOSE);
    await disk.rename("/q/tmp/a", "/q/new/a");
  });
  assertEquals(left, ["new/a=abcd"]);
});

Deno.test("a power loss can take a file whose folder was not synced", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/tmp/a", text("abcd"), DURABLE);
  });
  assertEquals(left, ["", "tmp/a=abcd"]);
});

Deno.test("a power loss can take some or all bytes of a file that was not synced, but not its synced name", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/new/a", text("abcd"), LOOSE);
    await disk.syncDir("/q/new");
  });
  assertEquals(left, ["new/a=", "new/a=ab", "new/a=abcd"]);
});

Deno.test("bytes not synced are at risk under whatever name the file has by then", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/tmp/a", text("ab"), LOOSE);
    await disk.syncDir("/q/tmp");
    await disk.rename("/q/tmp/a", "/q/new/a");
  });
  assertEquals(left, ["new/a=", "new/a=a", "new/a=ab", "tmp/a=", "tmp/a=a", "tmp/a=ab"]);
});

Deno.test("a power loss leaves a prefix of the changes: none without those before it", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/tmp/a", text("1"), DURABLE);
    await disk.link("/q/tmp/a", "/q/new/a");
    await disk.remove("/q/tmp/a");
    await disk.rename("/q/new/a", "/q/cur/a");
  });
  assertEquals(left, ["", "cur/a=1", "new/a=1", "new/a=1 tmp/a=1", "tmp/a=1"]);
});

Deno.test("syncDir() makes the changes of its folder and all before them durable, not those after", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/tmp/a", text("1"), DURABLE);
    await disk.rename("/q/tmp/a", "/q/new/a");
    await disk.create("/q/tmp/b", text("2"), DURABLE);
    await disk.syncDir("/q/new");
  });
  assertEquals(left, ["new/a=1", "new/a=1 tmp/b=2"]);
});

Deno.test("syncDir() of a folder in which nothing happened does nothing", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/new/a", text("1"), DURABLE);
    await disk.syncDir("/q/cur");
  });
  assertEquals(left, ["", "new/a=1"]);
});

Deno.test("a removed file can be back after a power loss, with its bytes", async () => {
  const left = await leftBy("power", async (disk) => {
    await disk.create("/q/new/a", text("1"), DURABLE);
    await disk.syncDir("/q/new");
    await disk.remove("/q/new/a");
  });
  assertEquals(left, ["", "new/a=1"]);
});

Deno.test("a crash within create() leaves none, half or all of the bytes", async () => {
  const world = queueWorld();
  const sweep = new CrashSweep(world, { models: ["kill"], note: () => 0 });
  await world.process().runtime.disk.create("/q/tmp/a", text("abcd"), DURABLE);
  const left = sweep.crashes.map(({ at, disk }) => [at.split(" ")[0], disk.files()["/q/tmp/a"]]);
  assertEquals(left, [["before", undefined], ["named", ""], ["half", "ab"], ["unsynced", "abcd"]]);
});

Deno.test("an image is a disk of its own: neither world sees what the other does", async () => {
  const world = queueWorld();
  const { disk } = world.process().runtime;
  const sweep = new CrashSweep(world, { note: () => 0 });
  await disk.create("/q/new/a", text("a"), DURABLE);
  await disk.syncDir("/q/new");
  sweep.take();
  const crash = sweep.crashes.at(-1)!;
  const other = new World({ from: crash });
  const { disk: otherDisk } = other.process().runtime;
  await disk.rename("/q/new/a", "/q/cur/mine");
  await otherDisk.rename("/q/new/a", "/q/cur/theirs");
  await otherDisk.makeDir("/q/defer", 0o700);
  const files = (each: World) =>
    Object.keys(each.disk.image().files()).filter((path) => /[^/]$/.test(path));
  assertEquals(files(world), ["/q/cur/mine"]);
  assertEquals(files(other), ["/q/cur/theirs"]);
  assertEquals(Object.keys(crash.disk.files()).includes("/q/new/a"), true);
});

Deno.test("a world started from an image can crash again", async () => {
  const world = queueWorld();
  await world.process().runtime.disk.create("/q/new/a", text("abcd"), LOOSE);
  const again = new World({ from: { disk: world.disk.image(), nowMs: world.nowMs } });
  again.disk.record();
  await again.process().runtime.disk.rename("/q/new/a", "/q/cur/a");
  const left = [...again.disk.images("power")].map((image) => Object.keys(image.files()).at(1));
  assertEquals(left.length, 2); // what the first crash left is durable, the rename is not
});

Deno.test("equal images with an equal note are taken once, with another note again", async () => {
  const world = queueWorld();
  const { disk } = world.process().runtime;
  let note = "before";
  const sweep = new CrashSweep(world, { note: () => note });
  await disk.lstat("/q/new");
  await disk.lstat("/q/new");
  assertEquals([sweep.crashes.length, sweep.points, sweep.images.kill], [1, 4, 4]);
  note = "acknowledged";
  await disk.lstat("/q/new");
  assertEquals(sweep.crashes.map((crash) => crash.note), ["before", "acknowledged"]);
});

/**
 * The enqueue of the product's contract, and what it becomes when somebody leaves out or moves a
 * line.
 */
const ENQUEUE: Record<string, (disk: Disk, acknowledge: () => void) => Promise<void>> = {
  "as the contract has it": async (disk, acknowledge) => {
    await disk.create("/q/tmp/a", text("event"), DURABLE);
    await disk.link("/q/tmp/a", "/q/new/a");
    await disk.remove("/q/tmp/a");
    await disk.syncDir("/q/new");
    acknowledge();
  },
  "file not synced": async (disk, acknowledge) => {
    await disk.create("/q/tmp/a", text("event"), LOOSE);
    await disk.link("/q/tmp/a", "/q/new/a");
    await disk.syncDir("/q/new");
    acknowledge();
  },
  "folder not synced": async (disk, acknowledge) => {
    await disk.create("/q/tmp/a", text("event"), DURABLE);
    await disk.link("/q/tmp/a", "/q/new/a");
    acknowledge();
  },
  "wrong folder synced": async (disk, acknowledge) => {
    await disk.create("/q/tmp/a", text("event"), DURABLE);
    await disk.link("/q/tmp/a", "/q/new/a");
    await disk.syncDir("/q/tmp");
    acknowledge();
  },
  "folder synced too early": async (disk, acknowledge) => {
    await disk.create("/q/tmp/a", text("event"), DURABLE);
    await disk.syncDir("/q/new");
    await disk.link("/q/tmp/a", "/q/new/a");
    acknowledge();
  },
  "straight into new": async (disk, acknowledge) => {
    await disk.create("/q/new/a", text("event"), DURABLE);
    await disk.syncDir("/q/new");
    acknowledge();
  },
  "acknowledged early": async (disk, acknowledge) => {
    await disk.create("/q/tmp/a", text("event"), DURABLE);
    acknowledge();
    await disk.link("/q/tmp/a", "/q/new/a");
    await disk.syncDir("/q/new");
  },
};

/** Which models leave an image in which an acknowledged event is missing, or a ready one broken. */
async function caughtBy(enqueue: (disk: Disk, acknowledge: () => void) => Promise<void>) {
  const caught: CrashModel[] = [];
  for (const model of ["kill", "power"] as const) {
    const world = queueWorld();
    let acknowledged = false;
    const sweep = new CrashSweep(world, { models: [model], note: () => acknowledged });
    await world.run(() => enqueue(world.process().runtime.disk, () => acknowledged = true));
    sweep.take();
    const isBroken = sweep.crashes.some((crash) => {
      const found = crash.disk.files()["/q/new/a"];
      return found === undefined ? crash.note : found !== "event";
    });
    if (isBroken) caught.push(model);
  }
  return caught.join(" ");
}

Deno.test("the sweep has teeth: it passes the right enqueue and catches each wrong one", async () => {
  const caught: Record<string, string> = {};
  for (const [name, enqueue] of Object.entries(ENQUEUE)) caught[name] = await caughtBy(enqueue);
  assertEquals(caught, {
    "as the contract has it": "",
    "file not synced": "power",
    "folder not synced": "power",
    "wrong folder synced": "power",
    "folder synced too early": "power",
    "straight into new": "kill power",
    "acknowledged early": "kill power",
  });
});

Deno.test("taking images doesn't change the run", async () => {
  const run = async (isSwept: boolean) => {
    const world = queueWorld();
    if (isSwept) new CrashSweep(world, { note: () => 0 });
    const { disk, random, clock } = world.process().runtime;
    await world.run(async () => {
      for (let count = 0; count < 5; count++) {
        await disk.create(`/q/new/${random()}`, text("x"), LOOSE);
        await clock.sleep(10);
      }
    });
    return world.disk.image().fingerprint;
  };
  assertEquals(await run(true), await run(false));
});

Deno.test("images differ in the fingerprint when they differ in names, bytes, mtimes or modes", () => {
  const fingerprints = [
    { path: "/a" },
    { path: "/b" },
    { path: "/a", text: "x" },
    { path: "/a", mtimeMs: 1 },
    { path: "/a", mode: 0o644 },
    { path: "/a", kind: "directory" as const },
  ].map(({ path, ...what }) => {
    const world = new World();
    world.disk.plant(path, what);
    return world.disk.image().fingerprint;
  });
  assert(new Set(fingerprints).size === fingerprints.length);
});
