import { assertEquals } from "@std/assert";
import { type CrashCount, sweepCrashes } from "./sim/crash_sweep.ts";
import { SCENARIOS } from "./sim/transitions.ts";
import { judge, PRODUCT, recover, Stage } from "./sim/workload.ts";

for (const scenario of SCENARIOS) {
  Deno.test(`every crash is recovered from: ${scenario.name}`, async () => {
    const t = performance.now();
    const count = await sweepCrashes(PRODUCT, scenario);
    console.log(scenario.name, JSON.stringify(count), Math.round(performance.now() - t));
  });
}
