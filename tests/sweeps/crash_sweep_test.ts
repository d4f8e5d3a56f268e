import { assert, assertEquals } from "@std/assert";
import { addCounts, NO_CRASHES, runOnce, sweepCrashes } from "../sim/crash_sweep.ts";
import { SCENARIOS } from "../sim/transitions.ts";
import { PRODUCT } from "../sim/workload.ts";

/**
 * What the scenarios do between them: every transition of the format, and every step of each that
 * changes the disk.
 */
const MOVES = [
  // enqueue
  "create tmp",
  "tmp → new",
  "remove tmp",
  "syncDir new",
  "syncFile tmp",
  // claim; renew and take over; release
  "new → cur",
  "defer → cur",
  "cur → cur",
  "cur → cur begun",
  "cur → new",
  // complete, with the response of a GET
  "create res",
  "tmp → res",
  "remove cur",
  // defer, and the end of an empty folder
  "makeDir defer",
  "cur → defer",
  "removeDir defer",
  // what a destination's folder says: open, after
  "create defer owner",
  "remove defer owner",
  // bury, requeue
  "create doa .why",
  "cur → doa",
  "doa → new",
  "remove doa .why",
  // owner files
  "create tmp owner",
  "tryLock tmp owner",
  "res → cur owner",
  "tryLock cur owner",
  "remove cur owner",
  // sweeps
  "remove tmp owner",
  "remove doa owner",
  // folders missing
  "makeDir tmp",
  "makeDir new",
  "makeDir cur",
  "makeDir doa",
  "makeDir res",
];

/** What the consumers report meanwhile. */
const REPORTS = [
  "dead",
  "deferred",
  "delivered",
  "id-replaced",
  "lane",
  "released",
  "taken-over",
];

/** What they say about lanes. */
const CHANGES = ["opened", "probing", "recovered", "throttled", "held", "resumed"];

Deno.test("the scenarios take every transition of the format", async () => {
  const moves = new Set<string>();
  const reports = new Set<string>();
  const changes = new Set<string>();
  for (const scenario of SCENARIOS) {
    const stage = await runOnce(PRODUCT, scenario);
    for (const move of stage.referee.moves) moves.add(move);
    for (const event of stage.ledger.trace) {
      reports.add(event.type);
      if (event.type === "lane") changes.add(event.change);
    }
  }
  assertEquals(MOVES.filter((move) => !moves.has(move)), []);
  assertEquals(CHANGES.filter((change) => !changes.has(change)), []);
  assertEquals(REPORTS.filter((type) => !reports.has(type as never)), []);
});

Deno.test("every crash is recovered from, by a consumer on its host and by one elsewhere", async (t) => {
  let count = NO_CRASHES;
  for (const scenario of SCENARIOS) {
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
