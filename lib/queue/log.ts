/**
 * The files of the journal, `log/<yyyymmdd>~<owner>.jsonl`: one for each owner and day, UTC, so
 * that nobody ever writes into another's, and old ones can be removed whole.
 *
 * @module
 */

import { errorCode } from "../runtime/runtime.ts";
import type { WriteLines } from "../telemetry/journal.ts";
import { createFile, LOG_FOLDER } from "./layout.ts";
import { ensureFolder, isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";
import { run } from "./steps.ts";

const DAY_MS = 24 * 60 * 60_000;
const NAME = /^(\d{4})(\d\d)(\d\d)~[a-z0-9-]{1,80}\.jsonl$/;

/** The name of an owner's file of the day on which `atMs`, Unix ms, is. */
export function logName(atMs: number, owner: string): string {
  return `${new Date(atMs).toISOString().slice(0, 10).replaceAll("-", "")}~${owner}.jsonl`;
}

/** When the day of a file began, Unix ms; `undefined` when it isn't one of the journal's. */
export function logDayMs(name: string): number | undefined {
  const [, year, month, day] = NAME.exec(name) ?? [];
  if (year === undefined) return undefined;
  const startMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  return Number.isNaN(startMs) ? undefined : startMs;
}

/** Adds lines to this owner's files, which are made when there is something to write. */
export function logWriter(queue: Queue): WriteLines {
  let made: string | undefined;
  return async (atMs, lines) => {
    const name = logName(atMs, queue.owner);
    if (name !== made) await makeFile(queue, name);
    made = undefined; // until it has worked: somebody may have removed it
    await queue.place.runtime.disk.append(queue.path(LOG_FOLDER, name), lines);
    made = name;
  };
}

async function makeFile(queue: Queue, name: string): Promise<void> {
  const { place } = queue;
  const path = queue.path(LOG_FOLDER, name);
  await ensureFolder(place, LOG_FOLDER);
  try {
    await run(createFile(place.runtime.disk, path, new Uint8Array(), place.modes, false));
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

/**
 * Remove the files of days that ended longer than `keepMs` ago.
 *
 * @param signal Ends it early.
 * @returns How many files were removed.
 * @throws The disk's error.
 */
export async function pruneLog(
  queue: Queue,
  keepMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { disk, clock } = queue.place.runtime;
  const endedMs = clock.now() - keepMs;
  let removed = 0;
  try {
    for await (const { name, kind } of disk.list(`${queue.place.base}/${LOG_FOLDER}`)) {
      if (signal.aborted) break;
      const dayMs = kind === "file" ? logDayMs(name) : undefined;
      if (dayMs === undefined || dayMs + DAY_MS > endedMs) continue;
      if (await removeOld(queue, name)) removed++;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return removed;
}

/** @returns `false` when another consumer was faster. */
async function removeOld(queue: Queue, name: string): Promise<boolean> {
  try {
    await queue.place.runtime.disk.remove(queue.path(LOG_FOLDER, name));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
