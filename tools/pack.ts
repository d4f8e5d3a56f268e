/**
 * `deno task pack`: the npm package, as a tarball in `dist/`.
 *
 * `deno pack` turns `mod.ts`, `testing.ts` and what they reach into JavaScript with types. What it
 * has no words for is added here: the program for Node, bundled into one file so that the package
 * depends on nothing; the same modules for `require()`, since there are runners that know nothing
 * else; and the Node versions it runs on.
 *
 *     mod.js testing.js lib/   modules, and their types
 *     cjs/                     for require(): all modules in one file, each entry's part of it, and
 *                              the types once more, which mean another kind of module here
 *     bin/                     the program
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command that talks to its user
import { dirname, fromFileUrl, join, relative, toFileUrl } from "@std/path";
import { withoutForeignPaths } from "./compile/bundle.ts";
import { runDeno, runNpm, ToolError } from "./compile/child.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** `require()` of a package made of modules came with 20.19. */
const NODE_VERSIONS = ">=20.19";

const PROGRAM = "bin/optimizelyd-maildir.mjs";

/** What can be imported: the entries of the package. */
const ENTRIES = { ".": "mod", "./testing": "testing" } as const;

/** How each entry is found by `import` and by `require()`. */
const EXPORTS = Object.fromEntries([
  ...Object.entries(ENTRIES).map(([specifier, name]) => [specifier, {
    import: { types: `./${name}.d.ts`, default: `./${name}.js` },
    require: { types: `./cjs/${name}.d.ts`, default: `./cjs/${name}.js` },
  }]),
  ["./package.json", "./package.json"],
]);

/** What `deno pack` leaves out of `package.json`, or has no words for. */
const ADDITIONS = {
  description: "Events delivered over HTTP from a directory: a crash-safe maildir outbox",
  keywords: ["optimizely", "event dispatcher", "outbox", "queue", "maildir", "webhooks"],
  bin: { "optimizelyd-maildir": PROGRAM },
  engines: { node: NODE_VERSIONS },
  sideEffects: false,
  main: "./cjs/mod.js",
  types: "./cjs/mod.d.ts",
  exports: EXPORTS,
};

/**
 * Make the package.
 *
 * @param out Directory for the tarball.
 * @param flags For `deno pack`, such as `--allow-dirty`.
 * @returns The tarball's path.
 * @throws {ToolError} If a tool fails.
 */
export async function pack(out: string, flags: readonly string[] = []): Promise<string> {
  const scratch = await Deno.makeTempDir({ prefix: "pack-" });
  try {
    await Deno.mkdir(out, { recursive: true });
    const made = join(scratch, "modules.tgz");
    await runDeno(ROOT, ["pack", "--quiet", "--no-source-maps", `--output=${made}`, ...flags]);
    await extract(made, scratch);
    const dir = join(scratch, "package");
    await Deno.mkdir(join(dir, "bin"));
    await addProgram(join(dir, PROGRAM));
    await addCommonJs(dir);
    await amend(join(dir, "package.json"));
    await unlinkAbsent(dir, dir);
    const args = ["pack", "--ignore-scripts", "--json", `--pack-destination=${scratch}`];
    const [{ filename }] = JSON.parse(await runNpm(dir, args)) as [{ filename: string }];
    const name = filename.replace("@", "").replace("/", "-");
    const tarball = join(out, name);
    await Deno.copyFile(join(scratch, name), tarball);
    return tarball;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function extract(tarball: string, dir: string): Promise<void> {
  const args = ["-xzf", tarball, "-C", dir];
  const { success, stderr } = await new Deno.Command("tar", { args }).output();
  if (!success) throw new ToolError(`tar failed: ${new TextDecoder().decode(stderr).trim()}`);
}

async function addProgram(path: string): Promise<void> {
  await runDeno(ROOT, [
    ...["bundle", "--quiet", "--frozen", "--platform=deno", `--output=${path}`],
    "cli_node.ts",
  ]);
  await Deno.writeTextFile(
    path,
    `#!/usr/bin/env node\n${withoutForeignPaths(await Deno.readTextFile(path))}`,
  );
  await Deno.chmod(path, 0o755);
}

/** Add the package for `require()`. */
async function addCommonJs(dir: string): Promise<void> {
  const cjs = join(dir, "cjs");
  await copyTypes(dir, dir, cjs);
  await Deno.writeTextFile(join(cjs, "package.json"), `{ "type": "commonjs" }\n`);
  // One bundle, so that a class is one class, whichever entry it comes from.
  const entry = join(dir, "all.ts");
  const names = Object.values(ENTRIES);
  await Deno.writeTextFile(
    entry,
    names.map((name) => `export * as ${name} from ${JSON.stringify(moduleUrl(name))};\n`).join(""),
  );
  const bundle = join(cjs, "all.js");
  await runDeno(ROOT, [
    ...["bundle", "--quiet", "--frozen", "--platform=deno", "--format=cjs", `--output=${bundle}`],
    entry,
  ]);
  await Deno.remove(entry);
  await Deno.writeTextFile(bundle, withoutForeignPaths(await Deno.readTextFile(bundle)));
  await refer(dir);
  await refer(cjs);
  for (const name of names) {
    await Deno.writeTextFile(
      join(cjs, `${name}.js`),
      `"use strict";\nmodule.exports = require("./all.js").${name};\n`,
    );
  }
}

/** Tell the compiler of `AsyncDisposable`, which it knows only when asked to. */
async function refer(dir: string): Promise<void> {
  const path = join(dir, "testing.d.ts");
  const types = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, `/// <reference lib="esnext.disposable" />\n${types}`);
}

const moduleUrl = (name: string) => new URL(`${name}.ts`, toFileUrl(ROOT)).href;

/** Copy all declarations below `dir` to the same places below `to`. */
async function copyTypes(root: string, dir: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const path = join(dir, name);
    if (path === to) continue;
    if (isDirectory) await copyTypes(root, path, to);
    if (!name.endsWith(".d.ts")) continue;
    const target = join(to, relative(root, path));
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.copyFile(path, target);
  }
}

async function amend(path: string): Promise<void> {
  const made = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, `${JSON.stringify({ ...made, ...ADDITIONS }, null, 2)}\n`);
}

/** Turn links of pages into plain text where what they lead to isn't in the package. */
async function unlinkAbsent(root: string, dir: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const path = join(dir, name);
    if (isDirectory) await unlinkAbsent(root, path);
    if (!name.endsWith(".md")) continue;
    const text = await Deno.readTextFile(path);
    const isThere = (target: string) => {
      if (/^(?:#|https:)/.test(target)) return true;
      const file = fromFileUrl(new URL(target, toFileUrl(path)));
      return !relative(root, file).startsWith("..") && exists(file);
    };
    const kept = text.replace(
      /\[([^\]]*)\]\(([^)\s]+)\)/g,
      (link, words, target) => isThere(target) ? link : words,
    );
    await Deno.writeTextFile(path, kept);
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (import.meta.main) {
  try {
    console.log(await pack(join(ROOT, "dist"), Deno.args));
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(`pack: ${error.message}`);
    Deno.exit(69);
  }
}
