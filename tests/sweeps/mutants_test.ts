import { assert, assertEquals } from "@std/assert";
import { recoverFrom, runOnce, takeCrashes } from "../sim/crash_sweep.ts";
import type { CrashModel } from "../sim/disk.ts";
import { FAULTS, runWithFault, verbsOf } from "../sim/fault_sweep.ts";
import { type Model, mutantOf, type Mutation, MUTATIONS } from "../sim/mutants.ts";
import { sweepNeighbours } from "../sim/neighbour_sweep.ts";
import { type Scenario, SCENARIOS } from "../sim/transitions.ts";
import { judge, PRODUCT, type Product, recover } from "../sim/workload.ts";

/** What is not as promised when nothing goes wrong. */
async function brokenByRunning(product: Product, scenario: Scenario): Promise<string[]> {
  const { consumer = {} } = scenario;
  try {
    const stage = await runOnce(product, scenario);
    stage.killAll();
    await recover(stage, { consumer });
    return judge(stage, { maxAttempts: consumer.maxAttempts ?? Infinity });
  } catch (error) {
    return [`it threw ${error}`];
  }
}

/** What the first crash that isn't recovered from leaves. */
async function brokenByCrash(
  product: Product,
  scenario: Scenario,
  model: CrashModel,
): Promise<string[]> {
  const { stage, sweep } = await takeCrashes(product, scenario, [model]);
  for (const crash of sweep.crashes) {
    const found = await recoverFrom(product, scenario, crash, stage.ledger);
    if (found.length > 0) return found;
  }
  return [];
}

/** What the first fault that isn't survived does. */
async function brokenByFault(product: Product, scenario: Scenario): Promise<readonly string[]> {
  for (const [index, call] of (await verbsOf(product, scenario)).entries()) {
    for (const faultOf of Object.values(FAULTS)) {
      const fault = faultOf(call);
      if (fault === undefined) continue;
      const found = await runWithFault(product, scenario, index, fault);
      if (found.length > 0) return found;
    }
  }
  return [];
}

/** What the first exchanged folder that leads out of the queue does. */
async function brokenByNeighbour(product: Product, scenario: Scenario): Promise<readonly string[]> {
  return (await sweepNeighbours(product, scenario)).found;
}

/** By what a mutant is found out, the simplest first, and how. */
async function findOut(mutation: Mutation): Promise<readonly [Model, string] | undefined> {
  const mutant = await mutantOf(mutation);
  const scenarios = SCENARIOS.filter(({ name }) =>
    mutation.scenarios.some((start) => name.startsWith(start))
  );
  assert(scenarios.length === mutation.scenarios.length);
  const models: readonly [Model, (scenario: Scenario) => Promise<readonly string[]>][] = [
    ["run", (each) => brokenByRunning(mutant, each)],
    ["kill", (each) => brokenByCrash(mutant, each, "kill")],
    ["power", (each) => brokenByCrash(mutant, each, "power")],
    ["fault", (each) => brokenByFault(mutant, each)],
    ["neighbour", (each) => brokenByNeighbour(mutant, each)],
  ];
  for (const [model, broken] of models) {
    for (const scenario of scenarios) {
      const [first] = await broken(scenario);
      if (first !== undefined) return [model === "run" && scenario.races ? "race" : model, first];
    }
  }
  return undefined;
}

Deno.test("the product is as promised when nothing goes wrong", async () => {
  for (const scenario of SCENARIOS) {
    assertEquals([scenario.name, await brokenByRunning(PRODUCT, scenario)], [scenario.name, []]);
  }
});

Deno.test("every wrong queue is found out", async (t) => {
  const table: string[] = [];
  for (const mutation of MUTATIONS) {
    await t.step(mutation.name, async () => {
      const [by, how] = await findOut(mutation) ?? ["nothing", ""];
      table.push(`${by.padEnd(6)} ${mutation.name.padEnd(48)} ${how.split("\n")[0]!.slice(0, 80)}`);
      assertEquals(by, mutation.by);
    });
  }
  // deno-lint-ignore no-console -- which model finds out which mutant is the result
  console.log(table.join("\n"));
});
