/**
 * The sweep of a bad neighbour: before a scenario's first verb a folder of the queue is exchanged
 * for a symlink out of it, and some verbs later put back; then in another run before the second,
 * and so on. Every folder in its turn.
 *
 * What it can't show is an exchange *within* a verb: here a verb is one step, in the real disks it
 * is a look, the act and another look.
 *
 * @module
 */

import { errorCode } from "../../lib/runtime/runtime.ts";
import { verbsOf } from "./fault_sweep.ts";
import type { Scenario } from "./transitions.ts";
import { BASE, judge, type Product, recover, Stage } from "./workload.ts";

/** What symlinks lead to. */
const CANARY = "/canary";
const HOARD = "/hoard";
const CANARY_FILES = ["/tmp/old", "/new/a.json", "/doa/old.why", "/defer/.hold", "/sent/old"];

/** For how many verbs a folder is out of its place: in turn. */
const DURATIONS = [1, 7, 2] as const;

/** The folders that are exchanged. */
const EXCHANGED = [
  ...["tmp", "new", "cur", "defer", "doa", "res", "sent"],
  ...["defer/*", "defer/*/*", "sent/*"],
];

/** The folders of the queue that a pattern stands for, as they are now. */
function matching({ world }: Stage, pattern: string): string[] {
  const depth = pattern.split("/").length;
  return Object.keys(world.disk.image().files())
    .filter((path) => path.startsWith(`${BASE}/`) && path.endsWith("/"))
    .map((path) => path.slice(BASE.length + 1, -1))
    .filter((path) => path.split("/").length === depth)
    .filter((path) => path.split("/")[0] === pattern.split("/")[0]);
}

/** Folders as those of a queue, each with a file that a queue would touch. */
function plantCanary({ world }: Stage): string[] {
  for (const path of ["", "/tmp", "/new", "/cur", "/defer", "/doa", "/res", "/sent"]) {
    world.disk.plant(`${CANARY}${path}`, { kind: "directory" });
  }
  for (const path of CANARY_FILES) {
    world.disk.plant(`${CANARY}${path}`, { text: '{"url":"http://ok.test/stolen"}' });
  }
  return surveyCanary(world.disk.image().files());
}

function surveyCanary(files: Readonly<Record<string, string>>): string[] {
  return Object.entries(files)
    .filter(([path]) => path.startsWith(`${CANARY}/`))
    .map(([path, text]) => `${path} ${text}`);
}

/**
 * Run a scenario in which `pattern` is exchanged before the product's verb number `index`, for
 * `duration` verbs. What is not as promised, as sentences:
 *
 * - nothing outside the queue changes;
 * - a consumer doesn't end, unless it is about to start;
 * - when all is put back a recovery delivers everything.
 */
export async function runWithNeighbour(
  product: Product,
  scenario: Scenario,
  pattern: string,
  index: number,
  duration: number,
): Promise<readonly string[]> {
  const stage = new Stage(product, scenario.world);
  scenario.prepare?.(stage);
  const before = plantCanary(stage);
  const { world, referee } = stage;
  referee.isDiskFaulty = true;
  let exchanged: string[] = [];
  const putBack = () => {
    for (const path of exchanged.splice(0).reverse()) {
      world.disk.remove(`${BASE}/${path}`, world.nowMs);
      world.disk.rename(`${HOARD}-${path.replaceAll("/", "-")}`, `${BASE}/${path}`, world.nowMs);
    }
  };
  let count = 0;
  world.onVerb = (call) => {
    if (referee.isForeign(call.process)) return undefined;
    if (count === index) {
      exchanged = matching(stage, pattern);
      for (const path of exchanged) {
        const kept = `${HOARD}-${path.replaceAll("/", "-")}`;
        world.disk.rename(`${BASE}/${path}`, kept, world.nowMs);
        const target = `${CANARY}/${path.split("/")[0]}`;
        world.disk.symlink(target, `${BASE}/${path}`, world.nowMs);
      }
    }
    if (count++ === index + duration) putBack();
    return undefined;
  };
  const found: string[] = [];
  try {
    await world.run(() => scenario.run(stage));
  } catch (error) {
    if (!isOfSymlinks(error)) found.push(`it threw ${error}`);
  }
  world.onVerb = () => undefined;
  putBack();
  const after = surveyCanary(world.disk.image().files());
  if (`${after}` !== `${before}`) return [`outside there is now ${after}`];
  for (const path of CANARY_FILES) world.disk.remove(`${CANARY}${path}`, world.nowMs);
  stage.killAll();
  try {
    await recover(stage, { consumer: scenario.consumer ?? {} });
  } catch (error) {
    found.push(`the recovery failed: ${error}`);
  }
  const judged = judge(stage, { reasonRefused: true, responseRefused: true });
  // what was delivered and could not be removed, which was told, is sent again
  const mayRepeat = stage.ledger.trace.some((event) =>
    event.type === "disk-trouble" && event.verb === "complete"
  );
  found.push(...judged.filter((each) => !(mayRepeat && /^delivered \d+ times/.test(each))));
  return found;
}

/** Whether an error says that a folder is none, or was caused by one that does. */
function isOfSymlinks(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "NotAQueueError" || errorCode(error) === "ENOTDIR" ||
    isOfSymlinks(error.cause);
}

/** A run for each folder and moment; what is not as promised in the first that is not. */
export async function sweepNeighbours(
  product: Product,
  scenario: Scenario,
): Promise<{ readonly runs: number; readonly found: readonly string[] }> {
  const moments = (await verbsOf(product, scenario)).length;
  let runs = 0;
  for (const pattern of EXCHANGED) {
    for (let index = 0; index < moments; index++) {
      const duration = DURATIONS[runs++ % DURATIONS.length]!;
      const found = await runWithNeighbour(product, scenario, pattern, index, duration);
      const where = `${pattern} at verb ${index} for ${duration}`;
      if (found.length > 0) return { runs, found: found.map((each) => `${where}: ${each}`) };
    }
  }
  return { runs, found: [] };
}
