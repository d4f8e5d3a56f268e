/**
 * What an option of `consume` costs, as the ratio of two drains of the same backlog in one run,
 * with and without it; which goes first changes from round to round. The real `consume
 * --until-empty` in a process of its own, against an endpoint in another, whose clock measures from
 * the arrival of the first event to that of the last. The ratio is the median of the rounds; drains
 * scatter by more than such an option costs, so there are many of them.
 *
 * A missed target is said, but is not a failure: the machine may be busy.
 *
 * @module
 */

import { readSettings } from "../options.ts";
import { median, print, progress, quantile, verdict } from "../report.ts";
import { fill, leftIn, makeQueue, syncAll } from "./fill.ts";
import { type Endpoint, rateOf, startConsumer, startEndpoint } from "./programs.ts";

/** Two ways to drain a queue. */
export interface Comparison {
  /** What the first has and the second doesn't, for people. */
  readonly what: string;
  /** Options of the first. */
  readonly with: readonly string[];
  /** Options of the second. */
  readonly without: readonly string[];
  /** What the ratio should be at least. */
  readonly target: number;
}

/** Events a second of one drain. */
async function drain(
  endpoint: Endpoint,
  events: number,
  options: readonly string[],
): Promise<number> {
  await using queue = await makeQueue("disk");
  fill(queue.path, endpoint.url, events);
  await syncAll();
  await endpoint.reset();
  await using consumer = startConsumer(queue.path, 64, "--until-empty", ...options);
  const code = await consumer.code;
  const count = await endpoint.count();
  if (code !== 0 || count.events !== events || leftIn(queue.path) > 0) {
    throw new Error(`${count.events} of ${events} events arrived, the consumer ended with ${code}`);
  }
  return rateOf(count);
}

/** Measure and print, with `--events` and `--rounds` as asked for. */
export async function compareDrains(args: readonly string[], compared: Comparison): Promise<void> {
  const { numbers } = readSettings(args, { events: 20_000, rounds: 15 });
  const { events, rounds } = numbers;
  const ratios: number[] = [];
  const rates: Record<"with" | "without", number[]> = { with: [], without: [] };
  await using endpoint = await startEndpoint();
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    const order = round % 2 === 0 ? ["with", "without"] as const : ["without", "with"] as const;
    for (const side of order) rates[side].push(await drain(endpoint, events, compared[side]));
    ratios.push(rates.with.at(-1)! / rates.without.at(-1)!);
  }
  const ratio = median(ratios);
  const [low, high] = [quantile(ratios, 0.25), quantile(ratios, 0.75)];
  print(
    `${events} events, ${rounds} rounds: ${median(rates.with).toFixed(0)}/s with ` +
      `${compared.what}, ${median(rates.without).toFixed(0)}/s without`,
  );
  print(
    `ratio ${ratio.toFixed(3)} (middle half ${low.toFixed(3)} to ${high.toFixed(3)}), ` +
      `target >= ${compared.target} ${verdict(ratio >= compared.target)}`,
  );
}
