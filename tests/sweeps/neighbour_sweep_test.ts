import { assertEquals } from "@std/assert";
import { sweepNeighbours } from "../sim/neighbour_sweep.ts";
import { SCENARIOS } from "../sim/transitions.ts";
import { PRODUCT } from "../sim/workload.ts";

/** Those that come by every folder. */
const SCENARIO_NAMES = [
  "producers",
  "events delivered",
  "events deferred",
  "events that die",
  "delivered events kept",
];

Deno.test("whichever folder becomes a symlink, at whichever verb: nothing leaves the queue or is lost", async (t) => {
  let runs = 0;
  for (const scenario of SCENARIOS) {
    if (!SCENARIO_NAMES.some((start) => scenario.name.startsWith(start))) continue;
    await t.step(scenario.name, async () => {
      const swept = await sweepNeighbours(PRODUCT, scenario);
      runs += swept.runs;
      assertEquals(swept.found, []);
    });
  }
  // deno-lint-ignore no-console -- the size of the sweep is part of its result
  console.log(`${runs} runs, in each of which one folder was exchanged for a while`);
});
