/**
 * `purge`: removes what has been kept for long enough.
 *
 * @module
 */

import type { PurgedState } from "../config/purge_command.ts";
import { prune } from "../queue/prune.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import { confirm } from "./confirm.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { PurgeInvocation } from "./options.ts";
import { formatCount } from "./progress.ts";

const STATES: readonly PurgedState[] = ["dead", "sent", "res"];

/** What a number of each is called. */
const NOUNS: Readonly<Record<PurgedState, readonly [one: string, many: string]>> = {
  dead: ["dead letter", "dead letters"],
  sent: ["delivered event", "delivered events"],
  res: ["answer", "answers"],
};

type Counts = Readonly<Record<PurgedState, number>>;

/** Such as `3 dead letters, 1 answer`; `nothing` when there is none. */
function countsText(counts: Counts): string {
  const some = STATES.filter((state) => counts[state] > 0).map((state) => {
    const [one, many] = NOUNS[state];
    return `${formatCount(counts[state])} ${counts[state] === 1 ? one : many}`;
  });
  return some.join(", ") || "nothing";
}

/**
 * Remove what is old.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 * @throws {UsageError} If nobody has said that it may be done.
 */
export async function purge(
  { state, olderThanMs, dryRun, yes, json }: PurgeInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const beforeMs = runtime.clock.now() - olderThanMs;
  const stop = new AbortController();
  const run = async (countsOnly: boolean): Promise<Counts> => {
    const counts = { dead: 0, sent: 0, res: 0 };
    const progress = new Lengthy(io.stderr, runtime.clock, countsOnly ? "found" : "removed");
    let before = 0;
    try {
      for (const each of state === undefined ? STATES : [state]) {
        const onProgress = (count: number) => progress.report(before + count);
        const { signal } = stop;
        counts[each] = await prune(queue, each, beforeMs, {
          dryRun: countsOnly,
          signal,
          onProgress,
        });
        before += counts[each];
      }
    } finally {
      await progress.end();
    }
    return counts;
  };
  if (!dryRun && !yes) await askFirst(() => run(true), io);
  const ignoreSignals = io.onSignal(() => stop.abort());
  const counts = await run(dryRun).finally(ignoreSignals);
  const text = `${countsText(counts)} ${dryRun ? "would be removed" : "removed"}`;
  await io.stdout.write(`${json ? JSON.stringify({ ...counts, dryRun }) : text}\n`);
  return stop.signal.aborted ? EXIT.tryAgain : EXIT.ok;
}

/** @throws {UsageError} If it may not be done, or nobody can be asked. */
async function askFirst(count: () => Promise<Counts>, io: Io): Promise<void> {
  if (!io.stdin.isTerminal) {
    throw new UsageError("purge wants --yes where nobody can be asked; --dry-run says what it is");
  }
  const counts = await count();
  if (STATES.every((state) => counts[state] === 0)) return;
  if (!await confirm(`${countsText(counts)} will be removed. Go on?`, io)) {
    throw new UsageError("nothing was done");
  }
}
