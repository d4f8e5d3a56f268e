/**
 * Removing what has been kept for long enough: delivered events in `sent/`, dead letters, answers.
 *
 * What was delivered goes by the hour in the name of its folder, so that none of its names need be
 * looked at. A dead letter has its time in its name; believed is only what the disk says as well: a
 * letter that has just been put back by hand stays. An answer has its file's time alone.
 *
 * Several may prune at once: what one finds gone the other has removed.
 *
 * @module
 */

import { errorCode, type Stat } from "../runtime/runtime.ts";
import { SENT_FOLDER } from "./layout.ts";
import { parseName } from "./name.ts";
import { isMissing } from "./place.ts";
import type { Queue } from "./queue.ts";
import { SENT_HOUR_MS, sentHourMs } from "./sent.ts";

/** What is pruned: delivered events, dead letters, answers. */
export type KeptState = "sent" | "dead" | "res";

/** How to prune. */
export interface PruneOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /**
   * How long to rest between some files and the next, as a multiple of how long these took.
   * @default {0} (not at all)
   */
  readonly rest?: number;
  /** Whether to count only, and remove nothing. @default {false} */
  readonly dryRun?: boolean;
  /** Told after each how many there were; what it returns is waited for. */
  readonly onProgress?: (count: number) => void | Promise<void>;
}

/** Something that may go: the files of one event or answer in this order, or a folder. */
type Old =
  | { readonly kind: "event"; readonly paths: readonly string[] }
  | { readonly kind: "folder"; readonly path: string };

/** Files between two rests. */
const STRIDE = 64;

/**
 * Remove what has been in its folder since before `beforeMs`, Unix ms; of what was delivered, what
 * was so in an hour that had ended by then. What resists doesn't keep the rest from being removed.
 *
 * @returns How many events or answers were removed, or would be.
 * @throws The disk's error, the first of several, at the end.
 */
export async function prune(
  queue: Queue,
  kept: KeptState,
  beforeMs: number,
  { signal, rest = 0, dryRun = false, onProgress = () => {} }: PruneOptions = {},
): Promise<number> {
  const pace = new Pace(queue, rest, signal);
  let count = 0;
  let failure: { readonly error: unknown } | undefined;
  const noteFailure = (error: unknown) => {
    if (errorCode(error) === undefined) throw error;
    failure ??= { error };
  };
  for await (const old of oldOf(queue, kept, beforeMs, noteFailure)) {
    if (signal?.aborted) break;
    try {
      const isCounted = dryRun ? old.kind === "event" : await remove(queue, old);
      if (isCounted) await onProgress(++count);
    } catch (error) {
      noteFailure(error);
    }
    await pace.keep();
  }
  if (failure) throw failure.error;
  return count;
}

/** Leaves the disk to others now and then. */
class Pace {
  readonly #queue: Queue;
  readonly #rest: number;
  readonly #signal: AbortSignal | undefined;
  #count = 0;
  #sinceMs: number;

  constructor(queue: Queue, rest: number, signal: AbortSignal | undefined) {
    this.#queue = queue;
    this.#rest = rest;
    this.#signal = signal;
    this.#sinceMs = queue.place.runtime.clock.monotonic();
  }

  async keep(): Promise<void> {
    if (++this.#count % STRIDE !== 0) return;
    const { clock } = this.#queue.place.runtime;
    const workedMs = clock.monotonic() - this.#sinceMs;
    await clock.sleep(workedMs * this.#rest, this.#signal);
    this.#sinceMs = clock.monotonic();
  }
}

function oldOf(
  queue: Queue,
  kept: KeptState,
  beforeMs: number,
  onFailure: (error: unknown) => void,
): AsyncIterable<Old> {
  switch (kept) {
    case "sent":
      return oldSent(queue, beforeMs, onFailure);
    case "dead":
      return oldLetters(queue, beforeMs, onFailure);
    case "res":
      return oldAnswers(queue, beforeMs, onFailure);
  }
}

/** The names in a folder that a consumer may have made; a missing folder is empty. */
async function* namesIn(
  queue: Queue,
  folder: string,
  kind: "file" | "directory" = "file",
): AsyncIterable<string> {
  try {
    for await (const entry of queue.place.runtime.disk.list(queue.path(folder, ""))) {
      if (entry.kind === kind && !entry.name.startsWith(".")) yield entry.name;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function* oldSent(
  queue: Queue,
  beforeMs: number,
  onFailure: (error: unknown) => void,
): AsyncIterable<Old> {
  for await (const hour of namesIn(queue, SENT_FOLDER, "directory")) {
    const startMs = sentHourMs(hour);
    if (startMs === undefined || startMs + SENT_HOUR_MS > beforeMs) continue;
    const folder = `${SENT_FOLDER}/${hour}`;
    try {
      for await (const name of namesIn(queue, folder)) {
        yield { kind: "event", paths: [queue.path(folder, name)] };
      }
      yield { kind: "folder", path: `${queue.place.base}/${folder}` };
    } catch (error) {
      onFailure(error);
    }
  }
}

async function* oldLetters(
  queue: Queue,
  beforeMs: number,
  onFailure: (error: unknown) => void,
): AsyncIterable<Old> {
  for await (const name of namesIn(queue, "doa")) {
    if (name.endsWith(".why") || (parseName(name).timeMs ?? 0) > beforeMs) continue;
    const path = queue.path("doa", name);
    // The letter first: a reason that is left over is swept.
    if (await isOld(queue, path, beforeMs, onFailure)) {
      yield { kind: "event", paths: [path, `${path}.why`] };
    }
  }
}

async function* oldAnswers(
  queue: Queue,
  beforeMs: number,
  onFailure: (error: unknown) => void,
): AsyncIterable<Old> {
  for await (const name of namesIn(queue, "res")) {
    const path = queue.path("res", name);
    if (!await isOld(queue, path, beforeMs, onFailure)) continue;
    const body = name.endsWith(".meta") ? path.slice(0, -".meta".length) : undefined;
    if (body === undefined) yield { kind: "event", paths: [`${path}.meta`, path] };
    // One without a body, which somebody has taken.
    else if (!await seen(queue, body, onFailure)) yield { kind: "event", paths: [path] };
  }
}

/** What a path stands for; `undefined` when it is gone or the disk refuses to tell. */
async function seen(
  queue: Queue,
  path: string,
  onFailure: (error: unknown) => void,
): Promise<Stat | undefined> {
  try {
    return await queue.place.runtime.disk.lstat(path);
  } catch (error) {
    if (!isMissing(error)) onFailure(error);
    return undefined;
  }
}

async function isOld(
  queue: Queue,
  path: string,
  beforeMs: number,
  onFailure: (error: unknown) => void,
): Promise<boolean> {
  const stat = await seen(queue, path, onFailure);
  return stat !== undefined && Math.max(stat.mtimeMs, stat.ctimeMs) < beforeMs;
}

/** @returns Whether it was an event or an answer, and there. */
async function remove(queue: Queue, old: Old): Promise<boolean> {
  const { disk } = queue.place.runtime;
  if (old.kind === "folder") {
    await removeEmpty(queue, old.path);
    return false;
  }
  let count = 0;
  for (const path of old.paths) {
    try {
      await disk.remove(path);
      count++;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return count > 0;
}

/** A folder that holds something that is no event of ours stays. */
async function removeEmpty(queue: Queue, path: string): Promise<void> {
  try {
    await queue.place.runtime.disk.removeDir(path);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "ENOENT" && code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}
