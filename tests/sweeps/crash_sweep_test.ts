import { assertEquals } from "@std/assert";
import { runOnce } from "../sim/crash_sweep.ts";
import { SCENARIOS } from "../sim/transitions.ts";
import { PRODUCT } from "../sim/workload.ts";
import { crashSweepTest } from "./crash_sweep.ts";

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
  // counters for producers with limits
  "append tmp counter",
  "create tmp counter",
  "tmp → tmp counter",
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
  // keep, prune
  "makeDir sent",
  "cur → sent",
  "sent → new",
  "remove sent",
  "removeDir sent",
  "remove doa",
  "remove res",
  // defer, and the end of an empty folder
  "makeDir defer",
  "cur → defer",
  "removeDir defer",
  // what a destination's folder says: open, after
  "create defer owner",
  "remove defer owner",
  // postpone
  "new → defer",
  // bury, requeue
  "create doa .why",
  "cur → doa",
  "doa → new",
  "remove doa .why",
  // retry, delete
  "defer → new",
  "remove new",
  "remove defer",
  // owner files
  "create tmp owner",
  "tryLock tmp owner",
  "res → cur owner",
  "tryLock cur owner",
  "remove cur owner",
  // journal
  "makeDir log",
  "create log",
  "append log",
  "remove log",
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

crashSweepTest(1);
