/**
 * `deno task bench:consumers`: what more consumers on one queue are worth.
 *
 * A backlog of `--events` is drained by one, two and three consumers (`consume --until-empty`, each
 * a process of its own), and by one process with two workers, with `--threads` requests in flight
 * each; once for an endpoint that answers at once, once for one that takes 50 ms. All send to one
 * endpoint, a process of its own, whose clock measures: from the arrival of the first event to that
 * of the last. Each round begins with one consumer alone, and the others of the round are compared
 * with that.
 *
 * At 0 ms this measures the machine as well: endpoint and consumers share its cores. With `--kill`
 * one of several processes is killed with -9 when a third has arrived; then every event still has
 * to arrive, and the longest silence of the endpoint after it is told too.
 *
 * @module
 */

import { fill, hasTmpfs, leftIn, makeQueue, syncAll } from "./fill.ts";
import { readSettings, runTool } from "../options.ts";
import { type Endpoint, rateOf, startConsumer, startEndpoint } from "./programs.ts";
import { list, median, print, printTable, progress, verdict } from "../report.ts";

/** Who drains. */
interface Crew {
  readonly name: string;
  readonly processes: number;
  /** Consumers in each. */
  readonly workers?: number;
  /** Least ratio to one consumer, by the delay of the endpoint in ms. */
  readonly targets: Readonly<Record<number, number>>;
}

const CREWS: readonly Crew[] = [
  { name: "one", processes: 1, targets: {} },
  { name: "two", processes: 2, targets: { 0: 1.1, 50: 1.9 } },
  { name: "three", processes: 3, targets: { 50: 2.7 } },
  { name: "workers", processes: 1, workers: 2, targets: { 0: 1.1, 50: 1.9 } },
];

const DELAYS_MS = [0, 50] as const;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How a backlog is drained. */
interface Course {
  readonly events: number;
  readonly threads: number;
  readonly disk: "tmpfs" | "disk";
  readonly kill: boolean;
}

/** Events a second, and the longest time without one after a kill. */
interface Drained {
  readonly rate: number;
  readonly silenceMs: number;
}

async function drain(endpoint: Endpoint, crew: Crew, course: Course): Promise<Drained> {
  const { events, threads, disk, kill } = course;
  await using queue = await makeQueue(disk);
  fill(queue.path, endpoint.url, events);
  await syncAll();
  await endpoint.reset();
  const workers = ["--workers", String(crew.workers ?? 1)];
  const consumers = Array.from(
    { length: crew.processes },
    () => startConsumer(queue.path, threads, "--until-empty", ...workers),
  );
  let silenceMs = 0;
  try {
    const killed = kill && crew.processes > 1 ? consumers[0] : undefined;
    if (killed) silenceMs = await killMidway(endpoint, killed, events);
    for (const consumer of consumers) {
      const code = await consumer.code;
      if (code !== 0 && consumer !== killed) throw new Error(`a consumer ended with ${code}`);
    }
  } finally {
    for (const consumer of consumers) await consumer[Symbol.asyncDispose]();
  }
  const count = await endpoint.count();
  const isWhole = kill ? count.events >= events : count.events === events;
  if (!isWhole || leftIn(queue.path) > 0) {
    throw new Error(`${count.events} requests for ${events} events, ${leftIn(queue.path)} left`);
  }
  return { rate: rateOf(count), silenceMs };
}

/** @returns The longest silence of the endpoint from the kill to the end, in ms. */
async function killMidway(
  endpoint: Endpoint,
  consumer: ReturnType<typeof startConsumer>,
  events: number,
): Promise<number> {
  while ((await endpoint.count()).events < events / 3) await pause(20);
  consumer.kill("SIGKILL");
  let [seen, sinceMs, longestMs] = [0, performance.now(), 0];
  while (seen < events) {
    await pause(20);
    const { events: now } = await endpoint.count();
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - sinceMs);
    if (now !== seen) [seen, sinceMs] = [now, nowMs];
    if (nowMs - sinceMs > 60_000) throw new Error("a minute of silence after the kill");
  }
  return longestMs;
}

async function bench(args: readonly string[]): Promise<void> {
  const { numbers, wants, has } = readSettings(
    args,
    { events: 20_000, threads: 64, rounds: 3 },
    { parts: CREWS.slice(1).map(({ name }) => name), flags: ["disk", "kill"] },
  );
  const { events, threads, rounds } = numbers;
  const disk = has("disk") || !hasTmpfs() ? "disk" : "tmpfs";
  const course: Course = { events, threads, disk, kill: has("kill") };
  const rows = [["", "delay", "rate", "ratio", "(rounds)", "target", "", "silence"]];
  for (const delayMs of DELAYS_MS) {
    await using endpoint = await startEndpoint(delayMs);
    const rates = new Map<Crew, number[]>();
    const silences = new Map<Crew, number[]>();
    for (let round = 1; round <= rounds; round++) {
      for (const crew of CREWS.filter(({ name }) => name === "one" || wants(name))) {
        progress(`round ${round} of ${rounds}: ${crew.name} at ${delayMs} ms`);
        const { rate, silenceMs } = await drain(endpoint, crew, course);
        rates.set(crew, [...rates.get(crew) ?? [], rate]);
        silences.set(crew, [...silences.get(crew) ?? [], silenceMs]);
      }
    }
    for (const [crew, found] of rates) {
      const ratios = found.map((rate, round) => rate / rates.get(CREWS[0]!)![round]!);
      const target = crew.targets[delayMs];
      rows.push([
        crew.name,
        `${delayMs} ms`,
        `${median(found).toFixed(0)}/s`,
        median(ratios).toFixed(2),
        `(${list(ratios, 2)})`,
        target === undefined ? "-" : `>= ${target}`,
        target === undefined ? "" : verdict(median(ratios) >= target),
        course.kill && crew.processes > 1 ? `${median(silences.get(crew)!).toFixed(0)} ms` : "",
      ]);
    }
  }
  const cores = navigator.hardwareConcurrency;
  print(`${events} events, ${threads} in flight each, on ${disk}, ${cores} cores`);
  printTable(rows);
}

if (import.meta.main) await runTool(() => bench(Deno.args));
