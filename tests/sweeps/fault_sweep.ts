/**
 * The test of the fault sweep, in as many files as can be run side by side.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { FAULTS, runWithFault, verbsOf } from "../sim/fault_sweep.ts";
import { PRODUCT } from "../sim/workload.ts";
import { describe } from "../sim/world.ts";
import { partOf } from "./parts.ts";

/** Of how many files each sweeps a part of the scenarios. */
export const FAULT_PARTS = 3;

/** Define the test of a part: 1, 2, … */
export function faultSweepTest(part: number): void {
  Deno.test(`whichever verb fails, it is told, nothing is lost and delivery goes on (${part} of ${FAULT_PARTS})`, async (t) => {
    let runs = 0;
    for (const scenario of await partOf(part, FAULT_PARTS)) {
      await t.step(scenario.name, async () => {
        const found: string[] = [];
        for (const [index, call] of (await verbsOf(PRODUCT, scenario)).entries()) {
          for (const [name, faultOf] of Object.entries(FAULTS)) {
            const fault = faultOf(call);
            if (fault === undefined) continue;
            runs++;
            const broken = await runWithFault(PRODUCT, scenario, index, fault);
            if (broken.length > 0) found.push(`${name} at ${describe(call)}: ${broken.join("; ")}`);
          }
        }
        assertEquals(found, []);
      });
    }
    // deno-lint-ignore no-console -- the size of the sweep is part of its result
    console.log(`${runs} runs, in each of which one verb failed`);
  });
}
