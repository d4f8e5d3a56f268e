/**
 * Reads the journal backwards, the latest lines first, a piece at a time: its files may be larger
 * than memory.
 *
 * What it says is for people. A line that is torn or isn't ours is passed over.
 *
 * @module
 */

import { errorCode } from "../../runtime/runtime.ts";
import { LOG_FOLDER } from "../layout.ts";
import { logDayMs } from "../log.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";

/** Read at once. */
const PIECE_BYTES = 256 * 1024;

const DAY_MS = 24 * 60 * 60_000;

/** A line of the journal: what became of one event. */
export interface JournalLine {
  /** When, Unix ms. */
  readonly atMs: number;
  /** What happened: `delivered`, `deferred`, `dead`, `released`, `parked`, `taken-over`, … */
  readonly event: string;
  /** The event's id. */
  readonly id: string;
  /** The folder name of its destination. */
  readonly destination?: string;
  /** Number of the attempt. */
  readonly attempt?: number;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /** Duration of the attempt. */
  readonly ms?: number;
  /** How many events shared the request. */
  readonly merged?: number;
  /** Whether the request was certainly not sent, or may have been taken. */
  readonly reach?: string;
  /** Why. */
  readonly reason?: string;
  /** When it is due again, ISO 8601. */
  readonly due?: string;
  /** Whose claim was taken over. */
  readonly owner?: string;
}

/** How far back the journal is read, and for what. */
export interface JournalRange {
  /** Only lines with this text: pieces without it are passed over at once. @default all */
  readonly text?: string;
  /** Asked of the text of each of these, before it is read. @default all */
  readonly isWanted?: (line: string) => boolean;
  /** Not the days that ended before, Unix ms. @default all */
  readonly sinceMs?: number;
  /** So many bytes at most. @default all */
  readonly mostBytes?: number;
}

/**
 * The lines about events, those of the latest day first, and of one consumer and day the latest
 * first.
 *
 * @throws The disk's error.
 */
export async function* journalLines(
  queue: Queue,
  { text: sought = "", isWanted = () => true, sinceMs = 0, mostBytes = Infinity }: JournalRange =
    {},
): AsyncIterable<JournalLine> {
  let left = mostBytes;
  for (const { name, dayMs } of await filesOf(queue)) {
    if (dayMs + DAY_MS < sinceMs) return;
    for await (const { text, bytes } of piecesOf(queue, name)) {
      for (const each of text.includes(sought) ? text.split("\n").reverse() : []) {
        const line = each.includes(sought) && isWanted(each) ? lineOf(each) : undefined;
        if (line !== undefined) yield line;
      }
      if ((left -= bytes) <= 0) return;
    }
  }
}

async function filesOf(queue: Queue): Promise<{ readonly name: string; readonly dayMs: number }[]> {
  const files: { name: string; dayMs: number }[] = [];
  try {
    for await (
      const { name, kind } of queue.place.runtime.disk.list(`${queue.place.base}/${LOG_FOLDER}`)
    ) {
      const dayMs = kind === "file" ? logDayMs(name) : undefined;
      if (dayMs !== undefined) files.push({ name, dayMs });
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return files.sort((a, b) => b.dayMs - a.dayMs);
}

/** Pieces of whole lines of a file, from its end on. */
async function* piecesOf(
  queue: Queue,
  name: string,
): AsyncIterable<{ readonly text: string; readonly bytes: number }> {
  const { disk } = queue.place.runtime;
  const path = queue.path(LOG_FOLDER, name);
  try {
    let end = (await disk.lstat(path)).size;
    /** The end of a line whose beginning is in the piece before. */
    let rest = new Uint8Array();
    while (end > 0) {
      const at = Math.max(0, end - PIECE_BYTES);
      const piece = await disk.readPart(path, at, end - at);
      const bytes = joined(piece, rest);
      const from = at === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
      const isWithin = at === 0 || from > 0;
      rest = isWithin ? bytes.slice(0, from) : bytes;
      if (isWithin) {
        yield { text: new TextDecoder().decode(bytes.subarray(from)), bytes: piece.length };
      }
      end = at;
    }
  } catch (error) {
    // removed meanwhile, or not for us to read: its lines are not known
    if (errorCode(error) === undefined) throw error;
  }
}

const NEWLINE = "\n".charCodeAt(0);

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function lineOf(text: string): JournalLine | undefined {
  try {
    const line = JSON.parse(text);
    const atMs = Date.parse(line.time);
    if (typeof line.id !== "string" || typeof line.event !== "string") return undefined;
    return Number.isNaN(atMs) ? undefined : { ...line, atMs };
  } catch {
    return undefined;
  }
}
