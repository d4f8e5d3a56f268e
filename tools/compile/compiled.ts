/**
 * The compiled form: `deno compile` puts the program behind Deno's base binary.
 *
 * @module
 */

import { join } from "@std/path";
import { runDeno, ToolError } from "./child.ts";
import { MEMORY_FLAG } from "./memory.ts";
import { type Locks, permissionFlags } from "./permissions.ts";
import type { Target } from "./targets.ts";

/** Flags of `deno compile` beside the permissions. */
const compileFlags: readonly string[] = [
  "--quiet",
  // the script is checked where it is written, and complete: nothing to resolve, nothing to embed
  // but itself
  "--no-check",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--exclude-unused-npm",
  // the cache would be a file of a predictable name in the shared temporary directory, and trusted
  "--no-code-cache",
  // an address nobody has: without the flag the executable may import from Deno's built-in list of
  // hosts
  "--allow-import=0.0.0.0:1",
  MEMORY_FLAG,
];

/** Compile `script`, a bundle's path, to the executable `output`. Throws {@linkcode ToolError}. */
export async function compile(
  script: string,
  target: Target,
  locks: Locks,
  output: string,
): Promise<void> {
  await runDeno(directoryOf(script), [
    "compile",
    ...compileFlags,
    ...permissionFlags(locks),
    `--target=${target.name}`,
    "--app-name=optimizelyd-maildir",
    `--output=${output}`,
    script,
  ]);
}

/**
 * Why `deno compile` can't make anything for a target here, or `undefined` if it can: tried with an
 * empty program.
 */
export async function whyNotCompile(target: Target, scratch: string): Promise<string | undefined> {
  const script = join(scratch, "empty.mjs");
  await Deno.writeTextFile(script, "");
  try {
    await compile(script, target, { hosts: [] }, join(scratch, `empty${target.suffix}`));
    return undefined;
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    return rootCause(error.message);
  } finally {
    await Deno.remove(join(scratch, `empty${target.suffix}`)).catch(() => {});
  }
}

/** The last line of what Deno says: each line is the cause of the one before. */
function rootCause(message: string): string {
  return message.split("\n").at(-1)!.replace(/^\s*\d+:\s*/, "");
}

function directoryOf(path: string): string {
  return path.replace(/[\\/][^\\/]*$/, "");
}
