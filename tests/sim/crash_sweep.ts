/**
 * The crash sweep: a scenario's every crash, under both models, each followed by a recovery and a judgement.
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
  Stage,
} from "./workload.ts";
import { parseName } from "../../lib/queue/name.ts";

/** What a sweep came to. */
export interface CrashCount {
  /** Moments at which a crash could strike. */
  readonly points: number;
  /** Images that crashes there leave, by model, and recoveries from those that differ. */
  readonly images: Record<CrashModel, number>;
  readonly recoveries: Record<CrashModel, number>;
}

/** Nothing swept yet. */
export const NO_CRASHES: CrashCount = {
  points: 0,
  images: { kill: 0, power: 0 },
  recoveries: { kill: 0, power: 0 },
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

/** A recovery from one crash: what is not as promised. */
export async function recoverFrom(
  product: Product,
  { consumer = {} }: Scenario,
  crash: Crash<Note>,
  ledger: Ledger,
  host = "edge",
): Promise<string[]> {
  const stage = new Stage(
    product,
    { from: crash, seed: 2, maxTurns: MOST_TURNS },
    new Ledger(ledger),
  );
  const found = crash.model === "kill" ? judgeCounts(crash) : [];
  try {
    const pollMs = host === "edge" ? {} : { pollMs: 60_000 }; // it waits for leases to end
    await recover(stage, { consumer: { ...consumer, ...pollMs }, host });
  } catch (error) {
    return [`the recovery failed: ${error instanceof Error ? error.stack : error}`];
  }
  const { maxAttempts = Infinity } = consumer;
  const { model, note: before } = crash;
  return [...found, ...judge(stage, { before, model, maxAttempts, host })];
}

/** A kill leaves every attempt that was sent counted in the event's name. */
function judgeCounts({ disk, note }: Crash<Note>): string[] {
  const found: string[] = [];
  for (const [path, text] of Object.entries(disk.files())) {
    if (!/\/(?:new|cur|defer|doa)\//.test(path) || /\/$|\.why$|\/\./.test(path)) continue;
    const marker = markerIn(text);
    if (marker === undefined) continue;
    const { attempt } = parseName(path.slice(path.lastIndexOf("/") + 1));
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
}

/**
 * Sweep a scenario.
 *
 * @throws {Broken} With the first crash whose recovery isn't as promised, or if the run without a crash isn't.
 */
export async function sweepCrashes(
  product: Product,
  scenario: Scenario,
  { models = ["kill", "power"], hosts = ["edge"] }: SweepOptions = {},
): Promise<CrashCount> {
  const { stage, sweep } = await takeCrashes(product, scenario, models);
  const { violations } = stage.referee;
  if (violations.length > 0) throw new Broken(`${scenario.name}: ${violations.join("; ")}`);
  const recoveries: Record<CrashModel, number> = { kill: 0, power: 0 };
  for (const crash of sweep.crashes) {
    for (const host of hosts) {
      recoveries[crash.model]++;
      const found = await recoverFrom(product, scenario, crash, stage.ledger, host);
      if (found.length === 0) continue;
      throw new Broken(`${scenario.name}: ${crash.model} ${crash.at}: ${found.join("; ")}`);
    }
  }
  return { points: sweep.points, images: sweep.images, recoveries };
}
