/**
 * The fault sweep: of a scenario's verbs the first fails, then in another run the second, and so on
 * until a run meets no fault.
 *
 * @module
 */

import { errorCode } from "../../lib/runtime/runtime.ts";
import { NotAQueueError } from "../../lib/queue/layout.ts";
import { CHANGING, lostReply } from "./faults.ts";
import type { Call, Fault } from "./process_disk.ts";
import type { Scenario } from "./transitions.ts";
import { BASE, COUNTER, judge, type Product, recover, Stage } from "./workload.ts";

/** How a verb can fail, by name. */
export const FAULTS: Readonly<Record<string, (call: Call) => Fault | undefined>> = {
  ENOSPC: () => ({ code: "ENOSPC", applied: "partly" }),
  EIO: () => ({ code: "EIO" }),
  EACCES: () => ({ code: "EACCES" }),
  EMFILE: () => ({ code: "EMFILE" }),
  "done, but ENOENT": ({ verb }) =>
    CHANGING.has(verb) ? { code: "ENOENT", applied: true } : undefined,
  "done, but the reply lost": lostReply,
};

/** The verbs whose failure need not be told, for it changes nothing that was promised, and why. */
const HARMLESS: readonly {
  readonly why: string;
  readonly is: (call: Call, isConsumer: boolean, code?: string) => boolean;
}[] = [
  {
    why: "the event is in new/ already; what is left in tmp/ is swept",
    is: ({ verb, path }) => verb === "remove" && path.startsWith(`${BASE}/tmp/`),
  },
  {
    why: "an age for the order within a slice; the claim will tell what is wrong with the file",
    is: ({ verb, path }) => verb === "lstat" && path.startsWith(`${BASE}/new/`),
  },
  {
    why: "a look at a claim without a lease, taken again a second later",
    is: ({ verb, path }) => verb === "lstat" && path.startsWith(`${BASE}/cur/`),
  },
  {
    why: "what is swept is looked at again by the next sweep",
    is: ({ verb, path }, isConsumer) =>
      verb === "list" && !isConsumer && /\/(?:cur|doa)$/.test(path) ||
      verb === "lstat" && /\/(?:tmp|defer|doa|res)\//.test(path) ||
      verb === "remove" && /\.why$|\/\.[^/]*$/.test(path),
  },
  {
    why: "a sign of life, given again a quarter of an hour later",
    is: ({ verb, path }) => verb === "touch" && path.startsWith(`${BASE}/cur/.`),
  },
  {
    why: "who may only drop events can't list the base directory, and looks for its folders",
    is: ({ verb, path }, _, code) => verb === "list" && path === BASE && code === "EACCES",
  },
  {
    why: "how much waits is known less well, until it is counted again",
    is: ({ verb, path, to }, isConsumer) =>
      COUNTER.test(path) || COUNTER.test(to ?? "") || path.startsWith(`${BASE}/tmp/counted-`) ||
      verb === "list" && !isConsumer && /\/(?:new|cur|defer)$/.test(path),
  },
  {
    why: "without locks the lease decides",
    is: ({ verb }) => verb === "tryLock",
  },
];

/** Why nobody need be told that a verb failed; `undefined` when somebody must be. */
export function whyHarmless(
  call: Call,
  isConsumer: boolean,
  code?: string,
): string | undefined {
  return HARMLESS.find(({ is }) => is(call, isConsumer, code))?.why;
}

/** The verbs of the product's processes in a run without a fault: each can fail. */
export async function verbsOf(product: Product, scenario: Scenario): Promise<readonly Call[]> {
  const stage = new Stage(product, scenario.world);
  scenario.prepare?.(stage);
  const calls: Call[] = [];
  stage.world.onPoint((call, phase) => {
    if (phase === "before" && !stage.referee.isForeign(call.process)) calls.push(call);
  });
  await stage.world.run(() => scenario.run(stage));
  return calls;
}

/** Whether a code is named by an error, or by one of its causes. */
function names(error: unknown, code: string): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (errorCode(each) === code) return true;
  }
  return false;
}

/**
 * Run a scenario, the product's verb number `index` of which fails; then the disk is well again.
 * What is not as promised, as sentences:
 *
 * - somebody is told of the fault, the caller or the log, or it is harmless, or its work was done;
 * - a consumer that was at work goes on, without a restart;
 * - after a recovery all is as after a crash.
 */
export async function runWithFault(
  product: Product,
  scenario: Scenario,
  index: number,
  fault: Fault,
): Promise<readonly string[]> {
  const stage = new Stage(product, scenario.world);
  scenario.prepare?.(stage);
  const { world, ledger, referee } = stage;
  let count = 0;
  let failed: Call | undefined;
  let hasStarted = false;
  referee.isDiskFaulty = true;
  const starting = new Set<unknown>();
  const consuming = new Set<unknown>();
  world.onVerb = (call) => {
    if (referee.isForeign(call.process)) return undefined;
    if (call.verb === "create" && call.path.startsWith(`${BASE}/tmp/.`)) starting.add(call.process);
    if (call.verb === "list" && starting.has(call.process) && call.path === `${BASE}/cur`) {
      consuming.add(call.process);
    }
    if (count++ !== index) return undefined;
    failed = call;
    hasStarted = consuming.has(call.process);
    return fault;
  };
  const found: string[] = [];
  let thrown: unknown;
  try {
    await world.run(() => scenario.run(stage));
    if (scenario.drains && stage.undelivered().length > 0) {
      found.push(`it ended with ${stage.undelivered()}`);
    }
  } catch (error) {
    thrown = error;
    const isKnown = error instanceof NotAQueueError || names(error, fault.code);
    if (!isKnown && errorCode(error) === undefined) {
      found.push(`it threw ${error instanceof Error ? error.stack ?? error : error}`);
    }
    if (hasStarted && !scenario.sweepsAlone) found.push(`the consumer ended: ${error}`);
  }
  if (failed === undefined) throw new RangeError(`Cannot fail verb ${index}: the run is over`);
  const isLostReply = fault.applied === true;
  const isTold = [thrown, ...ledger.told].some((error) => names(error, fault.code)) ||
    JSON.stringify(ledger.trace).includes(fault.code);
  if (!isLostReply && !isTold && whyHarmless(failed, hasStarted, fault.code) === undefined) {
    found.push("nobody was told");
  }
  stage.killAll();
  world.onVerb = () => undefined;
  try {
    const { consumer = {} } = scenario;
    await recover(stage, { consumer });
  } catch (error) {
    found.push(`the recovery failed: ${error instanceof Error ? error.stack ?? error : error}`);
  }
  const responseRefused = failed.path.startsWith(`${BASE}/res/`) || failed.path.endsWith(".meta");
  const reasonRefused = failed.verb === "create" && failed.path.endsWith(".why") ||
    failed.verb === "makeDir" && failed.path === `${BASE}/doa`;
  // An attempt that the disk spoils is one more: the event goes back to new/ or defer/, whatever
  // was decided about it.
  const maxAttempts = (scenario.consumer?.maxAttempts ?? Infinity) + 1;
  found.push(...judge(stage, { reasonRefused, responseRefused, maxAttempts }));
  return found;
}
