/**
 * Whose verb is next. Without a scheduler a verb is answered at once, as on a blocking disk; with one, each verb waits until
 * everybody who can run has run, and then one of the waiting verbs is let go, so that all interleavings can be tried.
 *
 * @module
 */

import type { Choices } from "./choices.ts";
import type { PendingCall } from "./process_disk.ts";

/** Picks the next verb. */
export interface Scheduler {
  /** Of the waiting verbs, in the order they came, the index of the one to let go; -1 lets time jump to the next sleeper instead. */
  pick(waiting: readonly PendingCall[], somebodySleeps: boolean): number;
}

/** Bounds on the interleavings; without any, all are possible. */
export interface InterleavingBounds {
  /** How often a process that could go on may be made to wait for another. @default Infinity */
  readonly preemptions?: number;
  /** How often time may jump while a verb waits: a process that is stopped, or a disk that is slow. @default 0 */
  readonly timeJumps?: number;
}

/**
 * Leaves it to `choices` which process is next, the one that ran last being choice 0. Verbs of one process keep their order.
 * Make a new one for each run.
 */
export function interleaving(choices: Choices, bounds: InterleavingBounds = {}): Scheduler {
  let preemptions = bounds.preemptions ?? Infinity;
  let timeJumps = bounds.timeJumps ?? 0;
  let last: unknown;
  return {
    pick(waiting, somebodySleeps) {
      const heads: number[] = [];
      const seen = new Set<unknown>();
      for (const [index, call] of waiting.entries()) {
        if (seen.has(call.process)) continue;
        seen.add(call.process);
        if (call.process === last) heads.unshift(index);
        else heads.push(index);
      }
      const goesOn = seen.has(last);
      const options = goesOn && preemptions <= 0 ? heads.slice(0, 1) : heads;
      const jump = somebodySleeps && timeJumps > 0 ? 1 : 0;
      const count = options.length + jump;
      const choice = count === 1 ? 0 : choices.choose(count);
      if (choice === options.length) {
        timeJumps--;
        return -1;
      }
      if (goesOn && choice > 0) preemptions--;
      const index = options[choice]!;
      last = waiting[index]!.process;
      return index;
    },
  };
}
