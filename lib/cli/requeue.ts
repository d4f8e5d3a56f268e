/**
 * `requeue`: puts dead letters back on the queue.
 *
 * @module
 */

import { Queue } from "../queue/queue.ts";
import { type RefusedLetter, requeue as requeueIn, RequeueError } from "../queue/requeue.ts";
import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { readIds } from "./ids.ts";
import type { Io } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { RequeueInvocation } from "./options.ts";
import { printable, quoted } from "./printable.ts";
import { formatCount } from "./progress.ts";

/** Dead letters that can't be moved and are named; further ones are only counted. */
const MOST_NAMED = 20;

/**
 * Put dead letters back on the queue.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 * @throws {UsageError} If standard input is to hold ids and holds something else.
 */
export async function requeue(
  { ids: asked }: RequeueInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const ids = asked === "stdin" ? await readIds(io.stdin) : asked;
  const progress = new Lengthy(io.stderr, runtime.clock, "requeued");
  const tell = (requeued: readonly string[]) =>
    io.stdout.write(requeued.map((id) => `${printable(id)}\n`).join(""));
  try {
    const { requeued, unknown, refused } = await requeueIn(queue, ids, progress.report)
      .finally(() => progress.end());
    await tell(requeued);
    for (const id of unknown) await say(io, `there is no dead letter ${quoted(id)}`);
    await tellRefused(io, refused);
    return unknown.length + refused.length === 0 ? EXIT.ok : EXIT.badEvent;
  } catch (error) {
    if (error instanceof RequeueError) await tell(error.requeued);
    throw error;
  }
}

async function say(io: Io, text: string): Promise<void> {
  await io.stderr.write(`optimizelyd-maildir: ${text}\n`);
}

async function tellRefused(io: Io, refused: readonly RefusedLetter[]): Promise<void> {
  for (const { name, error } of refused.slice(0, MOST_NAMED)) {
    const code = errorCode(error);
    const why = code === "ENAMETOOLONG"
      ? "a new name for it would be too long, so shorten it"
      : "this user may not move it, so run this as the user of the queue";
    await say(io, `${quoted(name)} stays a dead letter: ${why} (${code})`);
  }
  const more = refused.length - MOST_NAMED;
  if (more > 0) await say(io, `${formatCount(more)} more stay dead letters`);
}
