/**
 * What a disk's thread and the one that asks it say to each other.
 *
 * To wake a thread costs more than most verbs, so verbs go in bursts, and a burst is a few texts
 * and numbers: cheaper to hand over than objects.
 *
 * @module
 */

import type { Kind } from "../runtime.ts";

/** Verbs for the thread, their parts in a row with {@linkcode SEPARATOR} between them. */
export interface Burst {
  /** Its number. */
  readonly burst: number;
  /** Four parts each: verb, path, new name, most bytes. */
  readonly calls: string;
  /** One path each. */
  readonly removals: string;
}

/** Names of a folder, wanted by the thread's number for it: the first time with its path. */
export interface More {
  /** The number. */
  readonly folder: number;
  /** Its path. */
  readonly dir?: string;
  /** No more are wanted. */
  readonly isOver?: boolean;
}

/** A folder below which no verb is to follow a symlink. */
export interface Root {
  /** Its path. */
  readonly root: string;
}

/** An error, as it travels. */
export interface Failure {
  /** The POSIX name. */
  readonly code?: string | undefined;
  /** Its class. */
  readonly name: string;
  /** What it says. */
  readonly message: string;
}

/** What became of the calls of a burst. */
export interface Answers {
  /** The burst's number. */
  readonly answers: number;
  /**
   * {@linkcode NUMBERS} each: what became of it, the size of what was read, or -1; and the file's
   * stat.
   */
  readonly numbers: Float64Array;
  /** What was read, one after the other. */
  readonly bytes: Uint8Array;
  /** Of the calls that failed, in their order. */
  readonly failures: readonly Failure[];
}

/** What became of the removals of a burst, by their index. */
export interface Removed {
  /** The burst's number. */
  readonly removed: number;
  /** Of those that failed. */
  readonly failures: ReadonlyMap<number, Failure>;
}

/** Some names of a folder. */
export interface Names {
  /** The folder's number. */
  readonly names: number;
  /** Each with the digit of its kind before it, {@linkcode SEPARATOR} between them. */
  readonly entries: string;
  /** Whether there are no more. */
  readonly isLast: boolean;
  /** Why there are no more. */
  readonly failure?: Failure;
}

/** What a path can't have in it. */
export const SEPARATOR = "\0";

/**
 * How many numbers answer a call. The first is 0 for done, 1 for read, 2 for not read, 3 for
 * refused.
 */
export const NUMBERS = 12;

/** The kinds, by the number they travel as. */
export const KINDS: readonly Kind[] = ["file", "directory", "symlink", "other"];

/** What the thread's program is told at its start. */
export interface Settings {
  /** {@linkcode SEPARATOR}. */
  readonly separator: string;
  /** {@linkcode NUMBERS}. */
  readonly numbers: number;
  /** {@linkcode KINDS}. */
  readonly kinds: readonly Kind[];
  /** Names of a folder that travel together. */
  readonly names: number;
  /** Of so many removals the first few are timed. */
  readonly removals: number;
  /** How many these are. */
  readonly timed: number;
  /** Verbs between two looks at their folders. */
  readonly look: number;
  /** From how many ms on a removal is slow. */
  readonly slowRemovalMs: number;
  /** Folders below which no symlink is followed; see {@linkcode Root}. */
  readonly roots: readonly string[];
}

/** The settings that are no options. */
export const SETTINGS: Omit<Settings, "slowRemovalMs" | "roots"> = {
  separator: SEPARATOR,
  numbers: NUMBERS,
  kinds: KINDS,
  names: 512,
  removals: 4_096,
  timed: 8,
  look: 16,
};
