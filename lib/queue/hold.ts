/**
 * Holding a destination: nothing is sent to it, by any consumer of the directory, until it is
 * resumed.
 *
 * The whole state is one empty file, `defer/<destination>/.hold`. Consumers look for it each poll,
 * and it outlives them; `touch` and `rm` do the same by hand.
 *
 * @module
 */

import { addressProblem } from "../event/address.ts";
import { destinationFolder, destinationLabel } from "../event/destination.ts";
import { createFile } from "./layout.ts";
import { handOver } from "./ownership.ts";
import { ensureFolder, isMissing } from "./place.ts";
import { errorCode } from "../runtime/runtime.ts";
import type { Queue } from "./queue.ts";
import { run } from "./steps.ts";
import { HOLD_FILE } from "./store/marks.ts";

/** What {@linkcode hold} and {@linkcode resume} did. */
export interface HoldChange {
  /** The destination's folder name. */
  readonly destination: string;
  /** `false` when it was so already. */
  readonly changed: boolean;
}

/** The name of a folder that shows its host, port and all. */
const PLAIN_LABEL = /^(https?)_([a-z0-9._-]+)_(\d{1,5})$/;
/** The name of a folder that ends in a hash, because it can't show its host as it is. */
const HASHED_LABEL = /^https?_[a-z0-9._-]+_[0-9a-f]{12}$/;

const BOTH_SPELLINGS =
  "the destination must be a URL such as https://a.example or the name of its folder in defer/ " +
  "such as https_a.example_443";

function malformed(text: string, hint?: string): RangeError {
  // user info isn't shown: it may be a password
  const value = text.includes("@") ? "" : `, current value is ${JSON.stringify(text)}`;
  return new RangeError(
    `Cannot read the destination: ${BOTH_SPELLINGS}${value}${
      hint === undefined ? "" : `; ${hint}`
    }`,
  );
}

function asUrl(text: string): URL | undefined {
  try {
    const url = new URL(text);
    const isSendable = url.protocol === "http:" || url.protocol === "https:";
    return isSendable && addressProblem(url) === undefined ? url : undefined;
  } catch {
    return undefined;
  }
}

/** The URL of a label, when the label is that URL's. */
function urlOfLabel(text: string): URL | undefined {
  const [, scheme, host, port] = PLAIN_LABEL.exec(text) ?? [];
  const url = scheme === undefined ? undefined : asUrl(`${scheme}://${host}:${port}`);
  return url && destinationLabel(url) === text ? url : undefined;
}

function hintFor(text: string): string | undefined {
  if (text === "others") return "others is shared: name one of its destinations by URL";
  const url = text.includes("@") || text.includes("://") || !/[.:]|^localhost$/.test(text)
    ? undefined
    : asUrl(`https://${text.replace(/^https?_/, "")}`);
  return url && `did you mean ${url.origin} or http://${url.host}?`;
}

/**
 * Read how a person names a destination: a URL, of which scheme, host and port count, or the name
 * of its folder.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(readDestination("https://a.example/v1/events"), new
 * URL("https://a.example/v1/events")); assertEquals(readDestination("https_a.example_443"), new
 * URL("https://a.example"));
 * ```
 *
 * @returns The name itself where it ends in a hash, from which no URL can be told.
 * @throws {RangeError} When it is neither; it says what would be right.
 */
export function readDestination(text: string): URL | string {
  const url = text.includes("://") ? asUrl(text) : urlOfLabel(text);
  if (url) return url;
  if (HASHED_LABEL.test(text) && !PLAIN_LABEL.test(text)) return text;
  throw malformed(text, hintFor(text));
}

/**
 * The name of the folder of a destination that a person names.
 *
 * @throws {RangeError} When it can't be read; it says what would be right.
 */
export async function folderOf(queue: Queue, destination: string): Promise<string> {
  const read = readDestination(destination);
  return typeof read === "string"
    ? read
    : await destinationFolder(read, (text) => queue.place.runtime.sha256(text));
}

async function isThere(queue: Queue, folder: string): Promise<boolean> {
  try {
    await queue.place.runtime.disk.lstat(queue.path("defer", folder));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Keep everything from being sent to a destination, whether or not anything waits for it. Requests
 * in flight are not called off. On stable storage on return; running consumers act on it within
 * a poll.
 *
 * @param destination Its URL, or its folder's name as in `defer/`.
 * @returns `undefined` when it is named by a folder that ends in a hash and isn't there.
 * @throws {RangeError} When the destination can't be read.
 * @throws The disk's error.
 */
export async function hold(queue: Queue, destination: string): Promise<HoldChange | undefined> {
  const { disk } = queue.place.runtime;
  const folder = await folderOf(queue, destination);
  if (typeof readDestination(destination) === "string" && !await isThere(queue, folder)) {
    return undefined;
  }
  const changed = await putFile(queue, folder);
  // also when it was there: whoever made it may not have come so far
  await disk.syncDir(`${queue.place.base}/defer/${folder}`);
  await disk.syncDir(`${queue.place.base}/defer`);
  await disk.syncDir(queue.place.base);
  return { destination: folder, changed };
}

/** Whoever has made the folder, the consumer must be able to look into it. */
async function handOverFolder(queue: Queue, folder: string): Promise<void> {
  const { modes: { owner }, runtime: { disk } } = queue.place;
  if (owner) await run(handOver(disk, queue.path("defer", folder), owner));
}

/** @returns `false` when the file was there. */
async function putFile(queue: Queue, folder: string): Promise<boolean> {
  const { disk } = queue.place.runtime;
  const path = queue.path(`defer/${folder}`, HOLD_FILE);
  for (let tries = 0;; tries++) {
    await ensureFolder(queue.place, `defer/${folder}`);
    try {
      await handOverFolder(queue, folder);
      await run(createFile(disk, path, new Uint8Array(), queue.place.modes, true));
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      // a consumer has removed the empty folder in between
      if (!isMissing(error) || tries >= 3) throw error;
    }
  }
}

/**
 * Let a destination that is held be sent to again. On stable storage on return; running consumers
 * act on it within a poll.
 *
 * @param destination Its URL, or its folder's name as in `defer/`.
 * @returns `undefined` when it has no folder: nothing waits for it, and it isn't held.
 * @throws {RangeError} When the destination can't be read.
 * @throws The disk's error.
 */
export async function resume(queue: Queue, destination: string): Promise<HoldChange | undefined> {
  const { disk } = queue.place.runtime;
  const folder = await folderOf(queue, destination);
  if (!await isThere(queue, folder)) return undefined;
  let changed = true;
  try {
    await disk.remove(queue.path(`defer/${folder}`, HOLD_FILE));
  } catch (error) {
    if (!isMissing(error)) throw error;
    changed = false;
  }
  try {
    await handOverFolder(queue, folder);
    await disk.syncDir(`${queue.place.base}/defer/${folder}`);
  } catch (error) {
    if (!isMissing(error)) throw error;
    // A consumer has removed the folder, which then was empty.
    await disk.syncDir(`${queue.place.base}/defer`);
  }
  return { destination: folder, changed };
}
