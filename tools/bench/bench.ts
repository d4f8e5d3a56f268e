/**
 * `deno task bench`: how fast a backlog is delivered, and how fast events become durable, each as a
 * ratio to the bare calls underneath, made in the same run on the same machine. Absolute rates say
 * little about another machine; these ratios say how much of the machine the product leaves on the
 * table.
 *
 * - `drain-tmpfs`, `drain-disk`: the real `consume --until-empty` in a process of its own, against
 *   a bare `fetch` loop in a process of its own with as many requests in flight, right before it.
 *   Both send to one endpoint, again a process, whose clock measures both: from the arrival of the
 *   first event to that of the last. The events are on stable storage before.
 * - `loop-tmpfs`, `loop-disk`: what a loop in one thread reaches that does to each event what
 *   nobody can leave out, rename, read, `fetch` and remove, but promises nothing: against the same
 *   bare `fetch` loop. What the product is beyond, or short of, is its own.
 * - `enqueue-one`, `enqueue-many`: `Queue.enqueue`, and `Queue.enqueueMany` of 100, on the disk,
 *   against create + write + fsync, link, fsync of the folder (once per 100 in the second), the
 *   folder held open. The bare loop doesn't even unlink its name in `tmp/`. The two alternate every
 *   100 events.
 *
 * A tmpfs is not what anybody's queue is on: it shows what the product costs without the disk.
 * Below `/dev` Deno lets nobody open a file who may not do everything, so this program and the
 * consumer on the tmpfs run with `--allow-all`; the one on the disk has the permissions of `deno
 * task consume`.
 *
 * Every ratio is the median of `--rounds`. A missed target is said, but is not a failure: the
 * machine may be busy.
 *
 * @module
 */

import { Queue } from "../../lib/queue/queue.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import {
  type Disk,
  eventBody,
  eventFile,
  fill,
  hasTmpfs,
  leftIn,
  makeQueue,
  syncAll,
} from "./fill.ts";
import { readSettings, runTool } from "../options.ts";
import {
  type Endpoint,
  rateOf,
  runFetchLoop,
  runQueueLoop,
  startConsumer,
  startEndpoint,
} from "./programs.ts";
import { list, median, print, printTable, progress, verdict } from "../report.ts";

const DRAINS = ["drain-tmpfs", "loop-tmpfs", "drain-disk", "loop-disk"] as const;
const MEASUREMENTS = [...DRAINS, "enqueue-one", "enqueue-many"] as const;
const DRAIN_TARGET = 0.45;
const ENQUEUE_TARGET = 0.8;
const BATCH = 100;

/** Events a second: ours, and the bare loop's in the same round. */
interface Pair {
  readonly ours: number;
  readonly bare: number;
}

type Drain = typeof DRAINS[number];
const isDrain = (name: string): name is Drain => DRAINS.some((drain) => drain === name);

async function drainOnce(
  name: Drain,
  endpoint: Endpoint,
  events: number,
  threads: number,
): Promise<Pair> {
  await using queue = await makeQueue(diskOf(name));
  fill(queue.path, endpoint.url, events);
  await syncAll();

  await endpoint.reset();
  await runFetchLoop(endpoint.url, events, threads);
  const bare = rateOf(await endpoint.count());

  await endpoint.reset();
  if (name.startsWith("loop")) await runQueueLoop(queue.path, threads);
  else await drain(queue.path, threads);
  const count = await endpoint.count();
  if (count.events !== events || leftIn(queue.path) > 0) {
    throw new Error(
      `${count.events} requests for ${events} events, ${leftIn(queue.path)} left`,
    );
  }
  return { ours: rateOf(count), bare };
}

async function drain(queue: string, threads: number): Promise<void> {
  await using consumer = startConsumer(queue, threads, "--until-empty");
  const code = await consumer.code;
  if (code !== 0) throw new Error(`the consumer ended with ${code}`);
}

const onTmpfs = (name: string) => name.endsWith("tmpfs");
const diskOf = (name: string): Disk => onTmpfs(name) ? "tmpfs" : "disk";

/** Puts so many events on a queue, each durable when it resolves. */
type Enqueue = (events: number) => Promise<void> | void;

/** The calls an enqueue can't do without, and none else. */
function bareEnqueue(queue: string, file: Uint8Array, perSync: number): Enqueue {
  const folder = Deno.openSync(`${queue}/new`);
  let made = 0;
  return (events) => {
    for (let n = 1; n <= events; n++) {
      const name = `bare-${made++}.json`;
      {
        using created = Deno.openSync(`${queue}/tmp/${name}`, { write: true, createNew: true });
        created.writeSync(file);
        created.syncSync();
      }
      Deno.linkSync(`${queue}/tmp/${name}`, `${queue}/new/${name}`);
      if (n % perSync === 0) folder.syncSync();
    }
  };
}

async function enqueueOnce(events: number, perSync: number): Promise<Pair> {
  const url = "http://127.0.0.1:8080/events";
  await using dir = await makeQueue("disk");
  const queue = await Queue.open(dir.path, denoRuntime());
  const event = { url, requestBody: JSON.parse(eventBody()) };
  const batch = Array.from({ length: perSync }, () => event);
  const ours: Enqueue = async (events) => {
    for (let n = 0; n < events; n += perSync) {
      if (perSync === 1) await queue.enqueue(event);
      else await queue.enqueueMany(batch);
    }
  };
  const bare = bareEnqueue(dir.path, eventFile(url), perSync);
  const elapsedMs = { ours: 0, bare: 0 };
  const timed = async (which: keyof typeof elapsedMs, enqueue: Enqueue) => {
    const startMs = performance.now();
    await enqueue(BATCH);
    elapsedMs[which] += performance.now() - startMs;
  };
  await syncAll();
  const turns = Math.ceil(events / BATCH);
  for (let turn = 0; turn < turns; turn++) {
    await timed("ours", ours);
    await timed("bare", bare);
  }
  const rate = (ms: number) => turns * BATCH * 1_000 / ms;
  return { ours: rate(elapsedMs.ours), bare: rate(elapsedMs.bare) };
}

/** @param target Least ratio; without one it is only printed. */
function row(name: string, pairs: readonly Pair[], target?: number, aim = ""): string[] {
  const ratios = pairs.map(({ ours, bare }) => ours / bare);
  const ratio = median(ratios);
  return [
    name,
    `${median(pairs.map(({ ours }) => ours)).toFixed(0)}/s`,
    `${median(pairs.map(({ bare }) => bare)).toFixed(0)}/s`,
    ratio.toFixed(2),
    `(${list(ratios, 2)})`,
    ...(target === undefined ? ["-", ""] : [`>= ${target}${aim}`, verdict(ratio >= target)]),
  ];
}

async function bench(args: readonly string[]): Promise<void> {
  const { numbers, wants } = readSettings(
    args,
    { events: 20_000, threads: 64, rounds: 3 },
    { parts: MEASUREMENTS },
  );
  const { events, threads, rounds } = numbers;
  const enqueued = Math.max(BATCH, Math.round(events / 20));
  const pairs = new Map<string, Pair[]>(MEASUREMENTS.map((name) => [name, []]));
  await using endpoint = await startEndpoint();
  for (let round = 1; round <= rounds; round++) {
    for (const name of MEASUREMENTS) {
      if (!wants(name) || (onTmpfs(name) && !hasTmpfs())) continue;
      progress(`round ${round} of ${rounds}: ${name}`);
      const pair = isDrain(name)
        ? await drainOnce(name, endpoint, events, threads)
        : await enqueueOnce(enqueued, name === "enqueue-one" ? 1 : BATCH);
      pairs.get(name)!.push(pair);
    }
  }
  print(
    `${events} events of ${eventFile(endpoint.url).length} bytes, ${threads} in flight, ` +
      `${enqueued} enqueued, median of ${rounds}`,
  );
  printTable([
    ["", "ours", "bare", "ratio", "(rounds)", "target", ""],
    ...MEASUREMENTS.filter((name) => pairs.get(name)!.length > 0).map((name) =>
      name.startsWith("drain")
        ? row(name, pairs.get(name)!, DRAIN_TARGET, ", aim 0.6")
        : row(name, pairs.get(name)!, isDrain(name) ? undefined : ENQUEUE_TARGET)
    ),
  ]);
  const skipped = hasTmpfs() ? [] : MEASUREMENTS.filter((name) => onTmpfs(name) && wants(name));
  if (skipped.length > 0) print(`${skipped.join(", ")}: skipped, there is no /dev/shm`);
}

if (import.meta.main) await runTool(() => bench(Deno.args));
