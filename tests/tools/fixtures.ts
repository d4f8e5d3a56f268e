/**
 * Building executables, and running them with nothing around them.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { namesIn } from "../support/temp_dir.ts";

const root = fromFileUrl(new URL("../../", import.meta.url));

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run `deno task compile`, in effect; `env` is added to the environment. */
export function compile(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const command = new Deno.Command(Deno.execPath(), {
    cwd: root,
    args: ["run", "--frozen", "-A", "tools/compile.ts", ...args],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  return endOf(command.spawn());
}

/** The executable for this machine in a directory `compile` was told to fill. */
export async function executableIn(directory: string): Promise<string> {
  for await (const { name } of Deno.readDir(directory)) {
    if (name.endsWith(`-${Deno.build.target}`)) return join(directory, name);
  }
  throw new Error(`No executable in ${directory}`);
}

/** What a program is started with. */
export interface Start {
  readonly args?: readonly string[];
  /** The whole environment. */
  readonly env: Record<string, string>;
  readonly stdin?: string;
  readonly cwd?: string;
}

/** Start a program with this environment and no other. */
export function start(program: string, { args = [], env, stdin, cwd }: Start): Deno.ChildProcess {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    clearEnv: true,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
  if (stdin !== undefined) new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
  return child;
}

/** Run a program to its end. */
export function run(program: string, options: Start): Promise<Ended> {
  return endOf(start(program, options));
}

/** Wait for a started program. */
export async function endOf(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Download an npm package and unpack it; returns its directory. */
export async function npmPackage(name: string, scratch: string): Promise<string> {
  const directory = await Deno.makeTempDir({ dir: scratch });
  await tool("npm", ["pack", "--silent", "--prefer-offline", name], directory);
  const [archive] = namesIn(directory);
  await tool("tar", ["-xzf", archive!], directory);
  return join(directory, "package");
}

async function tool(name: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args, cwd }).output();
  if (!success) throw new Error(`${name} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/** Where a tool is, or `undefined` on a machine without it. */
export function whereIs(name: string): string | undefined {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      if (Deno.statSync(join(directory, name)).isFile) return join(directory, name);
    } catch {
      // not there
    }
  }
  return undefined;
}

/** The part of a compiled executable's metadata that says what it may do. */
export interface Metadata {
  readonly permissions: Readonly<Record<string, unknown>>;
  readonly node_modules: unknown;
}

/** The metadata `deno compile` put into an executable: JSON among the binary. */
export async function metadataOf(path: string): Promise<Metadata> {
  const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
  const json = /\{"argv":.*?"app_name":"[^"]*"\}/s.exec(text)?.[0];
  if (json === undefined) throw new Error(`No metadata in ${path}`);
  return JSON.parse(json);
}
