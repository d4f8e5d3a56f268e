/**
 * Finds the events of a queue that are wanted. Reads only; what moves meanwhile may be met twice,
 * in two states, or not at all.
 *
 * @module
 */

import type { Queue } from "../queue.ts";
import { destinationOf, detailOf, readEvent } from "./detail.ts";
import { type DetailedEvent, type EventState, type FoundEvent, STATES } from "./event.ts";
import type { JournalLine } from "./journal_reader.ts";
import { lastWords } from "./last_words.ts";
import { eventsOf } from "./walk.ts";

/** A larger event isn't looked into for a text. */
const MOST_SEARCHED_BYTES = 4 * 2 ** 20;

/** Events that are found before their last failures are looked up, together. */
const TOGETHER = 512;

/** Which events are wanted; a member that is missing leaves all. */
export interface Filter {
  /** In one of these states. @default all but `sent` */
  readonly states?: readonly EventState[];
  /** For this destination, by its folder's name. */
  readonly destination?: string;
  /** Died or delivered from then on, else put on the queue from then on, Unix ms. */
  readonly sinceMs?: number;
  /** The same, before then. */
  readonly untilMs?: number;
  /** Whether the status of the last answer is wanted. */
  readonly status?: (status: number) => boolean;
  /** In the reason, whatever the case. */
  readonly reason?: string;
  /** In the event's file, as it is written there. */
  readonly body?: string;
  /** With one of these ids. */
  readonly ids?: ReadonlySet<string>;
  /** So many at most. */
  readonly limit?: number;
}

/** Told how many names have been looked at; what it returns is waited for. */
export type FindProgress = (names: number) => void | Promise<void>;

/** Where events are looked for unless told otherwise. */
const USUAL: readonly EventState[] = STATES.filter((state) => state !== "sent");

/**
 * The events that are wanted, as their names tell, state after state.
 *
 * @param onProgress Told now and then how many names have been looked at so far.
 * @throws The disk's error, when a folder can't be listed.
 */
export async function* findNames(
  queue: Queue,
  filter: Filter = {},
  onProgress?: FindProgress,
): AsyncIterable<FoundEvent> {
  const { limit = Infinity, states = USUAL, destination } = filter;
  const needsWords = filter.status !== undefined || filter.reason !== undefined;
  let words: ReadonlyMap<string, JournalLine> | undefined;
  let [found, looked] = [0, 0];
  for (const state of STATES) {
    if (!states.includes(state)) continue;
    for await (const event of eventsOf(queue, state, destination)) {
      if (found >= limit) return;
      if (++looked % TOGETHER === 0) await onProgress?.(looked);
      if (!isWantedByName(event, filter)) continue;
      if (needsWords && state !== "dead") words ??= await lastWords(queue);
      if (!await isWantedByDetail(queue, event, filter, words ?? new Map())) continue;
      found++;
      yield event;
    }
  }
}

/**
 * The events that are wanted, with all there is to know of each.
 *
 * @throws The disk's error, when a folder can't be listed.
 */
export async function* find(
  queue: Queue,
  filter: Filter = {},
  onProgress?: FindProgress,
): AsyncIterable<DetailedEvent> {
  let some: FoundEvent[] = [];
  for await (const event of findNames(queue, filter, onProgress)) {
    if (some.push(event) < TOGETHER) continue;
    yield* await detailed(queue, some);
    some = [];
  }
  yield* await detailed(queue, some);
}

/** Events with all there is to know of each. */
export async function detailed(
  queue: Queue,
  events: readonly FoundEvent[],
): Promise<DetailedEvent[]> {
  const waiting = events.filter(({ state, attempt }) => state !== "dead" && attempt > 0);
  const words = await lastWords(queue, new Set(waiting.map(({ id }) => id)));
  const all: DetailedEvent[] = [];
  for (const event of events) all.push({ ...event, ...await detailOf(queue, event, words) });
  return all;
}

function isWantedByName(event: FoundEvent, { ids, sinceMs, untilMs }: Filter): boolean {
  if (ids !== undefined && !ids.has(event.id)) return false;
  if (sinceMs === undefined && untilMs === undefined) return true;
  const isOver = event.state === "dead" || event.state === "sent";
  const atMs = isOver ? event.timeMs : event.enqueuedMs;
  return atMs !== undefined && atMs >= (sinceMs ?? -Infinity) && atMs < (untilMs ?? Infinity);
}

async function isWantedByDetail(
  queue: Queue,
  event: FoundEvent,
  { destination, status, reason, body }: Filter,
  words: ReadonlyMap<string, JournalLine>,
): Promise<boolean> {
  if (status !== undefined || reason !== undefined) {
    const detail = await detailOf(queue, event, words);
    if (destination !== undefined && detail.destination !== destination) return false;
    if (status && (detail.status === undefined || !status(detail.status))) return false;
    const isSaid = detail.reason?.toLowerCase().includes(reason?.toLowerCase() ?? "");
    if (reason !== undefined && !isSaid) return false;
  } else if (destination !== undefined && !await isFor(queue, event, destination)) return false;
  return body === undefined || await holds(queue, event, body);
}

async function isFor(queue: Queue, event: FoundEvent, destination: string): Promise<boolean> {
  const found = event.state === "dead"
    ? (await detailOf(queue, event, new Map())).destination
    : await destinationOf(queue, event);
  return found === destination;
}

async function holds(queue: Queue, event: FoundEvent, text: string): Promise<boolean> {
  const bytes = await readEvent(queue, event, MOST_SEARCHED_BYTES);
  return bytes !== undefined && new TextDecoder().decode(bytes).includes(text);
}
