/**
 * Which destinations are held, or are found down by consumers?
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { HOLD_FILE, OPEN_FILE } from "../store/marks.ts";
import { type Finding, type Findings, roughly } from "./finding.ts";

/** Marks of destinations that are held or down; one finding when there are none. */
export async function* destinationFindings(queue: Queue): Findings {
  const { base, runtime: { disk, clock } } = queue.place;
  let count = 0;
  try {
    for await (const { name: destination, kind } of disk.list(`${base}/defer`)) {
      if (kind !== "directory") continue;
      for await (const { name } of disk.list(`${base}/defer/${destination}`)) {
        if (name !== HOLD_FILE && !OPEN_FILE.test(name)) continue;
        const finding = await markFinding(queue, destination, name, clock);
        if (finding === undefined) continue;
        count++;
        yield finding;
      }
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  if (count === 0) yield { severity: "ok", topic: "destinations", text: "none is held or down" };
}

async function markFinding(
  queue: Queue,
  destination: string,
  name: string,
  clock: Clock,
): Promise<Finding | undefined> {
  try {
    const { mtimeMs } = await queue.place.runtime.disk.lstat(
      queue.path(`defer/${destination}`, name),
    );
    const since = roughly(clock.now() - mtimeMs);
    return name === HOLD_FILE
      ? {
        severity: "note",
        topic: "held",
        text: `${destination}, for ${since}`,
        advice: `start sending again: resume ${destination}`,
      }
      : {
        severity: "warning",
        topic: "down",
        text: `${destination}, for ${since}`,
        advice: `see why: test ${destination}`,
      };
  } catch (error) {
    if (isMissing(error)) return undefined; // it has just been taken back
    throw error;
  }
}
