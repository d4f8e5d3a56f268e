/**
 * The long random simulation, from the command line:
 *
 *     deno task sim [--seed N] [--steps M] [--seeds K]
 *
 * Runs the seeds N to N + K − 1 with M steps each: crashes, pauses, clocks that jump, disks that
 * fail, networks that misbehave. A failure prints its seed, the shortest plan that still fails, and
 * the end of what happened in it; exit code 1.
 *
 * @module
 */

import { describePlan, longRun, planOf, shrink } from "../tests/sim/long_run.ts";
import { readSettings, runTool } from "./options.ts";
import { print } from "./report.ts";

async function tellFailure(seed: number, steps: number, error: unknown): Promise<void> {
  print(`seed ${seed} fails: ${error instanceof Error ? error.message : error}`);
  const smallest = await shrink(planOf(seed, steps));
  print(`the shortest plan that does, of ${smallest.incidents.length} incidents:`);
  print(describePlan(smallest));
  const log: string[] = [];
  try {
    await longRun(smallest, { log });
  } catch (again) {
    print(`its trace:\n${log.slice(-200).join("\n")}\n${again}`);
  }
  print(`again: deno task sim --seed ${seed} --steps ${steps}`);
}

async function simulate(args: readonly string[]): Promise<void> {
  const { numbers } = readSettings(
    args,
    { seed: 1 + Date.now() % 1_000_000, steps: 200, seeds: 1 },
    { byChance: ["seed"] },
  );
  const { seed, steps, seeds } = numbers;
  const sum = { acknowledged: 0, duplicates: 0, dead: 0, verbs: 0, kills: 0, ms: 0 };
  const startedMs = performance.now();
  for (let each = seed; each < seed + seeds; each++) {
    try {
      const result = await longRun(planOf(each, steps));
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key];
    } catch (error) {
      await tellFailure(each, steps, error);
      Deno.exit(1);
    }
  }
  const days = (sum.ms / 86_400_000).toFixed(1);
  print(
    `${seeds} seeds from ${seed}, ${steps} steps each, ${
      Math.round(performance.now() - startedMs)
    } ms: ${sum.verbs} verbs in ${days} simulated days, ${sum.kills} kills; ` +
      `${sum.acknowledged} events acknowledged, 0 lost, ${sum.dead} dead, ` +
      `${sum.duplicates} second deliveries, each with its cause`,
  );
}

await runTool(() => simulate(Deno.args));
