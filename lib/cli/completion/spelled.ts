/**
 * What the completions of all shells are made from: commands and options as they are spelled.
 *
 * @module
 */

import { type AnyOption, type Command, COMMANDS } from "../../config/option.ts";
import { OPTIONS } from "../../config/schema.ts";
import { type Usage, USAGES } from "../usage.ts";

/** What a shell may complete the value of an option to. */
export type Value =
  /** There is none. */
  | { readonly is: "none" }
  /** Nothing it could know of. */
  | { readonly is: "any"; readonly name: string }
  /** A file, or a directory. */
  | { readonly is: "file" | "directory"; readonly name: string }
  /** One of some words. */
  | { readonly is: "word"; readonly name: string; readonly words: readonly string[] };

/** An option of a command. */
export interface SpelledOption {
  /** Its name, dashes included. */
  readonly name: string;
  /** What it is for. */
  readonly help: string;
  /** Its value. */
  readonly value: Value;
}

/** A command. */
export interface SpelledCommand extends Usage {
  /** Its name. */
  readonly name: Command;
  /** Its options. */
  readonly options: readonly SpelledOption[];
}

function valueOf({ kind }: AnyOption): Value {
  const { valueName: name, takes, words } = kind;
  if (takes === "flag") return { is: "none" };
  if (name === "FILE") return { is: "file", name };
  if (name === "DIR") return { is: "directory", name };
  return words ? { is: "word", name, words } : { is: "any", name };
}

function optionsOf(command: Command): SpelledOption[] {
  return OPTIONS.filter(({ commands }) => commands.includes(command)).map((option) => ({
    name: `--${option.name}`,
    help: option.help,
    value: valueOf(option),
  }));
}

/** All commands. Without a name `consume` is meant, so that its options may come first. */
export const SPELLED: readonly SpelledCommand[] = COMMANDS.map((name) => ({
  ...USAGES[name],
  name,
  options: optionsOf(name),
}));

/** The names of options that take a value, of any command. */
export const VALUED: readonly string[] = [
  ...new Set(
    SPELLED.flatMap(({ options }) => options)
      .filter(({ value }) => value.is !== "none")
      .map(({ name }) => name),
  ),
];
