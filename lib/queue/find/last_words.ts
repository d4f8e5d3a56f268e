/**
 * What went wrong last with events that wait: their names don't tell, the journal does.
 *
 * @module
 */

import type { Queue } from "../queue.ts";
import { type JournalLine, journalLines } from "./journal_reader.ts";

/** So much of the journal is read, its latest part: of what failed before that it isn't known. */
const MOST_BYTES = 64 * 2 ** 20;

const ID = '"id":"';

/** The id in a line's text, without reading all of it. */
function idIn(line: string): string | undefined {
  const at = line.indexOf(ID);
  if (at < 0) return undefined;
  const from = at + ID.length;
  const to = line.indexOf('"', from);
  return to < 0 ? undefined : line.slice(from, to);
}

/** Whether a line tells of an attempt that failed. */
const isFailure = (line: string) => line.includes('"event":"deferred"');

/**
 * The last failure of each of some events.
 *
 * @param wanted Their ids; `undefined` for all.
 */
export async function lastWords(
  queue: Queue,
  wanted?: ReadonlySet<string>,
): Promise<ReadonlyMap<string, JournalLine>> {
  const words = new Map<string, JournalLine>();
  if (wanted?.size === 0) return words;
  const isWanted = (line: string) => {
    const id = isFailure(line) ? idIn(line) : undefined;
    return id !== undefined && (wanted === undefined || wanted.has(id));
  };
  for await (const line of journalLines(queue, { isWanted, mostBytes: MOST_BYTES })) {
    const known = words.get(line.id);
    if (known === undefined || known.atMs < line.atMs) words.set(line.id, line);
  }
  return words;
}
