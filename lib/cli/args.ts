/**
 * Arguments to options: how a command line is spelled, not yet what it means.
 *
 * `parseArgs` of `@std/cli` does the pairing of names and values, but lets pass what an operator
 * would want to hear of: `--once=maybe` is true, `--once false` eats the word, a repeated option
 * silently wins over the first, an unknown one swallows the next word. So a flag is closed with `=`
 * beforehand (a value never starts with a dash, which makes every `--word` an option wherever it
 * stands), everything is collected as text, and what is unknown, empty or repeated is an error.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { closestString, levenshteinDistance } from "../std/text.ts";
import { printable } from "./printable.ts";

/**
 * The command line can't be understood; the message is one line for the person who typed it. The
 * program ends with 64.
 */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = "UsageError";
}

/** How an option is spelled. */
export interface Spelling {
  /** `flag` takes no value, `value` takes one, `values` takes one and may be repeated. */
  readonly takes: "flag" | "value" | "values";
  /** Other ways to write it, dashes included, such as the original's `-threads`. */
  readonly aliases?: readonly string[] | undefined;
  /** What a flag may say after `=`. */
  readonly mayBe?: readonly string[] | undefined;
}

/** A command line taken apart. */
export interface Arguments {
  /** Words that are neither options nor their values, in order. */
  readonly words: readonly string[];
  /** Values of each option that was given, by its name without dashes; that of a flag is empty. */
  readonly options: ReadonlyMap<string, readonly string[]>;
}

/** The name of an option instead of another way to write it; anything else as it is. */
function withMainName(arg: string, names: ReadonlyMap<string, string>): string {
  const [written] = arg.split("=", 1);
  const name = names.get(written!);
  return name === undefined ? arg : `--${name}${arg.slice(written!.length)}`;
}

/** `parseArgs` takes `--no-x=1` for `--x=1`. No option of ours begins like this. */
const NEGATED = /^--no-/;

/**
 * A flag with an empty value, so that it doesn't take the next word for one; anything else as it
 * is.
 */
function closeFlag(arg: string, spellings: ReadonlyMap<string, Spelling>): string {
  const [name] = arg.slice(2).split("=", 1);
  const spelling = arg.startsWith("--") ? spellings.get(name!) : undefined;
  if (spelling?.takes !== "flag") return arg;
  if (!arg.includes("=")) return `${arg}=`;
  const { mayBe = [] } = spelling;
  if (mayBe.includes(arg.slice(name!.length + 3))) return arg;
  throw new UsageError(
    mayBe.length === 0
      ? `--${name} takes no value`
      : `--${name} takes no value but ${mayBe.join(" or ")}`,
  );
}

/** The one of `names` that was probably meant. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const starting = names.filter((name) => given !== "" && name.startsWith(given));
  if (starting.length === 1) return starting[0];
  if (given === "" || given.length > 40) return undefined;
  const candidate = closestString(given, names);
  const farthest = Math.max(1, Math.floor(candidate.length / 3));
  return levenshteinDistance(given.toLowerCase(), candidate) <= farthest ? candidate : undefined;
}

/**
 * Take a command line apart by the spelling of its options.
 *
 * @throws {UsageError} On an option that is unknown, lacks its value, has one it can't take, or is
 * repeated.
 */
export function readArguments(
  args: readonly string[],
  spellings: ReadonlyMap<string, Spelling>,
): Arguments {
  const names = [...spellings.keys()];
  const aliases = new Map(
    [...spellings].flatMap(([name, { aliases = [] }]) =>
      aliases.map((alias) => [alias, name] as const)
    ),
  );
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const spelled = args.slice(0, end).map((arg) => closeFlag(withMainName(arg, aliases), spellings));

  function refuseUnknown(arg: string, key?: string): void {
    if (key === undefined) return; // a word
    const before = spelled[spelled.indexOf(arg) - 1]?.slice(2);
    if (before !== undefined && spellings.has(before)) {
      throw new UsageError(
        `--${before} needs a value; one that starts with a dash is written --${before}=${
          printable(arg)
        }`,
      );
    }
    const [option] = printable(arg).split("=", 1);
    const written = [...aliases.keys()].filter((alias) => alias.startsWith("--"));
    const known = [...names, ...written.map((alias) => alias.slice(2))];
    const meant = nearest(option!.replace(/^-+/, ""), known);
    throw new UsageError(
      `unknown option ${option}; ${
        meant === undefined ? "see --help" : `did you mean --${meant}?`
      }`,
    );
  }

  for (const arg of spelled) {
    const [option] = arg.split("=", 1);
    if (NEGATED.test(arg)) refuseUnknown(arg, option);
  }
  const parsed = parseArgs([...spelled, ...args.slice(end)], {
    string: [...names, "_"],
    collect: names,
    unknown: refuseUnknown,
  });
  const options = new Map<string, readonly string[]>();
  for (const [name, { takes }] of spellings) {
    const values = parsed[name] as readonly string[];
    if (values.length === 0) continue;
    if (takes !== "flag" && values.includes("")) throw new UsageError(`--${name} needs a value`);
    if (takes !== "values" && values.length > 1) {
      throw new UsageError(`--${name} is given ${values.length === 2 ? "twice" : "repeatedly"}`);
    }
    options.set(name, values);
  }
  return { words: parsed._.map(String), options };
}
