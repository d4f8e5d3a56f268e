/** The program within the test's own process: cheaper than one of its own, by half a second. */

import type { Ask, Io, Output } from "../../lib/cli/io.ts";
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
  /** The configuration file that the environment names. */
  readonly defaultConfig?: string;
  /** Where systemd would have put secrets. */
  readonly credentialsDirectory?: string;
  /** The world. @default {that of this process} */
  readonly runtime?: Runtime;
}

/** A program that a test starts, reads and signals. */
export class Program {
  /** All of standard output so far. */
  stdout = "";
  /** All of standard error so far. */
  stderr = "";
  readonly #surroundings: Surroundings;
  #ask: (ask: Ask) => void = () => {};
  readonly #waiting: (() => void)[] = [];

  constructor(surroundings: Surroundings = {}) {
    this.#surroundings = surroundings;
  }

  /** Run a command to its end; its exit code. */
  run(args: readonly string[]): Promise<number> {
    return main(args, this.#surroundings.runtime ?? denoRuntime(), this.#io());
  }

  /** As SIGTERM and SIGHUP do. */
  signal(ask: Ask): void {
    this.#ask(ask);
  }

  /** Resolves once standard error has a text that matches. */
  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      const look = () => pattern.test(this.stderr) ? resolve() : undefined;
      this.#waiting.push(look);
      look();
    });
  }

  #io(): Io {
    const { stdin = "", isTerminal = false, columns = 80, credentialsDirectory } =
      this.#surroundings;
    const outputTo = (stream: "stdout" | "stderr"): Output => ({
      isTerminal,
      columns: () => columns,
      write: (text) => {
        this[stream] += text;
        for (const look of this.#waiting) look();
        return Promise.resolve();
      },
    });
    return {
      stdin: { isTerminal, readable: new Blob([stdin]).stream() },
      stdout: outputTo("stdout"),
      stderr: outputTo("stderr"),
      defaultBaseDir: ".",
      defaultConfig: this.#surroundings.defaultConfig,
      credentialsDirectory,
      permissions: [],
      readFile: (path) => Deno.readFile(path),
      onSignal: (handler) => {
        this.#ask = handler;
        return () => {};
      },
      cores: 1,
      startThread: () => {
        throw new Error("no threads here");
      },
    };
  }
}

/** Run a command to its end. */
export async function runHere(
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Result> {
  const program = new Program(surroundings);
  const code = await program.run(args);
  return { code, stdout: program.stdout, stderr: program.stderr };
}
