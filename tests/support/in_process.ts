/** The program within the test's own process: cheaper than one of its own, by half a second. */

import type { Io, Output } from "../../lib/cli/io.ts";
import { main } from "../../lib/cli/main.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import type { Result } from "./program.ts";

/** How the program is started. */
export interface Surroundings {
  /** What is typed or piped into it. */
  readonly stdin?: string;
  /** Whether all three streams are a terminal. @default {false} */
  readonly isTerminal?: boolean;
  /** Width of that terminal. @default {80} */
  readonly columns?: number;
  /** Where systemd would have put secrets. */
  readonly credentialsDirectory?: string;
  /** The world. @default {that of this process} */
  readonly runtime?: Runtime;
}

/** Run a command to its end. */
export async function runHere(
  args: readonly string[],
  { stdin = "", isTerminal = false, columns = 80, credentialsDirectory, runtime = denoRuntime() }:
    Surroundings = {},
): Promise<Result> {
  const written = { stdout: "", stderr: "" };
  const outputTo = (stream: keyof typeof written): Output => ({
    isTerminal,
    columns: () => columns,
    write: (text) => Promise.resolve(void (written[stream] += text)),
  });
  const io: Io = {
    stdin: { isTerminal, readable: new Blob([stdin]).stream() },
    stdout: outputTo("stdout"),
    stderr: outputTo("stderr"),
    defaultBaseDir: ".",
    defaultConfig: undefined,
    credentialsDirectory,
    permissions: [],
    readFile: (path) => Deno.readFile(path),
    onSignal: () => () => {},
    cores: 1,
    startThread: () => {
      throw new Error("no threads here");
    },
  };
  const code = await main(args, runtime, io);
  return { code, ...written };
}
