/**
 * What went wrong, for whoever started the program: a line, and an exit code.
 *
 * @module
 */

import { QueueFullError } from "../queue/full.ts";
import { NotAQueueError } from "../queue/layout.ts";
import { errorCode } from "../runtime/runtime.ts";
import { DiskFailure } from "../store/failure.ts";
import { UsageError } from "./args.ts";
import { ConfigError } from "./config_file.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import { formatFailed } from "./log.ts";
import { printable } from "./printable.ts";

/** A failure as it is told. */
export interface FailureLine {
  /** What went wrong. */
  readonly line: string;
  /** Whose it is to mend. */
  readonly code: ExitCode;
}

/** A failure that somebody has described already, such as another thread. */
export class ReportedFailure extends Error {
  /** As it is to be told. */
  readonly described: FailureLine;

  /** As it was described. */
  constructor({ line, code }: FailureLine) {
    super(line);
    this.described = { line, code };
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
  if (error instanceof QueueFullError) return EXIT.tryAgain;
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
export function describeFailure(error: unknown): FailureLine {
  if (error instanceof ReportedFailure) return error.described;
  const code = exitCodeOf(error);
  const said = error instanceof Error ? error.message : String(error);
  const message = said.replace(RUN_AGAIN, "; the permissions of this build don't include it");
  const kind = code === EXIT.bug
    ? `unexpected ${error instanceof Error ? error.name : "error"}: `
    : "";
  return { line: `optimizelyd-maildir: ${kind}${printable(message)}`, code };
}

/** Tell what went wrong, in a line for people or for programs. Never rejects. */
export async function tellFailure(
  error: unknown,
  format: "text" | "json",
  nowMs: number,
  { stderr }: Pick<Io, "stderr">,
): Promise<ExitCode> {
  const { line, code } = describeFailure(error);
  const message = line.replace(/^optimizelyd-maildir: /, "");
  try {
    await stderr.write(`${format === "json" ? formatFailed(message, code, nowMs) : line}\n`);
  } catch {
    // nobody reads; the exit code still says it
  }
  return code;
}
