/** The journal's files, in a real directory. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Consumer, openQueue, type TraceEvent } from "../../mod.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { logDayMs, logName, pruneLog } from "../../lib/queue/log.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const DAY_MS = 24 * 60 * 60_000;

Deno.test("a file's name is the day, UTC, and the owner; other names are left alone", () => {
  const name = logName(Date.UTC(2026, 10, 27, 23, 59), "edge7-4242-k3x9");
  assertEquals(name, "20261127~edge7-4242-k3x9.jsonl");
  assertEquals(logDayMs(name), Date.UTC(2026, 10, 27));
  for (const other of ["20261127.jsonl", "20269999~a.jsonl", "20261127~a.jsonl.gz", "x"]) {
    assertEquals(logDayMs(other), undefined, other);
  }
});

/** Consume what is on a queue that has one event, and say what was told. */
async function consumeOne(baseDir: string, keepLogMs?: number): Promise<readonly TraceEvent[]> {
  await using endpoint = startEndpoint();
  const queue = await openQueue(baseDir, { create: true });
  await queue.enqueue({ url: `${endpoint.url}/`, requestBody: 1 }, { id: "order-1" });
  const told: TraceEvent[] = [];
  const keep = keepLogMs === undefined ? {} : { keepLogMs };
  const consumer = new Consumer(queue, { ...keep, trace: (event) => void told.push(event) });
  const { delivered, empty } = await consumer.run("until-empty");
  assertEquals([delivered, empty], [1, true]);
  return told;
}

Deno.test("a consumer writes what became of its events into a private file of its own", async () => {
  await using dir = await tempDir();
  await consumeOne(dir.path);
  const [name, ...others] = namesIn(`${dir.path}/log`);
  assertEquals(others, []);
  assertMatch(name!, /^\d{8}~[a-z0-9-]+\.jsonl$/);
  const text = await Deno.readTextFile(`${dir.path}/log/${name}`);
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ event, id, status }) => [event, id, status]), [
    ["delivered", "order-1", 204],
  ]);
  const modeOf = (path: string) => Deno.statSync(path).mode! & 0o7777;
  assertEquals(modeOf(`${dir.path}/log`).toString(8), "700");
  assertEquals(modeOf(`${dir.path}/log/${name}`).toString(8), "600");
});

Deno.test("--keep-log 0 makes no journal", async () => {
  await using dir = await tempDir();
  await consumeOne(dir.path, 0);
  assertEquals(namesIn(dir.path).includes("log"), false);
});

Deno.test("a queue with a journal opens again, also when one of its folders is missing", async () => {
  await using dir = await tempDir();
  await consumeOne(dir.path);
  await Deno.remove(`${dir.path}/res`);
  await openQueue(dir.path);
});

Deno.test("a directory that holds nothing but log/ is another program's", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(`${dir.path}/log`);
  const error = await openQueue(dir.path, { create: true }).catch((error) => error);
  assertEquals(error.name, "NotAQueueError");
  assertEquals(namesIn(dir.path), ["log"]);
});

Deno.test("where log/ is a symlink or a file, events are delivered, nothing is written, and it is told", async () => {
  for (const put of ["symlink", "file"]) {
    await using dir = await tempDir();
    await using outside = await tempDir();
    await openQueue(dir.path, { create: true });
    if (put === "symlink") await Deno.symlink(outside.path, `${dir.path}/log`);
    else await Deno.writeTextFile(`${dir.path}/log`, "");
    const told = await consumeOne(dir.path);
    const verbs = told.flatMap((event) => event.type === "disk-trouble" ? [event.verb] : []);
    assert(verbs.includes("journal"), `${put}: ${JSON.stringify(told)}`);
    assertEquals(namesIn(outside.path), []);
  }
});

Deno.test("what is older than is to be kept is removed, whoever wrote it; the rest stays", async () => {
  await using dir = await tempDir();
  const queue = await Queue.open(dir.path, denoRuntime(), { create: true });
  const nowMs = Date.now();
  const nameOf = (days: number) => logName(nowMs - days * DAY_MS, "edge7-1-abcdefgh");
  await Deno.mkdir(`${dir.path}/log`);
  for (const name of [nameOf(0), nameOf(1), nameOf(3), nameOf(40), "notes.txt"]) {
    await Deno.writeTextFile(`${dir.path}/log/${name}`, "{}\n");
  }
  await Deno.mkdir(`${dir.path}/log/20200101~a-1-b.jsonl`);
  const { signal } = new AbortController();
  assertEquals(await pruneLog(queue, 2 * DAY_MS, signal), 2);
  const left = ["20200101~a-1-b.jsonl", nameOf(0), nameOf(1), "notes.txt"];
  assertEquals(namesIn(`${dir.path}/log`), left.sort());
  assertEquals(await pruneLog(queue, 2 * DAY_MS, signal), 0);
});
