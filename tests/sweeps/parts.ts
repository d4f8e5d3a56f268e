/**
 * The scenarios dealt out to the files of a sweep, which run side by side: each gets as much to do.
 *
 * @module
 */

import { runOnce } from "../sim/crash_sweep.ts";
import { type Scenario, SCENARIOS } from "../sim/transitions.ts";
import { PRODUCT } from "../sim/workload.ts";

/**
 * A sweep goes through each verb of a scenario and after it through about as many: what it costs
 * grows with the square.
 */
async function costOf(scenario: Scenario): Promise<number> {
  const { world } = await runOnce(PRODUCT, scenario);
  return world.calls ** 2;
}

/** The scenarios of the part with a number, from 1 on; together they have each scenario once. */
export async function partOf(
  number: number,
  parts: number,
  scenarios: readonly Scenario[] = SCENARIOS,
): Promise<readonly Scenario[]> {
  const costs = new Map<Scenario, number>();
  for (const scenario of scenarios) costs.set(scenario, await costOf(scenario));
  const dealt = Array.from({ length: parts }, () => ({ cost: 0, own: new Set<Scenario>() }));
  // the dearest first, each to whoever has the least to do
  for (const [scenario, cost] of [...costs].sort(([, a], [, b]) => b - a)) {
    const least = dealt.reduce((one, other) => other.cost < one.cost ? other : one);
    least.own.add(scenario);
    least.cost += cost;
  }
  return scenarios.filter((scenario) => dealt[number - 1]!.own.has(scenario));
}
