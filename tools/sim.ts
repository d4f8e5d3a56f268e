/**
 * The long random simulation, from the command line:
 *
 *     deno task sim [--seed N] [--steps M] [--seeds K]
 *
 * Runs the seeds N to N + K − 1 with M steps each: crashes, pauses, clocks that jump, disks that fail, networks that misbehave. A failure
 * prints its seed, the shortest plan that still fails, and the end of what happened in it; exit code 1.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { describePlan, longRun, planOf, shrink } from "../tests/sim/long_run.ts";

const args = parseArgs(Deno.args, { string: ["seed", "steps", "seeds"] });
const [seed, steps, seeds] = [
  Number(args.seed ?? Date.now() % 1_000_000),
  Number(args.steps ?? 200),
  Number(args.seeds ?? 1),
];
const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

const sum = { acknowledged: 0, duplicates: 0, dead: 0, verbs: 0, kills: 0, ms: 0 };
const startedMs = performance.now();
for (let each = seed; each < seed + seeds; each++) {
  const plan = planOf(each, steps);
  try {
    const result = await longRun(plan);
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key];
  } catch (error) {
    say(`seed ${each} fails: ${error instanceof Error ? error.message : error}`);
    const smallest = await shrink(plan);
    say(`the shortest plan that does, of ${smallest.incidents.length} incidents:`);
    say(describePlan(smallest));
    const log: string[] = [];
    try {
      await longRun(smallest, { log });
    } catch (again) {
      say(`its trace:\n${log.slice(-200).join("\n")}\n${again}`);
    }
    say(`again: deno task sim --seed ${each} --steps ${steps}`);
    Deno.exit(1);
  }
}
const days = (sum.ms / 86_400_000).toFixed(1);
say(
  `${seeds} seeds from ${seed}, ${steps} steps each, ${
    Math.round(performance.now() - startedMs)
  } ms: ${sum.verbs} verbs in ${days} simulated days, ${sum.kills} kills; ` +
    `${sum.acknowledged} events acknowledged, 0 lost, ${sum.dead} dead, ` +
    `${sum.duplicates} second deliveries, each with its cause`,
);
