/**
 * The command line of `deno task compile`.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import type { Locks } from "./permissions.ts";
import { isAbsoluteOn, type Target, targetNamed, targets } from "./targets.ts";

/** How an executable is made. */
export type Form = "compile" | "portable";

/** What was asked for. */
export interface Options {
  /** Machines to make executables for. */
  readonly targets: readonly Target[];
  /** Directory for the results. */
  readonly out: string;
  /** The only form wanted; `undefined` takes `compile` and falls back to `portable`. */
  readonly form: Form | undefined;
  /** What is baked in. */
  readonly locks: Locks;
}

/** A command line that can't be followed; the message is one line for the person who wrote it. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The text of `--help`. */
export const help = `Usage: deno task compile [options]

Make one executable file per kind of machine, and SHA256SUMS beside them.

  --target T         for this kind of machine (repeatable; default: this machine)
  --all              for every kind that can be made here
  --out DIR          where to put them (default: dist)
  --form FORM        compile   \`deno compile\`; downloads Deno's base binary, or takes the one DENORT_BIN names
                     portable  Deno from the npm registry in a file that unpacks itself once (Linux, macOS)
                     default: compile, or portable where the base binary can't be had
  --base-dir DIR     lock it to this directory, which becomes its default base directory; whoever
                     installs the executable makes the directory: the one above is out of its reach
  --allow-host HOST  lock it to this host, HOST or HOST:PORT (repeatable)
  --help

Targets: ${targets.map((target) => target.name).join("\n         ")}
`;

const single = ["out", "form", "base-dir"];
const repeatable = ["target", "allow-host"];

/**
 * Read the arguments; `"help"` when they ask for it. `machine` is the target to take when none is
 * named. Throws {@linkcode UsageError}.
 */
export function readOptions(args: readonly string[], machine: string): Options | "help" {
  const parsed = parseArgs([...args], {
    string: [...single, ...repeatable],
    collect: [...single, ...repeatable],
    boolean: ["all", "help"],
    unknown: (arg) => {
      throw new UsageError(`unknown option or argument: ${arg}`);
    },
  });
  if (parsed["help"]) return "help";
  const form = readForm(textOf(parsed, "form"));
  const chosen = chooseTargets(textsOf(parsed, "target"), parsed["all"] === true, form, machine);
  return {
    targets: chosen,
    out: textOf(parsed, "out") ?? "dist",
    form,
    locks: readLocks(textOf(parsed, "base-dir"), textsOf(parsed, "allow-host"), chosen),
  };
}

function textsOf(parsed: Record<string, unknown>, name: string): string[] {
  const values = (parsed[name] ?? []) as string[];
  if (values.includes("")) throw new UsageError(`--${name} needs a value`);
  return values;
}

function textOf(parsed: Record<string, unknown>, name: string): string | undefined {
  const values = textsOf(parsed, name);
  if (values.length > 1) throw new UsageError(`--${name} can be given once`);
  return values[0];
}

function chooseTargets(
  names: string[],
  all: boolean,
  form: Form | undefined,
  machine: string,
): readonly Target[] {
  if (all && names.length > 0) throw new UsageError("--all and --target exclude each other");
  const exists = (target: Target) => form !== "portable" || target.portable !== undefined;
  if (all) return targets.filter(exists);
  return [...new Set(names.length > 0 ? names : [machine])].map((name) => {
    const target = targetNamed(name);
    if (target === undefined) throw new UsageError(`unknown target: ${name} (--help lists them)`);
    if (exists(target)) return target;
    throw new UsageError(`there is no portable form for ${name}: it starts as a shell script`);
  });
}

function readForm(form: string | undefined): Form | undefined {
  if (form === undefined || form === "compile" || form === "portable") return form;
  throw new UsageError(`--form must be compile or portable, not ${form}`);
}

function readLocks(baseDir: string | undefined, hosts: string[], chosen: readonly Target[]): Locks {
  for (const host of hosts) {
    if (!/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(host)) {
      throw new UsageError(`--allow-host must be HOST or HOST:PORT, not ${host}`);
    }
  }
  if (baseDir === undefined) return { hosts };
  for (const target of chosen) {
    if (!isAbsoluteOn(target, baseDir)) {
      throw new UsageError(
        `--base-dir must be absolute on ${target.name}, not ${baseDir}: ` +
          "a relative one would mean another directory wherever the executable is started",
      );
    }
  }
  // deno-lint-ignore no-control-regex
  if (/[,\u0000-\u001f]/.test(baseDir)) {
    throw new UsageError(`--base-dir can't hold a comma or a control character: ${baseDir}`);
  }
  return { baseDir: baseDir.replace(/(?<=.)[\\/]+$/, ""), hosts };
}
