/**
 * `deno task bench:journal`: what the journal costs, as the ratio of two drains of the same backlog
 * in one run, with and without it; which goes first changes from round to round. The real `consume
 * --until-empty` in a process of its own, against an endpoint in another, whose clock measures from
 * the arrival of the first event to that of the last. The ratio is the median of the rounds; drains
 * scatter by more than the journal costs, so there are many of them.
 *
 * A missed target is said, but is not a failure: the machine may be busy.
 *
 * @module
 */

import { readSettings, runTool } from "../options.ts";
import { median, print, progress, quantile, verdict } from "../report.ts";
import { type Disk, fill, leftIn, makeQueue, syncAll } from "./fill.ts";
import { type Endpoint, rateOf, startConsumer, startEndpoint } from "./programs.ts";

const TARGET = 0.97;

/** Events a second of one drain. */
async function drain(
  disk: Disk,
  endpoint: Endpoint,
  events: number,
  keepLog: string,
): Promise<number> {
  await using queue = await makeQueue(disk);
  fill(queue.path, endpoint.url, events);
  await syncAll();
  await endpoint.reset();
  await using consumer = startConsumer(queue.path, 64, "--until-empty", `--keep-log=${keepLog}`);
  const code = await consumer.code;
  const count = await endpoint.count();
  if (code !== 0 || count.events !== events || leftIn(queue.path) > 0) {
    throw new Error(`${count.events} of ${events} events arrived, the consumer ended with ${code}`);
  }
  return rateOf(count);
}

async function bench(args: readonly string[]): Promise<void> {
  const { numbers } = readSettings(args, { events: 20_000, rounds: 15 });
  const { events, rounds } = numbers;
  const ratios: number[] = [];
  const rates: Record<"7d" | "0s", number[]> = { "7d": [], "0s": [] };
  await using endpoint = await startEndpoint();
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    const order = round % 2 === 0 ? ["7d", "0s"] as const : ["0s", "7d"] as const;
    for (const keepLog of order) {
      rates[keepLog].push(await drain("disk", endpoint, events, keepLog));
    }
    ratios.push(rates["7d"].at(-1)! / rates["0s"].at(-1)!);
  }
  const ratio = median(ratios);
  const [low, high] = [quantile(ratios, 0.25), quantile(ratios, 0.75)];
  print(
    `${events} events, ${rounds} rounds: ${median(rates["7d"]).toFixed(0)}/s with a journal, ` +
      `${median(rates["0s"]).toFixed(0)}/s without`,
  );
  print(
    `ratio ${ratio.toFixed(3)} (middle half ${low.toFixed(3)} to ${high.toFixed(3)}), ` +
      `target >= ${TARGET} ${verdict(ratio >= TARGET)}`,
  );
}

if (import.meta.main) await runTool(() => bench(Deno.args));
