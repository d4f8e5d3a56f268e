/** What has been kept for long enough, on a disk whose files can be made old. */

import { assertEquals, assertRejects } from "@std/assert";
import { prune } from "../../lib/queue/prune.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { sentFolder, sentHourMs } from "../../lib/queue/sent.ts";
import { START_MS, World, type WorldOptions } from "../sim/world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BASE = "/q";

Deno.test("a folder of sent/ is an hour, UTC; other names are left alone", () => {
  const atMs = Date.UTC(2026, 10, 27, 23, 59, 59);
  assertEquals(sentFolder(atMs), "sent/20261127T23");
  assertEquals(sentHourMs("20261127T23"), Date.UTC(2026, 10, 27, 23));
  for (const other of ["20261127", "20261127T24", "20261327T00", "20261127T23.tgz", "x"]) {
    assertEquals(sentHourMs(other), undefined, other);
  }
});

/** A queue with these files, each with its age in days. */
async function withFiles(
  files: Readonly<Record<string, number>>,
  body: (queue: Queue, world: World, left: () => string[]) => Promise<void>,
  options: WorldOptions = {},
): Promise<void> {
  const world = new World(options);
  const { disk } = world;
  for (const folder of ["", "tmp", "new", "cur", "defer", "doa", "res", "sent"]) {
    disk.plant(`${BASE}/${folder}`.replace(/\/$/, ""), { kind: "directory" });
  }
  for (const [path, days] of Object.entries(files)) {
    const parent = `${BASE}/${path}`.replace(/\/[^/]*$/, "");
    if (disk.peek(parent) === undefined) disk.plant(parent, { kind: "directory" });
    disk.plant(`${BASE}/${path}`, { text: "{}", mtimeMs: START_MS - days * DAY_MS });
  }
  await world.run(async () => {
    const { runtime } = world.process();
    const left = () =>
      Object.keys(disk.image().files())
        .filter((path) => /^\/q\/(?:doa|res|sent)\/./.test(path))
        .map((path) => path.slice(BASE.length + 1))
        .sort();
    await body(await Queue.open(BASE, runtime), world, left);
  });
}

const letter = (id: string, days: number) =>
  `doa/${id}+3@${START_MS - days * DAY_MS}~edge-1-abcdefgh-${days}.json`;
const sent = (id: string, days: number) =>
  `${sentFolder(START_MS - days * DAY_MS)}/${id}+1@${START_MS - days * DAY_MS}~edge-1-abcdefgh-1`;

Deno.test("delivered events go by whole hours, and their folder with them", () =>
  withFiles(
    { [sent("a", 9)]: 9, [sent("b", 9)]: 40, [sent("c", 1)]: 40 },
    async (queue, _, left) => {
      assertEquals(await prune(queue, "sent", START_MS - 3 * DAY_MS), 2);
      assertEquals(left(), [`${sentFolder(START_MS - DAY_MS)}/`, sent("c", 1)]);
      assertEquals(await prune(queue, "sent", START_MS - 3 * DAY_MS), 0);
    },
  ));

Deno.test("what is no event of ours stays in sent/, and so does its folder", () => {
  const hour = sentFolder(START_MS - 9 * DAY_MS);
  const files = {
    [sent("a", 9)]: 9,
    [`${hour}/.notes`]: 9,
    "sent/backup/a+1@1~edge-1-abcdefgh-1": 9,
    "sent/loose": 9,
  };
  return withFiles(files, async (queue, _, left) => {
    assertEquals(await prune(queue, "sent", START_MS), 1);
    const kept = Object.keys(files).slice(1);
    assertEquals(left().filter((path) => !path.endsWith("/")), kept.sort());
  });
});

Deno.test("a dead letter goes with its reason, once both its name and its file are old", () => {
  const files = {
    [letter("old", 40)]: 60,
    [`${letter("old", 40)}.why`]: 40,
    [letter("young", 3)]: 60,
    [`${letter("young", 3)}.why`]: 3,
    [letter("put-back", 50)]: 2,
    "doa/of-the-original": 60,
    "doa/of-the-original-too": 5,
  };
  return withFiles(files, async (queue, _, left) => {
    assertEquals(await prune(queue, "dead", START_MS - 30 * DAY_MS), 2);
    const kept = Object.keys(files).filter((path) => !/old|original$/.test(path));
    assertEquals(left(), kept.sort());
  });
});

Deno.test("an answer goes with its .meta, and one whose other part is gone too", () => {
  const files = {
    "res/old+1~edge-1-abcdefgh-1": 9,
    "res/old+1~edge-1-abcdefgh-1.meta": 9,
    "res/taken+1~edge-1-abcdefgh-2.meta": 9,
    "res/half+1~edge-1-abcdefgh-3": 9,
    "res/young+1~edge-1-abcdefgh-4": 1,
    "res/young+1~edge-1-abcdefgh-4.meta": 1,
  };
  return withFiles(files, async (queue, _, left) => {
    const counted = await prune(queue, "res", START_MS - 7 * DAY_MS, { dryRun: true });
    assertEquals([counted, left().length], [3, 6]);
    assertEquals(await prune(queue, "res", START_MS - 7 * DAY_MS), 3);
    assertEquals(left(), Object.keys(files).filter((path) => path.includes("young")).sort());
  });
});

Deno.test("what resists is told, and doesn't keep the rest", () =>
  withFiles({ [letter("a", 40)]: 40, [letter("b", 40)]: 40, [letter("c", 40)]: 40 }, async (
    queue,
    world,
    left,
  ) => {
    world.onVerb = ({ verb, path }) =>
      verb === "remove" && path.includes("/b+") ? { code: "EACCES" } : undefined;
    await assertRejects(() => prune(queue, "dead", START_MS - 30 * DAY_MS), Error, "EACCES");
    assertEquals(left(), [letter("b", 40)]);
  }));

Deno.test("it rests between some files and the next, by how long these took", () => {
  const files = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [letter(`${n}`, 40), 40]));
  const latencyMs = ({ verb }: { verb: string }) => verb === "remove" ? 1 : 0;
  return withFiles(files, async (queue, world) => {
    await prune(queue, "dead", START_MS - 30 * DAY_MS, { rest: 3 });
    const worked = 2 * 200; // each with its reason
    assertEquals(world.nowMs - START_MS, worked + 3 * 3 * 2 * 64);
  }, { latencyMs });
});

Deno.test("a stop ends it early", () =>
  withFiles({ [letter("a", 40)]: 40, [letter("b", 40)]: 40 }, async (queue, _, left) => {
    const stop = new AbortController();
    const options = { signal: stop.signal, onProgress: () => stop.abort() };
    assertEquals(await prune(queue, "dead", START_MS - 30 * DAY_MS, options), 1);
    assertEquals(left().length, 1);
  }));
