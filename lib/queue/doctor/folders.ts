/**
 * Are the folders as they should be, and is there anything in them that isn't an event or can't be
 * read?
 *
 * @module
 */

import { type DirEntry, errorCode } from "../../runtime/runtime.ts";
import { bucketTimeMs } from "../buckets.ts";
import { SWEEP_AGE_MS } from "../constants.ts";
import { FOLDERS } from "../layout.ts";
import { parseOwnerFile } from "../name.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { type NotAnEvent, whyNotAnEvent } from "../store/listing.ts";
import { counted, type Finding, type Findings, roughly } from "./finding.ts";

/** Names shown of many. */
const MOST_SHOWN = 3;

/** Events that are opened, of each folder: all of a large queue would take minutes. */
const MOST_OPENED = 1_000;

/** A draft that old is no longer being written, as far as anybody can tell. */
const OLD_DRAFT_MS = 60 * 60_000;

const octal = (mode: number) => mode.toString(8).padStart(4, "0");

/** Modes and owners of the folders. */
export async function* modeFindings(queue: Queue): Findings {
  const topic = "modes";
  const { base, modes, runtime: { disk } } = queue.place;
  const owners = new Set<string>();
  const odd: string[] = [];
  for (const folder of FOLDERS) {
    try {
      const { mode, uid, gid } = await disk.lstat(`${base}/${folder}`);
      owners.add(`user ${uid}, group ${gid}`);
      const right = folder === "tmp" || folder === "new" ? modes.entrance : modes.dir;
      if (mode !== right) odd.push(`${folder}/ ${octal(mode)} instead of ${octal(right)}`);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  const shared = modes.isDrop
    ? "for adding events"
    : modes.exact
    ? "shared with its group"
    : "private";
  yield odd.length === 0
    ? { severity: "ok", topic, text: `${shared}: folders ${octal(modes.dir)}` }
    : {
      severity: "note",
      topic,
      text: `${shared}, but ${odd.join(", ")}`,
      advice: "consume --group sets those of a shared queue, chmod those of a private one",
    };
  yield owners.size === 1 ? { severity: "ok", topic: "owner", text: [...owners][0]! } : {
    severity: "warning",
    topic: "owner",
    text: `the folders belong to ${[...owners].join("; ")}`,
    advice: "chown all of them to the user that consumes",
  };
}

const WHAT: Readonly<Record<Exclude<NotAnEvent, "dot file">, string>> = {
  directory: "a folder",
  symlink: "a symlink",
  other: "a socket, FIFO or device",
  unreachable: "a name that isn't UTF-8",
};

/** What was found in folders, put together. */
interface Seen {
  readonly strays: string[];
  readonly unreadable: string[];
  opened: number;
}

/** Things that are no events, and events that can't be read. */
export async function* contentFindings(queue: Queue): Findings {
  const seen: Seen = { strays: [], unreadable: [], opened: 0 };
  for (const folder of ["new", "cur", "doa"]) await look(queue, folder, seen);
  for await (const { name, kind } of entriesOf(queue, "defer")) {
    if (kind !== "directory") {
      if (kind !== "file") seen.strays.push(`defer/${name} (${WHAT[kind]})`);
      continue;
    }
    await look(queue, `defer/${name}`, seen, (bucket) => bucketTimeMs(bucket) !== undefined);
  }
  yield strayFinding(seen.strays);
  yield readFinding(seen);
  yield await draftFinding(queue);
}

async function look(
  queue: Queue,
  folder: string,
  seen: Seen,
  isBucket: (name: string) => boolean = () => false,
): Promise<void> {
  let left = MOST_OPENED;
  for await (const entry of entriesOf(queue, folder)) {
    const why = await whyNotAnEvent(queue.place, folder, entry);
    const isOurs = why === "dot file" || why === "directory" && isBucket(entry.name);
    if (why === "directory" && isOurs) await look(queue, `${folder}/${entry.name}`, seen);
    if (why !== undefined && why !== "dot file" && !isOurs) {
      seen.strays.push(`${folder}/${entry.name} (${WHAT[why]})`);
    }
    if (why !== undefined || left-- <= 0) continue;
    seen.opened++;
    const code = await cantRead(queue, `${folder}/${entry.name}`);
    if (code !== undefined) seen.unreadable.push(`${folder}/${entry.name} (${code})`);
  }
}

async function* entriesOf(queue: Queue, folder: string): AsyncIterable<DirEntry> {
  try {
    yield* queue.place.runtime.disk.list(`${queue.place.base}/${folder}`);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** @returns The disk's error code; `undefined` when it can be read, or is gone. */
async function cantRead(queue: Queue, path: string): Promise<string | undefined> {
  try {
    await queue.place.runtime.disk.read(`${queue.place.base}/${path}`, 0);
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return code === "ENOENT" ? undefined : code;
  }
}

function some(all: readonly string[]): string {
  const more = all.length - MOST_SHOWN;
  return all.slice(0, MOST_SHOWN).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

function strayFinding(strays: readonly string[]): Finding {
  const topic = "strays";
  if (strays.length === 0) {
    return { severity: "ok", topic, text: "nothing in the folders but events" };
  }
  const text = `${counted(strays.length, "thing")} that ${
    strays.length === 1 ? "is no event and is" : "are no events and are"
  } left alone: ${some(strays)}`;
  return { severity: "note", topic, text, advice: "move it elsewhere" };
}

function readFinding({ unreadable, opened }: Seen): Finding {
  const topic = "reading";
  if (unreadable.length === 0) {
    return { severity: "ok", topic, text: `${counted(opened, "event")} tried, all can be read` };
  }
  return {
    severity: "warning",
    topic,
    text: `${counted(unreadable.length, "event")} can't be read: ${some(unreadable)}`,
    advice: "chown or chmod them: a consumer that can't read an event gives it up",
  };
}

/** Old drafts: of producers that died, or that never move what they write. */
async function draftFinding(queue: Queue): Promise<Finding> {
  const topic = "drafts";
  const { disk, clock } = queue.place.runtime;
  let [old, oldestMs] = [0, 0];
  for await (const { name, kind } of entriesOf(queue, "tmp")) {
    if (kind !== "file" || parseOwnerFile(name)) continue;
    try {
      const { mtimeMs, ctimeMs } = await disk.lstat(`${queue.place.base}/tmp/${name}`);
      const ageMs = clock.now() - Math.max(mtimeMs, ctimeMs);
      if (ageMs < OLD_DRAFT_MS) continue;
      old++;
      oldestMs = Math.max(oldestMs, ageMs);
    } catch (error) {
      if (!isMissing(error)) throw error; // it has just been published
    }
  }
  if (old === 0) return { severity: "ok", topic, text: "nothing is left in tmp/" };
  return {
    severity: "note",
    topic,
    text: `${counted(old, "file")} in tmp/ that nobody has published, the oldest ${
      roughly(oldestMs)
    } old; swept at ${roughly(SWEEP_AGE_MS)}`,
    advice: "a producer died, or forgets to move what it has written into new/",
  };
}
