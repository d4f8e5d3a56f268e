/**
 * The program: from its arguments to its exit code.
 *
 * Results go to standard output, everything else to standard error. Whatever goes wrong ends in one
 * line that says what, and in an exit code that says whose it is to mend.
 *
 * @module
 */

import { DiskFailure } from "../store/failure.ts";
import { NotAQueueError } from "../queue/layout.ts";
import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import { UsageError } from "./args.ts";
import { client } from "./client.ts";
import { config } from "./config.ts";
import { ConfigError } from "./config_file.ts";
import { consume } from "./consume.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { help } from "./help.ts";
import { hold } from "./hold.ts";
import type { Io } from "./io.ts";
import { parseCommandLine } from "./options.ts";
import { printable } from "./printable.ts";
import { requeue } from "./requeue.ts";
import { status } from "./status.ts";

async function run(args: readonly string[], runtime: Runtime, io: Io): Promise<ExitCode> {
  const invocation = parseCommandLine(args);
  if (invocation.command === "help") {
    await io.stdout.write(help(invocation.topic, io.permissions));
    return EXIT.ok;
  }
  if (invocation.command === "version") {
    await io.stdout.write(`optimizelyd-maildir ${VERSION}\n`);
    return EXIT.ok;
  }
  if (invocation.command === "config") return await config(invocation, io);
  const baseDir = invocation.baseDir ?? io.defaultBaseDir;
  switch (invocation.command) {
    case "consume":
      return await consume(invocation, baseDir, runtime, io);
    case "client":
      return await client(invocation, baseDir, runtime, io);
    case "status":
      return await status(invocation, baseDir, runtime, io);
    case "requeue":
      return await requeue(invocation, baseDir, runtime, io);
    case "hold":
    case "resume":
      return await hold(invocation, baseDir, runtime, io);
  }
}

/** Disk errors that say that this can't be a queue, or not all of one. */
const NOT_A_PLACE = new Set(["EXDEV", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EINVAL"]);

const FORBIDDEN = new Set(["EACCES", "EPERM", "ENOTCAPABLE"]);

/** The disk's error in an error or what caused it. */
function diskCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return errorCode(error) ?? diskCode(error.cause);
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError || error instanceof ConfigError) return EXIT.usage;
  if (error instanceof NotAQueueError) return EXIT.notAQueue;
  if (error instanceof DiskFailure) return EXIT.diskError;
  const code = diskCode(error);
  if (code === undefined) return EXIT.bug;
  if (FORBIDDEN.has(code)) return EXIT.permission;
  return NOT_A_PLACE.has(code) ? EXIT.notAQueue : EXIT.diskError;
}

/**
 * What the runtime advises when a permission is missing; whoever runs an executable can't follow
 * it.
 */
const RUN_AGAIN = /, run again with the --allow-\w+ flag$/;

/** What went wrong, in one line for whoever started the program. */
export function describeFailure(
  error: unknown,
): { readonly line: string; readonly code: ExitCode } {
  const code = exitCodeOf(error);
  const said = error instanceof Error ? error.message : String(error);
  const message = said.replace(RUN_AGAIN, "; the permissions of this build don't include it");
  const kind = code === EXIT.bug
    ? `unexpected ${error instanceof Error ? error.name : "error"}: `
    : "";
  return { line: `optimizelyd-maildir: ${kind}${printable(message)}`, code };
}

/**
 * Run the program.
 *
 * @param args The arguments after the program's name.
 * @returns The exit code. Never rejects.
 */
export async function main(args: readonly string[], runtime: Runtime, io: Io): Promise<ExitCode> {
  try {
    return await run(args, runtime, io);
  } catch (error) {
    const { line, code } = describeFailure(error);
    try {
      await io.stderr.write(`${line}\n`);
    } catch {
      // nobody reads; the exit code still says it
    }
    return code;
  }
}
