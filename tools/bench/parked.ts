/**
 * `deno task bench:parked`: what a million events that wait for a dead destination cost everybody
 * else.
 *
 * `--events` of them (1,000,000) are parked in `defer/` as a consumer leaves them, full buckets of
 * one destination whose endpoint refuses connections. A real consumer then serves a backlog for
 * another destination, alternately with and without the parked ones beside it; with them also:
 *
 * - its most memory, from start to end;
 * - from the first probe that the dead destination answers to the first request after it, which
 *   takes an event out of a bucket.
 *
 * Files are on the disk of the temporary directory; `--tmpfs` takes the tmpfs. The memory is Linux
 * only.
 *
 * @module
 */

import { BUCKET_SIZE } from "../../lib/queue/buckets.ts";
import { uuidv7 } from "../../lib/queue/uuid.ts";
import { type Disk, eventFile, fill, makeQueue, syncAll } from "./fill.ts";
import { readSettings, runTool } from "../options.ts";
import { rateOf, startConsumer, startEndpoint } from "./programs.ts";
import { list, median, print, printTable, progress, verdict } from "../report.ts";

const MEMORY_TARGET_MB = 200;
const RATE_TARGET = 0.95;
const AFTER_PROBE_TARGET_MS = 1_000;

/** Longest wait for a probe: the longest pause between two, with its jitter, and time to spare. */
const PROBE_WAIT_MS = 120_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A port nobody listens on. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/**
 * Park events for a destination, in full buckets that are due: hard links of one file while the
 * file system has any, which are ten times cheaper to make than files, and nothing of the product
 * can tell them apart.
 */
function park(queue: string, port: number, events: number): void {
  const folder = `${queue}/defer/http_127.0.0.1_${port}`;
  Deno.mkdirSync(folder, { mode: 0o700 });
  const bytes = eventFile(`http://127.0.0.1:${port}/events`);
  const nowMs = Date.now();
  let [bucket, source, links] = ["", "", 0];
  for (let n = 0; n < events; n++) {
    if (n % BUCKET_SIZE === 0) {
      const startMs = Math.floor((nowMs - 3_600_000) / 60_000) * 60_000 + n / BUCKET_SIZE * 1_000;
      bucket = `${folder}/${startMs.toString(36).padStart(9, "0")}-bench-${n.toString(36)}`;
      Deno.mkdirSync(bucket, { mode: 0o700 });
      progress(`${n} of ${events} events parked`);
    }
    const id = uuidv7(nowMs - events + n, Math.random);
    const path = `${bucket}/${id}+0@${nowMs - 1_000}~bench-1-abcdefgh-${n}.json`;
    if (links++ % 30_000 === 0) {
      source = path;
      Deno.writeFileSync(path, bytes, { createNew: true, mode: 0o600 });
    } else {
      Deno.linkSync(source, path);
    }
  }
}

/** The most memory a process ever had, in MB. */
function mostMemoryMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}

/** Wait until something holds. */
async function until(holds: () => boolean | Promise<boolean>, mostMs: number): Promise<void> {
  const endMs = performance.now() + mostMs;
  while (!await holds()) {
    if (performance.now() > endMs) throw new Error("waited too long");
    await pause(20);
  }
}

interface Measured {
  /** Events a second for the healthy destination. */
  readonly rate: number;
  readonly memoryMb?: number;
  /** From the probe that was answered to the next request. */
  readonly afterProbeMs?: number;
}

/** Serve `healthy` events beside what is parked on `queue` for a port, if anything is. */
async function serve(
  queue: string,
  threads: number,
  healthy: number,
  deadPort?: number,
): Promise<Measured> {
  await using endpoint = await startEndpoint();
  await using consumer = startConsumer(queue, threads);
  if (deadPort !== undefined) await pause(3_000); // it has seen what is parked, and tried
  else await pause(500);
  consumer.kill("SIGSTOP"); // the backlog is complete before it looks again
  fill(queue, endpoint.url, healthy);
  await syncAll();
  consumer.kill("SIGCONT");
  await until(async () => (await endpoint.count()).events >= healthy, 300_000);
  const rate = rateOf(await endpoint.count());
  if (deadPort === undefined) {
    await consumer.stop();
    return { rate };
  }
  const arrivedMs: number[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: deadPort, onListen() {} },
    async (request) => {
      await request.bytes();
      arrivedMs.push(performance.now());
      return new Response(null, { status: 204 });
    },
  );
  progress("waiting for the probe");
  await until(() => arrivedMs.length >= 1_000, PROBE_WAIT_MS);
  const memoryMb = Deno.build.os === "linux" ? mostMemoryMb(consumer.pid) : NaN;
  await consumer.stop();
  await server.shutdown();
  return { rate, memoryMb, afterProbeMs: arrivedMs[1]! - arrivedMs[0]! };
}

async function bench(args: readonly string[]): Promise<void> {
  const { numbers, has } = readSettings(
    args,
    { threads: 64, rounds: 3, events: 1_000_000, healthy: 20_000 },
    { flags: ["tmpfs"] },
  );
  const { threads, rounds, events, healthy } = numbers;
  const disk: Disk = has("tmpfs") ? "tmpfs" : "disk";
  await using full = await makeQueue(disk);
  const deadPort = freePort();
  park(full.path, deadPort, events);
  await syncAll();
  const [alone, beside]: [Measured[], Measured[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    await using empty = await makeQueue(disk);
    alone.push(await serve(empty.path, threads, healthy));
    beside.push(await serve(full.path, threads, healthy, deadPort));
  }
  const rates = (measured: readonly Measured[]) => measured.map(({ rate }) => rate);
  // each against the one right before it: the machine changes its pace between rounds
  const ratios = beside.map(({ rate }, round) => rate / alone[round]!.rate);
  const ratio = median(ratios);
  const memory = beside.map(({ memoryMb }) => memoryMb!);
  const waits = beside.map(({ afterProbeMs }) => afterProbeMs!);
  print(`${events} events parked, ${threads} in flight, ${disk}, median of ${rounds}`);
  printTable([
    ["", "result", "(rounds)", "target", ""],
    [
      `${healthy} events for another destination`,
      `${median(rates(beside)).toFixed(0)}/s, without ${median(rates(alone)).toFixed(0)}/s: ${
        ratio.toFixed(2)
      }`,
      `(${list(ratios, 2)})`,
      `>= ${RATE_TARGET}`,
      verdict(ratio >= RATE_TARGET),
    ],
    [
      "most memory",
      `${median(memory).toFixed(0)} MB`,
      `(${list(memory)})`,
      `< ${MEMORY_TARGET_MB} MB`,
      verdict(median(memory) < MEMORY_TARGET_MB),
    ],
    [
      "answered probe to next request",
      `${median(waits).toFixed(0)} ms`,
      `(${list(waits)})`,
      `< ${AFTER_PROBE_TARGET_MS} ms`,
      verdict(median(waits) < AFTER_PROBE_TARGET_MS),
    ],
  ]);
}

if (import.meta.main) await runTool(() => bench(Deno.args));
