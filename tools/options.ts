/**
 * Options of the measurements and the long tests, spelled as those of the program.
 *
 * @module
 */

import { readArguments, type Spelling, UsageError } from "../lib/cli/args.ts";
import { EXIT } from "../lib/cli/exit_code.ts";
import { complain, print } from "./report.ts";

/** What there is to set, and where it starts. */
export interface Defaults {
  readonly [option: string]: number;
}

/** What else there is to set. */
export interface Others {
  /** Parts of which one can be run alone, with `--only`. */
  readonly parts?: readonly string[];
  /** Options without a value. */
  readonly flags?: readonly string[];
  /** Options that chance sets unless somebody does. */
  readonly byChance?: readonly string[];
}

/** What was set. */
export interface Settings<D extends Defaults> {
  readonly numbers: { readonly [option in keyof D]: number };
  /** Whether to run the part of a name. */
  readonly wants: (part: string) => boolean;
  /** Whether a flag is set. */
  readonly has: (flag: string) => boolean;
}

/** Somebody asks what there is to set; the message tells. */
class HelpWanted extends Error {}

function helpText(
  defaults: Defaults,
  { parts = [], flags = [], byChance = [] }: Others,
): string {
  const rows = Object.entries(defaults).map(([name, standard]) => [
    `--${name} N`,
    byChance.includes(name) ? "by chance" : String(standard),
  ]);
  for (const flag of flags) rows.push([`--${flag}`, "off"]);
  if (parts.length > 0) rows.push(["--only PART", `all of ${parts.join(", ")}`]);
  const width = Math.max(...rows.map(([option]) => option!.length)) + 2;
  const lines = rows.map(([option, standard]) => `  ${option!.padEnd(width)}${standard}`);
  return ["What can be set, and what it is otherwise:", ...lines].join("\n");
}

/**
 * Read a command line.
 *
 * @throws {HelpWanted} On `--help`.
 * @throws {UsageError} On an option that is unknown or not a positive whole number, or a part there
 * is not.
 */
export function readSettings<D extends Defaults>(
  args: readonly string[],
  defaults: D,
  others: Others = {},
): Settings<D> {
  const { parts = [], flags = [] } = others;
  const spellings = new Map<string, Spelling>();
  for (const flag of ["help", ...flags]) spellings.set(flag, { takes: "flag" });
  for (const name of Object.keys(defaults)) spellings.set(name, { takes: "value" });
  if (parts.length > 0) spellings.set("only", { takes: "value" });
  const { words, options } = readArguments(args, spellings);
  if (options.has("help")) throw new HelpWanted(helpText(defaults, others));
  if (words.length > 0) throw new UsageError(`unexpected ${JSON.stringify(words[0])}`);
  const numbers: Record<string, number> = {};
  for (const [name, standard] of Object.entries(defaults)) {
    const text = options.get(name)?.[0] ?? String(standard);
    if (options.has(name) && !/^[1-9]\d{0,8}$/.test(text)) {
      throw new UsageError(
        `--${name} must be a positive whole number, not ${JSON.stringify(text)}`,
      );
    }
    numbers[name] = Number(text);
  }
  const only = options.get("only")?.[0];
  if (only !== undefined && !parts.includes(only)) {
    throw new UsageError(`--only must be one of ${parts.join(", ")}, not ${JSON.stringify(only)}`);
  }
  return {
    numbers: numbers as Settings<D>["numbers"],
    wants: (part) => only === undefined || only === part,
    has: (flag) => options.has(flag),
  };
}

/**
 * Run a tool, or tell what it takes; a command line that can't be understood is one line and 64.
 */
export async function runTool(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof HelpWanted) return print(error.message);
    if (!(error instanceof UsageError)) throw error;
    complain(error.message);
    Deno.exit(EXIT.usage);
  }
}
