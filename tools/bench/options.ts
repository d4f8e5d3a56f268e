/**
 * Options of the measurements, spelled as those of the program.
 *
 * @module
 */

import { readArguments, type Spelling, UsageError } from "../../lib/cli/args.ts";
import { EXIT } from "../../lib/cli/exit_code.ts";
import { complain, print } from "./report.ts";

/** What there is to set, and where it starts. */
export interface Defaults {
  readonly [option: string]: number;
}

/** What was set. */
export interface Settings<D extends Defaults> {
  readonly numbers: { readonly [option in keyof D]: number };
  /** Whether to run the measurement of a name. */
  readonly wants: (name: string) => boolean;
}

/** Somebody asks what there is to set; the message tells. */
class HelpWanted extends Error {}

function helpText(defaults: Defaults, names: readonly string[]): string {
  const options = Object.entries(defaults).map(([name, standard]) =>
    `  --${name} N`.padEnd(16) + String(standard)
  );
  if (names.length > 1) options.push(`  --only NAME   ${names.join(", ")}; without it, all`);
  return ["What can be set, and what it is otherwise:", ...options].join("\n");
}

/**
 * Read a command line.
 *
 * @throws {HelpWanted} On `--help`.
 * @throws {UsageError} On an option that is unknown or not a positive whole number, or a name there is not.
 */
export function readSettings<D extends Defaults>(
  args: readonly string[],
  defaults: D,
  names: readonly string[],
): Settings<D> {
  const spellings = new Map<string, Spelling>([["help", { takes: "flag" }]]);
  for (const name of [...Object.keys(defaults), "only"]) spellings.set(name, { takes: "value" });
  const { words, options } = readArguments(args, spellings);
  if (options.has("help")) throw new HelpWanted(helpText(defaults, names));
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
  if (only !== undefined && !names.includes(only)) {
    throw new UsageError(`--only must be one of ${names.join(", ")}, not ${JSON.stringify(only)}`);
  }
  const wants = (name: string) => only === undefined || only === name;
  return { numbers: numbers as Settings<D>["numbers"], wants };
}

/** Run a measurement, or tell what it takes; a command line that can't be understood is one line and 64. */
export async function measure(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof HelpWanted) return print(error.message);
    if (!(error instanceof UsageError)) throw error;
    complain(error.message);
    Deno.exit(EXIT.usage);
  }
}
