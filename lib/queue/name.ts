/**
 * The grammar of event file names: an event's whole state, so that every transition is one rename.
 *
 *     <id>[+<attempt>@<time>[~<tag>]][.json]
 *     order-1001+2@1795294104369~edge7-1k0f3mzt5wq8r2va-4242-k3x9p2a1-17.json
 *
 * A tag is `<owner>-<n>[x<k>[s]][r<t>|p<t>]` and an owner `<host>-<pid>-<random>`: n counts the
 * owner's claims, k how many times in a row the event was taken over in flight, `s` says that it is
 * in flight now, and t, Unix ms in base 36, when it was brought back from the dead or, with a `p`,
 * replayed. A host is `<readable>-<machine><kernel>`, of its name and two digests of eight
 * characters: equal hosts are one kernel under one name, and each digest can be compared on its
 * own.
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
  /** The owner's host, as {@linkcode hostLabel} writes it; of older versions the name alone. */
  readonly host: string;
  /** How many times in a row the event had been taken over in flight. */
  readonly takeovers: number;
  /** Whether an event that has been taken over was in flight. Of others it can't be told. */
  readonly isBegun: boolean;
  /** When the event was brought back from the dead or replayed, Unix ms, if it was. */
  readonly requeuedMs?: number;
  /** Whether it had been delivered when it was brought back. */
  readonly isReplay?: boolean;
}

/** What tells a host from others. */
export interface Host {
  /** Its name, or what its owner calls it. */
  readonly name: string;
  /** What stays the same when the machine is started again, and is nowhere else. */
  readonly machine: string;
  /** What those have in common whose locks are seen by each other, and nobody else. */
  readonly kernel: string;
}

/** Largest attempt a name can hold. */
const MOST_ATTEMPTS = 999_999;

const STATE = /^(.+)\+(\d{1,6})@(\d{1,15})(?:~([a-z0-9-]{1,80}))?$/s;
const ORIGINAL =
  /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|SystemTime \{.*\})count([123])$/is;
const TAG = /^(([a-z0-9-]+)-\d+-[a-z0-9]+)-\d+(?:x(\d+)(s?))?(?:([rp])([0-9a-z]{1,10}))?$/;
const OWNER = /^\.(([a-z0-9-]+)-\d+-[a-z0-9]+)$/;
const HOST = /^[a-z0-9-]+-([a-z0-9]{8})([a-z0-9]{8})$/;
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

/** Longest readable part of a host. */
const READABLE_LENGTH = 16;

/** As a tag holds it: `[a-z0-9-]`, beginning and ending with a letter or a digit. */
function readable(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
}

/**
 * Eight letters and digits, of a 64-bit FNV-1a: hosts that share a directory number thousands at
 * most, none of them hostile, and a queue that is opened synchronously can't wait for a SHA.
 */
function digest(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return (hash % 36n ** 8n).toString(36).padStart(8, "0");
}

/**
 * A host as a tag holds it. For people there is its name as long as it is short, else the start and
 * the end of the first part: hosts of one fleet differ in either, seldom in the middle. What tells
 * hosts apart are the digests.
 */
export function hostLabel({ name, machine, kernel }: Host): string {
  let label = readable(name);
  if (label.length > READABLE_LENGTH) label = readable(name.split(".")[0]!);
  if (label.length > READABLE_LENGTH) label = `${label.slice(0, 7)}-${label.slice(-8)}`;
  return `${label || "host"}-${digest(machine)}${digest(kernel)}`;
}

/** Whether two hosts, of tags or owners, are one kernel: so that both see each other's locks. */
export function isSameKernel(host: string, other: string): boolean {
  const kernel = HOST.exec(host)?.[2];
  return kernel !== undefined && kernel === HOST.exec(other)?.[2];
}

/** Whether two hosts, of tags or owners, have the same clock: one kernel, or one machine. */
export function hasSameClock(host: string, other: string): boolean {
  const machine = HOST.exec(host)?.[1];
  return machine !== undefined && machine === HOST.exec(other)?.[1] || isSameKernel(host, other);
}

/** What the end of a tag says of an event. */
export interface Fate {
  /** How many times in a row it was taken over in flight. */
  readonly takeovers: number;
  /** Whether one that was taken over is in flight. */
  readonly isBegun: boolean;
  /**
   * When it was brought back from the dead, or until when its producer let it wait, Unix ms: its
   * age counts from then.
   */
  readonly requeuedMs?: number | undefined;
  /** Whether it had been delivered when it was brought back. */
  readonly isReplay?: boolean | undefined;
}

/**
 * The end of a tag. What it says of take-overs can hold neither an `r` nor a `p`, and the rest
 * begins with one of them.
 */
export function tagSuffix({ takeovers, isBegun, requeuedMs, isReplay = false }: Fate): string {
  const ofTakeovers = takeovers > 0 ? `x${takeovers}${isBegun ? "s" : ""}` : "";
  if (requeuedMs === undefined) return ofTakeovers;
  const since = Math.max(0, Math.floor(requeuedMs)).toString(36);
  return `${ofTakeovers}${isReplay ? "p" : "r"}${since}`;
}

/** Read a tag; `undefined` when it isn't one of ours. */
export function parseTag(tag: string): Tag | undefined {
  const match = TAG.exec(tag);
  if (!match) return undefined;
  return {
    owner: match[1]!,
    host: match[2]!,
    takeovers: Number(match[3] ?? 0),
    isBegun: match[4] === "s",
    ...(match[6] === undefined ? {} : { requeuedMs: parseInt(match[6], 36) }),
    ...(match[5] === "p" ? { isReplay: true } : {}),
  };
}

/** Read the name of an owner file in `cur/`; `undefined` when it isn't one. */
export function parseOwnerFile(name: string): Pick<Tag, "owner" | "host"> | undefined {
  const match = OWNER.exec(name);
  return match ? { owner: match[1]!, host: match[2]! } : undefined;
}
