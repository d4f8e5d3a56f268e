/** Limits for producers: who is refused, when, by what knowledge, and what that costs. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { eventDispatcherOn } from "../../lib/sdk/dispatcher.ts";
import { estimate } from "../../lib/queue/depth.ts";
import { recountForProducers } from "../../lib/queue/limiter.ts";
import { run } from "../../lib/queue/steps.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import type { Disk, Runtime } from "../../lib/runtime/runtime.ts";
import { EnqueueError, Queue, QueueFullError, type QueueLimits } from "../../mod.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const EVENT = { url: "http://127.0.0.1:65000/", requestBody: { n: 1 } };
const KIB = 1_024;
const NEVER = new AbortController().signal;

/** An event file of so many bytes. */
function eventOf(bytes: number): Uint8Array {
  const start = '{"url":"http://127.0.0.1:65000/","requestBody":"';
  return new TextEncoder().encode(`${start}${"x".repeat(bytes - start.length - 2)}"}`);
}

/** The runtime, later, and with other verbs. */
function runtimeOf(more: { laterMs?: () => number; disk?: Partial<Disk> } = {}): Runtime {
  const runtime = denoRuntime();
  const { laterMs = () => 0, disk } = more;
  const clock = {
    ...runtime.clock,
    now: () => runtime.clock.now() + laterMs(),
    monotonic: () => runtime.clock.monotonic() + laterMs(),
  };
  return {
    ...runtime,
    clock,
    ...(disk && { disk: { ...runtime.disk, within: undefined!, ...disk } }),
  };
}

function open(base: string, limits: QueueLimits, runtime = runtimeOf()): Promise<Queue> {
  return Queue.open(base, runtime, { create: true, limits });
}

const inNew = (base: string) => namesIn(`${base}/new`).length;

Deno.test("as many events as may wait are taken, one more is refused, and taken once there is room", async () => {
  await using dir = await tempDir();
  let laterMs = 0;
  const queue = await open(dir.path, { maxEvents: 3 }, runtimeOf({ laterMs: () => laterMs }));
  for (let n = 0; n < 3; n++) await queue.enqueue(EVENT);
  const error = await assertRejects(() => queue.enqueue(EVENT), QueueFullError);
  assertEquals([error.limit, error.code], ["maxEvents", "EQUEUEFULL"]);
  assertEquals(
    error.message,
    "Cannot enqueue: the queue is full: about 3 events wait, at most 3 may",
  );
  assertEquals(inNew(dir.path), 3);
  const [first] = namesIn(`${dir.path}/new`);
  Deno.removeSync(`${dir.path}/new/${first}`);
  laterMs += 600_000;
  await queue.enqueue(EVENT);
  assertEquals(inNew(dir.path), 3);
});

Deno.test("what waits in cur/ and defer/ counts, what is dead, an answer or a dot file doesn't", async () => {
  await using dir = await tempDir();
  const queue = await open(dir.path, { maxEvents: 6 });
  const put = (path: string) => {
    Deno.mkdirSync(`${dir.path}/${path.replace(/[^/]*$/, "")}`, { recursive: true });
    Deno.writeTextFileSync(`${dir.path}/${path}`, "{}");
  };
  [
    "cur/a+1@5~t-1",
    "new/b",
    "defer/http_a_80/c+1@5~t-1",
    "defer/http_a_80/x-e-0/d",
    "defer/others/e",
  ]
    .forEach(put);
  ["doa/f", "doa/f.why", "res/g", "new/.h", "cur/.i", "defer/http_a_80/.hold", "sent/k/l"]
    .forEach(put);
  await queue.enqueue(EVENT);
  await assertRejects(() => queue.enqueue(EVENT), QueueFullError, "about 6 events wait");
});

Deno.test("of many at once all are taken or none is", async () => {
  await using dir = await tempDir();
  const queue = await open(dir.path, { maxEvents: 5 });
  await queue.enqueueMany([EVENT, EVENT, EVENT]);
  await assertRejects(() => queue.enqueueMany([EVENT, EVENT, EVENT]), QueueFullError);
  assertEquals(inNew(dir.path), 3);
  await queue.enqueueMany([EVENT, EVENT]);
  assertEquals(namesIn(`${dir.path}/tmp`), [".added-events", ".added-kib", ".counted"]);
});

Deno.test("many that come side by side are no more than may wait", async () => {
  await using dir = await tempDir();
  const queue = await open(dir.path, { maxEvents: 10 });
  const results = await Promise.allSettled(Array.from({ length: 50 }, () => queue.enqueue(EVENT)));
  assertEquals(results.filter(({ status }) => status === "fulfilled").length, 10);
  assertEquals(inNew(dir.path), 10);
});

Deno.test("producers of several processes share what they know, without counting", async () => {
  await using dir = await tempDir();
  let listed = 0;
  const { disk } = denoRuntime();
  const list = (path: string) => {
    listed++;
    return disk.list(path);
  };
  await (await open(dir.path, { maxEvents: 20 })).enqueue(EVENT);
  for (let n = 0; n < 19; n++) {
    const queue = await open(dir.path, { maxEvents: 20 }, runtimeOf({ disk: { list } }));
    queue.enqueueSync(EVENT);
  }
  const last = await open(dir.path, { maxEvents: 20 }, runtimeOf({ disk: { list } }));
  assertEquals(listed, 0);
  assertThrows(() => last.enqueueSync(EVENT), QueueFullError);
});

Deno.test("who can't wait is refused by what is known, and what is known is better afterwards", async () => {
  await using dir = await tempDir();
  let laterMs = 0;
  const queue = await open(dir.path, { maxEvents: 2 }, runtimeOf({ laterMs: () => laterMs }));
  await queue.enqueue(EVENT);
  queue.enqueueSync(EVENT);
  for (const name of namesIn(`${dir.path}/new`)) Deno.removeSync(`${dir.path}/new/${name}`);
  laterMs = 600_000;
  assertThrows(() => queue.enqueueSync(EVENT), QueueFullError);
  const isTaken = () => {
    try {
      return queue.enqueueSync(EVENT);
    } catch {
      return undefined;
    }
  };
  while (isTaken() === undefined) await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(inNew(dir.path), 1);
});

Deno.test("bytes count as those of the files do", async () => {
  await using dir = await tempDir();
  const queue = await open(dir.path, { maxBytes: 100 * KIB });
  for (let n = 0; n < 9; n++) await queue.enqueue(eventOf(10 * KIB));
  const error = await assertRejects(() => queue.enqueue(eventOf(20 * KIB)), QueueFullError);
  assertEquals(error.limit, "maxBytes");
  await queue.enqueue(eventOf(8 * KIB));
  const small = await open(`${dir.path}/small`, { maxBytes: 2 ** 40 });
  await small.enqueueMany(Array.from({ length: 2_000 }, () => eventOf(100)));
  for (let n = 0; n < 500; n++) small.enqueueSync(eventOf(100), { durability: "os" });
  const { events, bytes } = await run(estimate(small.place));
  assertEquals(events, 2_500);
  assert(Math.abs(bytes / 250_000 - 1) < 0.2, `${bytes} for 250000`);
});

Deno.test("a count knows how many there are, and about how large they are", async () => {
  await using dir = await tempDir();
  let laterMs = 0;
  const queue = await open(dir.path, { maxEvents: 1e9 }, runtimeOf({ laterMs: () => laterMs }));
  await queue.enqueue(EVENT);
  let bytes = Deno.statSync(`${dir.path}/new/${namesIn(`${dir.path}/new`)[0]}`).size;
  for (let n = 0; n < 3_000; n++) {
    const size = n % 10 === 0 ? 5_000 : 500;
    Deno.writeFileSync(`${dir.path}/new/e${n}`, new Uint8Array(size));
    bytes += size;
  }
  laterMs = 600_000;
  await recountForProducers(queue.place, NEVER);
  const found = await run(estimate(queue.place));
  assertEquals(found.events, 3_001);
  assert(Math.abs(found.bytes / bytes - 1) < 0.35, `${found.bytes} for ${bytes}`);
});

Deno.test("a consumer corrects what producers think, and leaves a queue alone whose producers don't", async () => {
  await using dir = await tempDir();
  const other = await Queue.open(`${dir.path}/other`, runtimeOf(), { create: true });
  await other.enqueue(EVENT);
  await recountForProducers(other.place, NEVER);
  assertEquals(namesIn(`${dir.path}/other/tmp`), []);
  let laterMs = 0;
  const runtime = runtimeOf({ laterMs: () => laterMs });
  const base = `${dir.path}/limited`;
  const queue = await open(base, { maxEvents: 100 }, runtime);
  for (let n = 0; n < 5; n++) await queue.enqueue(EVENT);
  for (const name of namesIn(`${base}/new`)) Deno.removeSync(`${base}/new/${name}`);
  const events = async () => (await run(estimate(queue.place))).events;
  await recountForProducers(queue.place, NEVER); // too soon: the first producer has counted
  assertEquals(await events(), 5);
  laterMs = 600_000;
  await recountForProducers(queue.place, NEVER);
  assertEquals(await events(), 0);
  await queue.enqueue(EVENT);
  assertEquals(await events(), 1);
});

Deno.test("counters that have become long begin anew", async () => {
  await using dir = await tempDir();
  let laterMs = 0;
  const queue = await open(dir.path, { maxEvents: 1_000 }, runtimeOf({ laterMs: () => laterMs }));
  await queue.enqueue(EVENT);
  Deno.truncateSync(`${dir.path}/tmp/.added-events`, 17 * 2 ** 20);
  laterMs = 600_000;
  await queue.enqueue(EVENT); // refused by what is known, and counted
  await queue.enqueue(EVENT);
  assertEquals(Deno.statSync(`${dir.path}/tmp/.added-events`).size, 2);
  assertEquals((await run(estimate(queue.place))).events, 3);
});

Deno.test("whatever stands in the place of the counters, events are taken, and nothing else is touched", async () => {
  await using dir = await tempDir();
  const outside = `${dir.path}/outside`;
  Deno.writeTextFileSync(outside, "mine");
  const plants: [what: string, plant: (path: string) => void][] = [
    ["a symlink", (path) => Deno.symlinkSync(outside, path)],
    ["a folder", (path) => Deno.mkdirSync(path)],
    ["nonsense", (path) => Deno.writeTextFileSync(path, '{"events": -1}')],
    ["much", (path) => Deno.writeTextFileSync(path, "{".repeat(10_000))],
  ];
  for (const [what, plant] of plants) {
    const base = `${dir.path}/${what.replace(" ", "-")}`;
    const queue = await open(base, { maxEvents: 1_000_000, maxBytes: 2 ** 40 });
    for (const name of [".counted", ".added-events", ".added-kib"]) plant(`${base}/tmp/${name}`);
    await queue.enqueue(EVENT);
    queue.enqueueSync(EVENT);
    assertEquals(inNew(base), 2, what);
    assertEquals(Deno.readTextFileSync(outside), "mine");
  }
});

Deno.test("who may only add events, and not list them, keeps to the limits by what is known", async () => {
  await using dir = await tempDir();
  const denied = () => {
    throw Object.assign(new Error("no"), { code: "EACCES" });
  };
  const queue = await open(dir.path, { maxEvents: 2 }, runtimeOf({ disk: { list: denied } }));
  await queue.enqueue(EVENT);
  await queue.enqueue(EVENT);
  await assertRejects(() => queue.enqueue(EVENT), QueueFullError);
});

Deno.test("some room stays free on the disk, where that can be told", async () => {
  await using dir = await tempDir();
  let free = 10 * KIB;
  let laterMs = 0;
  const volume = () => ({ bytes: { total: 100 * KIB, free } });
  const runtime = { ...runtimeOf({ laterMs: () => laterMs }), volume };
  const queue = await open(dir.path, { minFreeBytes: 5 * KIB }, runtime);
  await queue.enqueue(eventOf(4 * KIB));
  const error = await assertRejects(() => queue.enqueue(eventOf(6 * KIB)), QueueFullError);
  assertEquals(error.limit, "minFreeBytes");
  assertStringIncludes(error.message, "10240 bytes are free on its disk, 5120 must stay so");
  free = 100 * KIB;
  laterMs = 1_100;
  await queue.enqueue(eventOf(6 * KIB));
  assertEquals(namesIn(`${dir.path}/tmp`), []);
  const unknown = { ...runtime, volume: () => ({}) };
  await assertRejects(
    () => open(dir.path, { minFreeBytes: 1 }, unknown),
    TypeError,
    "needs a system that tells how much room there is",
  );
});

Deno.test("what a disk refuses in the middle counts as far as it is there", async () => {
  await using dir = await tempDir();
  const { disk } = denoRuntime();
  let links = 0;
  const link = (from: string, to: string) => {
    if (++links > 2) throw Object.assign(new Error("full"), { code: "ENOSPC" });
    return disk.link(from, to);
  };
  const queue = await open(dir.path, { maxEvents: 10 }, runtimeOf({ disk: { link } }));
  await assertRejects(() => queue.enqueueMany([EVENT, EVENT, EVENT, EVENT]), EnqueueError);
  assertEquals((await run(estimate(queue.place))).events, 2);
});

Deno.test("an SDK hears 503 while the queue is full, and the application learns why", async () => {
  await using dir = await tempDir();
  const told: unknown[] = [];
  const { dispatchEvent } = eventDispatcherOn(denoRuntime(), {
    baseDir: dir.path,
    limits: { maxEvents: 1 },
    onError: (error) => told.push(error),
  });
  const event = { url: "http://127.0.0.1:65000/", params: {} };
  assertEquals(await dispatchEvent(event), { statusCode: 204 });
  assertEquals(await dispatchEvent(event), { statusCode: 503 });
  assert(told.length === 1 && told[0] instanceof QueueFullError);
});
