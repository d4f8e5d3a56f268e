/**
 * Finds events by the ids that a person gives: whole ones, names of files, or the beginning of an
 * id of ours, as far as it takes to tell it from others.
 *
 * @module
 */

import type { Queue } from "../queue.ts";
import { type EventState, type FoundEvent, foundEvent, STATES } from "./event.ts";
import type { FindProgress } from "./find.ts";
import { namesOf } from "./walk.ts";

/** The beginning of a UUID, time and a digit of chance at least: anything shorter is no name. */
const BEGINNING = /^[0-9a-f]{8}-?(?:[0-9a-f]{0,4}-?){0,3}[0-9a-f]{0,12}$/;

/** Of a beginning; a shorter text is an id of somebody's own. */
const LEAST_LENGTH = 8;

/** What was found for some ids. */
export interface Resolved {
  /** The events, each once. Of one id there may be several. */
  readonly events: readonly FoundEvent[];
  /** What no event has for its id, its name or its beginning. */
  readonly unknown: readonly string[];
  /** Beginnings that several ids have, with two of these. */
  readonly ambiguous: readonly { readonly asked: string; readonly ids: readonly string[] }[];
}

/** What was asked for by one text. */
class Asked {
  readonly events: FoundEvent[] = [];
  isExact = false;

  add(event: FoundEvent, isExact: boolean): void {
    if (isExact && !this.isExact) {
      this.events.length = 0; // whatever else begins so isn't meant
      this.isExact = true;
    }
    if (isExact === this.isExact) this.events.push(event);
  }

  get ids(): readonly string[] {
    return [...new Set(this.events.map(({ id }) => id))];
  }
}

/**
 * Find events by their ids.
 *
 * @param asked Each an id, a name or the beginning of an id.
 * @param states Where to look. @default everywhere
 * @throws The disk's error, when a folder can't be listed.
 */
export async function resolveIds(
  queue: Queue,
  asked: readonly string[],
  states: readonly EventState[] = STATES,
  onProgress?: FindProgress,
): Promise<Resolved> {
  const found = new Map(asked.map((text) => [text, new Asked()]));
  const beginnings = asked.filter((text) => BEGINNING.test(text));
  // most names are not: to read them all would cost more than to list them
  const starts = new Set(asked.map((text) => text.slice(0, LEAST_LENGTH)));
  const mayBeMeant = (name: string) => {
    if (starts.has(name.slice(0, LEAST_LENGTH))) return true;
    return hasShort && asked.some((text) => name.startsWith(text));
  };
  const hasShort = asked.some((text) => text.length < LEAST_LENGTH);
  let looked = 0;
  for (const state of STATES) {
    if (!states.includes(state)) continue;
    for await (const { folder, names } of namesOf(queue, state)) {
      for (const name of names) {
        const event = mayBeMeant(name) ? foundEvent(state, folder, name) : undefined;
        if (event === undefined) continue;
        found.get(event.id)?.add(event, true);
        if (name !== event.id) found.get(name)?.add(event, true);
        if (event.enqueuedMs === undefined) continue; // not an id of ours
        for (const text of beginnings) {
          if (event.id !== text && event.id.startsWith(text)) found.get(text)!.add(event, false);
        }
      }
      await onProgress?.(looked += names.length);
    }
  }
  const events = new Map<string, FoundEvent>();
  const unknown: string[] = [];
  const ambiguous: { asked: string; ids: readonly string[] }[] = [];
  for (const [text, each] of found) {
    const { ids } = each;
    if (ids.length === 0) unknown.push(text);
    else if (ids.length > 1) ambiguous.push({ asked: text, ids: ids.slice(0, 2) });
    else for (const event of each.events) events.set(`${event.folder}/${event.name}`, event);
  }
  return { events: [...events.values()], unknown, ambiguous };
}
