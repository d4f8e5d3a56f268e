/**
 * `deno task bench:merge`: events a second with `--merge optimizely` and without, one after the
 * other in each round.
 *
 * Twice: against an endpoint as far away as Optimizely's, which answers after `--delay` ms (50),
 * and against one on this very machine that answers at once. The first is what merging is for. In
 * the second, nobody waits for the network and both are bounded by this machine: what is left per
 * event, claim, read, check, remove, is the same for both.
 *
 * The consumer and the endpoint are processes of their own. The endpoint counts requests; events
 * are counted by the emptied queue, timed from the arrival of the first request to that of the
 * last. The target is five times as many events a second with merging.
 *
 * @module
 */

import { type Disk, fill, hasTmpfs, leftIn, makeQueue, syncAll } from "./fill.ts";
import { readSettings, runTool } from "../options.ts";
import { type Endpoint, startConsumer, startEndpoint } from "./programs.ts";
import { list, median, print, progress, verdict } from "../report.ts";

const TARGET = 5;

interface Rate {
  readonly eventsPerSecond: number;
  readonly requests: number;
}

async function drain(
  disk: Disk,
  endpoint: Endpoint,
  events: number,
  threads: number,
  options: readonly string[],
): Promise<Rate> {
  await using queue = await makeQueue(disk);
  fill(queue.path, endpoint.url, events);
  await syncAll();
  await endpoint.reset();
  await using consumer = startConsumer(queue.path, threads, "--until-empty", ...options);
  const code = await consumer.code;
  const { events: requests, firstMs, lastMs } = await endpoint.count();
  if (code !== 0 || leftIn(queue.path) > 0) {
    throw new Error(`the consumer ended with ${code}, ${leftIn(queue.path)} events are left`);
  }
  return { eventsPerSecond: events * 1_000 / (lastMs - firstMs), requests };
}

/** Measure against an endpoint that answers after so many ms, and print what came of it. */
async function compare(
  delayMs: number,
  { events, threads, rounds }: Record<"events" | "threads" | "rounds", number>,
): Promise<void> {
  const disk = hasTmpfs() ? "tmpfs" : "disk";
  await using endpoint = await startEndpoint(delayMs);
  const [merged, single]: [Rate[], Rate[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    single.push(await drain(disk, endpoint, events, threads, []));
    merged.push(await drain(disk, endpoint, events, threads, ["--merge", "optimizely"]));
  }
  print(`${events} events on the ${disk}, ${threads} threads, answers after ${delayMs} ms`);
  for (const [name, rates] of [["each alone", single], ["merged", merged]] as const) {
    const perSecond = rates.map(({ eventsPerSecond }) => eventsPerSecond);
    const requests = median(rates.map(({ requests }) => requests));
    print(
      `  ${name.padEnd(10)} ${median(perSecond).toFixed(0).padStart(7)} events/s ` +
        `(${list(perSecond)}) in ${requests} requests`,
    );
  }
  const ratios = merged.map((rate, at) => rate.eventsPerSecond / single[at]!.eventsPerSecond);
  const ratio = median(ratios);
  print(
    `  ratio ${ratio.toFixed(1)} (${list(ratios, 1)}), target ${TARGET}: ${
      verdict(ratio >= TARGET)
    }`,
  );
}

await runTool(async () => {
  const { numbers } = readSettings(
    Deno.args,
    { events: 10_000, threads: 64, rounds: 3, delay: 50 },
  );
  await compare(numbers.delay, numbers);
  await compare(0, numbers);
});
