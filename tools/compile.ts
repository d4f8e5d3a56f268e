/**
 * `deno task compile`: one executable file for each kind of machine.
 *
 * There are two forms. *Compiled* is what `deno compile` makes, on a base binary that Deno's own
 * host serves. *Portable* is for networks that reach the npm registry but not that host: a file
 * that unpacks Deno once and becomes it. Both run the same bundled script with the same
 * permissions.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command that talks to its user
import { fromFileUrl, join } from "@std/path";
import { VERSION } from "../lib/version.ts";
import { bundle } from "./compile/bundle.ts";
import { ToolError } from "./compile/child.ts";
import { compile, whyNotCompile } from "./compile/compiled.ts";
import { fetchDenoPackage } from "./compile/deno_package.ts";
import { type Form, help, type Options, readOptions, UsageError } from "./compile/options.ts";
import { portableParts } from "./compile/portable.ts";
import { writeSums } from "./compile/sums.ts";
import type { Target } from "./compile/targets.ts";

const root = new URL("../", import.meta.url);

/** Where one run works and what it makes everything from. */
interface Workshop {
  readonly options: Options;
  /** A directory for what is only needed meanwhile. */
  readonly scratch: string;
  /** The bundled script. */
  readonly script: string;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args, Deno.build.target);
    if (options !== "help") return await makeAll(options);
    console.log(help);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return failed(64, error);
    if (error instanceof ToolError) return failed(69, error);
    throw error;
  }
}

function failed(code: number, error: Error): number {
  console.error(`compile: ${error.message}`);
  return code;
}

/**
 * Make what can be made; one target that can't doesn't keep the others from being made, but from
 * success.
 */
async function makeAll(options: Options): Promise<number> {
  const scratch = await Deno.makeTempDir({ prefix: "compile-" });
  let code = 0;
  try {
    await Deno.mkdir(options.out, { recursive: true });
    const script = await bundle(fromFileUrl(root), scratch, options.locks);
    for (const target of options.targets) {
      try {
        await make({ options, scratch, script }, target);
      } catch (error) {
        if (!(error instanceof ToolError)) throw error;
        code = failed(69, error);
      }
    }
    await writeSums(options.out);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return code;
}

async function make(workshop: Workshop, target: Target): Promise<void> {
  const { options, scratch } = workshop;
  const form = options.form ?? await chooseForm(target, scratch);
  const name = `optimizelyd-maildir-${VERSION}-${target.name}${target.suffix}`;
  const finished = join(options.out, name);
  const unfinished = join(scratch, name);
  const meaning = form === "compile"
    ? await makeCompiled(workshop, target, unfinished)
    : await makePortable(workshop, target, unfinished);
  await replace(unfinished, finished);
  const megabytes = ((await Deno.stat(finished)).size / 1e6).toFixed(1);
  console.log(`${finished}: ${megabytes} MB, ${meaning}`);
}

async function chooseForm(target: Target, scratch: string): Promise<Form> {
  console.log(`${target.name}: looking for Deno's base binary (--form portable does without)`);
  const reason = await whyNotCompile(target, scratch);
  if (reason === undefined) return "compile";
  const line = `${target.name}: Deno's base binary can't be had here (${reason})`;
  if (target.portable === undefined) throw new ToolError(`${line}, and there is no other form`);
  console.log(`${line}: making the portable form`);
  return "portable";
}

async function makeCompiled(
  { options, scratch, script }: Workshop,
  target: Target,
  output: string,
): Promise<string> {
  const path = join(scratch, "optimizelyd-maildir.mjs");
  await Deno.writeTextFile(path, script);
  // The time is part of the executable: the same source, the same bytes.
  await Deno.utime(path, 0, 0);
  await compile(path, target, options.locks, output);
  return "compiled form: starts at once, unpacks nothing";
}

async function makePortable(
  { options, scratch, script }: Workshop,
  target: Target,
  output: string,
): Promise<string> {
  const { userCache, deno: pinned } = target.portable!; // the options leave out the others
  const deno = await fetchDenoPackage(pinned, scratch);
  const parts = await portableParts({
    version: VERSION,
    target: target.name,
    userCache,
    script,
    deno,
    locks: options.locks,
  });
  using file = await Deno.open(output, { write: true, createNew: true });
  for (const part of parts) await new Blob([part as BlobPart]).stream().pipeTo(writerTo(file));
  const unpacked = (deno.binary.length / 1e6).toFixed(0);
  return `portable form with ${deno.name}: needs /bin/sh, unpacks ${unpacked} MB into the user's cache at its first start`;
}

/** A file as a stream that stays open when one part has ended. */
function writerTo(file: Deno.FsFile): WritableStream<Uint8Array> {
  return new WritableStream({
    async write(chunk) {
      for (let done = 0; done < chunk.length;) done += await file.write(chunk.subarray(done));
    },
  });
}

/**
 * Put the result under its name only once it is complete, and by a rename: the one it replaces may
 * be running.
 */
async function replace(from: string, to: string): Promise<void> {
  await Deno.copyFile(from, `${to}.part`);
  await Deno.chmod(`${to}.part`, 0o755).catch(() => {}); // Windows has no such bits
  await Deno.rename(`${to}.part`, to);
}

Deno.exit(await main(Deno.args));
