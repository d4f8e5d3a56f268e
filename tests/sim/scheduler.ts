/**
 * Whose verb is next. Without a scheduler a verb is answered at once, as on a blocking disk; with
 * one, each verb waits until everybody who can run has run, and then one of the waiting verbs is
 * let go, so that all interleavings can be tried.
 *
 * Two verbs that don't touch the same names can happen in either order with the same result. Of all
 * the orders that differ only in such pairs one is enough; `prune` leaves out the rest while they
 * are being enumerated ("sleep sets": once all runs that begin with verb *a* have been tried, a run
 * that begins otherwise need not come to *a* before something happened that *a* depends on).
 *
 * @module
 */

import { type Choices, Paths } from "./choices.ts";
import type { PendingCall } from "./process_disk.ts";
import { canonical } from "./tree.ts";

/** What a scheduler may answer instead of the index of a verb. */
export const JUMP = -1;
/** See {@linkcode JUMP}. */
export const REDUNDANT = -2;

/** Picks the next verb. */
export interface Scheduler {
  /**
   * Of the waiting verbs, in the order they came, the index of the one to let go; {@linkcode JUMP}
   * lets time jump to the next sleeper instead, {@linkcode REDUNDANT} ends the run with a
   * {@linkcode RedundantRun}.
   */
  pick(waiting: readonly PendingCall[], somebodySleeps: boolean): number;
}

/** Ends a run that could only repeat what another has shown. */
export class RedundantRun extends Error {
  override name = "RedundantRun";
}

/** Bounds on the interleavings; without any, all are possible. */
export interface InterleavingBounds {
  /**
   * How often a process that could go on may be made to wait for another. Not together with
   * `prune`. @default Infinity
   */
  readonly preemptions?: number;
  /**
   * How often time may jump while a verb waits: a process that is stopped, or a disk that is slow.
   * @default 0
   */
  readonly timeJumps?: number;
  /**
   * Leave out runs that differ from others only in the order of independent verbs. Holds as long as
   * processes meet on the disk only and the test doesn't count verbs (faults by index). Link counts
   * are not looked at. @default false
   */
  readonly prune?: boolean;
}

const isLooking = ({ verb }: PendingCall) =>
  verb === "lstat" || verb === "read" || verb === "list" || verb === "syncDir";

/**
 * `a` is `b`, or a folder above it, or below it; the folder it lies in counts when it is being
 * listed.
 */
function meets(a: string, b: PendingCall): boolean {
  for (const path of b.to === undefined ? [b.path] : [b.path, b.to]) {
    const other = canonical(path);
    if (a === other || a.startsWith(`${other}/`) && concerns(b, a, other)) return true;
    if (other.startsWith(`${a}/`)) return true;
  }
  return false;
}

/** Whether `b`, which is about the folder `dir`, depends on the name `path` below it. */
function concerns(b: PendingCall, path: string, dir: string): boolean {
  if (b.verb === "lstat" || b.verb === "read" || b.verb === "syncDir") return false;
  return b.verb !== "list" || !path.slice(dir.length + 1).includes("/");
}

/** Whether the order of two verbs can matter. */
export function isDependent(a: PendingCall, b: PendingCall): boolean {
  // A release is no verb and can come any time.
  if (a.verb === "tryLock" || b.verb === "tryLock") return true;
  if (isLooking(a)) return !isLooking(b) && isDependent(b, a);
  const paths = a.to === undefined ? [a.path] : [a.path, a.to];
  return paths.some((path) => meets(canonical(path), b));
}

/**
 * Leaves it to `choices` which process is next, the one that ran last being choice 0. Verbs of one
 * process keep their order. Make a new one for each run, or use {@linkcode everyInterleaving}.
 */
export function interleaving(choices: Choices, bounds: InterleavingBounds = {}): Scheduler {
  const { preemptions = Infinity, timeJumps = 0, prune = false } = bounds;
  let preemptionsLeft = preemptions;
  let jumpsLeft = timeJumps;
  let last: unknown;
  let asleep: PendingCall[] = [];
  return {
    pick(waiting, somebodySleeps) {
      const heads = headsOf(waiting, last);
      const goesOn = heads[0]?.process === last;
      let options = goesOn && preemptionsLeft <= 0 ? heads.slice(0, 1) : heads;
      if (prune) options = options.filter((call) => !asleep.includes(call));
      const canJump = somebodySleeps && jumpsLeft > 0;
      const count = options.length + (canJump ? 1 : 0);
      if (count === 0) return REDUNDANT;
      const choice = count === 1 ? 0 : choices.choose(count);
      const call = options[choice];
      if (call === undefined) {
        jumpsLeft--;
        asleep = [];
        return JUMP;
      }
      asleep = [...asleep, ...options.slice(0, choice)].filter((each) => !isDependent(each, call));
      if (goesOn && call !== heads[0]) preemptionsLeft--;
      last = call.process;
      return waiting.indexOf(call);
    },
  };
}

/** The first waiting verb of each process, that of `last` in front. */
function headsOf(waiting: readonly PendingCall[], last: unknown): PendingCall[] {
  const heads = new Map<unknown, PendingCall>();
  for (const call of waiting) if (!heads.has(call.process)) heads.set(call.process, call);
  const ofLast = heads.get(last);
  if (ofLast === undefined) return [...heads.values()];
  heads.delete(last);
  return [ofLast, ...heads.values()];
}

/** What an enumeration came to. */
export interface InterleavingCount {
  /** Runs that came to their end. */
  readonly runs: number;
  /** Runs given up on the way because they could only repeat another. */
  readonly pruned: number;
  /** Whether all were tried, and not only as many as the limit allows. */
  readonly complete: boolean;
}

/**
 * Call `run` once for every interleaving, at most `limit` times. `run` makes a world with the
 * scheduler and runs it; `choices` may be used for further choices, such as where to kill. Its
 * error, if any, comes as `cause` of one that names the path for `replay`.
 */
export async function everyInterleaving(
  bounds: InterleavingBounds & { readonly limit: number },
  run: (scheduler: Scheduler, choices: Choices) => Promise<void>,
): Promise<InterleavingCount> {
  const paths = new Paths(bounds);
  let pruned = 0;
  while (paths.next()) {
    try {
      await run(interleaving(paths, bounds), paths);
    } catch (error) {
      if (!(error instanceof RedundantRun)) {
        const what = error instanceof Error ? error.message : error;
        throw new Error(`In run ${paths.count}, replay([${paths.path}]): ${what}`, {
          cause: error,
        });
      }
      pruned++;
    }
  }
  return { runs: paths.count - pruned, pruned, complete: paths.complete };
}
