/**
 * `hold` and `resume`: stop and start sending to one destination.
 *
 * @module
 */

import { hold as holdIn, resume as resumeIn } from "../queue/hold.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import type { HoldInvocation } from "./options.ts";
import { quoted } from "./printable.ts";

/** What is said when it was so before, and when it is so now. */
const SAID = {
  hold: ["was held already", "is held"],
  resume: ["was not held", "is resumed"],
} as const;

/**
 * Hold or resume a destination.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 */
export async function hold(
  { command, destination }: HoldInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const done = await (command === "hold" ? holdIn : resumeIn)(queue, destination);
  if (done === undefined) {
    await io.stderr.write(
      `optimizelyd-maildir: there is no folder in defer/ for ${quoted(destination)}` +
        `${command === "hold" ? "; name the destination by its URL" : ", so it is not held"}\n`,
    );
    return EXIT.badEvent;
  }
  await io.stdout.write(`${done.destination} ${SAID[command][done.changed ? 1 : 0]}\n`);
  return EXIT.ok;
}
