/** What root, and whoever else isn't the owner of a queue, makes in it: the owner can use it. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createEventDispatcher, type Disk, hold, openQueue, Queue, resume } from "../../mod.ts";
import { blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { errorCode, type Stat } from "../../lib/runtime/runtime.ts";
import { CAN_BE_SOMEBODY, ownDir, premises, SOMEBODY } from "../support/as_user.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { linesOf, run } from "../support/program.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

const FOLDER = "https_a.example_443";
const EVENT = { url: "https://a.example/", requestBody: 1 };

/** A user's queue as somebody else sees it, whose disk tells what is given to whom. */
function ofAnother(base: string, given: string[], mayGive: boolean): Promise<Queue> {
  const owned = new Set<string>();
  const disk: Disk = {
    ...blockingDisk,
    lstat(path): Stat {
      const stat = Deno.lstatSync(path);
      const seen = blockingDisk.lstat(path) as Stat;
      const isOthers = owned.has(path) || /^\/(?:tmp|new|cur|defer|doa|res)?$/
            .test(path.slice(base.length)) && stat.isDirectory;
      return isOthers ? { ...seen, uid: SOMEBODY, gid: SOMEBODY } : { ...seen, uid: 1, gid: 1 };
    },
    chown(path, uid, gid) {
      if (!mayGive) throw Object.assign(new Error("not permitted"), { code: "EPERM" });
      owned.add(path);
      given.push(`${path.slice(base.length).replace(/[0-9a-f-]{36}/, "ID")} ${uid} ${gid}`);
    },
  };
  return Queue.open(base, denoRuntime(disk));
}

Deno.test("what is made in another user's queue is given to that user", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  const given: string[] = [];
  const queue = await ofAnother(dir.path, given, true);
  await hold(queue, FOLDER);
  await queue.enqueue(EVENT);
  queue.enqueueSync(EVENT);
  await queue.enqueueMany([EVENT]);
  const event = `/tmp/ID ${SOMEBODY} ${SOMEBODY}`;
  assertEquals(given, [
    `/defer/${FOLDER} ${SOMEBODY} ${SOMEBODY}`,
    `/defer/${FOLDER}/.hold ${SOMEBODY} ${SOMEBODY}`,
    ...[event, event, event],
  ]);
});

Deno.test("who can't give it away is refused with what to do, and leaves nothing behind", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  const queue = await ofAnother(dir.path, [], false);
  const verbs = [
    () => queue.enqueue(EVENT),
    () => Promise.resolve().then(() => queue.enqueueSync(EVENT)),
    () => queue.enqueueMany([EVENT, EVENT]),
    () => hold(queue, FOLDER),
  ];
  for (const verb of verbs) {
    const error = await assertRejects(verb, Error, `run this as user ${SOMEBODY}, for example`);
    assertEquals(errorCode(error), "EPERM");
  }
  for (const folder of ["tmp", "new", "defer"]) assertEquals(namesIn(`${dir.path}/${folder}`), []);
});

/** A queue whose `new/` is one user's and whose other files are another's, who may give nothing. */
function amongUsers(base: string, owner: number, other: Partial<Stat>): Promise<Queue> {
  const refused = Object.assign(new Error("not permitted"), { code: "EPERM" });
  const disk: Disk = {
    ...blockingDisk,
    lstat(path) {
      const stat = blockingDisk.lstat(path) as Stat;
      return path.endsWith("/new") ? { ...stat, uid: owner, gid: 7 } : { ...stat, ...other };
    },
    chown: () => Promise.reject(refused),
  };
  return Queue.open(base, denoRuntime(disk));
}

Deno.test("in a group's queue its group is enough, and root can use what anybody makes", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true, group: true });
  await hold(await amongUsers(dir.path, SOMEBODY, { uid: 1, gid: 7 }), FOLDER);
  const outsiders = await amongUsers(dir.path, SOMEBODY, { uid: 1, gid: 8 });
  await assertRejects(() => outsiders.enqueue(EVENT), Error, "Cannot write to the queue: ");
  await (await amongUsers(dir.path, 0, { uid: 1, gid: 8, mode: 0o600 })).enqueue(EVENT);
  assertEquals(namesIn(`${dir.path}/new`).length, 1);
});

/** A path's owner, group and permission bits. */
function ownership(path: string): string {
  const { uid, gid, mode } = Deno.lstatSync(path);
  return `${uid} ${gid} ${(mode! & 0o7777).toString(8)}`;
}

const AS_ROOT = { ignore: !CAN_BE_SOMEBODY }; // it takes root to act as somebody else

Deno.test({
  name: "root's hold, event and first event are the owner's, with the modes of the queue",
  ...AS_ROOT,
  fn: async () => {
    await using dir = await tempDir();
    for (
      const [name, group, folderMode, fileMode] of [
        ["private", false, "700", "600"],
        ["shared", true, "2770", "660"],
      ] as const
    ) {
      const base = ownDir(dir.path, name, SOMEBODY, 0o700);
      const queue = await openQueue(base, { create: true, group });
      const folders = namesIn(base).map((folder) => ownership(`${base}/${folder}`));
      const owners = `${SOMEBODY} ${SOMEBODY}`;
      assertEquals([...new Set(folders)], [`${owners} ${folderMode}`]);
      await queue.enqueue(EVENT);
      createEventDispatcher({ baseDir: base }).dispatchEvent({ url: EVENT.url, params: {} });
      for (const event of namesIn(`${base}/new`)) {
        assertEquals(ownership(`${base}/new/${event}`), `${owners} ${fileMode}`);
      }
      assertEquals(namesIn(`${base}/new`).length, 2);
      await hold(queue, FOLDER);
      assertEquals(ownership(`${base}/defer/${FOLDER}`), `${owners} ${folderMode}`);
      assertEquals(ownership(`${base}/defer/${FOLDER}/.hold`), `${owners} ${fileMode}`);
    }
  },
});

Deno.test({
  name: "root's resume, and hold, give back a folder that its owner couldn't look into",
  ...AS_ROOT,
  fn: async () => {
    await using dir = await tempDir();
    const queue = await openQueue(ownDir(dir.path, "queue", SOMEBODY), { create: true });
    for (const verb of [resume, hold]) {
      const folder = `${queue.place.base}/defer/${FOLDER}`;
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(`${folder}/.hold`, "");
      Deno.chownSync(folder, 0, 0);
      await verb(queue, FOLDER);
      assertEquals(ownership(folder), `${SOMEBODY} ${SOMEBODY} 700`);
    }
  },
});

Deno.test({
  name: "a consumer of another user delivers what root enqueues, and heeds what root holds",
  ...AS_ROOT,
  fn: async () => {
    await using place = await premises();
    await using held = startEndpoint();
    await using other = startEndpoint();
    const base = ownDir(place.path, "queue", SOMEBODY);
    const client = (url: string) =>
      run(["client", "--base-dir", base, "--url", url, "--body", "1"]);
    await client(held.url);
    assertEquals((await run(["hold", "--base-dir", base, held.url])).code, 0);
    await client(other.url);
    const consume = ["consume", "--base-dir", base, "--poll", "20ms", "--keep-log", "0s"];
    const child = place.command(SOMEBODY, consume).spawn();
    const log = linesOf(child.stderr);
    await log.until(/ lane \S+ held\n/);
    await other.arrived(1);
    assertEquals(held.taken.length, 0);
    assertEquals((await run(["resume", "--base-dir", base, held.url])).code, 0);
    await held.arrived(1);
    child.kill("SIGTERM");
    await Promise.all([child.status, child.stdout.cancel(), log.toEnd()]);
    assertEquals(filesBelow(base), []);
  },
});

Deno.test({
  name: "a user whom the owner's folders let in is refused with 77 and one line",
  ...AS_ROOT,
  fn: async () => {
    await using place = await premises();
    const base = ownDir(place.path, "queue", SOMEBODY);
    await place.run(SOMEBODY, ["client", "--base-dir", base, "--url", EVENT.url]);
    for (const folder of ["", ...namesIn(base)]) Deno.chmodSync(`${base}/${folder}`, 0o777);
    const before = filesBelow(base);
    for (
      const args of [["client", "--url", EVENT.url], ["hold", EVENT.url], ["consume", "--once"]]
    ) {
      const { code, stdout, stderr } = await place.run(1, [...args, "--base-dir", base]);
      assertEquals([code, stdout], [77, ""], stderr);
      const [said, ...more] = stderr.split("\n").filter((line) => !line.includes(" started "));
      assertMatch(
        said!,
        /^optimizelyd-maildir: Cannot write to the queue: it is user 4242's, .*; run this as user 4242, for example with sudo -u '#4242'$/,
      );
      assertEquals(more, [""]);
    }
    assertEquals(filesBelow(base), before);
    assert(!namesIn(`${base}/defer`).includes(FOLDER));
  },
});
