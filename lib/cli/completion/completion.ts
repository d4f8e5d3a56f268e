/**
 * `completion`: prints a script by which a shell completes commands, options and destinations.
 *
 * @module
 */

import { EXIT, type ExitCode } from "../exit_code.ts";
import type { Io } from "../io.ts";
import type { CompletionInvocation } from "../options.ts";
import type { Shell } from "../usage.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { zshCompletion } from "./zsh.ts";

/** The script of each shell. */
export const COMPLETIONS: Readonly<Record<Shell, () => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** Print the script for a shell. */
export async function completion({ shell }: CompletionInvocation, io: Io): Promise<ExitCode> {
  await io.stdout.write(COMPLETIONS[shell]());
  return EXIT.ok;
}
