/**
 * A dead letter put back otherwise than it died: as a new event, with an id of its own, since the
 * bytes of an event are never changed. The letter goes once the new event is on stable storage.
 *
 * @module
 */

import { encodeEventText, type EventTextInput } from "../event/encode.ts";
import { memberSpan } from "../event/json.ts";
import { parseEvent } from "../event/request.ts";
import { readEvent } from "./find/detail.ts";
import type { FoundEvent } from "./find/event.ts";
import type { Queue } from "./queue.ts";
import { removeReason } from "./requeue.ts";

/** Largest letter that is amended. */
const MOST_BYTES = 256 * 2 ** 20;

/** What is to be different. */
export interface Amendment {
  /** Where to send it. */
  readonly url?: string | undefined;
  /** What to send: JSON text, which is sent as it is. */
  readonly bodyText?: string | undefined;
}

/**
 * Put a dead letter back with another URL or another body. Whatever else it says stays.
 *
 * @returns The new event's id; it is durable. `undefined` when the letter is gone.
 * @throws {TypeError} If that makes no event that can be sent, as when the letter is broken and
 * only one of both is new.
 * @throws The disk's error. When it is of the letter's removal, both are there.
 */
export async function requeueAmended(
  queue: Queue,
  letter: FoundEvent,
  amendment: Amendment,
): Promise<string | undefined> {
  const bytes = await readEvent(queue, letter, MOST_BYTES);
  if (bytes === undefined) return undefined;
  const id = await queue.enqueue(encodeEventText(amended(bytes, amendment)));
  const { folder, name } = letter;
  if (await queue.discard(folder, name)) {
    await removeReason(queue, `${queue.path(folder, name)}.why`);
    await queue.place.runtime.disk.syncDir(`${queue.place.base}/${folder}`);
  }
  return id;
}

function amended(bytes: Uint8Array, { url, bodyText }: Amendment): EventTextInput {
  const was = readLetter(bytes);
  const body = bodyText ?? was.bodyText;
  const to = url ?? was.url;
  if (to === undefined) throw new TypeError("Cannot amend: the letter has no url, so give one");
  return { ...was, url: to, ...(body !== undefined && { bodyText: body }) };
}

/** What a letter says, as far as it can be read: it may have died of what it says. */
function readLetter(bytes: Uint8Array): Partial<EventTextInput> {
  const read = parseEvent(bytes);
  if (read.kind === "request") {
    const { url, method, headers, body } = read.request;
    const all = Object.fromEntries(headers);
    return { url, method, headers: all, ...(body !== undefined && { bodyText: body }) };
  }
  const text = new TextDecoder().decode(bytes);
  let members: unknown;
  try {
    members = JSON.parse(text);
  } catch {
    return {}; // all of it must be new
  }
  if (typeof members !== "object" || members === null || Array.isArray(members)) return {};
  const { url, method, headers } = members as Record<string, unknown>;
  const span = memberSpan(text.replace(/^\uFEFF/, ""), "requestBody");
  return {
    ...(typeof url === "string" && { url }),
    ...(typeof method === "string" && { method }),
    ...(typeof headers === "object" && headers !== null &&
      { headers: headers as Record<string, string> }),
    ...(span && { bodyText: text.replace(/^\uFEFF/, "").slice(...span) }),
  };
}
