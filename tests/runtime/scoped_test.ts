/**
 * The disk's care under the permissions that a consumer is started with: for the queue's folder
 * alone. Deno then resolves a path before it opens it, so that a flag or a slash that is to keep it
 * from following does nothing.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { asyncDisk, blockingDisk, THREAD_VERBS } from "../../lib/runtime/deno.ts";
import { workerDisk } from "../../lib/runtime/disk_thread/client.ts";
import { type Disk, errorCode } from "../../lib/runtime/runtime.ts";
import { tempDir } from "../support/temp_dir.ts";

/** What each verb must say, of a symlink `s`, a symlink `sd` to a folder, a FIFO and a file. */
const EXPECTED = {
  "read s": "symlink undefined",
  "read p": "other undefined",
  "lock s": "ELOOP",
  "lock p": "ELOOP",
  "chmod sd": "ENOTDIR",
  "chmod p": "ENOTDIR",
  "sync sd": "ENOTDIR",
  "sync p": "ENOTDIR",
  "remove folder a": "ENOTDIR",
  "remove folder sd": "ENOTDIR",
  "create s": "EEXIST",
  "create dangling": "EEXIST",
  "touch s": "done",
  "make folder d": "2770",
  "create x": "660",
  "read x": "file hello",
};

/** Try all on a disk; runs in a process that has permissions for `dir` only. */
async function tryAll(disk: Disk, dir: string): Promise<Record<string, string>> {
  const bytes = new TextEncoder().encode("hello");
  const said: Record<string, string> = {};
  const attempt = async (what: string, verb: () => unknown) => {
    try {
      said[what] = String(await verb() ?? "done");
    } catch (error) {
      said[what] = errorCode(error) ?? String(error);
    }
  };
  const read = async (name: string) => {
    const { stat, bytes } = await disk.read(`${dir}/${name}`, 1_000);
    return `${stat.kind} ${bytes && new TextDecoder().decode(bytes)}`;
  };
  const modeOf = async (name: string) => (await disk.lstat(`${dir}/${name}`)).mode.toString(8);
  const exactly = { mode: 0o660, exact: true, durable: true };
  await attempt("read s", () => read("s"));
  await attempt("read p", () => read("p"));
  await attempt("lock s", () => disk.tryLock(`${dir}/s`));
  await attempt("lock p", () => disk.tryLock(`${dir}/p`));
  await attempt("chmod sd", () => disk.chmod(`${dir}/sd`, 0o777));
  await attempt("chmod p", () => disk.chmod(`${dir}/p`, 0o777));
  await attempt("sync sd", () => disk.syncDir(`${dir}/sd`));
  await attempt("sync p", () => disk.syncDir(`${dir}/p`));
  await attempt("remove folder a", () => disk.removeDir(`${dir}/a`));
  await attempt("remove folder sd", () => disk.removeDir(`${dir}/sd`));
  await attempt("create s", () => disk.create(`${dir}/s`, bytes, exactly));
  await attempt("create dangling", () => disk.create(`${dir}/dangling`, bytes, exactly));
  await attempt("touch s", () => disk.touch(`${dir}/s`, 1_000));
  await attempt("make folder d", async () => {
    await disk.makeDir(`${dir}/d`, 0o2770, true);
    return await modeOf("d");
  });
  await attempt("create x", async () => {
    await disk.create(`${dir}/x`, bytes, exactly);
    return await modeOf("x");
  });
  await attempt("read x", () => read("x"));
  await disk.remove(`${dir}/x`);
  await disk.removeDir(`${dir}/d`);
  return said;
}

if (import.meta.main) {
  const [dir] = Deno.args as [string];
  const thread = workerDisk({ leastBurst: 1 });
  await thread.start();
  const own: Disk = { ...blockingDisk, read: THREAD_VERBS.readOwn };
  const said = [];
  for (const disk of [blockingDisk, asyncDisk, thread, own]) said.push(await tryAll(disk, dir));
  thread.close();
  // deno-lint-ignore no-console -- its result
  console.log(JSON.stringify(said));
}

Deno.test("with permissions for the queue alone no verb follows a symlink or waits for a FIFO", async () => {
  await using dir = await tempDir();
  const [q, out] = [`${dir.path}/q`, `${dir.path}/out`];
  Deno.mkdirSync(q);
  Deno.mkdirSync(out, { mode: 0o700 });
  Deno.writeTextFileSync(`${out}/secret`, "secret", { mode: 0o600 });
  Deno.utimeSync(`${out}/secret`, 9, 9);
  Deno.writeTextFileSync(`${q}/a`, "an event");
  Deno.symlinkSync(`${out}/secret`, `${q}/s`);
  Deno.symlinkSync(`${out}/new`, `${q}/dangling`);
  Deno.symlinkSync(out, `${q}/sd`);
  await new Deno.Command("mkfifo", { args: [`${q}/p`] }).output();
  const program = new URL(import.meta.url).pathname;
  const args = ["run", "--no-prompt", "--frozen", `--allow-read=${q}`, `--allow-write=${q}`];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, program, q],
    signal: AbortSignal.timeout(20_000), // what waits for a FIFO waits for ever
  }).output();
  const said = new TextDecoder().decode(stdout);
  assertEquals([said.slice(0, 1), new TextDecoder().decode(stderr)], ["[", ""]);
  for (const each of JSON.parse(said)) assertEquals(each, EXPECTED);
  assertEquals([...Deno.readDirSync(out)].map(({ name }) => name), ["secret"]);
  assertEquals(Deno.statSync(out).mode! & 0o777, 0o700);
  const { mode, mtime } = Deno.statSync(`${out}/secret`);
  assertEquals([mode! & 0o777, mtime!.getTime()], [0o600, 9_000]);
});
