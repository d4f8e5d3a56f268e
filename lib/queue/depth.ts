/**
 * How much waits in a queue, about, without counting it for each event that is added: what was
 * counted last, and what producers have added since.
 *
 *     tmp/.counted       {"events", "bytes", "atEvents", "atKib", "tookMs"}: what waited when all
 *                        was counted, and how large the next two files were then; its mtime says
 *                        when
 *     tmp/.added-events  as many bytes as producers have added events
 *     tmp/.added-kib     as many bytes as they have added KiB
 *
 * The size of a file is the counter: to add to it is atomic between processes, to read it costs a
 * look, and no producer ever waits for another. Nothing here is promised to survive anything; what
 * is wrong, such as what others have sent or removed, is put right by the next count.
 *
 * @module
 */

import { errorCode } from "../runtime/runtime.ts";
import { createCounter, createEvent } from "./layout.ts";
import { isMissing, type Place } from "./place.ts";
import { run, step, type Steps } from "./steps.ts";
import { uuidv7 } from "./uuid.ts";

/** How much waits in `new/`, `cur/` and `defer/`. */
export interface Depth {
  /** Events. */
  readonly events: number;
  /** Bytes of their files. */
  readonly bytes: number;
}

/** What is known of it at a moment. */
export interface Estimate extends Depth {
  /** When all was counted last, Unix ms; `undefined` for never. */
  readonly countedMs: number | undefined;
  /** How long that took. */
  readonly tookMs: number;
}

/** What a count leaves behind. */
interface Counted extends Depth {
  /** The size of `.added-events` when it began. */
  readonly atEvents: number;
  /** The size of `.added-kib` when it began. */
  readonly atKib: number;
  readonly tookMs: number;
}

const COUNTED = "tmp/.counted";
const ADDED_EVENTS = "tmp/.added-events";
const ADDED_KIB = "tmp/.added-kib";

const KIB = 1_024;

/** Largest `.counted` that is read. */
const MOST_COUNTED_BYTES = 4_096;

/** The counters begin anew when one is this long. */
const LONGEST_COUNTER = 16 * 2 ** 20;

/** So many files are looked at to know how large all are. */
const SAMPLE = 256;

/** Names looked at between two returns to the event loop. */
const STRIDE = 1_000;

/** What a queue is whose producers have no limits. */
const NEVER_COUNTED: Counted = { events: 0, bytes: 0, atEvents: 0, atKib: 0, tookMs: 0 };

/** How large a counter is; `undefined` where there is none. */
function* sizeOf(place: Place, counter: string): Steps<number | undefined> {
  try {
    const { kind, size } = yield* step(place.runtime.disk.lstat(`${place.base}/${counter}`));
    return kind === "file" ? size : undefined;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined; // nobody is refused because a counter can't be read
  }
}

/** What grew beyond the size that was counted; all of it where the counter began anew since. */
function grownBeyond(size: number, at: number): number {
  return size >= at ? size - at : size;
}

/** What is known at this moment; what the disk doesn't tell counts as nothing. */
export function* estimate(place: Place): Steps<Estimate> {
  const { counted, countedMs } = yield* lastCount(place);
  const events = (yield* sizeOf(place, ADDED_EVENTS)) ?? 0;
  const kib = (yield* sizeOf(place, ADDED_KIB)) ?? 0;
  return {
    events: counted.events + grownBeyond(events, counted.atEvents),
    bytes: counted.bytes + KIB * grownBeyond(kib, counted.atKib),
    countedMs,
    tookMs: counted.tookMs,
  };
}

/** Whether anybody adds to the counters. */
export function* isEstimated(place: Place): Steps<boolean> {
  return (yield* sizeOf(place, ADDED_EVENTS)) !== undefined;
}

function* lastCount(
  place: Place,
): Steps<{ readonly counted: Counted; readonly countedMs: number | undefined }> {
  try {
    const path = `${place.base}/${COUNTED}`;
    const { bytes, stat } = yield* step(place.runtime.disk.read(path, MOST_COUNTED_BYTES));
    const counted = readCounted(bytes);
    if (counted) return { counted, countedMs: stat.mtimeMs };
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
  return { counted: NEVER_COUNTED, countedMs: undefined };
}

function readCounted(bytes: Uint8Array | undefined): Counted | undefined {
  try {
    const found = JSON.parse(new TextDecoder().decode(bytes));
    const numbers = Object.keys(NEVER_COUNTED).map((key) => found[key]);
    return numbers.every((one) => Number.isFinite(one) && one >= 0) ? found : undefined;
  } catch {
    return undefined; // somebody else's, or torn by a power cut: count again
  }
}

/** Note what has been added. Nobody waits for a counter: what the disk refuses is not counted. */
export function* noteAdded(place: Place, { events, bytes }: Depth): Steps<void> {
  // a fraction of a KiB counts now and then, so that the sum is right
  const kib = Math.floor(bytes / KIB + place.runtime.random());
  yield* grow(place, ADDED_EVENTS, events);
  yield* grow(place, ADDED_KIB, kib);
}

function* grow(place: Place, counter: string, by: number): Steps<void> {
  const { disk } = place.runtime;
  const path = `${place.base}/${counter}`;
  const dots = new Uint8Array(by).fill(".".charCodeAt(0));
  try {
    yield* step(disk.append(path, dots));
  } catch (error) {
    if (!isMissing(error)) return;
    try {
      yield* createCounter(disk, path, dots, place.modes);
    } catch {
      // another producer was faster, or the disk refuses: it isn't counted
    }
  }
}

/**
 * Count all that waits, and let the estimate follow from that.
 *
 * @param signal Calls it off.
 * @throws The disk's error, when the folders can't be listed or the result can't be written.
 */
export async function count(place: Place, signal: AbortSignal): Promise<void> {
  const { clock } = place.runtime;
  const startMs = clock.monotonic();
  const atEvents = await run(sizeOf(place, ADDED_EVENTS)) ?? 0;
  const atKib = await run(sizeOf(place, ADDED_KIB)) ?? 0;
  const sample = new Sample(place);
  await countFolder(place, "cur", 0, sample, signal);
  await countFolder(place, "new", 0, sample, signal);
  await countFolder(place, "defer", 2, sample, signal);
  if (signal.aborted) return;
  const { events } = sample;
  const bytes = Math.round(events * await sample.meanBytes());
  const tookMs = Math.round(clock.monotonic() - startMs);
  const isNew = Math.max(atEvents, atKib) > LONGEST_COUNTER && await beginAnew(place);
  const at = isNew ? { atEvents: 0, atKib: 0 } : { atEvents, atKib };
  await replace(place, COUNTED, JSON.stringify({ events, bytes, ...at, tookMs }));
}

/** Before the count is written: until then the counters are too small, and nobody is refused. */
async function beginAnew(place: Place): Promise<boolean> {
  for (const counter of [ADDED_EVENTS, ADDED_KIB]) {
    const draft = draftIn(place);
    await run(createCounter(place.runtime.disk, draft, new Uint8Array(), place.modes));
    await place.runtime.disk.rename(draft, `${place.base}/${counter}`);
  }
  return true;
}

async function replace(place: Place, name: string, text: string): Promise<void> {
  const { disk } = place.runtime;
  const draft = draftIn(place);
  await run(createEvent(disk, draft, new TextEncoder().encode(`${text}\n`), place.modes, false));
  await disk.rename(draft, `${place.base}/${name}`);
}

/** What a crash leaves of it in `tmp/` is swept. */
function draftIn({ base, runtime: { clock, random } }: Place): string {
  return `${base}/tmp/counted-${uuidv7(clock.now(), random)}`;
}

/** Counts files, and keeps some of them, each with the same chance. */
class Sample {
  events = 0;
  readonly #place: Place;
  readonly #paths: string[] = [];

  constructor(place: Place) {
    this.#place = place;
  }

  add(folder: string, name: string): void {
    const at = this.events++ < SAMPLE
      ? this.#paths.length
      : Math.floor(this.#place.runtime.random() * this.events);
    if (at < SAMPLE) this.#paths[at] = `${folder}/${name}`;
  }

  /** Of those that are still there; 0 when none is. */
  async meanBytes(): Promise<number> {
    let [looked, bytes] = [0, 0];
    for (const path of this.#paths) {
      try {
        const { kind, size } = await this.#place.runtime.disk.lstat(path);
        if (kind === "file") [looked, bytes] = [looked + 1, bytes + size];
      } catch (error) {
        if (errorCode(error) === undefined) throw error; // else it has gone on meanwhile
      }
    }
    return looked === 0 ? 0 : bytes / looked;
  }
}

async function countFolder(
  place: Place,
  folder: string,
  depth: number,
  sample: Sample,
  signal: AbortSignal,
): Promise<void> {
  const { disk, clock } = place.runtime;
  const path = `${place.base}/${folder}`;
  try {
    for await (const { name, kind } of disk.list(path)) {
      if (signal.aborted) return;
      if (name.startsWith(".")) continue;
      if (kind === "file") sample.add(path, name);
      else if (kind === "directory" && depth > 0) {
        await countFolder(place, `${folder}/${name}`, depth - 1, sample, signal);
      }
      if (sample.events % STRIDE === 0) await clock.sleep(0, signal);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
