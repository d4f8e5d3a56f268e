/**
 * The third model of the disk: a directory that several hosts share over a network file system
 * (NFS).
 *
 * (What is said of hosts is their kernels'; containers on one kernel are one host here.)
 *
 * - **Names are looked up in a cache of the host.** For 30 s after a change made by another host,
 *   `lstat` (and the look that `read` begins with) may answer as before it: miss a new name, show a
 *   removed one. Which of the states of those 30 s it is, is a choice. A host sees its own changes
 *   at once, but not one whose reply it lost.
 * - **Listings and changes ask the server**: they are fresh. That is weaker than the assumption of
 *   a cache that must first have seen a name to be wrong about it: here any host can be wrong about
 *   any name.
 * - **A reply can be lost**: the server has done it, the repeated request answers as if somebody
 *   else had (`lostReply` in `faults.ts`).
 * - **Locks are local to a host**: two hosts can hold the same one.
 * - **A file that is removed, or renamed over, while a process of the same host holds it open**
 *   stays as `.nfs…` until it is closed. Here only locks hold files open; `read` is one step.
 * - mtime and ctime are the server's, whose clock is right.
 *
 * Power loss is the server's business and not in this model.
 *
 * @module
 */

import type { Stat } from "../../lib/runtime/runtime.ts";
import type { Choices } from "./choices.ts";
import { canonical } from "./tree.ts";

/** How long a host may believe what it knew, ms. */
export const STALE_MS = 30_000;

interface Change {
  readonly atMs: number;
  /** Who knows of it; `undefined` when the reply was lost. */
  readonly host: string | undefined;
  readonly before: Stat | undefined;
}

/** What the hosts may take for true. */
export class NetworkView {
  readonly #changes = new Map<string, Change[]>();
  readonly #nowMs: () => number;
  readonly #choices: Choices;

  /** `choices` decides among the fresh answer (0) and the stale ones, the stalest last. */
  constructor(nowMs: () => number, choices: Choices) {
    this.#nowMs = nowMs;
    this.#choices = choices;
  }

  /** A path changed; `host` knows. */
  changed(path: string, before: Stat | undefined, host: string | undefined): void {
    const key = canonical(path);
    const recent = (this.#changes.get(key) ?? []).filter((change) => this.#isRecent(change));
    this.#changes.set(key, [...recent, { atMs: this.#nowMs(), host, before }]);
  }

  /** What `host` is told about a path that really is as `stat` says. */
  look(path: string, stat: Stat | undefined, host: string): Stat | undefined {
    const possible: (Stat | undefined)[] = [stat];
    const changes = this.#changes.get(canonical(path)) ?? [];
    for (const change of changes.toReversed()) {
      if (change.host === host || !this.#isRecent(change)) break;
      possible.push(change.before);
    }
    return possible.length === 1 ? stat : possible[this.#choices.choose(possible.length)];
  }

  #isRecent(change: Change): boolean {
    return change.atMs > this.#nowMs() - STALE_MS;
  }
}
