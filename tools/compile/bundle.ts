/**
 * The program as one script that needs nothing else: what both forms of executable run.
 *
 * @module
 */

import { join, toFileUrl } from "@std/path";
import { runDeno } from "./child.ts";
import { type Locks, permissionLines } from "./permissions.ts";

/**
 * The script's text for a build with these locks.
 *
 * The same source gives the same bytes on any machine and in any directory. `root` is the project's
 * directory, `scratch` a directory for what is only needed meanwhile.
 */
export async function bundle(root: string, scratch: string, locks: Locks): Promise<string> {
  const entry = join(scratch, "entry.ts");
  const output = join(scratch, "bundle.mjs");
  await Deno.writeTextFile(entry, entryText(root, locks));
  await runDeno(root, [
    "bundle",
    "--quiet",
    "--config=deno.json", // the entry lies outside of the project, whose import map it needs
    "--frozen", // what deno.lock names, and nothing else
    `--output=${output}`,
    entry,
  ]);
  return knowingItself(withoutForeignPaths(await Deno.readTextFile(output)));
}

/**
 * A script that has its own text at hand, for the threads it starts: `cli.ts` asks for it by this
 * name. There it may read no file but the queue's.
 */
function knowingItself(script: string): string {
  const name = 'Symbol.for("optimizelyd-maildir program")';
  return `globalThis[${name}] = ${JSON.stringify(script)};\n${script}`;
}

/** The entry of a build: `cli.ts`, told what is baked in. */
function entryText(root: string, locks: Locks): string {
  const cli = toFileUrl(join(root, "cli.ts")).href;
  const build = {
    ...(locks.baseDir === undefined ? {} : { defaultBaseDir: locks.baseDir }),
    permissions: permissionLines(locks),
  };
  return `import { run } from ${JSON.stringify(cli)};\nawait run(${JSON.stringify(build)});\n`;
}

/**
 * Drop the bundler's comments that name files outside of the project: they tell of the machine the
 * build was made on.
 */
export function withoutForeignPaths(script: string): string {
  return script.replace(/^\/\/ (?:\.\.\/|\/|[A-Za-z]:).*\n/gm, "");
}
