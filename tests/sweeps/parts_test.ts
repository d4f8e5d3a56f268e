import { assert, assertEquals } from "@std/assert";
import { SCENARIOS } from "../sim/transitions.ts";
import { CRASH_PARTS } from "./crash_sweep.ts";
import { FAULT_PARTS } from "./fault_sweep.ts";
import { partOf } from "./parts.ts";

/** The files of a sweep: `name_test.ts`, `name_2_test.ts`, and so on. */
function filesOf(name: string): number {
  return [...Deno.readDirSync(new URL(".", import.meta.url))]
    .filter((file) => new RegExp(`^${name}(?:_\\d+)?_test\\.ts$`).test(file.name)).length;
}

Deno.test("the parts of a sweep have each scenario once, and there is a file for each", async () => {
  for (
    const [name, count] of [["crash_sweep", CRASH_PARTS], ["fault_sweep", FAULT_PARTS]] as const
  ) {
    assertEquals(filesOf(name), count, name);
    const parts = await Promise.all(Array.from({ length: count }, (_, n) => partOf(n + 1, count)));
    assert(parts.every(({ length }) => length > 0));
    const names = parts.flat().map((scenario) => scenario.name);
    assertEquals(names.sort(), SCENARIOS.map((scenario) => scenario.name).sort());
  }
});
