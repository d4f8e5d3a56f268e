/** Some hundred seeds of the long random simulation, and proof that it can fail. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { BASE, tell } from "../sim/arena.ts";
import { describePlan, longRun, planOf, shrink } from "../sim/long_run.ts";

const SEEDS = 400;
const STEPS = 6;

for (let part = 0; part < 2; part++) {
  Deno.test(`nothing is lost in ${SEEDS} random runs, part ${part + 1} of 2`, async (test) => {
    const sum = { acknowledged: 0, duplicates: 0, dead: 0, verbs: 0, kills: 0 };
    for (let seed = part * SEEDS + 1; seed <= (part + 1) * SEEDS; seed++) {
      const plan = planOf(seed, STEPS);
      try {
        const run = await longRun(plan);
        for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += run[key];
      } catch (cause) {
        const shortest = describePlan(await shrink(plan));
        throw new Error(`deno task sim --seed ${seed} --steps ${STEPS}\n${shortest}`, { cause });
      }
    }
    tell(
      `${test.name}: ${sum.verbs} verbs, ${sum.kills} kills, ${sum.acknowledged} events acknowledged, ` +
        `${sum.dead} dead, ${sum.duplicates} second deliveries, each with its cause`,
    );
  });
}

Deno.test("a run is the same again with the same seed", async () => {
  const [one, other]: string[][] = [[], []];
  await longRun(planOf(77, 12), { log: one! });
  await longRun(planOf(77, 12), { log: other! });
  assert(one!.length > 100);
  assertEquals(one, other);
});

/** Wrong in one line each, as a consumer could be. */
/** A runtime without connections, whose `fetch` is another. */
function fetching(runtime: Runtime, fetch: Runtime["fetch"]): Runtime {
  const { connect: _, ...others } = runtime;
  return { ...others, fetch };
}

const BROKEN: Record<string, (runtime: Runtime) => Runtime> = {
  "that takes any answer for a success": (runtime) =>
    fetching(runtime, async (url, init) => {
      await (await runtime.fetch(url, init)).text();
      return new Response();
    }),
  "that removes an event before it is answered": (runtime) =>
    fetching(runtime, async (url, init) => {
      const id = new Headers(init.headers).get("Idempotency-Key")!;
      for await (const { name } of runtime.disk.list(`${BASE}/cur`)) {
        if (name.startsWith(id)) await runtime.disk.remove(`${BASE}/cur/${name}`);
      }
      return await runtime.fetch(url, init);
    }),
  "whose tags repeat": (runtime) => ({
    ...runtime,
    hostname: "x",
    pid: 1,
    random: () => 0.5,
  }),
  "that takes locks of the living": (runtime) => ({
    ...runtime,
    disk: new Proxy(runtime.disk, {
      get(disk, verb) {
        if (verb === "tryLock") return () => ({ release() {} });
        // by `within` the queue would get a disk that isn't broken
        return verb === "within" ? undefined : Reflect.get(disk, verb)?.bind(disk);
      },
    }),
  }),
};

for (const [what, breakIt] of Object.entries(BROKEN)) {
  Deno.test(`the simulation finds a consumer ${what}, and the shortest plan that shows it`, async (test) => {
    let seed = 1;
    let failed = false;
    for (; seed <= 300 && !failed; seed++) {
      failed = await longRun(planOf(seed, 20), { breakIt }).then(() => false, () => true);
    }
    assert(failed, "Not found in 300 seeds");
    const plan = planOf(seed - 1, 20);
    const shortest = await shrink(plan, { breakIt });
    assert(shortest.incidents.length < plan.incidents.length);
    const error = await assertRejects(() => longRun(shortest, { breakIt })) as Error;
    tell(
      `${test.name}: with seed ${seed - 1}, ${plan.incidents.length} incidents shrunk to ` +
        `${shortest.incidents.length}: ${error.message.slice(0, 100)}`,
    );
  });
}
