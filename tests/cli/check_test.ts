/** `check`, on queues in every condition. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { judge } from "../../lib/cli/check.ts";
import { CHECK_OPTIONS } from "../../lib/config/check_command.ts";
import { resolve } from "../../lib/config/resolve.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { acquireOwner } from "../../lib/queue/store/owner.ts";
import { type Vitals, vitals } from "../../lib/queue/vitals.ts";
import { openQueue } from "../../mod.ts";
import { START_MS, World } from "../sim/world.ts";
import { runHere } from "../support/in_process.ts";
import { tempDir } from "../support/temp_dir.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BASE = "/q";
const TAG = "edge-1-abcdefgh";

/** The signs of a queue with these files, each with its age. */
async function signsOf(
  files: Readonly<Record<string, number>>,
  prepare: (world: World) => void | Promise<void> = () => {},
): Promise<Vitals> {
  const world = new World();
  const folders = new Set(["", "/tmp", "/new", "/cur", "/defer", "/doa", "/res"]);
  for (const path of Object.keys(files)) {
    const parts = path.split("/").slice(0, -1);
    parts.forEach((_, depth) => folders.add(`/${parts.slice(0, depth + 1).join("/")}`));
  }
  for (const folder of folders) world.disk.plant(`${BASE}${folder}`, { kind: "directory" });
  for (const [path, ageMs] of Object.entries(files)) {
    world.disk.plant(`${BASE}/${path}`, { text: "{}", mtimeMs: START_MS - ageMs });
  }
  return await world.run(async () => {
    await prepare(world);
    return await vitals(await Queue.open(BASE, world.process().runtime));
  });
}

const bucket = (ms: number) => `${ms.toString(36).padStart(9, "0")}-edge-0`;

Deno.test("late is what could have been sent and wasn't, by the earliest", async () => {
  const late = async (files: Readonly<Record<string, number>>) => {
    const { lateSinceMs } = await signsOf(files);
    return lateSinceMs === undefined ? undefined : START_MS - lateSinceMs;
  };
  assertEquals(await late({}), undefined);
  assertEquals(await late({ "new/a.json": HOUR_MS, "new/b": 2 * HOUR_MS }), 2 * HOUR_MS);
  assertEquals(await late({ [`new/a+0@${START_MS - 5}.json`]: HOUR_MS }), 5);
  assertEquals(await late({ [`new/a+0@${START_MS + HOUR_MS}.json`]: HOUR_MS }), undefined);
  const dueMs = START_MS - 7 * MINUTE_MS;
  const deferred = `defer/http_a.test_80/${bucket(dueMs)}/a+1@${dueMs}~${TAG}-1`;
  assertEquals(await late({ [deferred]: HOUR_MS }), 7 * MINUTE_MS);
  assertEquals(await late({ [`defer/http_a.test_80/a+1@${dueMs}~${TAG}-1`]: 0 }), 7 * MINUTE_MS);
  const lease = (ms: number) => ({ [`cur/a+1@${START_MS + ms}~${TAG}-1`]: HOUR_MS });
  assertEquals(await late(lease(MINUTE_MS)), undefined);
  assertEquals(await late(lease(-MINUTE_MS)), undefined);
  assertEquals(await late(lease(-20 * MINUTE_MS)), 20 * MINUTE_MS);
});

Deno.test("what waits for a destination that is held, down or throttled isn't late", async () => {
  const dueMs = START_MS - HOUR_MS;
  const event = `defer/http_a.test_80/${bucket(dueMs)}/a+0@${dueMs}~${TAG}-1`;
  for (const mark of [".hold", `.open~${TAG}`, `.after@${START_MS + MINUTE_MS}`]) {
    const found = await signsOf({ [event]: 0, [`defer/http_a.test_80/${mark}`]: 3 * MINUTE_MS });
    assertEquals([found.deferred, found.lateSinceMs], [1, undefined], mark);
    const parked = mark.startsWith(".after") ? [] : [{
      destination: "http_a.test_80",
      waiting: 1,
      isHeld: mark === ".hold",
      downSinceMs: mark === ".hold" ? undefined : START_MS - 3 * MINUTE_MS,
    }];
    assertEquals(
      found.parked.map(({ destination, waiting, isHeld, downSinceMs }) => ({
        destination,
        waiting,
        isHeld,
        downSinceMs,
      })),
      parked,
    );
  }
});

Deno.test("consumers at work are counted, dead ones are not", async () => {
  const found = await signsOf(
    { [`doa/x+1@1~${TAG}-1`]: 0, [`doa/x+1@1~${TAG}-1.why`]: 0 },
    async (world) => {
      for (const kill of [false, true]) {
        const process = world.process();
        await acquireOwner(await Queue.open(BASE, process.runtime));
        if (kill) process.kill();
      }
    },
  );
  assertEquals([found.consumers, found.dead], [1, 1]);
});

const WELL: Vitals = {
  ready: 0,
  claimed: 0,
  deferred: 0,
  dead: 0,
  lateSinceMs: undefined,
  consumers: 1,
  parked: [],
};

Deno.test("each limit is a limit: at it all is well, beyond it it isn't", () => {
  const options = resolve(CHECK_OPTIONS, {});
  const verdict = (signs: Partial<Vitals>) => {
    const { critical, warning } = judge({ ...WELL, ...signs }, options, START_MS);
    return [critical.length, warning.length];
  };
  const parked = (downMs: number | undefined, isHeld = false, waiting = 1) => ({
    parked: [{
      destination: "d",
      waiting,
      isHeld,
      downSinceMs: downMs === undefined ? undefined : START_MS - downMs,
    }],
  });
  assertEquals(verdict({}), [0, 0]);
  assertEquals(verdict({ lateSinceMs: START_MS - 5 * MINUTE_MS }), [0, 0]);
  assertEquals(verdict({ lateSinceMs: START_MS - 5 * MINUTE_MS - 1 }), [1, 0]);
  assertEquals(verdict(parked(10 * MINUTE_MS)), [0, 0]);
  assertEquals(verdict(parked(10 * MINUTE_MS + 1)), [1, 0]);
  assertEquals(verdict({ dead: 1 }), [0, 1]);
  assertEquals(verdict(parked(undefined, true)), [0, 1]);
  assertEquals(verdict(parked(undefined, true, 0)), [0, 0]);
});

Deno.test("check prints one line and ends with 0, 1, 2 or 3", async () => {
  await using dir = await tempDir();
  const check = (...args: string[]) => runHere(["check", "--base-dir", dir.path, ...args]);
  const unknown = await check();
  assertEquals([unknown.code, unknown.stderr], [3, ""]);
  assertMatch(unknown.stdout, /^UNKNOWN: Cannot open the queue: .*\n$/);
  await openQueue(dir.path, { create: true });
  const ok = await check();
  assertEquals(ok.code, 0);
  assertMatch(ok.stdout, /^OK: 0 waiting, 0 dead, 0 consumers at work \| late=0s;;300;0 dead=0;0;/);
  await Deno.writeTextFile(`${dir.path}/doa/x+1@1~${TAG}-1`, "{}");
  const warning = await check();
  assertEquals(warning.code, 1);
  assertMatch(warning.stdout, /^WARNING: 1 dead \|/);
  assertEquals((await check("--max-dead", "1")).code, 0);
  await Deno.writeTextFile(`${dir.path}/new/a+0@1.json`, "{}");
  const critical = await check();
  assertEquals(critical.code, 2);
  assertMatch(
    critical.stdout,
    /^CRITICAL: an event is late by .*, no consumer is at work; 1 dead \|/,
  );
  for (const { stdout } of [unknown, ok, warning, critical]) {
    assertEquals(stdout.split("\n").length, 2);
  }
});

Deno.test("--prometheus is text that its parser takes, each family once", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  await Deno.mkdir(`${dir.path}/defer/http_a.test_80`);
  await Deno.writeTextFile(`${dir.path}/defer/http_a.test_80/.hold`, "");
  const { code, stdout } = await runHere(["check", "--prometheus", "--base-dir", dir.path]);
  assertEquals(code, 0);
  const families = [...stdout.matchAll(/^# TYPE (\w+) gauge$/gm)].map(([, name]) => name!);
  assertEquals(new Set(families).size, families.length);
  for (const line of stdout.trimEnd().split("\n")) {
    assertMatch(
      line,
      /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? [\d.]+)$/,
    );
    const name = /^(?:# \w+ )?(\w+)/.exec(line)![1]!;
    assert(families.includes(name), name);
  }
  assertStringIncludes(stdout, 'destination_state{destination="http_a.test_80",state="held"} 1\n');
  assertStringIncludes(stdout, "optimizelyd_check_status 0\n");
});
