/**
 * Takes the images of a crash sweep: at every moment of a run, every image a crash may leave, each
 * once.
 *
 * @module
 */

import type { CrashModel } from "./disk.ts";
import type { DiskImage } from "./image.ts";
import type { Call, Phase } from "./process_disk.ts";
import { describe, type World } from "./world.ts";

/** A crash, to start a world from: `new World({ from: crash })`. */
export interface Crash<Note> {
  /** The first model that leaves it, at the first point. */
  readonly model: CrashModel;
  /** What was going on: `before edge-1 rename /q/new/a → /q/cur/b`. */
  readonly at: string;
  /** The disk it left. */
  readonly disk: DiskImage;
  /** True time, Unix ms. */
  readonly nowMs: number;
  /** How often hosts have been started: a power loss makes it one more. */
  readonly boots: number;
  /** What the test knew at that moment. */
  readonly note: Note;
}

/** What to take. */
export interface CrashSweepOptions<Note> {
  /** Under which models. @default both */
  readonly models?: readonly CrashModel[];
  /**
   * What the test must know of the moment to judge a recovery, e.g. what has been acknowledged: a
   * copy of it.
   */
  readonly note: () => Note;
  /** Equal images with equal keys are taken once. @default JSON of the note */
  readonly key?: (note: Note) => string;
}

/** Collects the crashes of one run. The run goes on untouched. */
export class CrashSweep<Note> {
  /** The crashes, each image and key once. */
  readonly crashes: Crash<Note>[] = [];
  /** Moments looked at. */
  points = 0;
  /** Images there were before equal ones were dropped, by model. */
  readonly images: Record<CrashModel, number> = { kill: 0, power: 0 };
  readonly #world: World;
  readonly #options: CrashSweepOptions<Note>;
  readonly #seen = new Set<string>();
  #last = "";
  #lastImages: Record<CrashModel, number> = { kill: 0, power: 0 };

  /** Begin: what the disk of `world` holds now counts as durable. */
  constructor(world: World, options: CrashSweepOptions<Note>) {
    this.#world = world;
    this.#options = options;
    world.disk.record();
    world.onPoint((call: Call, phase: Phase) => this.take(() => `${phase} ${describe(call)}`));
  }

  /** Look at this moment: also to be called once the run is over. */
  take(at: () => string = () => "end"): void {
    this.points++;
    const { models = ["kill", "power"], note, key = JSON.stringify } = this.#options;
    const noted = note();
    const noteKey = key(noted);
    const moment = `${this.#world.disk.version} ${noteKey}`;
    const isNew = moment !== this.#last;
    if (isNew) this.#lastImages = { kill: 0, power: 0 };
    this.#last = moment;
    for (const model of models) {
      if (isNew) this.#takeModel(model, at, noted, noteKey);
      this.images[model] += this.#lastImages[model];
    }
  }

  #takeModel(model: CrashModel, at: () => string, note: Note, noteKey: string): void {
    for (const disk of this.#world.disk.images(model)) {
      this.#lastImages[model]++;
      const fingerprint = `${disk.fingerprint} ${noteKey}`;
      if (this.#seen.has(fingerprint)) continue;
      this.#seen.add(fingerprint);
      const { nowMs, boots } = this.#world;
      this.crashes.push({
        model,
        at: at(),
        disk,
        nowMs,
        boots: model === "power" ? boots + 1 : boots,
        note,
      });
    }
  }
}
