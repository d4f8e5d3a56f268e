/**
 * `deno task bench:latency`: how long an event waits.
 *
 * - `slow`: events a second against an endpoint that takes 50 ms to answer, with 256 in flight
 *   (5,120 a second at most), beside a bare `fetch` loop with as many.
 * - `wake`: from an event's rename into `new/` to its request at the server, the consumer being
 *   idle.
 * - `idle`: clock ticks of CPU that an idle consumer uses in 10 s. Linux only, from `/proc`, which
 *   Deno shows only to a program that may do everything. The consumer has those of `deno task
 *   consume`.
 *
 * @module
 */

import { eventFile, fill, makeQueue, syncAll } from "./fill.ts";
import { readSettings, runTool } from "../options.ts";
import { rateOf, runFetchLoop, startConsumer, startEndpoint } from "./programs.ts";
import { list, median, print, printTable, progress, quantile, verdict } from "../report.ts";

const MEASUREMENTS = ["slow", "wake", "idle"] as const;
const ANSWER_MS = 50;
const SLOW_TARGET = 3_000;
const WAKE_TARGET_MS = 10;
const WAKES = 200;
const IDLE_S = 10;
const IDLE_TARGET_TICKS = 5;

/** Long enough for a consumer to have nothing to do again. */
const SETTLE_MS = 500;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Events a second with a slow endpoint, and those of a bare loop. */
async function slow(events: number, threads: number): Promise<{ ours: number; bare: number }> {
  await using endpoint = await startEndpoint(ANSWER_MS);
  await using queue = await makeQueue("disk");
  fill(queue.path, endpoint.url, events);
  await syncAll();
  await runFetchLoop(endpoint.url, events, threads);
  const bare = rateOf(await endpoint.count());
  await endpoint.reset();
  await using consumer = startConsumer(queue.path, threads, "--until-empty");
  const code = await consumer.code;
  const count = await endpoint.count();
  if (code !== 0 || count.events !== events) throw new Error(`ended with ${code}`);
  return { ours: rateOf(count), bare };
}

/**
 * Milliseconds from rename to request, many times. The server is in this process, whose clock alone
 * measures.
 */
async function wakes(threads: number): Promise<number[]> {
  let arrived = Promise.withResolvers<number>();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    arrived.resolve(performance.now());
    return new Response(null, { status: 204 });
  });
  await using queue = await makeQueue("disk");
  const file = eventFile(`http://127.0.0.1:${server.addr.port}/events`);
  await using consumer = startConsumer(queue.path, threads);
  const waits: number[] = [];
  // the first starts the consumer and its connection
  for (let n = 0; n <= WAKES; n++) {
    arrived = Promise.withResolvers();
    Deno.writeFileSync(`${queue.path}/tmp/${n}`, file);
    const movedMs = performance.now();
    Deno.renameSync(`${queue.path}/tmp/${n}`, `${queue.path}/new/${n}.json`);
    const waitMs = await arrived.promise - movedMs;
    if (n > 0) waits.push(waitMs);
    progress(`${n} of ${WAKES} events moved into an idle queue`);
    // not in step with anything the consumer does regularly
    await pause(n === 0 ? SETTLE_MS : 20 + 60 * Math.random());
  }
  await consumer.stop();
  return waits;
}

/** `utime` + `stime` of a process, all its threads included. */
function cpuTicks(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function idleTicks(threads: number): Promise<number> {
  await using endpoint = await startEndpoint();
  await using queue = await makeQueue("disk");
  await using consumer = startConsumer(queue.path, threads);
  fill(queue.path, endpoint.url, 1);
  await endpoint.first();
  await pause(2 * SETTLE_MS);
  const before = cpuTicks(consumer.pid);
  await pause(IDLE_S * 1_000);
  const ticks = cpuTicks(consumer.pid) - before;
  await consumer.stop();
  return ticks;
}

async function latency(args: readonly string[]): Promise<void> {
  const { numbers, wants } = readSettings(
    args,
    { events: 20_000, threads: 256, rounds: 3 },
    { parts: MEASUREMENTS },
  );
  const { events, threads, rounds } = numbers;
  const rows = [["", "result", "(rounds)", "target", ""]];
  if (wants("slow")) {
    const [ours, bare]: [number[], number[]] = [[], []];
    for (let round = 1; round <= rounds; round++) {
      progress(`round ${round} of ${rounds}: ${events} events, ${ANSWER_MS} ms each`);
      const rates = await slow(events, threads);
      ours.push(rates.ours);
      bare.push(rates.bare);
    }
    const rate = median(ours);
    rows.push([
      `slow: answers take ${ANSWER_MS} ms, ${threads} in flight`,
      `${rate.toFixed(0)}/s, a bare loop ${median(bare).toFixed(0)}/s`,
      `(${list(ours)})`,
      `>= ${SLOW_TARGET}/s`,
      verdict(rate >= SLOW_TARGET),
    ]);
  }
  if (wants("wake")) {
    const all: number[][] = [];
    for (let round = 1; round <= rounds; round++) all.push(await wakes(threads));
    const medians = all.map(median);
    rows.push([
      `wake: rename to request, ${WAKES} times`,
      `median ${median(medians).toFixed(1)} ms, p99 ` +
      `${median(all.map((waits) => quantile(waits, 0.99))).toFixed(1)} ms`,
      `(${list(medians, 1)})`,
      `median < ${WAKE_TARGET_MS} ms`,
      verdict(median(medians) < WAKE_TARGET_MS),
    ]);
  }
  if (wants("idle")) {
    if (Deno.build.os !== "linux") {
      rows.push(["idle", "skipped: only Linux tells", "", "", ""]);
    } else {
      progress(`an idle consumer for ${IDLE_S} s`);
      const ticks = await Promise.all(Array.from({ length: rounds }, () => idleTicks(threads)));
      rows.push([
        `idle: CPU in ${IDLE_S} s`,
        `${median(ticks)} ticks`,
        `(${list(ticks)})`,
        `<= ${IDLE_TARGET_TICKS} ticks`,
        verdict(median(ticks) <= IDLE_TARGET_TICKS),
      ]);
    }
  }
  print(`median of ${rounds}`);
  printTable(rows);
}

if (import.meta.main) await runTool(() => latency(Deno.args));
