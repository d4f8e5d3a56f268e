/**
 * The program: from its arguments to its exit code.
 *
 * Results go to standard output, everything else to standard error. Whatever goes wrong ends in one
 * line that says what, and in an exit code that says whose it is to mend.
 *
 * @module
 */

import type { Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import { check } from "./check.ts";
import { act } from "./act.ts";
import { amend } from "./amend.ts";
import { client } from "./client.ts";
import { completion } from "./completion/completion.ts";
import { config } from "./config.ts";
import { consume } from "./consume.ts";
import { doctor } from "./doctor.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { tellFailure } from "./failure.ts";
import { help } from "./help.ts";
import { hold } from "./hold.ts";
import type { Io } from "./io.ts";
import { list } from "./list.ts";
import { parseCommandLine } from "./options.ts";
import { purge } from "./purge.ts";
import { show } from "./show.ts";
import { status } from "./status.ts";
import { test } from "./trial.ts";

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
  if (invocation.command === "config") return await config(invocation, runtime, io);
  if (invocation.command === "completion") return await completion(invocation, io);
  if (invocation.command === "test") return await test(invocation, runtime, io);
  const baseDir = invocation.baseDir ?? io.defaultBaseDir;
  switch (invocation.command) {
    case "consume":
      return await consume(invocation, baseDir, runtime, io);
    case "client":
      return await client(invocation, baseDir, runtime, io);
    case "status":
      return await status(invocation, baseDir, runtime, io);
    case "purge":
      return await purge(invocation, baseDir, runtime, io);
    case "check":
      return await check(invocation, baseDir, runtime, io);
    case "doctor":
      return await doctor(invocation, baseDir, runtime, io);
    case "list":
      return await list(invocation, baseDir, runtime, io);
    case "show":
      return await show(invocation, baseDir, runtime, io);
    case "requeue":
    case "retry":
    case "replay":
    case "delete":
      return await act(invocation, baseDir, runtime, io);
    case "amend":
      return await amend(invocation, baseDir, runtime, io);
    case "hold":
    case "resume":
      return await hold(invocation, baseDir, runtime, io);
  }
}

/** Whether the log is for programs, as far as the command line says: what went wrong is too. */
function logsAsJson(args: readonly string[]): boolean {
  const at = args.indexOf("--log-format");
  return args.includes("--log-format=json") || at >= 0 && args[at + 1] === "json";
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
    const format = logsAsJson(args) ? "json" : "text";
    return await tellFailure(error, format, runtime.clock.now(), io);
  }
}
