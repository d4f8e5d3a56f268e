/**
 * `requeue`: puts dead letters back on the queue.
 *
 * @module
 */

import { Queue } from "../queue/queue.ts";
import { requeue as requeueIn } from "../queue/requeue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { RequeueInvocation } from "./options.ts";
import { printable, quoted } from "./printable.ts";

/**
 * Put dead letters back on the queue.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 */
export async function requeue(
  { ids }: RequeueInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const progress = new Lengthy(io.stderr, runtime.clock, "requeued");
  const { requeued, unknown } = await requeueIn(queue, ids, progress.report)
    .finally(() => progress.end());
  await io.stdout.write(requeued.map((id) => `${printable(id)}\n`).join(""));
  for (const id of unknown) {
    await io.stderr.write(`optimizelyd-maildir: there is no dead letter ${quoted(id)}\n`);
  }
  return unknown.length === 0 ? EXIT.ok : EXIT.badEvent;
}
