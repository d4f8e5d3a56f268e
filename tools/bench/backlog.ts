/**
 * `deno task bench:backlog`: a large backlog costs no more an event than a small one, and no
 * memory.
 *
 * - `rates`: events a second with 1,000, 10,000 and 100,000 of them in `new/`, within a third of
 *   each other. One consumer drains 5,000 others before each: what is compared is the backlog, not
 *   how warm the program is. The cold start is shown too.
 * - `million`: 1,000,000 files in `new/`: from the start of the program to the first request, and
 *   its memory after 20,000 requests. The memory is Linux only, from `/proc`, which Deno shows only
 *   to a program that may do everything. `--files` makes it fewer.
 *
 * Files are on the disk of the temporary directory; `--tmpfs` takes the tmpfs.
 *
 * @module
 */

import { type Disk, fill, makeQueue, syncAll } from "./fill.ts";
import { readSettings, runTool } from "../options.ts";
import { type Endpoint, rateOf, startConsumer, startEndpoint } from "./programs.ts";
import { list, median, print, printTable, progress, verdict } from "../report.ts";

const MEASUREMENTS = ["rates", "million"] as const;
const SIZES = [1_000, 10_000, 100_000] as const;
const WARM_UP = 5_000;
const SPREAD_TARGET = 1 / 3;
const FIRST_TARGET_MS = 1_000;
const MEMORY_TARGET_MB = 150;
const DELIVERIES = 20_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What arrived, once so much has. */
async function arrival(endpoint: Endpoint, events: number) {
  for (;;) {
    const count = await endpoint.count();
    if (count.events >= events) return count;
    await pause(20);
  }
}

/**
 * The rate at which a backlog is delivered: by a new consumer, or by one that has delivered others
 * before.
 */
async function rate(
  disk: Disk,
  endpoint: Endpoint,
  threads: number,
  events: number,
  isWarm: boolean,
): Promise<number> {
  await using queue = await makeQueue(disk);
  await endpoint.reset();
  if (!isWarm) {
    fill(queue.path, endpoint.url, events);
    await syncAll();
    await using consumer = startConsumer(queue.path, threads, "--until-empty");
    await consumer.code;
    return rateOf(await endpoint.count());
  }
  fill(queue.path, endpoint.url, WARM_UP);
  await using consumer = startConsumer(queue.path, threads);
  await arrival(endpoint, WARM_UP);
  consumer.kill("SIGSTOP"); // the backlog is complete before it looks again
  fill(queue.path, endpoint.url, events);
  await syncAll();
  await endpoint.reset();
  consumer.kill("SIGCONT");
  const count = await arrival(endpoint, events);
  await consumer.stop();
  return rateOf(count);
}

async function rates(disk: Disk, threads: number, rounds: number): Promise<void> {
  await using endpoint = await startEndpoint();
  const warm = new Map<number, number[]>(SIZES.map((events) => [events, []]));
  const cold = new Map<number, number[]>(SIZES.map((events) => [events, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const events of SIZES) {
      for (const [isWarm, all] of [[false, cold], [true, warm]] as const) {
        progress(
          `round ${round} of ${rounds}: ${events} events, ${isWarm ? "warm" : "from the start"}`,
        );
        all.get(events)!.push(await rate(disk, endpoint, threads, events, isWarm));
      }
    }
  }
  const medians = SIZES.map((events) => median(warm.get(events)!));
  const spread = 1 - Math.min(...medians) / Math.max(...medians);
  print(`${threads} in flight, ${disk}, median of ${rounds}`);
  printTable([
    ["backlog", "rate", "(rounds)", "from the start", "(rounds)"],
    ...SIZES.map((events, at) => [
      String(events),
      `${medians[at]!.toFixed(0)}/s`,
      `(${list(warm.get(events)!)})`,
      `${median(cold.get(events)!).toFixed(0)}/s`,
      `(${list(cold.get(events)!)})`,
    ]),
  ]);
  const percent = (part: number) => `${Math.round(part * 100)} %`;
  print(
    `the slowest is ${percent(spread)} below the fastest, target <= ${percent(SPREAD_TARGET)}: ` +
      verdict(spread <= SPREAD_TARGET),
  );
}

/** A process's memory as the system counts it, in MB. */
function memoryMb(pid: number, which: "VmHWM" | "VmRSS"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(RegExp(`${which}:\\s+(\\d+)`).exec(status)?.[1]) / 1_024;
}

async function million(
  disk: Disk,
  threads: number,
  rounds: number,
  files: number,
): Promise<void> {
  await using endpoint = await startEndpoint();
  await using queue = await makeQueue(disk);
  const [waits, peaks, sizes]: number[][] = [[], [], []];
  const step = 10_000;
  for (let made = 0; made < files; made += step) {
    progress(`${made} of ${files} files made`);
    fill(queue.path, endpoint.url, Math.min(step, files - made));
    await pause(0);
  }
  progress("syncing");
  await syncAll();
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}: a consumer on ${files} files`);
    await endpoint.reset();
    const startMs = performance.timeOrigin + performance.now();
    await using consumer = startConsumer(queue.path, threads);
    waits!.push((await endpoint.first()).firstMs - startMs);
    await arrival(endpoint, Math.min(DELIVERIES, Math.floor(files / 2 / rounds)));
    if (Deno.build.os === "linux") {
      peaks!.push(memoryMb(consumer.pid, "VmHWM"));
      sizes!.push(memoryMb(consumer.pid, "VmRSS"));
    }
    await consumer.stop();
  }
  progress("removing what is left");
  print(`${files} files in new/, ${threads} in flight, ${disk}, median of ${rounds}`);
  const first = median(waits!);
  const rows = [
    ["", "result", "(rounds)", "target", ""],
    [
      "start to first request",
      `${first.toFixed(0)} ms`,
      `(${list(waits!)})`,
      `<= ${FIRST_TARGET_MS} ms`,
      verdict(first <= FIRST_TARGET_MS),
    ],
  ];
  for (const [name, values] of [["most memory", peaks!], ["memory at the end", sizes!]] as const) {
    if (values.length === 0) continue;
    rows.push([
      name,
      `${median(values).toFixed(0)} MB`,
      `(${list(values)})`,
      `< ${MEMORY_TARGET_MB} MB`,
      verdict(median(values) < MEMORY_TARGET_MB),
    ]);
  }
  printTable(rows);
}

async function backlog(args: readonly string[]): Promise<void> {
  const { numbers, wants, has } = readSettings(
    args,
    { threads: 64, rounds: 3, files: 1_000_000 },
    { parts: MEASUREMENTS, flags: ["tmpfs"] },
  );
  const { threads, rounds, files } = numbers;
  const disk = has("tmpfs") ? "tmpfs" : "disk";
  if (wants("rates")) await rates(disk, threads, rounds);
  if (wants("million")) await million(disk, threads, rounds, files);
}

if (import.meta.main) await runTool(() => backlog(Deno.args));
