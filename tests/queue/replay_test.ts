/** Delivering once more what was delivered. */

import { assert, assertEquals } from "@std/assert";
import { Consumer } from "../../lib/consumer/consumer.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { replay, replayedMs } from "../../lib/queue/replay.ts";
import { sentFolder } from "../../lib/queue/sent.ts";
import { Maildir } from "../../lib/queue/store/maildir_store.ts";
import type { SimProcess } from "../sim/process.ts";
import { START_MS, World } from "../sim/world.ts";
import { runHere } from "../support/in_process.ts";

const HOUR_MS = 3_600_000;
const BASE = "/q";

/** Where an event that was delivered then is kept. */
const placeOf = (id: string, agoMs: number) => {
  const atMs = START_MS - agoMs;
  return { folder: sentFolder(atMs), name: `${id}+2@${atMs}~edge-1-abcdefgh-1.json` };
};

/** A world whose queue keeps events that were delivered so many ms ago, by id. */
function worldWith(events: Readonly<Record<string, number>>): World {
  const world = new World();
  for (const folder of ["", "/tmp", "/new", "/cur", "/defer", "/doa", "/res", "/sent"]) {
    world.disk.plant(`${BASE}${folder}`, { kind: "directory" });
  }
  for (const [id, agoMs] of Object.entries(events)) {
    const { folder, name } = placeOf(id, agoMs);
    const path = `${BASE}/${folder}`;
    if (world.disk.peek(path) === undefined) world.disk.plant(path, { kind: "directory" });
    const text = `{"url":"http://ok.test/${id}","requestBody":1}`;
    world.disk.plant(`${path}/${name}`, { text, mtimeMs: START_MS - agoMs });
  }
  return world;
}

/** The command, in a process of the world. */
async function replaying(
  world: World,
  args: readonly string[],
  process: SimProcess = world.process(),
) {
  const all = ["replay", "--base-dir", BASE, "--yes", ...args];
  return await runHere(all, { runtime: process.runtime });
}

async function drain(world: World): Promise<void> {
  const queue = await Queue.open(BASE, world.process().runtime);
  const consumer = new Consumer(new Maildir(queue), { keepSentMs: 24 * HOUR_MS, keepLogMs: 0 });
  await consumer.run("until-empty");
}

/** The names of the files in a folder. */
function namesIn(world: World, folder: string): string[] {
  return Object.keys(world.disk.image().files())
    .filter((path) => path.startsWith(`${BASE}/${folder}/`) && !path.endsWith("/"))
    .map((path) => path.slice(path.lastIndexOf("/") + 1));
}

Deno.test("a replay moves an event to new/, under its id and from the first attempt, or under a new id", async () => {
  for (const newId of [false, true]) {
    const world = worldWith({ a: 1_000 });
    await world.run(async () => {
      const queue = await Queue.open(BASE, world.process().runtime);
      const { folder, name } = placeOf("a", 1_000);
      assertEquals(replayedMs(name), undefined);
      assertEquals(await replay(queue, folder, name, newId), true);
      assertEquals(await replay(queue, folder, name, newId), false, "it has gone");
      const [fresh] = namesIn(world, "new");
      const { id, attempt, timeMs, extension } = parseName(fresh!);
      assertEquals([attempt, timeMs, extension], [0, START_MS, ".json"]);
      assertEquals(id === "a", !newId);
      assertEquals(namesIn(world, "sent"), []);
      await drain(world);
      const [{ headers }] = world.network.taken as [typeof world.network.taken[0]];
      assertEquals(headers.get("idempotency-key"), id);
      assertEquals(replayedMs(namesIn(world, "sent")[0]!), START_MS);
    });
  }
});

Deno.test("no second has more than the rate, also after the disk has stood still", async () => {
  const events = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`e${n}`, 1_000 + n]));
  for (const perSecond of [7, 100, 500]) {
    const world = worldWith(events);
    const movedMs: number[] = [];
    let calls = 0;
    world.onPoint(({ verb }, phase) => {
      if (verb === "rename" && phase === "after") movedMs.push(world.nowMs);
    });
    world.onVerb = ({ process, verb }) => {
      if (verb === "rename" && ++calls === 100) world.time.hold(process, 2_500);
      return undefined;
    };
    const { code } = await world.run(() =>
      replaying(world, ["--since", "1h", "--rate", `${perSecond}/s`])
    );
    assertEquals([code, movedMs.length], [0, 300]);
    const within = (fromMs: number) =>
      movedMs.filter((ms) => ms >= fromMs && ms < fromMs + 1_000).length;
    const most = Math.max(...movedMs.map(within));
    assert(most <= perSecond * 1.1, `${most} at ${perSecond}/s`);
  }
});

Deno.test("killed at whichever verb and run again: each is delivered once more, none twice", async () => {
  const events = { a: 1_000, b: 2_000, c: 2 * 60_000 };
  let moments = 0;
  for (let verb = 0;; verb++) {
    const world = worldWith(events);
    const process = world.process();
    let [count, isOver] = [0, false];
    world.onVerb = (call) => {
      if (call.process === process && count++ === verb) process.kill();
      return undefined;
    };
    await world.run(async () => {
      const first = replaying(world, ["--since", "1h", "--rate", "10/s"], process);
      first.then(() => isOver = true, () => {});
      await Promise.race([first, world.time.sleep(5_000, world)]);
      await drain(world); // what had come so far is delivered before the second run
      assertEquals((await replaying(world, ["--since", "1h"])).code, 0);
      await drain(world);
    });
    const taken = world.network.taken.map(({ url }) => new URL(url).pathname.slice(1)).sort();
    assertEquals([verb, taken], [verb, Object.keys(events)]);
    if (isOver) break;
    moments++;
  }
  assert(moments > 6, `${moments} moments`);
});
