/**
 * The test of the crash sweep, in as many files as can be run side by side.
 *
 * @module
 */

import { assert } from "@std/assert";
import { addCounts, NO_CRASHES, sweepCrashes } from "../sim/crash_sweep.ts";
import { PRODUCT } from "../sim/workload.ts";
import { partOf } from "./parts.ts";

/** Of how many files each sweeps a part of the scenarios. */
export const CRASH_PARTS = 3;

/** Define the test of a part: 1, 2, … */
export function crashSweepTest(part: number): void {
  Deno.test(`every crash is recovered from, by a consumer on its host and by one elsewhere (${part} of ${CRASH_PARTS})`, async (t) => {
    let count = NO_CRASHES;
    for (const scenario of await partOf(part, CRASH_PARTS)) {
      await t.step(scenario.name, async () => {
        const swept = await sweepCrashes(PRODUCT, scenario, {
          hosts: ["edge", "elsewhere"],
          oneIn: 20,
          thenOneIn: 20,
        });
        count = addCounts(count, swept);
      });
    }
    const { points, images, recoveries, again } = count;
    // deno-lint-ignore no-console -- the size of the sweep is part of its result
    console.log(
      `${points} moments; ${images.kill} images left by kills, ${images.power} by power losses; ` +
        `${recoveries.kill} + ${recoveries.power} recoveries from those that differ, ` +
        `and ${again} from crashes in the middle of a recovery`,
    );
    assert(images.kill === points && images.power > points);
  });
}
