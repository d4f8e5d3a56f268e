/** Dead letters brought back: whose they are, what they are called, and how old they are then. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Disk, openQueue, Queue, requeue, RequeueError } from "../../mod.ts";
import { parseName } from "../../lib/queue/name.ts";
import { blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { errorCode } from "../../lib/runtime/runtime.ts";
import { Arena, QUICK } from "../sim/arena.ts";
import { CAN_BE_SOMEBODY, ownDir, premises, SOMEBODY } from "../support/as_user.ts";
import { run } from "../support/program.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const DAY_MS = 24 * 3_600_000;

const LONG = "n".repeat(245);

/** Put dead letters into a queue, each with its reason. */
function bury(base: string, ...names: string[]): void {
  for (const name of names) {
    Deno.writeTextFileSync(`${base}/doa/${name}`, `{"url":"http://a.test/"}`);
    if (name !== LONG) Deno.writeTextFileSync(`${base}/doa/${name}.why`, "{}");
  }
}

/** A queue on whose disk some verbs fail, by the beginning of the path's last part. */
async function refusing(base: string, faults: Record<string, [keyof Disk, string]>) {
  await openQueue(base, { create: true });
  const disk = new Proxy(blockingDisk, {
    get(target, verb: keyof Disk) {
      const act = target[verb] as ((path: string, ...rest: unknown[]) => unknown) | undefined;
      if (!act) return undefined; // what it doesn't do itself
      return (path: string, ...rest: unknown[]) => {
        const [failing, code] = faults[path.slice(path.lastIndexOf("/") + 1).split("+")[0]!] ?? [];
        if (failing === verb) throw Object.assign(new Error(`${code}: ${path}`), { code });
        return act(path, ...rest);
      };
    },
  });
  return await Queue.open(base, denoRuntime(disk));
}

Deno.test("requeue() needs no letter to be this user's, and leaves alone what it can't move", async () => {
  await using dir = await tempDir();
  const queue = await refusing(dir.path, {
    "anothers": ["touch", "EPERM"],
    "stuck": ["rename", "EACCES"],
    "reasoned.why": ["remove", "EPERM"],
  });
  bury(dir.path, "anothers", "stuck", "reasoned", LONG, "plain");
  const { requeued, unknown, refused } = await requeue(queue, "all");
  assertEquals(requeued.toSorted(), ["anothers", "plain", "reasoned"]);
  assertEquals(unknown, []);
  const why = Object.fromEntries(refused.map(({ name, error }) => [name, errorCode(error)]));
  assertEquals(why, { [LONG]: "ENAMETOOLONG", stuck: "EACCES" });
  assertEquals(namesIn(`${dir.path}/new`).map((name) => parseName(name).id), [
    "anothers",
    "plain",
    "reasoned",
  ]);
  assertEquals(namesIn(`${dir.path}/doa`), [LONG, "reasoned.why", "stuck", "stuck.why"]);
  const again = await requeue(queue, ["stuck", "nobody"]);
  assertEquals([again.unknown, again.refused.length], [["nobody"], 1]);
});

Deno.test("requeue() says what is back on the queue when the disk gives out", async () => {
  await using dir = await tempDir();
  const queue = await refusing(dir.path, { broken: ["rename", "EIO"] });
  bury(dir.path, "broken");
  const alone = await assertRejects(() => requeue(queue, "all"));
  assertEquals(errorCode(alone), "EIO");
  bury(dir.path, ..."abcdefghijklmnopqrstuvwxyz");
  const error = await assertRejects(() => requeue(queue, "all"), RequeueError);
  const back = namesIn(`${dir.path}/new`).map((name) => parseName(name).id);
  assertEquals(error.requeued.toSorted(), back);
  assertEquals(errorCode(error.cause), "EIO");
});

Deno.test("requeue tells what is back, names what isn't, and ends with 65", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  bury(dir.path, LONG, "plain");
  const { code, stdout, stderr } = await run(["requeue", "--all", "--base-dir", dir.path]);
  assertEquals([code, stdout], [65, "plain\n"]);
  assertMatch(stderr, /^optimizelyd-maildir: "n{245}" stays a dead letter: .* too long.*\n$/);
});

Deno.test({
  name: "requeue --all of a group's member brings back what another's event died of",
  ignore: !CAN_BE_SOMEBODY, // it takes root to act as somebody else
  fn: async () => {
    await using place = await premises();
    const base = ownDir(place.path, "queue", SOMEBODY, 0o2770);
    await openQueue(base, { create: true, group: true });
    bury(base, "a", "b");
    for (const name of namesIn(`${base}/doa`)) {
      Deno.chownSync(`${base}/doa/${name}`, 1, SOMEBODY);
      Deno.utimeSync(`${base}/doa/${name}`, 1, 1);
    }
    const { code, stdout, stderr } = await place.run(SOMEBODY, [
      ...["requeue", "--all", "--base-dir", base],
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.trim().split("\n").toSorted(), ["a", "b"]);
    assertEquals(namesIn(`${base}/doa`), []);
    // where nobody but an event's owner may move it
    bury(base, "c");
    Deno.chownSync(`${base}/doa`, 1, SOMEBODY);
    Deno.chmodSync(`${base}/doa`, 0o3770);
    const refused = await place.run(SOMEBODY, ["requeue", "--all", "--base-dir", base]);
    assertEquals([refused.code, refused.stdout], [65, ""]);
    assertMatch(
      refused.stderr,
      /"c" stays a dead letter: this user may not move it, .* \(EPERM\)\n$/,
    );
  },
});

/** Which of some events were given up, in a world where every attempt fails for a few seconds. */
async function givenUp(
  put: (arena: Arena) => Promise<void> | void,
  options = { ...QUICK, maxAgeMs: 3 * DAY_MS },
): Promise<string[]> {
  const arena = new Arena();
  const { world } = arena;
  await put(arena);
  world.network.script = ({ nth }) => ({ status: nth < 5 ? 503 : 200 });
  await world.run(arena.consume(world.process(), "until-empty", options));
  const dead = arena.reports.flatMap(({ event }) => event.type === "dead" ? event : []);
  for (const { reason } of dead) assertMatch(reason, /^given up after 3 attempts at an age /);
  return dead.map(({ id }) => id).toSorted();
}

Deno.test("the age of an event that was requeued counts from then, through all its attempts", async () => {
  const dead = await givenUp(async (arena) => {
    const { world } = arena;
    const mtimeMs = world.nowMs - 10 * DAY_MS;
    for (const [id, folder] of [["dead", "doa"], ["old", "new"]] as const) {
      arena.plant(id, 1, { folder });
      world.disk.touch(`/q/${folder}/${id}.json`, mtimeMs, world.nowMs);
    }
    await world.run(async () => void await requeue(await arena.open(world.process()), "all"));
  });
  assertEquals(dead, ["old"]);
});

Deno.test("a date that lies in the future, or before all events, makes no event immortal", async () => {
  const dead = await givenUp(({ world }) => {
    const dates = {
      future: world.nowMs + 365 * DAY_MS,
      "far-future": 8.64e15,
      "before-1970": -5,
      ahead: world.nowMs + 60_000, // of a host whose clock is ahead
      now: world.nowMs,
    };
    const name = "named+0@1~edge-1-x-1rzzzzzzzzzz"; // brought back from the dead in the future
    world.disk.plant(`/q/new/${name}`, { text: `{"url":"http://a.test/n"}`, mtimeMs: 1 });
    for (const [id, mtimeMs] of Object.entries(dates)) {
      world.disk.plant(`/q/new/${id}`, { text: `{"url":"http://a.test/${id}"}`, mtimeMs });
    }
  });
  assertEquals(dead, ["before-1970", "far-future", "future", "named"]);
});
