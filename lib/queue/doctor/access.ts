/**
 * May this user work on the queue, and what do its clock and its locks tell?
 *
 * Found out as a consumer does at its start: by an owner file that is made in `tmp/`, carried
 * through all folders and removed again.
 *
 * @module
 */

import { errorCode, type Stat } from "../../runtime/runtime.ts";
import type { Queue } from "../queue.ts";
import { acquireOwner, releaseOwner } from "../store/owner.ts";
import { type Finding, type Findings, roughly } from "./finding.ts";

/** Clocks that differ by less are as good as one. */
const CLOCKS_DIFFER_MS = 2_000;

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: "run this as the queue's owner, or as a member of its group",
  EPERM: "run this as the queue's owner, or as a member of its group",
  ENOTCAPABLE: "this build's permissions don't include the directory",
  EROFS: "mount the file system writable",
  EXDEV: "all folders must be on one file system: nothing may be mounted on one of them",
  ENOSPC: "make room, in bytes or in files",
  EDQUOT: "make room, or raise this user's quota",
};

/** Whether a consumer could work here. */
export async function* accessFindings(queue: Queue): Findings {
  const topic = "access";
  const { disk, clock } = queue.place.runtime;
  let stat: Stat | undefined;
  try {
    const beforeMs = clock.now();
    const held = await acquireOwner(queue);
    if (held) {
      try {
        stat = await disk.lstat(queue.path("cur", `.${queue.owner}`));
      } finally {
        await releaseOwner(queue, held);
      }
    }
    yield { severity: "ok", topic, text: "all folders are writable and on one file system" };
    yield held
      ? {
        severity: "ok",
        topic: "locks",
        text: "a consumer's death is seen at once on this machine",
      }
      : NO_LOCKS;
    if (stat) yield clockFinding(stat.mtimeMs, beforeMs, clock.now());
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const advice = ADVICE[code];
    yield {
      severity: "failure",
      topic,
      text: `a consumer can't work here: ${(error as Error).message}`,
      ...advice !== undefined && { advice },
    };
  }
}

const NO_LOCKS: Finding = {
  severity: "note",
  topic: "locks",
  text: "there are none here: the events of a consumer that dies wait for their lease",
};

/** @param fileMs What the file system says of something made between the other two times. */
function clockFinding(fileMs: number, beforeMs: number, afterMs: number): Finding {
  const topic = "clock";
  const offMs = fileMs < beforeMs ? beforeMs - fileMs : Math.max(0, fileMs - afterMs);
  if (offMs <= CLOCKS_DIFFER_MS) {
    return { severity: "ok", topic, text: "this machine's and the file system's agree" };
  }
  return {
    severity: "warning",
    topic,
    text: `this machine's and the file system's are ${roughly(offMs)} apart`,
    advice: "keep both machines' clocks together, by NTP: beyond 15 min leases can't be trusted",
  };
}
