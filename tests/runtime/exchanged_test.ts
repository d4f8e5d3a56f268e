/**
 * What is exchanged between the look at a path and its use: by somebody who may write into the same
 * folder. Done here at the worst moment, right after the look.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { asyncDisk, blockingDisk, THREAD_VERBS } from "../../lib/runtime/deno.ts";
import { threadedDisk } from "../../lib/runtime/disk_thread/client.ts";
import { startThread } from "../../lib/runtime/disk_thread/program.ts";
import { type Disk, errorCode, type FileContent, take } from "../../lib/runtime/runtime.ts";
import { within } from "../../lib/runtime/within.ts";
import { tempDir } from "../support/temp_dir.ts";

const SECRET = "the secret";
const ANY = 1_000;

/** Do `verb` on a path that `exchange` puts something else at, once it has been looked at. */
async function exchanged<T>(
  path: string,
  exchange: () => void,
  verb: () => T,
): Promise<Awaited<T>> {
  const { lstatSync } = Deno;
  let isDone = false;
  Deno.lstatSync = (looked) => {
    const seen = lstatSync(looked);
    if (looked === path && !isDone) {
      isDone = true;
      exchange();
    }
    return seen;
  };
  try {
    const result = await verb();
    assert(isDone, "nobody looked");
    return result;
  } finally {
    Deno.lstatSync = lstatSync;
  }
}

async function codeOf(verb: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await verb();
    return "no error";
  } catch (error) {
    return errorCode(error);
  }
}

/** A file, a folder, and outside of it a file and a folder that are nobody's business. */
async function stage() {
  const dir = await tempDir();
  const { path } = dir;
  Deno.mkdirSync(`${path}/q/d`, { recursive: true });
  Deno.mkdirSync(`${path}/out`, { mode: 0o700 });
  Deno.writeTextFileSync(`${path}/q/a`, "an event");
  Deno.writeTextFileSync(`${path}/out/secret`, SECRET, { mode: 0o600 });
  Deno.utimeSync(`${path}/out/secret`, 1, 1);
  const put = (make: () => void, name: string) => () => {
    Deno.renameSync(`${path}/q/${name}`, `${path}/gone`);
    make();
  };
  return {
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
    a: `${path}/q/a`,
    d: `${path}/q/d`,
    /** What is outside, as it is now. */
    outside: () => {
      const { mode, mtime } = Deno.statSync(`${path}/out/secret`);
      const text = Deno.readTextFileSync(`${path}/out/secret`);
      return [mode! & 0o777, mtime!.getTime(), text, Deno.statSync(`${path}/out`).mode! & 0o777];
    },
    fifo: (name: "a" | "d") =>
      put(() => {
        const { success } = new Deno.Command("mkfifo", { args: [`${path}/q/${name}`] })
          .outputSync();
        assert(success);
      }, name),
    symlink: (name: "a" | "d") =>
      put(
        () => Deno.symlinkSync(`${path}/out${name === "a" ? "/secret" : ""}`, `${path}/q/${name}`),
        name,
      ),
  };
}

const UNTOUCHED = [0o600, 1_000, SECRET, 0o700];

const READS: Record<string, (path: string, maxBytes: number) => FileContent> = {
  "read()": blockingDisk.read as Disk["read"] as (path: string) => FileContent,
  "readOwn()": THREAD_VERBS.readOwn,
};

for (const [name, read] of Object.entries(READS)) {
  Deno.test(`${name} waits for nobody when the file becomes a FIFO`, async () => {
    await using q = await stage();
    const { bytes, stat } = await exchanged(q.a, q.fifo("a"), () => read(q.a, ANY));
    assertEquals([bytes, stat.kind], [undefined, "other"]);
  });

  Deno.test(`${name} gives nothing of another file when the file becomes a symlink`, async () => {
    await using q = await stage();
    const found = await exchanged(q.a, q.symlink("a"), () => {
      try {
        return read(q.a, ANY).bytes;
      } catch (error) {
        return errorCode(error);
      }
    });
    assert(found === undefined || found === "ELOOP");
    assertEquals(q.outside(), UNTOUCHED);
  });
}

Deno.test("tryLock() neither locks nor waits for what a file becomes", async () => {
  for (const kind of ["fifo", "symlink"] as const) {
    await using q = await stage();
    const lock = () => exchanged(q.a, q[kind]("a"), () => blockingDisk.tryLock(q.a));
    assertEquals(await codeOf(lock), "ELOOP");
    assertEquals(q.outside(), UNTOUCHED);
  }
});

Deno.test("chmod() and syncDir() of a shared folder do nothing to what it becomes", async () => {
  for (const kind of ["fifo", "symlink"] as const) {
    for (const verb of ["chmod", "syncDir"] as const) {
      await using q = await stage();
      Deno.chmodSync(q.d, 0o2770);
      const act = () => exchanged(q.d, q[kind]("d"), () => blockingDisk[verb](q.d, 0o777));
      assertEquals([kind, verb, await codeOf(act)], [kind, verb, "ENOTDIR"]);
      assertEquals(q.outside(), UNTOUCHED);
    }
  }
});

/** Watch a folder that others write into, be told of a name, and once more after a FIFO came. */
async function watchShared(dir: string): Promise<void> {
  for (const kind of ["file", "fifo", "file"]) {
    const told = Promise.withResolvers<void>();
    const stop = blockingDisk.watch(dir, told.resolve);
    const path = `${dir}/${crypto.randomUUID()}`;
    if (kind === "file") Deno.writeTextFileSync(path, "");
    else await new Deno.Command("mkfifo", { args: [path] }).output();
    await told.promise;
    stop();
  }
}

if (import.meta.main) {
  await watchShared(Deno.args[0]!);
  Deno.exit(7);
}

Deno.test("a FIFO that comes up in a shared folder doesn't stop who watches it", async () => {
  await using dir = await tempDir();
  Deno.chmodSync(dir.path, 0o2770);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--frozen", new URL(import.meta.url).pathname, dir.path],
    signal: AbortSignal.timeout(10_000),
  }).output();
  assertEquals(code, 7);
});

/**
 * A disk kept within `q`, whose folder `way` becomes a symlink out of it after the look of every
 * verb and before its effect, and stays one.
 */
function astray(disk: Disk, path: string): Disk {
  const exchange = () => {
    try {
      Deno.renameSync(`${path}/q/way`, `${path}/q/true-way`);
    } catch {
      return; // done before
    }
    Deno.symlinkSync(`${path}/out`, `${path}/q/way`);
  };
  const verbs = Object.entries(disk).map(([name, verb]) => [
    name,
    (...given: unknown[]) => {
      if (name !== "lstat") exchange();
      return verb(...given);
    },
  ]);
  return within(Object.fromEntries(verbs), `${path}/q`);
}

/** A disk with a thread that exchanges the folder before its first rename. */
function astrayThread(path: string) {
  const exchange = `
    try {
      Deno.lstatSync("${path}/q/true-way");
    } catch {
      Deno.renameSync("${path}/q/way", "${path}/q/true-way");
      Deno.symlinkSync("${path}/out", "${path}/q/way");
    }`;
  const act = "Deno.renameSync(from, to)";
  const start = (program: string) => {
    assert(program.includes(act));
    return startThread(program.replace(act, `${exchange}; ${act}`));
  };
  return threadedDisk({ leastBurst: 1 }, start);
}

async function crossroads() {
  const dir = await tempDir();
  const { path } = dir;
  for (const name of ["q", "q/way", "q/new", "out"]) Deno.mkdirSync(`${path}/${name}`);
  for (const name of ["q/new/x", "q/new/y", "q/way/a", "out/a"]) {
    Deno.writeTextFileSync(`${path}/${name}`, name);
  }
  const namesIn = (name: string) =>
    [...Deno.readDirSync(`${path}/${name}`)].map(({ name }) => name).sort();
  return {
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
    path,
    q: `${path}/q`,
    way: `${path}/q/way`,
    namesIn,
  };
}

const bytes = new TextEncoder().encode("x");
const DISKS = { blocking: blockingDisk, asynchronous: asyncDisk };

for (const [name, disk] of Object.entries(DISKS)) {
  Deno.test(`what went out of the queue by a folder exchanged meanwhile is undone (${name})`, async () => {
    const options = { mode: 0o600, durable: false };
    const verbs: Record<string, (inside: Disk, way: string, q: string) => unknown> = {
      create: (inside, way) => inside.create(`${way}/n`, bytes, options),
      rename: (inside, way, q) => inside.rename(`${q}/new/x`, `${way}/x`),
      take: async (inside, way, q) => {
        const moves = [..."xy"].map((name) => ({ from: `${q}/new/${name}`, to: `${way}/${name}` }));
        const taken = await take(inside, moves, ANY);
        assertEquals(taken.map(({ refused }) => errorCode(refused)), ["ENOTDIR", "ENOTDIR"]);
        throw taken[0]!.refused;
      },
      link: (inside, way, q) => inside.link(`${q}/new/x`, `${way}/x`),
      makeDir: (inside, way) => inside.makeDir(`${way}/n`, 0o700),
      read: (inside, way) => inside.read(`${way}/a`, ANY),
      tryLock: (inside, way) => inside.tryLock(`${way}/a`),
    };
    for (const [name, verb] of Object.entries(verbs)) {
      await using at = await crossroads();
      const inside = astray(disk, at.path);
      const code = await codeOf(async () => await verb(inside, at.way, at.q));
      assertEquals([name, code], [name, "ENOTDIR"]);
      assertEquals([name, at.namesIn("out")], [name, ["a"]]);
      assertEquals([name, at.namesIn("q/new")], [name, ["x", "y"]]);
    }
  });
}

Deno.test("what went out of the queue by a folder exchanged meanwhile is undone (thread)", async () => {
  await using at = await crossroads();
  const disk = astrayThread(at.path);
  try {
    const inside = within(disk, at.q);
    await disk.start();
    const moves = [..."xy"].map((name) => ({
      from: `${at.q}/new/${name}`,
      to: `${at.way}/${name}`,
    }));
    const taken = await take(inside, moves, ANY);
    assertEquals(taken.map(({ refused }) => errorCode(refused)), ["ENOTDIR", "ENOTDIR"]);
    assertEquals(
      await codeOf(async () => await inside.rename(moves[0]!.from, moves[0]!.to)),
      "ENOTDIR",
    );
    assertEquals([at.namesIn("out"), at.namesIn("q/new")], [["a"], ["x", "y"]]);
  } finally {
    disk.close();
  }
});

Deno.test("a thread that was not told of a queue is told of it later, and keeps within it", async () => {
  await using at = await crossroads();
  const disk = threadedDisk({ leastBurst: 1 }, startThread);
  try {
    await disk.start();
    Deno.symlinkSync(`${at.path}/out`, `${at.q}/link`);
    await disk.rename(`${at.q}/link/a`, `${at.q}/link/b`);
    const inside = within(disk, at.q);
    const back = () => inside.rename(`${at.q}/link/b`, `${at.q}/link/a`);
    assertEquals(await codeOf(async () => await back()), "ENOTDIR");
    assertEquals(at.namesIn("out"), ["b"]);
  } finally {
    disk.close();
  }
});
