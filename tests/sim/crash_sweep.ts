/**
 * The crash sweep: a scenario's every crash, under both models, each followed by a recovery and a
 * judgement.
 *
 * @module
 */

import { type Crash, CrashSweep } from "./crash.ts";
import type { CrashModel } from "./disk.ts";
import type { Scenario } from "./transitions.ts";
import {
  BASE,
  judge,
  Ledger,
  markerIn,
  type Note,
  type Product,
  recover,
  type RecoveryOptions,
  Stage,
} from "./workload.ts";
import { parseName, parseTag } from "../../lib/queue/name.ts";

/** What a sweep came to. */
export interface CrashCount {
  /** Moments at which a crash could strike. */
  readonly points: number;
  /** Images that crashes there leave, by model, and recoveries from those that differ. */
  readonly images: Record<CrashModel, number>;
  readonly recoveries: Record<CrashModel, number>;
  /** Recoveries from crashes of recoveries. */
  readonly again: number;
}

/** Nothing swept yet. */
export const NO_CRASHES: CrashCount = {
  points: 0,
  images: { kill: 0, power: 0 },
  recoveries: { kill: 0, power: 0 },
  again: 0,
};

/** Two sweeps together. */
export function addCounts(a: CrashCount, b: CrashCount): CrashCount {
  const add = (one: Record<CrashModel, number>, other: Record<CrashModel, number>) => ({
    kill: one.kill + other.kill,
    power: one.power + other.power,
  });
  return {
    points: a.points + b.points,
    images: add(a.images, b.images),
    recoveries: add(a.recoveries, b.recoveries),
    again: a.again + b.again,
  };
}

/** Enough for a recovery that waits for what has to be waited for. */
const MOST_TURNS = 10_000;

/** A crash whose recovery isn't as promised. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** Run a scenario without a crash. */
export async function runOnce(product: Product, scenario: Scenario): Promise<Stage> {
  const stage = new Stage(product, scenario.world);
  scenario.prepare?.(stage);
  await stage.world.run(() => scenario.run(stage));
  return stage;
}

/** Run a scenario without a crash, taking the images. */
export async function takeCrashes(
  product: Product,
  scenario: Scenario,
  models: readonly CrashModel[],
): Promise<{ stage: Stage; sweep: CrashSweep<Note> }> {
  const stage = new Stage(product, scenario.world);
  scenario.prepare?.(stage);
  const sweep = new CrashSweep<Note>(stage.world, {
    models,
    note: () => stage.ledger.note(stage.world),
  });
  await stage.world.run(() => scenario.run(stage));
  sweep.take();
  return { stage, sweep };
}

function stageOf(product: Product, crash: Crash<Note>, ledger: Ledger): Stage {
  const world = { from: crash, seed: 2, maxTurns: MOST_TURNS };
  const stage = new Stage(product, world, new Ledger(ledger));
  stage.world.host("elsewhere", { hostname: "edge" }); // it looks like the same, and isn't
  return stage;
}

function optionsOf({ consumer = {} }: Scenario, host: string): RecoveryOptions {
  const pollMs = host === "edge" ? {} : { pollMs: 60_000 }; // it waits for leases to end
  return { consumer: { ...consumer, ...pollMs }, host };
}

/** A recovery from one crash: what is not as promised. */
export async function recoverFrom(
  product: Product,
  scenario: Scenario,
  crash: Crash<Note>,
  ledger: Ledger,
  { host = "edge", ...recovery }: RecoveryOptions = {},
): Promise<string[]> {
  const stage = stageOf(product, crash, ledger);
  const found = crash.model === "kill" ? judgeImage(crash) : [];
  try {
    await recover(stage, { ...optionsOf(scenario, host), ...recovery });
  } catch (error) {
    return [`the recovery failed: ${error instanceof Error ? error.stack ?? error : error}`];
  }
  const { maxAttempts = Infinity } = scenario.consumer ?? {};
  const { model, note: before } = crash;
  return [...found, ...judge(stage, { before, model, maxAttempts })];
}

/**
 * The crashes of a recovery from a crash, and the ledger to judge recoveries from them by. What the
 * first crash left counts as durable.
 */
async function crashesOfRecovery(
  product: Product,
  scenario: Scenario,
  crash: Crash<Note>,
  ledger: Ledger,
  host: string,
): Promise<{ readonly crashes: readonly Crash<Note>[]; readonly ledger: Ledger }> {
  const stage = stageOf(product, crash, ledger);
  const sweep = new CrashSweep<Note>(stage.world, {
    note: () => stage.ledger.note(stage.world, crash.note),
  });
  await recover(stage, optionsOf(scenario, host));
  sweep.take();
  // what one power loss may take, no kill after it brings back
  const crashes = crash.model === "kill"
    ? sweep.crashes
    : sweep.crashes.map((second) => ({ ...second, model: crash.model }));
  return { crashes, ledger: stage.ledger };
}

/**
 * A kill leaves every attempt that was sent counted in the event's name, no dead letter without its
 * reason, and no answer that is said to be whole and isn't there.
 */
function judgeImage({ disk, note }: Crash<Note>): string[] {
  const found: string[] = [];
  const files = disk.files();
  for (const [path, text] of Object.entries(files)) {
    const isMeta = path.startsWith(`${BASE}/res/`) && path.endsWith(".meta");
    if (isMeta && !(path.slice(0, -".meta".length) in files)) {
      found.push(`a .meta without its answer: ${path}`);
    }
    const isLetter = path.startsWith(`${BASE}/doa/`) && !/\/$|\.why$|\/\./.test(path);
    if (isLetter && !(`${path}.why` in files)) found.push(`a letter without its reason: ${path}`);
    if (!/\/(?:new|cur|defer|doa)\//.test(path) || /\/$|\.why$|\/\./.test(path)) continue;
    const marker = markerIn(text);
    if (marker === undefined) continue;
    const { attempt, tag } = parseName(path.slice(path.lastIndexOf("/") + 1));
    if (tag !== undefined && parseTag(tag)?.isReplay) continue; // counted from 0
    const sent = (note.sent[marker] ?? 0) - (note.takeovers[marker] ?? 0);
    if (sent > attempt) {
      found.push(`sent ${sent} times, ${attempt} counted: ${path.slice(BASE.length + 1)}`);
    }
  }
  return found;
}

/** How to sweep. */
export interface SweepOptions {
  /** Which crashes. @default both */
  readonly models?: readonly CrashModel[];
  /** On which hosts to recover, each image on each. @default where the scenario mostly is */
  readonly hosts?: readonly string[];
  /**
   * Of so many crashes one is followed by a second one in the middle of its recovery. @default none
   * is
   */
  readonly oneIn?: number;
  /** Of so many such second crashes one is tried. @default all are */
  readonly thenOneIn?: number;
}

/**
 * Sweep a scenario.
 *
 * @throws {Broken} With the first crash whose recovery isn't as promised, or if the run without a
 * crash isn't.
 */
export async function sweepCrashes(
  product: Product,
  scenario: Scenario,
  { models = ["kill", "power"], hosts = ["edge"], oneIn = Infinity, thenOneIn = 1 }: SweepOptions =
    {},
): Promise<CrashCount> {
  const { stage, sweep } = await takeCrashes(product, scenario, models);
  const { violations } = stage.referee;
  if (violations.length > 0) throw new Broken(`${scenario.name}: ${violations.join("; ")}`);
  const recoveries: Record<CrashModel, number> = { kill: 0, power: 0 };
  let again = 0;
  const refuse = (where: string, found: readonly string[]) => {
    if (found.length > 0) throw new Broken(`${scenario.name}: ${where}: ${found.join("; ")}`);
  };
  for (const [n, crash] of sweep.crashes.entries()) {
    for (const host of hosts) {
      recoveries[crash.model]++;
      const found = await recoverFrom(product, scenario, crash, stage.ledger, { host });
      refuse(`${crash.model} ${crash.at}`, found);
    }
    if (oneIn === Infinity || n % oneIn !== 0) continue;
    const turn = n / oneIn;
    const host = hosts[turn % hosts.length]!;
    const otherHost = hosts[(turn + (turn >> 1)) % hosts.length]!;
    const { crashes, ledger } = await crashesOfRecovery(
      product,
      scenario,
      crash,
      stage.ledger,
      host,
    );
    for (let at = turn % thenOneIn; at < crashes.length; at += thenOneIn) {
      again++;
      const second = crashes[at]!;
      const found = await recoverFrom(product, scenario, second, ledger, {
        host: otherHost,
        pid: 910,
      });
      refuse(`${crash.model} ${crash.at}, in the recovery ${second.at}`, found);
    }
  }
  return { points: sweep.points, images: sweep.images, recoveries, again };
}
