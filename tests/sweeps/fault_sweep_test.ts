import { assert, assertEquals } from "@std/assert";
import { diskFull } from "../sim/faults.ts";
import { eventText, judge, type Manner, PRODUCT, Stage } from "../sim/workload.ts";
import type { World } from "../sim/world.ts";
import { faultSweepTest } from "./fault_sweep.ts";

const EVENTS: readonly (readonly [name: string, manner: Manner])[] = [
  ["ok-1", "ok"],
  ["ok-2", "ok"],
  ["ok-3", "ok"],
  ["flaky", "flaky"],
  ["refused", "refuses"],
  ["kept", "keeps"],
  ["long", "keeps"],
];

/**
 * A consumer on a disk whose verbs fail as `onVerb` says for ten minutes, and are well for an hour.
 */
async function throughTrouble(onVerb: World["onVerb"], stage: Stage): Promise<string[]> {
  const { world } = stage;
  stage.referee.isDiskFaulty = true;
  world.onVerb = onVerb;
  const stop = new AbortController();
  let hasEnded = false;
  const running = stage.open({ create: true })
    .then((queue) => stage.consumer(queue).run("forever", stop.signal))
    .finally(() => hasEnded = true);
  await Promise.race([world.advance(600_000), running]);
  assert(!hasEnded, "the consumer ended");
  const delivered = [...stage.ledger.note(world).answered];
  world.onVerb = () => undefined;
  await world.advance(3_600_000);
  assertEquals(stage.undelivered(), []);
  stop.abort();
  await world.run(running);
  return delivered.sort();
}

Deno.test("on a full disk all that can be claimed is delivered, and the rest once there is room", async () => {
  for (const renames of [Infinity, 0, 1, 2, 3, 5, 8, 13]) {
    const stage = new Stage(PRODUCT);
    stage.plantQueue();
    for (const [name, manner] of EVENTS) stage.plant(`new/${name}.json`, eventText(name, manner));
    const delivered = await throughTrouble(diskFull({ renames }), stage);
    if (renames === Infinity) {
      assertEquals(delivered, ["flaky", "kept", "long", "ok-1", "ok-2", "ok-3"]);
    }
    const found = judge(stage, { reasonRefused: true, responseRefused: true });
    assertEquals([renames, found], [renames, []]);
  }
});

Deno.test("a deferred event that resists its claim is tried again with a growing pause, not in a loop", async () => {
  const stage = new Stage(PRODUCT);
  stage.plantQueue();
  stage.plant("new/a.json", eventText("a", "flaky"));
  let claims = 0;
  let verbs = 0;
  await throughTrouble(({ verb, path }) => {
    verbs++;
    if (verb !== "rename" || !path.includes("/defer/http_flaky")) return undefined;
    claims++;
    return { code: "EACCES" };
  }, stage);
  assert(claims > 3 && claims < 15, `${claims} claims`);
  assert(verbs < 12 * 600, `${verbs} verbs in ten minutes`);
  assertEquals(judge(stage), []);
});

faultSweepTest(1);
