/**
 * Running the tools a build is made with.
 *
 * @module
 */

/** A tool that ended with anything but 0; the message is what it said last. */
export class ToolError extends Error {
  override name = "ToolError";
}

/** Run this very Deno. Throws {@linkcode ToolError}. */
export function runDeno(cwd: string, args: readonly string[]): Promise<string> {
  return run(Deno.execPath(), cwd, args);
}

/** Run npm. Throws {@linkcode ToolError}. */
export function runNpm(cwd: string, args: readonly string[]): Promise<string> {
  return run(Deno.build.os === "windows" ? "npm.cmd" : "npm", cwd, args);
}

/** Run any other program, with variables of its own. Throws {@linkcode ToolError}. */
export function runTool(
  program: string,
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  return run(program, cwd, args, env);
}

/**
 * Standard output of a program. Without color, so that what it says can be shown as a part of what
 * we say.
 */
async function run(
  program: string,
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const command = new Deno.Command(program, {
    cwd,
    args: [...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await start(command, program);
  const text = new TextDecoder();
  if (success) return text.decode(stdout);
  const said = text.decode(stderr).replace(/\n+Stack backtrace:[^]*$/, "").trim();
  throw new ToolError(`${program} ${args[0]} failed: ${said}`);
}

async function start(command: Deno.Command, program: string): Promise<Deno.CommandOutput> {
  try {
    return await command.output();
  } catch (error) {
    throw new ToolError(`Cannot run ${program}: ${(error as Error).message}`, { cause: error });
  }
}
