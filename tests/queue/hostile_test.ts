/**
 * Whatever the files of a queue are called, dated and filled with: `status` says what is there, a
 * consumer looks past it, and a good event beside it is delivered.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Disk, NotAQueueError, openQueue, Queue, status } from "../../mod.ts";
import { statusJson, statusText } from "../../lib/cli/status.ts";
import { bucketTimeMs } from "../../lib/queue/buckets.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import type { Kind } from "../../lib/runtime/runtime.ts";
import { Arena, BASE, QUICK } from "../sim/arena.ts";
import { START_MS } from "../sim/world.ts";
import { run } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

const LAST_MS = 8.64e15;
/** Lines without control characters. */
const PRINTABLE = /^(?:\n|\P{Cc})+$/u;

const GOOD = "http://good.test/";
const HELD = "http_held.test_80";

const dates = fc.oneof(
  fc.constantFrom(0, -1, -LAST_MS, LAST_MS, START_MS, START_MS + 1, START_MS + 1e12),
  fc.double({ min: -LAST_MS, max: LAST_MS, noNaN: true }),
);

const isName = (name: string) =>
  name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && name.length <= 255;

const digits = fc.stringMatching(/^\d{1,18}$/);
const words = fc.stringMatching(/^[a-z0-9-]{1,30}$/);
const names = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 60 }).filter(isName),
  fc.tuple(fc.string({ maxLength: 20 }), digits, digits, words)
    .map(([id, attempt, time, tag]) => `${id}+${attempt}@${time}~${tag}`).filter(isName),
  fc.tuple(
    fc.constantFrom(".open~", ".hold", ".after@", ".edge-1-", "x+0@"),
    fc.oneof(digits, words),
  )
    .map(([start, end]) => `${start}${end}`),
  fc.constantFrom(
    ".hold",
    ".open~x",
    ".open~edge-1-abcdefgh",
    ".after@0",
    ".after@999999999999999",
    `.after@${START_MS + 60_000}`,
    "zzzzzzzzz-z",
    "000000000-a-0",
    "__proto__",
    "constructor",
    "SystemTime { tv_sec: 1, tv_nsec: 2 }count3",
    "x.why",
    "x.json.why",
    "name\nwith\u001b[2Jescapes\u202e",
    "\ufffd",
    "n".repeat(255),
  ),
);

const marks = fc.record({
  since: fc.oneof(
    fc.constantFrom(
      "+275760-09-13T00:00:00.000Z",
      "+275760-09-13T00:00:00.001Z",
      "-271821-04-20T00:00:00.000Z",
      "2026-13-45",
      "",
      "\ud800",
    ),
    fc.jsonValue(),
  ),
  error: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()),
  destination: fc.oneof(
    fc.constantFrom("__proto__", "\u001b[2J", "d".repeat(60_000)),
    fc.jsonValue(),
  ),
}).map((mark) => JSON.stringify(mark));

const contents = fc.oneof(
  marks,
  fc.json(),
  fc.string({ unit: "binary" }),
  fc.constantFrom("", "null", "[]", "{", "[".repeat(5_000), `{"a":`.repeat(5_000)),
);

const files = fc.array(
  fc.record({
    folder: fc.constantFrom(
      ...["tmp", "new", "cur", "defer", "doa", "res"],
      ...[
        `defer/${HELD}`,
        `defer/${HELD}/000000000-a-0`,
        "defer/others",
        "defer/http_good.test_80",
      ],
    ),
    name: names,
    kind: fc.constantFrom<Kind>("file", "file", "file", "directory", "symlink", "other"),
    mtimeMs: dates,
    text: contents,
  }),
  { maxLength: 12 },
);

/** Whether a name is that of a folder, which may be no symlink: no consumer starts then. */
function isOneOfOurs(folder: string, name: string): boolean {
  if (folder === "defer") return !name.startsWith(".");
  return folder.split("/").length === 2 && bucketTimeMs(name) !== undefined;
}

Deno.test("names, dates and contents of any kind stop neither status nor a consumer", async () => {
  await fc.assert(
    fc.asyncProperty(files, async (found) => {
      const arena = new Arena();
      const { world } = arena;
      for (const folder of [HELD, `${HELD}/000000000-a-0`, "others", "http_good.test_80"]) {
        world.disk.plant(`${BASE}/defer/${folder}`, { kind: "directory" });
      }
      let isRefused = false;
      for (const { folder, name, ...what } of found) {
        try {
          world.disk.plant(`${BASE}/${folder}/${name}`, what);
          isRefused ||= what.kind === "symlink" && isOneOfOurs(folder, name);
        } catch {
          // there is one already
        }
      }
      arena.plant("good", 1, { url: GOOD });
      const isHeld = found.some(({ folder, name }) =>
        name === ".hold" && folder.endsWith("good.test_80")
      );
      const isThrottled = found.some(({ folder, name }) =>
        name.startsWith(".after@") && folder.endsWith("good.test_80")
      );
      const look = async () => {
        const queue = await arena.open(world.process());
        const seen = await status(queue);
        assertMatch(statusText(seen, world.nowMs), PRINTABLE);
        JSON.parse(statusJson(seen));
      };
      await world.run(look);
      const options = { ...QUICK, maxAttempts: 1 };
      const consuming = arena.consume(world.process(), "once", options);
      if (isRefused) await world.run(assertRejects(() => consuming, NotAQueueError));
      else await world.run(consuming);
      assert(isRefused || isHeld || isThrottled || world.network.keys.includes("good"));
      await world.run(look);
    }),
    { numRuns: 300 },
  );
});

Deno.test("status counts more destinations than a call has room for arguments", () => {
  const destinations = Array.from({ length: 200_000 }, (_, n) => ({
    destination: `http_${n}.test_80`,
    waiting: 1,
    inFlight: 0,
    dead: 0,
    isHeld: false,
    throttledUntilMs: undefined,
    downSinceMs: undefined,
    strugglingShare: undefined,
    strugglingSinceMs: undefined,
    lastError: undefined,
    nextAttemptMs: 0,
  }));
  const [writing, ready, claimed, claimedUnread, deferred, dead, responses, unreachable] = Array(8)
    .fill(0);
  const totals = { writing, ready, claimed, claimedUnread, deferred, dead, responses, unreachable };
  assert(statusText({ ...totals, destinations }, 1).split("\n").length > 200_000);
});

Deno.test("what is wrong with one folder, even a bug, holds that destination and no other", async () => {
  const arena = new Arena();
  const { world } = arena;
  const url = "http://odd.test/";
  for (const folder of ["http_odd.test_80", "http_good.test_80"]) {
    world.disk.plant(`${BASE}/defer/${folder}`, { kind: "directory" });
  }
  world.disk.plant(`${BASE}/defer/http_good.test_80/a+1@1~edge-1-x-1`, {
    text: `{"url":"${GOOD}a"}`,
  });
  arena.plant("odd", 1, { url });
  arena.plant("good", 2, { url: GOOD });
  const process = world.process();
  let looks = 0;
  const list = process.runtime.disk.list.bind(process.runtime.disk);
  const disk = new Proxy(process.runtime.disk, {
    get(target, verb: keyof Disk) {
      if (verb === "within") return undefined; // it would be another disk's list
      if (verb !== "list") return (target[verb] as () => unknown)?.bind(target);
      return (path: string) => {
        if (!path.includes("http_odd")) return list(path);
        looks++;
        throw new RangeError("Invalid time value");
      };
    },
  });
  Object.assign(process, { runtime: { ...process.runtime, disk } });
  const stop = new AbortController();
  const running = arena.consume(process, "forever", { ...QUICK, pollMs: 1_000 }, stop.signal);
  await world.advance(90_000);
  stop.abort();
  await world.run(running);
  assertEquals(world.network.keys.toSorted(), ["a", "good"]);
  assert(looks > 50);
  const told = arena.reports.filter(({ event }) => event.type === "disk-trouble");
  assertEquals(told.length, 3, JSON.stringify(told)); // at once, a minute later, at the end
  const released = arena.reports.filter(({ event }) => event.type === "released");
  assertEquals(released, []); // it waits where the others of no folder do
  assertEquals(arena.files().filter((path) => path.includes("odd+")).length, 1);
});

Deno.test({
  name: "status ends with 0 whatever the real files are dated",
  fn: async () => {
    await using dir = await tempDir();
    const base = dir.path;
    await openQueue(base, { create: true });
    Deno.mkdirSync(`${base}/defer/${HELD}`);
    Deno.mkdirSync(`${base}/defer/${HELD}/.open~dir-1-x`);
    const odd = [
      `defer/${HELD}/.open~a-1-x`,
      `defer/${HELD}/.open~b-1-x`,
      "new/a",
      "cur/a",
      "doa/a",
    ];
    for (const [n, path] of odd.entries()) {
      Deno.writeTextFileSync(
        `${base}/${path}`,
        n === 0 ? `{"since":"+275760-09-13T00:00:00.001Z"}` : "",
      );
      const date = ["@8640000000001", "@-99999999999", "@99999999999999"][n % 3]!;
      await new Deno.Command("touch", { args: ["-d", date, `${base}/${path}`] }).output();
    }
    for (const args of [["status"], ["status", "--json"]]) {
      const { code, stderr } = await run([...args, "--base-dir", base]);
      assertEquals([code, stderr], [0, ""]);
    }
    // as on a file system that keeps such dates
    const runtime = denoRuntime();
    const lstat = (path: string) => ({ ...runtime.disk.lstat(path) as object, mtimeMs: 0 });
    const disk = { ...runtime.disk, lstat } as Disk;
    statusText(await status(await Queue.open(base, { ...runtime, disk })), Date.now());
  },
});
