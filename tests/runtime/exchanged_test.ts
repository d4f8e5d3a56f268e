/**
 * What is exchanged between the look at a path and its use: by somebody who may write into the same
 * folder. Done here at the worst moment, right after the look.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { blockingDisk, THREAD_VERBS } from "../../lib/runtime/deno.ts";
import { type Disk, errorCode, type FileContent } from "../../lib/runtime/runtime.ts";
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
