/**
 * The sentences of `lib/runtime/runtime.ts`, held against each runtime there is: one suite, so that
 * what the simulation proves is true of the real disk as well.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { asyncDisk, blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { workerDisk, type WorkerDiskOptions } from "../../lib/runtime/disk_thread/client.ts";
import { nodeDisk, nodeRuntime } from "../../lib/runtime/node.ts";
import {
  type DirEntry,
  type Disk,
  errorCode,
  type Runtime,
  take,
} from "../../lib/runtime/runtime.ts";
import { within } from "../../lib/runtime/within.ts";
import { firstChoice } from "../sim/choices.ts";
import { interleaving } from "../sim/scheduler.ts";
import { World, type WorldOptions } from "../sim/world.ts";

/** A runtime with an empty folder to itself. */
interface Bench {
  readonly runtime: Runtime;
  readonly dir: string;
  symlink(target: string, path: string): Promise<void>;
  fifo(path: string): Promise<void>;
}

type Body = (bench: Bench) => Promise<void>;

function real(runtime: Runtime): (body: Body) => Promise<void> {
  return async (body) => {
    const dir = await Deno.makeTempDir();
    try {
      await body({
        runtime,
        dir,
        symlink: (target, path) => Deno.symlink(target, path),
        fifo: async (path) => void await new Deno.Command("mkfifo", { args: [path] }).output(),
      });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  };
}

/** On a disk with a thread, which runs already if told so. */
function threaded(runs: boolean, options?: WorkerDiskOptions): (body: Body) => Promise<void> {
  return async (body) => {
    const disk = workerDisk(options);
    if (runs) await disk.start();
    try {
      await real(denoRuntime(disk))(body);
    } finally {
      disk.close();
    }
  };
}

function simulated(options: () => WorldOptions): (body: Body) => Promise<void> {
  return (body) => {
    const world = new World(options());
    world.disk.plant("/bench", { kind: "directory", mode: 0o700 });
    const plant = (path: string, kind: "symlink" | "other", text = "") => {
      world.disk.plant(path, { kind, text });
      return Promise.resolve();
    };
    return world.run(() =>
      body({
        runtime: world.process().runtime,
        dir: "/bench",
        symlink: (target, path) => plant(path, "symlink", target),
        fifo: (path) => plant(path, "other"),
      })
    );
  };
}

const RUNTIMES: Record<string, (body: Body) => Promise<void>> = {
  "Deno, blocking": real(denoRuntime(blockingDisk)),
  "Deno, asynchronous": real(denoRuntime(asyncDisk)),
  "Deno, with a thread that is always asked": threaded(true, { leastBurst: 1 }),
  "Deno, with a thread": threaded(false),
  "Deno, with a thread for which removals are slow": threaded(true, { slowRemovalMs: 0 }),
  "Node's modules": real(nodeRuntime()),
  "simulation": simulated(() => ({ listChunk: 5 })),
  "simulation, verb by verb": simulated(() => ({ scheduler: interleaving(firstChoice) })),
  "simulation, slow": simulated(() => ({ latencyMs: () => 3 })),
  "simulation, network disk": simulated(() => ({ networkDisk: true })),
};

/** One sentence, on every runtime. */
function holds(sentence: string, body: Body): void {
  for (const [name, bench] of Object.entries(RUNTIMES)) {
    Deno.test(`${sentence} (${name})`, () => bench(body));
  }
}

/** So many numbers. */
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

const PRIVATE = { mode: 0o600, durable: false };
const DURABLE = { mode: 0o600, durable: true };
const FOLDER = 0o700;
const LIMIT = 1_000;
const bytes = (text: string) => new TextEncoder().encode(text);

async function textOf(disk: Disk, path: string): Promise<string | undefined> {
  const content = await disk.read(path, LIMIT);
  return content.bytes && new TextDecoder().decode(content.bytes);
}

async function namesIn(disk: Disk, dir: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of disk.list(dir)) names.push(name);
  return names.sort();
}

/** The code of the error that `work` must end with. */
async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
  } catch (error) {
    assert(error instanceof Error);
    return errorCode(error);
  }
  return "no error";
}

holds("create() makes a file of just these bytes and mode", async ({ runtime: { disk }, dir }) => {
  await disk.create(`${dir}/a`, bytes("hello"), DURABLE);
  await disk.create(`${dir}/empty`, bytes(""), PRIVATE);
  assertEquals(await textOf(disk, `${dir}/a`), "hello");
  assertEquals(await textOf(disk, `${dir}/empty`), "");
  const { mode, size, kind, nlink } = await disk.lstat(`${dir}/a`);
  assertEquals({ mode, size, kind, nlink }, { mode: 0o600, size: 5, kind: "file", nlink: 1 });
});

holds("create() never touches a name that exists", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("first"), DURABLE);
  await disk.makeDir(`${dir}/d`, FOLDER);
  await bench.symlink(`${dir}/nowhere`, `${dir}/s`);
  for (const name of ["a", "d", "s"]) {
    assertEquals(await codeOf(() => disk.create(`${dir}/${name}`, bytes("2"), DURABLE)), "EEXIST");
  }
  assertEquals(await textOf(disk, `${dir}/a`), "first");
});

holds("lstat() looks at a symlink, not through it", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  assertEquals((await disk.lstat(`${dir}/s`)).kind, "symlink");
  assertEquals((await disk.lstat(`${dir}/p`)).kind, "other");
  assertEquals((await disk.lstat(dir)).kind, "directory");
});

holds("read() gives no bytes of what isn't a regular file", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("secret"), PRIVATE);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  await disk.makeDir(`${dir}/d`, FOLDER);
  for (const [name, kind] of [["s", "symlink"], ["p", "other"], ["d", "directory"]] as const) {
    const content = await disk.read(`${dir}/${name}`, LIMIT);
    assertEquals([content.stat.kind, content.bytes], [kind, undefined]);
  }
});

holds(
  "read() gives no bytes of a file larger than asked for",
  async ({ runtime: { disk }, dir }) => {
    await disk.create(`${dir}/a`, bytes("12345"), PRIVATE);
    const content = await disk.read(`${dir}/a`, 4);
    assertEquals([content.stat.size, content.bytes], [5, undefined]);
    assertEquals((await disk.read(`${dir}/a`, 5)).bytes, bytes("12345"));
    assertEquals(content.stat.ino, (await disk.lstat(`${dir}/a`)).ino);
  },
);

holds("rename() keeps the file and its mtime", async ({ runtime: { disk }, dir }) => {
  await disk.makeDir(`${dir}/d`, FOLDER);
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await disk.touch(`${dir}/a`, 1_700_000_000_123);
  const before = await disk.lstat(`${dir}/a`);
  await disk.rename(`${dir}/a`, `${dir}/d/b`);
  const after = await disk.lstat(`${dir}/d/b`);
  assertEquals([after.ino, after.mtimeMs], [before.ino, 1_700_000_000_123]);
  assert(after.ctimeMs >= before.ctimeMs);
  assertEquals(await namesIn(disk, dir), ["d"]);
});

holds("rename() replaces a file silently", async ({ runtime: { disk }, dir }) => {
  await disk.create(`${dir}/a`, bytes("new"), PRIVATE);
  await disk.create(`${dir}/b`, bytes("old"), PRIVATE);
  await disk.rename(`${dir}/a`, `${dir}/b`);
  assertEquals(await namesIn(disk, dir), ["b"]);
  assertEquals(await textOf(disk, `${dir}/b`), "new");
});

holds("rename() of one of two links onto the other does nothing", async ({ runtime, dir }) => {
  const { disk } = runtime;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await disk.link(`${dir}/a`, `${dir}/b`);
  await disk.rename(`${dir}/a`, `${dir}/b`);
  assertEquals(await namesIn(disk, dir), ["a", "b"]);
  assertEquals((await disk.lstat(`${dir}/a`)).nlink, 2);
});

holds("rename() takes folders with all in them, symlinks and FIFOs", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.makeDir(`${dir}/d`, FOLDER);
  await disk.create(`${dir}/d/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/d/a`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  for (const name of ["d", "s", "p"]) await disk.rename(`${dir}/${name}`, `${dir}/${name}2`);
  assertEquals(await namesIn(disk, dir), ["d2", "p2", "s2"]);
  assertEquals(await textOf(disk, `${dir}/d2/a`), "x");
  assertEquals((await disk.lstat(`${dir}/s2`)).kind, "symlink");
});

holds(
  "link() gives a file a second name and replaces nothing",
  async ({ runtime: { disk }, dir }) => {
    await disk.create(`${dir}/a`, bytes("a"), PRIVATE);
    await disk.create(`${dir}/b`, bytes("b"), PRIVATE);
    assertEquals(await codeOf(() => disk.link(`${dir}/a`, `${dir}/b`)), "EEXIST");
    await disk.link(`${dir}/a`, `${dir}/c`);
    assertEquals((await disk.lstat(`${dir}/c`)).nlink, 2);
    await disk.remove(`${dir}/a`);
    assertEquals((await disk.lstat(`${dir}/c`)).nlink, 1);
    assertEquals([await textOf(disk, `${dir}/b`), await textOf(disk, `${dir}/c`)], ["b", "a"]);
  },
);

holds("remove() removes a symlink and not what it points to", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await disk.remove(`${dir}/s`);
  assertEquals(await namesIn(disk, dir), ["a"]);
});

holds("removeDir() removes an empty folder and nothing else", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.makeDir(`${dir}/d`, FOLDER);
  await disk.makeDir(`${dir}/d/e`, FOLDER);
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/d/e`, `${dir}/s`);
  assertEquals(await codeOf(() => disk.removeDir(`${dir}/d`)), "ENOTEMPTY");
  assertEquals(await codeOf(() => disk.removeDir(`${dir}/a`)), "ENOTDIR");
  assertEquals(await codeOf(() => disk.removeDir(`${dir}/s`)), "ENOTDIR");
  await disk.removeDir(`${dir}/d/e`);
  await disk.removeDir(`${dir}/d`);
  assertEquals(await namesIn(disk, dir), ["a", "s"]);
});

holds("touch() sets mtime, of a symlink its own", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await disk.touch(`${dir}/a`, 1_700_000_000_001);
  await disk.touch(`${dir}/s`, 1_600_000_000_001);
  assertEquals((await disk.lstat(`${dir}/a`)).mtimeMs, 1_700_000_000_001);
});

holds("create() and makeDir() give just the mode that is asked for, if told so", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), { mode: 0o666, exact: true, durable: true });
  await disk.makeDir(`${dir}/d`, 0o2777, true);
  assertEquals((await disk.lstat(`${dir}/a`)).mode, 0o666);
  assertEquals((await disk.lstat(`${dir}/d`)).mode, 0o2777);
  assertEquals(await textOf(disk, `${dir}/a`), "x");
  await bench.symlink(`${dir}/nowhere`, `${dir}/s`);
  const exactly = { mode: 0o660, exact: true, durable: false };
  assertEquals(await codeOf(() => disk.create(`${dir}/s`, bytes("x"), exactly)), "EEXIST");
  assertEquals(await codeOf(() => disk.makeDir(`${dir}/s`, 0o2770, true)), "EEXIST");
});

holds("chmod() sets a folder's mode, and no mode through a symlink", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.makeDir(`${dir}/d`, FOLDER);
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/d`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  for (const name of ["a", "s", "p"]) {
    assertEquals([name, await codeOf(() => disk.chmod(`${dir}/${name}`, 0o777))], [
      name,
      "ENOTDIR",
    ]);
    assertEquals([name, await codeOf(() => disk.syncDir(`${dir}/${name}`))], [name, "ENOTDIR"]);
  }
  assertEquals((await disk.lstat(`${dir}/d`)).mode, FOLDER);
  await disk.chmod(`${dir}/d`, 0o2770);
  assertEquals((await disk.lstat(`${dir}/d`)).mode, 0o2770);
});

holds("tryLock() locks nothing through a symlink, and waits for no FIFO", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  assertEquals(await codeOf(() => disk.tryLock(`${dir}/s`)), "ELOOP");
  assertEquals(await codeOf(() => disk.tryLock(`${dir}/p`)), "ELOOP");
});

holds("syncFile() syncs a file and nothing else", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await disk.syncFile(`${dir}/a`);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  const codes = ["s", "p", ""].map((name) => codeOf(() => disk.syncFile(`${dir}/${name}`)));
  assertEquals(await Promise.all(codes), ["ELOOP", "ELOOP", "EISDIR"]);
});

holds("readPart() reads a part of a file, and of nothing else", async (bench) => {
  const { dir, runtime: { disk } } = bench;
  await disk.create(`${dir}/a`, bytes("one two three"), { mode: 0o600, durable: false });
  const part = async (at: number, length: number) =>
    new TextDecoder().decode(await disk.readPart(`${dir}/a`, at, length));
  assertEquals([await part(0, 3), await part(4, 3)], ["one", "two"]);
  assertEquals([await part(8, 99), await part(99, 5), await part(3, 0)], ["three", "", ""]);
  await disk.makeDir(`${dir}/folder`, 0o700);
  assertEquals(await codeOf(() => disk.readPart(`${dir}/missing`, 0, 1)), "ENOENT");
  const code = await codeOf(() => disk.readPart(`${dir}/folder`, 0, 1));
  assert(code === "ELOOP" || code === "EISDIR", code);
});

holds("append() adds to a file, and to nothing else", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("one"), PRIVATE);
  await disk.append(`${dir}/a`, bytes(" two"));
  await disk.append(`${dir}/a`, bytes(""));
  await disk.syncFile(`${dir}/a`);
  assertEquals(await textOf(disk, `${dir}/a`), "one two");
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  const codes = ["s", "p", ""].map((name) =>
    codeOf(() => disk.append(`${dir}/${name}`, bytes("x")))
  );
  assertEquals(await Promise.all(codes), ["ELOOP", "ELOOP", "EISDIR"]);
  assertEquals(await textOf(disk, `${dir}/a`), "one two");
});

holds("chown() follows no symlink and leaves a file with several names alone", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await disk.makeDir(`${dir}/d`, FOLDER);
  const { uid, gid } = await disk.lstat(`${dir}/a`);
  await disk.chown(`${dir}/a`, uid, gid);
  await disk.chown(`${dir}/d`, uid, gid);
  await bench.symlink(`${dir}/a`, `${dir}/s`);
  assertEquals(await codeOf(() => disk.chown(`${dir}/s`, uid, gid)), "ELOOP");
  await disk.link(`${dir}/a`, `${dir}/b`);
  assertEquals(await codeOf(() => disk.chown(`${dir}/a`, uid, gid)), "EMLINK");
  const after = await disk.lstat(`${dir}/a`);
  assertEquals([after.uid, after.gid, after.mode], [uid, gid, 0o600]);
});

holds("what isn't there is ENOENT, for each verb", async ({ runtime: { disk }, dir }) => {
  const none = `${dir}/none`;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  const verbs: Record<string, () => unknown> = {
    list: () => namesIn(disk, none),
    entries: () => disk.entries(none),
    lstat: () => disk.lstat(none),
    read: () => disk.read(none, LIMIT),
    create: () => disk.create(`${none}/a`, bytes("x"), DURABLE),
    rename: () => disk.rename(none, `${dir}/b`),
    "rename into": () => disk.rename(`${dir}/a`, `${none}/a`),
    link: () => disk.link(none, `${dir}/b`),
    "link into": () => disk.link(`${dir}/a`, `${none}/a`),
    remove: () => disk.remove(none),
    makeDir: () => disk.makeDir(`${none}/d`, FOLDER),
    removeDir: () => disk.removeDir(none),
    touch: () => disk.touch(none, 0),
    chmod: () => disk.chmod(none, 0o600),
    chown: () => disk.chown(none, 1, 1),
    syncDir: () => disk.syncDir(none),
    syncFile: () => disk.syncFile(none),
    readPart: () => disk.readPart(none, 0, 1),
    append: () => disk.append(none, bytes("x")),
    tryLock: () => disk.tryLock(none),
  };
  for (const [name, verb] of Object.entries(verbs)) {
    assertEquals([name, await codeOf(verb)], [name, "ENOENT"]);
  }
  assertEquals(await namesIn(disk, dir), ["a"]);
});

holds("what can't be has the code POSIX gives it", async ({ runtime: { disk }, dir }) => {
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await disk.makeDir(`${dir}/d`, FOLDER);
  await disk.makeDir(`${dir}/full`, FOLDER);
  await disk.makeDir(`${dir}/full/d`, FOLDER);
  const cases: [string, () => unknown][] = [
    ["EEXIST", () => disk.makeDir(`${dir}/d`, FOLDER)],
    ["EEXIST", () => disk.makeDir(`${dir}/a`, FOLDER)],
    ["ENOTDIR", () => disk.lstat(`${dir}/a/x`)],
    ["ENOTDIR", () => namesIn(disk, `${dir}/a`)],
    ["ENOTDIR", () => disk.entries(`${dir}/a`)],
    ["ENOTDIR", () => disk.create(`${dir}/a/x`, bytes("x"), PRIVATE)],
    ["EISDIR", () => disk.rename(`${dir}/a`, `${dir}/d`)],
    ["ENOTDIR", () => disk.rename(`${dir}/d`, `${dir}/a`)],
    ["ENOTEMPTY", () => disk.rename(`${dir}/d`, `${dir}/full`)],
    ["EINVAL", () => disk.rename(`${dir}/full`, `${dir}/full/d/x`)],
    ["EPERM", () => disk.link(`${dir}/d`, `${dir}/x`)],
    ["EISDIR", () => disk.tryLock(`${dir}/d`)],
    ["ENAMETOOLONG", () => disk.create(`${dir}/${"n".repeat(256)}`, bytes("x"), PRIVATE)],
  ];
  for (const [index, [code, verb]] of cases.entries()) {
    assertEquals([index, await codeOf(verb)], [index, code]);
  }
  assertEquals(await namesIn(disk, dir), ["a", "d", "full"]);
});

holds("list() gives each name once, with its kind", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
  await disk.create(`${dir}/.dot`, bytes("x"), PRIVATE);
  await disk.makeDir(`${dir}/d`, FOLDER);
  await bench.symlink(`${dir}/d`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  const kinds: [string, string][] = [];
  for await (const { name, kind } of disk.list(dir)) kinds.push([name, kind]);
  assertEquals(Object.fromEntries(kinds), {
    ".dot": "file",
    a: "file",
    d: "directory",
    p: "other",
    s: "symlink",
  });
  assertEquals(kinds.length, 5);
});

holds("list() shows every name that stays while others go", async ({ runtime: { disk }, dir }) => {
  await disk.makeDir(`${dir}/from`, FOLDER);
  await disk.makeDir(`${dir}/to`, FOLDER);
  const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
  for (const name of names) await disk.create(`${dir}/from/${name}`, bytes(name), PRIVATE);
  const seen: string[] = [];
  for await (const { name } of disk.list(`${dir}/from`)) {
    seen.push(name);
    await disk.rename(`${dir}/from/${name}`, `${dir}/to/${name}`);
  }
  assertEquals(seen.sort(), names.sort());
  assertEquals(await namesIn(disk, `${dir}/from`), []);
});

holds("entries() gives what list() gives", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  assertEquals(await disk.entries(dir), []);
  await disk.makeDir(`${dir}/d`, FOLDER);
  await bench.symlink(`${dir}/d`, `${dir}/s`);
  await bench.fifo(`${dir}/p`);
  for (const name of "abcdefghij") await disk.create(`${dir}/${name}1`, bytes(""), PRIVATE);
  const listed: DirEntry[] = [];
  for await (const entry of disk.list(dir)) listed.push(entry);
  const byName = (a: DirEntry, b: DirEntry) => a.name < b.name ? -1 : 1;
  assertEquals([...await disk.entries(dir)].sort(byName), listed.sort(byName));
});

holds("list() can be left early", async ({ runtime: { disk }, dir }) => {
  for (const name of "abcdefghij") await disk.create(`${dir}/${name}`, bytes(""), PRIVATE);
  for await (const _ of disk.list(dir)) break;
  assertEquals((await namesIn(disk, dir)).length, 10);
});

holds("tryLock() keeps others out until released, through a rename", async ({ runtime, dir }) => {
  const { disk } = runtime;
  await disk.create(`${dir}/a`, bytes(""), PRIVATE);
  await disk.create(`${dir}/other`, bytes(""), PRIVATE);
  if (disk === nodeDisk) {
    assertEquals(await codeOf(() => disk.tryLock(`${dir}/a`)), "ENOTSUP"); // the lease decides
    return;
  }
  const lock = await disk.tryLock(`${dir}/a`);
  assert(lock !== undefined);
  assertEquals(await disk.tryLock(`${dir}/a`), undefined);
  await disk.rename(`${dir}/a`, `${dir}/b`);
  assertEquals(await disk.tryLock(`${dir}/b`), undefined);
  (await disk.tryLock(`${dir}/other`))!.release();
  lock.release();
  lock.release(); // a second time does nothing
  const again = await disk.tryLock(`${dir}/b`);
  assert(again !== undefined);
  again.release();
  assertEquals(await namesIn(disk, dir), ["b", "other"]);
});

/** A folder to stay within, with symlinks out of it in the place of folders of it. */
async function wayOut({ runtime: { disk }, dir, symlink }: Bench) {
  for (const name of ["q", "q/new", "q/deep", "out", "out/d", "out/new"]) {
    await disk.makeDir(`${dir}/${name}`, FOLDER);
  }
  await disk.create(`${dir}/q/new/x`, bytes("an event"), PRIVATE);
  for (const name of ["a", "d/a"]) {
    await disk.create(`${dir}/out/${name}`, bytes("outside"), PRIVATE);
  }
  await symlink(`${dir}/out`, `${dir}/q/way`);
  await symlink(`${dir}/out`, `${dir}/q/deep/way`);
  return { inside: within(disk, `${dir}/q`), q: `${dir}/q` };
}

holds("within() a folder no verb goes through a symlink, at no depth", async (bench) => {
  const { runtime: { disk }, dir } = bench;
  const { inside, q } = await wayOut(bench);
  for (const way of [`${q}/way`, `${q}/deep/way`]) {
    const refused = async (from: string, to: string) => {
      const [taken] = await take(inside, [{ from, to }], LIMIT);
      throw taken!.refused;
    };
    const verbs: Record<string, () => unknown> = {
      list: () => namesIn(inside, way),
      "list below": () => namesIn(inside, `${way}/d`),
      entries: () => inside.entries(way),
      read: () => inside.read(`${way}/a`, LIMIT),
      create: () => inside.create(`${way}/n`, bytes("x"), DURABLE),
      "rename into": () => inside.rename(`${q}/new/x`, `${way}/x`),
      "rename out of": () => inside.rename(`${way}/a`, `${q}/new/a`),
      "take into": () => refused(`${q}/new/x`, `${way}/x`),
      "take out of": () => refused(`${way}/a`, `${q}/new/a`),
      "link into": () => inside.link(`${q}/new/x`, `${way}/x`),
      "link out of": () => inside.link(`${way}/a`, `${q}/new/a`),
      remove: () => inside.remove(`${way}/a`),
      "remove below": () => inside.remove(`${way}/d/a`),
      makeDir: () => inside.makeDir(`${way}/n`, FOLDER),
      removeDir: () => inside.removeDir(`${way}/new`),
      touch: () => inside.touch(`${way}/a`, 0),
      chmod: () => inside.chmod(`${way}/d`, 0o777),
      chown: () => inside.chown(`${way}/d`, 1, 1),
      syncDir: () => inside.syncDir(way),
      syncFile: () => inside.syncFile(`${way}/a`),
      readPart: () => inside.readPart(`${way}/a`, 0, 1),
      append: () => inside.append(`${way}/a`, bytes("x")),
      tryLock: () => inside.tryLock(`${way}/a`),
    };
    for (const [name, verb] of Object.entries(verbs)) {
      assertEquals([name, await codeOf(verb)], [name, "ENOTDIR"]);
    }
  }
  assertEquals(await namesIn(disk, `${dir}/out`), ["a", "d", "new"]);
  assertEquals(await namesIn(disk, `${dir}/out/d`), ["a"]);
  assertEquals((await disk.lstat(`${dir}/out/d`)).mode, FOLDER);
  assertEquals(await namesIn(disk, `${q}/new`), ["x"]);
});

holds("within() a folder everything else is as without it", async (bench) => {
  const { runtime: { disk }, dir, symlink } = bench;
  const { q } = await wayOut(bench);
  await symlink(q, `${dir}/named`);
  const inside = within(disk, `${dir}/named`); // a symlink to it, or above it, is followed
  const at = `${dir}/named/new`;
  await inside.create(`${at}/y`, bytes("second"), DURABLE);
  await inside.link(`${at}/y`, `${at}/z`);
  await inside.remove(`${at}/y`);
  await inside.rename(`${at}/z`, `${at}/w`);
  const moves = [..."wxn"].map((name) => ({ from: `${at}/${name}`, to: `${at}/${name}+1` }));
  const [w, x, n] = await take(inside, moves, LIMIT);
  assertEquals([w!.content?.bytes, x!.content?.bytes], [bytes("second"), bytes("an event")]);
  assertEquals(errorCode(n!.refused), "ENOENT");
  await inside.makeDir(`${at}/d`, FOLDER);
  assertEquals(await namesIn(inside, at), ["d", "w+1", "x+1"]);
  assertEquals((await inside.entries(at)).length, 3);
  await inside.removeDir(`${at}/d`);
  await inside.syncDir(at);
  assertEquals(await codeOf(() => inside.read(`${at}/none/x`, LIMIT)), "ENOENT");
  assertEquals(await namesIn(inside, `${dir}/out`), ["a", "d", "new"]); // no business of its
  assertEquals(await textOf(inside, `${at}/w+1`), "second");
  const codes = await Promise.all(
    upTo(40).map((n) => codeOf(() => inside.rename(`${at}/${n ? "none" : "w+1"}`, `${at}/r${n}`))),
  );
  assertEquals(codes, upTo(40).map((n) => n ? "ENOENT" : "no error"));
  const removals = ["r0", "x+1", ...upTo(30).map(String)].map((name) =>
    codeOf(() => inside.remove(`${at}/${name}`))
  );
  assertEquals((await Promise.all(removals)).slice(0, 3), ["no error", "no error", "ENOENT"]);
  assertEquals(await namesIn(disk, `${q}/new`), []);
});

holds("syncDir() changes nothing that can be seen", async ({ runtime: { disk }, dir }) => {
  await disk.create(`${dir}/a`, bytes("x"), DURABLE);
  await disk.syncDir(dir);
  assertEquals(await namesIn(disk, dir), ["a"]);
});

holds("watch() can be stopped, and a folder that isn't there is only no hint", async (bench) => {
  const { runtime: { disk, clock }, dir } = bench;
  const stop = disk.watch(dir, () => {});
  const stopNothing = disk.watch(`${dir}/none`, () => {});
  stop();
  stop();
  stopNothing();
  await clock.sleep(0);
});

holds(
  "take() renames and reads, and says of each move what came of it",
  async ({ runtime: { disk }, dir, symlink }) => {
    for (const n of upTo(9)) await disk.create(`${dir}/${n}`, bytes(`event ${n}`), PRIVATE);
    await disk.create(`${dir}/long`, new Uint8Array(LIMIT + 1), PRIVATE);
    await symlink("/etc/hostname", `${dir}/link`);
    await disk.makeDir(`${dir}/folder`, FOLDER);
    const names = [...upTo(9).map(String), "long", "link", "folder", "missing"];
    const moves = names.map((name) => ({ from: `${dir}/${name}`, to: `${dir}/${name}+1` }));
    const taken = await take(disk, moves, LIMIT);
    const texts = taken.map(({ content }) =>
      content?.bytes && new TextDecoder().decode(content.bytes)
    );
    assertEquals(texts.slice(0, 9), upTo(9).map((n) => `event ${n}`));
    assertEquals(texts.slice(9), [undefined, undefined, undefined, undefined]);
    assertEquals(taken.slice(8, 12).map(({ content }) => content?.stat.kind), [
      "file",
      "file",
      "symlink",
      "directory",
    ]);
    assertEquals([taken[8]!.content?.stat.size, taken[9]!.content?.stat.size], [7, LIMIT + 1]);
    assertEquals(errorCode(taken.at(-1)!.refused), "ENOENT");
    const left = [...names.slice(0, -1).map((name) => `${name}+1`)].sort();
    assertEquals(await namesIn(disk, dir), left);
    assertEquals(await take(disk, [], LIMIT), []);
  },
);

holds(
  "verbs asked for at once are all served, and each fails for itself",
  async ({ runtime: { disk }, dir }) => {
    const many = upTo(40);
    for (const n of many) await disk.create(`${dir}/${n}`, bytes(String(n)), PRIVATE);
    const renamed = await Promise.all(
      many.map((n) =>
        codeOf(() => disk.rename(`${dir}/${n % 2 ? n : "missing"}`, `${dir}/renamed-${n}`))
      ),
    );
    assertEquals(
      renamed,
      many.map((n) => n % 2 ? "no error" : "ENOENT"),
    );
    const texts = await Promise.all(
      many.map((n) =>
        n % 2
          ? textOf(disk, `${dir}/renamed-${n}`)
          : codeOf(() => disk.read(`${dir}/renamed-${n}`, 9))
      ),
    );
    assertEquals(texts, many.map((n) => n % 2 ? String(n) : "ENOENT"));
    const removed = await Promise.all(many.map((n) => codeOf(() => disk.remove(`${dir}/${n}`))));
    assertEquals(removed, many.map((n) => n % 2 ? "ENOENT" : "no error"));
    assertEquals((await namesIn(disk, dir)).length, 20);
  },
);

holds(
  "list() shows all names of a large folder, and may be left in the middle",
  async ({ runtime: { disk }, dir }) => {
    const names = upTo(1_200).map((n) => `event-${String(n).padStart(4, "0")}`);
    for (const name of names) await disk.create(`${dir}/${name}`, bytes(""), PRIVATE);
    for await (const { kind } of disk.list(dir)) {
      assertEquals(kind, "file");
      break;
    }
    assertEquals(await namesIn(disk, dir), names);
  },
);

/** A signal that counts the listeners it has. */
function countedSignal(): { abort: () => void; signal: AbortSignal; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (
    ...args: Parameters<typeof remove>
  ) => (listeners--, remove(...args));
  return { abort: () => controller.abort(), signal, listeners: () => listeners };
}

holds("sleep() takes its time by the monotonic clock", async ({ runtime: { clock } }) => {
  const { signal, listeners } = countedSignal();
  const start = clock.monotonic();
  await clock.sleep(2, signal);
  assert(clock.monotonic() - start >= 2);
  assertEquals(listeners(), 0);
});

holds("sleep() ends without rejecting when its signal aborts", async ({ runtime: { clock } }) => {
  const { abort, signal, listeners } = countedSignal();
  const sleeping = clock.sleep(1_000_000, signal);
  assertEquals(listeners(), 1);
  abort();
  await sleeping;
  await clock.sleep(1_000_000, signal); // aborted before it begins
  assertEquals(listeners(), 0);
});

holds("sleep() takes any number", async ({ runtime: { clock } }) => {
  await clock.sleep(0);
  await clock.sleep(-5);
  const controller = new AbortController();
  const sleeping = Promise.all([
    clock.sleep(Infinity, controller.signal),
    clock.sleep(2 ** 40, controller.signal),
  ]);
  controller.abort();
  await sleeping;
});

holds("now() is a whole number of ms", ({ runtime: { clock } }) => {
  assert(Number.isInteger(clock.now()));
  assert(clock.now() > Date.UTC(2020));
  return Promise.resolve();
});

holds("random() is uniform in [0, 1), from 32 bits", ({ runtime: { random } }) => {
  const values = Array.from({ length: 600 }, random);
  assert(values.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 32)));
  assert(new Set(values).size > 590);
  assert(values.some((value) => value < 0.2) && values.some((value) => value > 0.8));
  return Promise.resolve();
});

holds("sha256() is in lower-case hex", async ({ runtime }) => {
  assertEquals(
    await runtime.sha256("ü"),
    "607474ca475a9724d7360aba71a56d5df77e61350e3f724cfa1f46e857e2d85f",
  );
});

holds("a process has a host, a number and a way out", async ({ runtime }) => {
  assertNotEquals(runtime.hostname, "");
  assert(Number.isInteger(runtime.pid) && runtime.pid > 0);
  assert(runtime.mayReach(new URL("http://127.0.0.1:9/")));
  const aborted = { signal: AbortSignal.abort() };
  const error = await assertRejects(() => runtime.fetch("http://127.0.0.1:9/", aborted));
  assertEquals((error as Error).name, "AbortError");
});

holds("a kernel and a machine have ids, the same at every look, or none", ({ runtime }) => {
  for (const id of [runtime.bootId, runtime.machineId]) {
    assert(id === undefined || /^[\w-]{8,}$/.test(id), id);
  }
  return Promise.resolve();
});

holds("a device is this kernel's own, or that can't be told", async ({ runtime, dir }) => {
  const { dev } = await runtime.disk.lstat(dir);
  assertEquals(typeof runtime.ownsDevice(dev), "boolean");
  assertEquals(runtime.ownsDevice(0), false);
});

Deno.test("a disk's thread that dies fails what it was working on, and the disk goes on without it", async () => {
  const dir = await Deno.makeTempDir();
  const disk = workerDisk({ leastBurst: 1 });
  const { postMessage } = Worker.prototype;
  try {
    await disk.start();
    // what no disk sends ends the thread's program
    Worker.prototype.postMessage = function () {
      postMessage.call(this, { calls: 1 });
    };
    const verbs = [disk.rename(`${dir}/a`, `${dir}/b`), disk.remove(`${dir}/a`)];
    const listed = (async () => {
      for await (const _ of disk.list(dir));
    })();
    const codes = [...verbs, listed].map((verb) => codeOf(() => verb));
    assertEquals(await Promise.all(codes), ["EIO", "EIO", "EIO"]);
    Worker.prototype.postMessage = postMessage;
    await disk.create(`${dir}/a`, bytes("x"), PRIVATE);
    await Promise.all(upTo(6).map((n) => disk.read(`${dir}/a`, n)));
    await disk.rename(`${dir}/a`, `${dir}/b`);
    assertEquals(await namesIn(disk, dir), ["b"]);
  } finally {
    Worker.prototype.postMessage = postMessage;
    disk.close();
    await Deno.remove(dir, { recursive: true });
  }
});
