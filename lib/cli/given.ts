/**
 * The values of options that stand on the command line.
 *
 * @module
 */

import type { AnyOption, OptionsOf } from "../config/option.ts";
import { faultsOf, type Given, type Voice } from "../config/resolve.ts";
import { UsageError } from "./args.ts";
import { quoted } from "./printable.ts";

/** The texts of each option that was given, by its name. */
export type Texts = ReadonlyMap<string, readonly string[]>;

/** How an option is spoken of to whoever wrote it, by its name: `--poll`, or where it stands. */
export type NameOf = (name: string) => string;

const onCommandLine: NameOf = (name) => `--${name}`;

function readValue(
  { name, kind, secret }: AnyOption,
  texts: readonly string[],
  nameOf: NameOf,
): unknown {
  const [text = "", ...more] = texts;
  const value = kind.read(text, ...more);
  if (value !== undefined && kind.accepts(value)) return value;
  const current = secret ? "" : `, current value is ${quoted(texts.join(" "))}`;
  throw new UsageError(`${nameOf(name)} must be ${kind.textMust}${current}`);
}

/**
 * Read the values that were given.
 *
 * @throws {UsageError} On one that is wrong, or contradicts another: the message names both.
 */
export function readGiven<All>(
  options: OptionsOf<All>,
  texts: Texts,
  nameOf: NameOf = onCommandLine,
): Given<All> {
  const given: Record<string, unknown> = {};
  for (const [key, option] of Object.entries<AnyOption>(options)) {
    const written = texts.get(option.name);
    if (written !== undefined) given[key] = readValue(option, written, nameOf);
  }
  const voice: Voice = { name: (_, { name }) => nameOf(name), shows: "texts" };
  const [fault] = faultsOf(options, given as Given<All>, voice);
  if (fault !== undefined) throw new UsageError(fault);
  return given as Given<All>;
}

/**
 * See that what belongs together is given together.
 *
 * @throws {UsageError} On an option that needs another, and on two that exclude each other.
 */
export function checkTogether(
  options: readonly AnyOption[],
  texts: Texts,
  nameOf: NameOf = onCommandLine,
): void {
  for (const { name, needs, excludes = [] } of options) {
    if (!texts.has(name)) continue;
    if (needs !== undefined && !texts.has(needs)) {
      throw new UsageError(`${nameOf(name)} needs ${nameOf(needs)} as well`);
    }
    const other = excludes.find((excluded) => texts.has(excluded));
    if (other !== undefined) {
      throw new UsageError(`${nameOf(name)} and ${nameOf(other)} can't be used together`);
    }
  }
}
