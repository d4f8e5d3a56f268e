/**
 * The grammar of event file names: an event's whole state, so that every transition is one rename.
 *
 *     <id>[+<attempt>@<time>[~<tag>]][.json]
 *     0193c2a4-7b1e-7c3d-9a2f-5e6d7c8b9a0f+2@1795294104369~edge7-4242-k3x9p2a1-17.json
 *
 * Pure: names in, names out.
 *
 * @module
 */

import type { Awaitable } from "../runtime/runtime.ts";

/** What a name says. */
export interface EventName {
  /** The event's stable name and idempotency key. */
  readonly id: string;
  /** Attempts begun. */
  readonly attempt: number;
  /**
   * In `new/` and `defer/` not before, in `cur/` the end of the lease, in `doa/` when it died; Unix
   * ms.
   */
  readonly timeMs: number | undefined;
  /** Made at the last claim. */
  readonly tag: string | undefined;
  /** Stays at the end of the name. */
  readonly extension: ".json" | "";
}

/** What a tag says about the consumer that made it. */
export interface Tag {
  /** `<host>-<pid>-<random>`, the owner file's name without its dot. */
  readonly owner: string;
  /** The owner's host, as cut by {@linkcode hostLabel}. */
  readonly host: string;
  /** How many times in a row the event had been taken over. */
  readonly takeovers: number;
  /** When it was brought back from the dead, Unix ms, when it was. */
  readonly requeuedMs?: number;
}

/** Largest attempt a name can hold. */
const MOST_ATTEMPTS = 999_999;

const STATE = /^(.+)\+(\d{1,6})@(\d{1,15})(?:~([a-z0-9-]{1,80}))?$/s;
const ORIGINAL =
  /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|SystemTime \{.*\})count([123])$/is;
const TAG = /^(([a-z0-9-]+)-\d+-[a-z0-9]+)-\d+(?:x(\d+))?(?:r([0-9a-z]{1,10}))?$/;
const OWNER = /^\.(([a-z0-9-]+)-\d+-[a-z0-9]+)$/;
const USABLE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}$/;

/**
 * Read a name. Whatever isn't a state is part of the id; of several candidates the rightmost is the
 * state.
 */
export function parseName(name: string): EventName {
  const extension = name.endsWith(".json") ? ".json" : "";
  const stem = extension ? name.slice(0, -extension.length) : name;
  const state = STATE.exec(stem);
  if (state) {
    return {
      id: state[1]!,
      attempt: Number(state[2]),
      timeMs: Number(state[3]),
      tag: state[4],
      extension,
    };
  }
  const original = stem.includes("count") ? ORIGINAL.exec(stem) : null;
  if (original) {
    return {
      id: original[1]!,
      attempt: Number(original[2]),
      timeMs: undefined,
      tag: undefined,
      extension,
    };
  }
  return { id: stem, attempt: 0, timeMs: undefined, tag: undefined, extension };
}

/** Write a name with a state. */
export function formatName(
  event: Pick<EventName, "id" | "extension">,
  attempt: number,
  timeMs: number,
  tag: string,
): string {
  return `${event.id}+${Math.min(attempt, MOST_ATTEMPTS)}@${
    Math.max(0, Math.floor(timeMs))
  }~${tag}${event.extension}`;
}

/**
 * Whether an id can stay as it is. Others are replaced at the claim by {@linkcode replacementId}.
 */
export function isUsableId(id: string): boolean {
  return USABLE_ID.test(id) && !id.endsWith(".why") && !id.endsWith(".meta");
}

/**
 * Whether a producer may choose this id for an event it enqueues: usable, and read back from its
 * file name unchanged.
 */
export function isChoosableId(id: string): boolean {
  return isUsableId(id) && parseName(`${id}.json`).id === id;
}

/**
 * The id given to a file whose name can't be one: `x-` and 32 hex digits of SHA-256(name, mtime,
 * inode).
 */
export async function replacementId(
  name: string,
  stat: { readonly mtimeMs: number; readonly ino: number },
  sha256: (text: string) => Awaitable<string>,
): Promise<string> {
  return `x-${(await sha256(`${name}\0${stat.mtimeMs}\0${stat.ino}`)).slice(0, 32)}`;
}

/**
 * A host's name as a tag holds it: `[a-z0-9-]`, 16 characters at most.
 *
 * A longer name keeps its start and its end: hosts of one fleet differ in either, seldom in the
 * middle.
 */
export function hostLabel(hostname: string): string {
  const label = hostname.toLowerCase().split(".")[0]!.replaceAll(/[^a-z0-9]+/g, "-");
  if (label.length <= 16) return label || "host";
  return `${label.slice(0, 7)}-${label.slice(-8)}`;
}

/** Read a tag; `undefined` when it isn't one of ours. */
export function parseTag(tag: string): Tag | undefined {
  const match = TAG.exec(tag);
  if (!match) return undefined;
  return {
    owner: match[1]!,
    host: match[2]!,
    takeovers: Number(match[3] ?? 0),
    ...(match[4] === undefined ? {} : { requeuedMs: parseInt(match[4], 36) }),
  };
}

/** The end of a tag of an event that was brought back from the dead then, Unix ms. */
export function requeueSuffix(requeuedMs: number | undefined): string {
  return requeuedMs === undefined ? "" : `r${Math.max(0, Math.floor(requeuedMs)).toString(36)}`;
}

/** Read the name of an owner file in `cur/`; `undefined` when it isn't one. */
export function parseOwnerFile(name: string): Pick<Tag, "owner" | "host"> | undefined {
  const match = OWNER.exec(name);
  return match ? { owner: match[1]!, host: match[2]! } : undefined;
}
