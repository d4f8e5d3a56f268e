/**
 * `requeue ID --url URL --body JSON`: puts one dead letter back otherwise than it died.
 *
 * @module
 */

import { requeueAmended } from "../queue/amend.ts";
import { resolveIds } from "../queue/find/resolve.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import type { AmendInvocation } from "./options.ts";
import { printable, quoted } from "./printable.ts";

/** Largest body. */
const MOST_BYTES = 256 * 2 ** 20;

/**
 * Put one dead letter back with another URL or another body, as a new event whose id is printed.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 * @throws {UsageError} If the body is in a file that can't be read.
 */
export async function amend(
  { id, url, body }: AmendInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const bodyText = body?.startsWith("@") ? await textOf(body.slice(1), io) : body;
  const { events: [letter, ...more] } = await resolveIds(queue, [id], ["dead"]);
  if (letter === undefined || more.length > 0) {
    const why = letter === undefined ? "there is no" : "there is more than one";
    return await refuse(io, `${why} dead letter ${quoted(id)}`);
  }
  try {
    const fresh = await requeueAmended(queue, letter, { url, bodyText });
    if (fresh === undefined) return await refuse(io, `${quoted(id)} had moved on meanwhile`);
    await io.stdout.write(`${printable(fresh)}\n`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const why = error.message.replace(/^Cannot [\w ]+: /, "");
    return await refuse(io, `${quoted(id)} stays a dead letter: ${why}`);
  }
}

async function refuse(io: Io, text: string): Promise<ExitCode> {
  await io.stderr.write(`optimizelyd-maildir: ${printable(text)}\n`);
  return EXIT.badEvent;
}

async function textOf(path: string, io: Io): Promise<string> {
  try {
    const bytes = await io.readFile(path, MOST_BYTES);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--body @FILE must be a file that can be read: ${printable(why)}`, {
      cause,
    });
  }
}
