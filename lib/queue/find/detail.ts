/**
 * What else there is to know of events: of a dead letter its reason says it, of one that waits its
 * folder and the journal, of the others the event itself.
 *
 * @module
 */

import { destinationFolder } from "../../event/destination.ts";
import { parseEvent } from "../../event/request.ts";
import { errorCode } from "../../runtime/runtime.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import type { EventDetail, FoundEvent } from "./event.ts";
import type { JournalLine } from "./journal_reader.ts";

/** Reasons longer than this are not ours. */
const LONGEST_REASON_BYTES = 64 * 1024;

/** A larger event isn't read for its destination. */
const MOST_EVENT_BYTES = 4 * 2 ** 20;

/** What a dead letter's reason says. */
export interface Why extends EventDetail {
  /** The first kilobyte of the answer. */
  readonly answer: string | undefined;
}

const UNKNOWN: Why = {
  destination: undefined,
  status: undefined,
  reason: undefined,
  answer: undefined,
};

/**
 * What is known of an event.
 *
 * @param words What went wrong last with those that wait, by id.
 * @throws The disk's error, unless it says that the event has gone.
 */
export async function detailOf(
  queue: Queue,
  event: FoundEvent,
  words: ReadonlyMap<string, JournalLine>,
): Promise<EventDetail> {
  if (event.state === "dead") {
    const { destination, status, reason } = await readWhy(queue, event.name);
    return { destination, status, reason };
  }
  const { status, reason } = words.get(event.id) ?? {};
  return { destination: await destinationOf(queue, event), status, reason };
}

/** The destination of an event: of one that waits that of its folder, unless several share it. */
export async function destinationOf(queue: Queue, event: FoundEvent): Promise<string | undefined> {
  const [root, own] = event.folder.split("/");
  if (root === "defer" && own !== undefined && own !== "others") return own;
  const { sha256 } = queue.place.runtime;
  const bytes = await readEvent(queue, event, MOST_EVENT_BYTES);
  const read = bytes && parseEvent(bytes);
  const url = read?.kind === "request" ? read.request.url : undefined;
  return url && await destinationFolder(url, (text) => sha256(text));
}

/** The bytes of an event; `undefined` when it is larger, has moved on, or can't be read. */
export async function readEvent(
  queue: Queue,
  { folder, name }: FoundEvent,
  mostBytes: number,
): Promise<Uint8Array | undefined> {
  try {
    return (await queue.place.runtime.disk.read(queue.path(folder, name), mostBytes)).bytes;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** What the reason beside a dead letter says; of one that isn't there or isn't ours, nothing. */
export async function readWhy(queue: Queue, name: string): Promise<Why> {
  try {
    const path = queue.path("doa", `${name}.why`);
    const { bytes } = await queue.place.runtime.disk.read(path, LONGEST_REASON_BYTES);
    const why: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof why !== "object" || why === null) return UNKNOWN;
    const { destination, status, reason, answer } = why as Record<string, unknown>;
    return {
      destination: textOf(destination),
      status: typeof status === "number" ? status : undefined,
      reason: textOf(reason),
      answer: textOf(answer),
    };
  } catch (error) {
    if (isMissing(error) || errorCode(error) !== undefined || error instanceof SyntaxError) {
      return UNKNOWN;
    }
    throw error;
  }
}

const textOf = (value: unknown) => typeof value === "string" ? value : undefined;
