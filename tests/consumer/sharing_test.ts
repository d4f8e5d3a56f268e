/**
 * What more consumers on one queue are worth, in a simulation where each has a core of its own and
 * every look at the disk takes as long as it does on a real one.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { PATIENCE_MS } from "../../lib/queue/store/parts.ts";
import { uuidv7 } from "../../lib/queue/uuid.ts";
import { seeded } from "../sim/choices.ts";
import { mutantOf } from "../sim/mutants.ts";
import type { PendingCall } from "../sim/process_disk.ts";
import { BASE, PRODUCT, type Product, Stage } from "../sim/workload.ts";

/** Names that a listing fetches in one step. */
const NAMES = 64;

/** What verbs take, in ms, on a tmpfs here; what an event costs besides is counted to its claim. */
const COST_MS: Partial<Record<PendingCall["verb"], number>> = {
  list: NAMES * 0.0032,
  lstat: 0.0028,
  read: 0.007,
  remove: 0.008,
  rename: 0.006 + 0.025,
};

/** Whatever else there is. */
const OTHER_MS = 0.01;

const EVENTS = 2_000;

/** When each event of a backlog is sent that so many consumers at rest find, in ms. */
async function drain(consumers: number, product: Product = PRODUCT): Promise<readonly number[]> {
  const freeAtMs = new Map<unknown, number>();
  const stage: Stage = new Stage(product, {
    listChunk: NAMES,
    latencyMs({ verb, process }) {
      const nowMs = stage.world.time.nowMs;
      const atMs = Math.max(nowMs, freeAtMs.get(process) ?? 0) + (COST_MS[verb] ?? OTHER_MS);
      freeAtMs.set(process, atMs);
      return atMs - nowMs;
    },
  });
  const { world } = stage;
  stage.plantQueue();
  const sentAtMs: number[] = [];
  world.network.script = () => {
    sentAtMs.push(world.time.nowMs);
    return { status: 204 };
  };
  const stop = new AbortController();
  const running: Promise<unknown>[] = [];
  await world.run(async () => {
    for (let n = 0; n < consumers; n++) {
      const queue = await stage.open({ process: world.process({ host: "edge", pid: 100 + n }) });
      running.push(stage.consumer(queue).run("forever", stop.signal));
    }
  });
  await world.advance(3_000);
  const random = seeded(7);
  const fromMs = Math.floor(world.nowMs) - EVENTS;
  for (let n = 0; n < EVENTS; n++) {
    const text = `{"url":"http://up.test/","requestBody":${n}}`;
    const path = `${BASE}/new/${uuidv7(fromMs + n, random)}.json`;
    world.disk.plant(path, { text, mtimeMs: fromMs + n });
  }
  await world.advance(5_000);
  stop.abort("over");
  await world.run(() => Promise.all(running));
  assertEquals(sentAtMs.length, EVENTS, "each is sent once");
  return sentAtMs;
}

/** How long the middle of a backlog takes, in ms: beginnings and ends are chance. */
const middleMs = (sentAtMs: readonly number[]) => sentAtMs[EVENTS * 0.9]! - sentAtMs[EVENTS * 0.1]!;

const wholeMs = (sentAtMs: readonly number[]) => sentAtMs.at(-1)! - sentAtMs[0]!;

/** Four consumers whose parts are wrong. */
const wrongly = async (from: string, to: string) =>
  await drain(4, await mutantOf({ file: "queue/store/parts.ts", from, to }));

Deno.test("with a core each, four consumers drain at least 3.4 times as fast as one", async (t) => {
  const [one, four] = [await drain(1), await drain(4)];
  const ratio = (sentAtMs: readonly number[]) => middleMs(one) / middleMs(sentAtMs);
  assert(ratio(four) >= 3.4, `${ratio(four).toFixed(2)} times`);
  assert(wholeMs(four) < PATIENCE_MS, "each begins with its own at once");

  await t.step("not when their parts overlap: they race for the same files", async () => {
    const overlapping = await wrongly("if (theirs > ours ||", "if (theirs > 2 * ours ||");
    assert(ratio(overlapping) < 3.4, `${ratio(overlapping).toFixed(2)} times`);
  });
  await t.step("not when nobody has a part: it waits until somebody is at leisure", async () => {
    assert(
      wholeMs(await wrongly("if (theirs > ours ||", "if (2 * theirs > ours ||")) > PATIENCE_MS,
    );
  });
});
