/**
 * `deno task package`: a Debian package of the program, in `dist/`.
 *
 * It holds the executable of `deno task compile`, and all that belongs around it on a Debian
 * system: a unit with its user and directory, a configuration, the manual page, completions.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command that talks to its user
import { parseArgs } from "@std/cli";
import { fromFileUrl, join } from "@std/path";
import { VERSION } from "../lib/version.ts";
import { runDeno, runTool, ToolError } from "./compile/child.ts";
import { makeDeb } from "./package/deb.ts";
import { packagedFiles } from "./package/tree.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

const HELP = `Usage: deno task package [options]

Make a Debian package of the program, with dpkg-deb.

  --target T         for this kind of machine: x86_64-unknown-linux-gnu or
                     aarch64-unknown-linux-gnu (default: this machine)
  --executable FILE  of this executable, which \`deno task compile\` has made for that machine
  --out DIR          where to put it (default: dist)
  --help
`;

/** What Debian calls each machine. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "amd64",
  "aarch64-unknown-linux-gnu": "arm64",
};

/** A command line that can't be followed. */
class UsageError extends Error {
  override name = "UsageError";
}

interface Options {
  readonly target: string;
  readonly executable: string | undefined;
  readonly out: string;
}

function readOptions(args: readonly string[]): Options | "help" {
  const parsed = parseArgs([...args], {
    string: ["target", "executable", "out"],
    boolean: ["help"],
    unknown: (arg) => {
      throw new UsageError(`unknown option or argument: ${arg}`);
    },
  });
  if (parsed["help"]) return "help";
  const target = parsed["target"] as string | undefined ?? Deno.build.target;
  if (!Object.hasOwn(ARCHITECTURES, target)) {
    const known = Object.keys(ARCHITECTURES).join(" or ");
    throw new UsageError(`--target must be ${known}, current value is ${target}`);
  }
  return {
    target,
    executable: parsed["executable"] as string | undefined,
    out: parsed["out"] as string | undefined ?? "dist",
  };
}

/** The executable for a target, made now. */
async function compiled(target: string, scratch: string): Promise<string> {
  const out = join(scratch, "compiled");
  const compile = ["run", "--quiet", "--no-prompt", "--frozen", "-P=build", "tools/compile.ts"];
  await runDeno(ROOT, [...compile, "--target", target, "--out", out]);
  return join(out, `optimizelyd-maildir-${VERSION}-${target}`);
}

/** When the source was last changed, Unix seconds: what is in a package is dated so. */
async function sourceTime(): Promise<number> {
  return Number((await runTool("git", ROOT, ["log", "-1", "--format=%ct"])).trim());
}

async function makePackage({ target, executable, out }: Options): Promise<string> {
  const scratch = await Deno.makeTempDir({ prefix: "package-" });
  try {
    const program = await Deno.readFile(executable ?? await compiled(target, scratch));
    const architecture = ARCHITECTURES[target]!;
    const name = `optimizelyd-maildir_${VERSION}_${architecture}.deb`;
    const made = join(scratch, name);
    const files = packagedFiles(program);
    const atSeconds = await sourceTime();
    await makeDeb({ version: VERSION, architecture, files, atSeconds }, made, scratch);
    await Deno.mkdir(out, { recursive: true });
    await Deno.copyFile(made, join(out, name));
    return join(out, name);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    console.log(options === "help" ? HELP : await makePackage(options));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof ToolError)) throw error;
    console.error(`package: ${error.message}`);
    return error instanceof UsageError ? 64 : 69;
  }
}

Deno.exit(await main(Deno.args));
