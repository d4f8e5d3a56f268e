/**
 * The examination of a queue: is this directory fit, and what should somebody do?
 *
 * It changes nothing, but for one dot file that it makes and removes as a consumer does at its
 * start.
 *
 * @module
 */

import { errorCode } from "../../runtime/runtime.ts";
import type { Queue } from "../queue.ts";
import { accessFindings } from "./access.ts";
import { destinationFindings } from "./destinations.ts";
import type { Finding, Findings } from "./finding.ts";
import { contentFindings, modeFindings } from "./folders.ts";
import { ownerFindings } from "./owners.ts";
import { volumeFindings } from "./volume.ts";

export type { Finding, Findings, Severity } from "./finding.ts";

/** What is looked at, in the order in which it is told. */
const EXAMINATIONS: readonly (readonly [
  topic: string,
  examine: (queue: Queue) => Findings | Iterable<Finding>,
])[] = [
  ["file system", ({ place: { base, runtime } }) => volumeFindings(runtime.volume?.(base) ?? {})],
  ["access", accessFindings],
  ["modes", modeFindings],
  ["consumers", ownerFindings],
  ["destinations", destinationFindings],
  ["folders", contentFindings],
];

/** Examine a queue. What the disk refuses to show is a finding too. */
export async function* examine(queue: Queue): Findings {
  for (const [topic, examination] of EXAMINATIONS) {
    try {
      yield* examination(queue);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      const text = `it can't be looked at: ${(error as Error).message}`;
      yield { severity: "warning", topic, text };
    }
  }
}
