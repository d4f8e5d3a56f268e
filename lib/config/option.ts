/**
 * What an option is: all there is to say of one, said once. The command line, its help, the
 * library's options and the tables of the docs are made from it, or held to it by a test.
 *
 * Types only, and the names of the commands.
 *
 * @module
 */

/** The commands. */
export const COMMANDS = [
  "consume",
  "client",
  "status",
  "list",
  "show",
  "requeue",
  "retry",
  "delete",
  "hold",
  "resume",
  "replay",
  "purge",
  "config",
  "check",
  "doctor",
  "test",
  "completion",
] as const;

/** The sections of a configuration file that hold options of the command line. */
export const SECTIONS = ["consume", "accept", "limits", "egress"] as const;

/** Such a section. */
export type Section = typeof SECTIONS[number];

/** A command's name. */
export type Command = typeof COMMANDS[number];

/** What kind of value an option has: how it is written, and its limits. */
export interface Kind<T> {
  /** `flag` takes no value, `value` takes one, `values` takes one and may be repeated. */
  readonly takes: "flag" | "value" | "values";
  /** Whether it stands in a file only, as a table; its text is that table's JSON. */
  readonly isTable?: true;
  /** What a flag may say after `=`. */
  readonly mayBe?: readonly string[];
  /** What stands for a value in the help, such as `DURATION`; empty for a flag. */
  readonly valueName: string;
  /** The words it may be, where it is one of some. */
  readonly words?: readonly string[];
  /** What a text must be, as in "--poll must be a duration from 10ms to 1h". */
  readonly textMust: string;
  /** What a value must be, as in "pollMs must be a whole number from 10 to 3600000". */
  readonly valueMust: string;
  /**
   * The value that a text spells, whatever its limits; `undefined` when it spells none. An option
   * that was repeated has further texts.
   */
  read(text: string, ...more: readonly string[]): T | undefined;
  /** Whether a value is of this kind and within its limits. */
  accepts(value: T): boolean;
  /** The text that {@linkcode Kind.read} reads back. */
  print(value: T): string;
}

/** How a check speaks of options: as the person wrote them. */
export interface Say<T, All> {
  /** An option's name: `--lease`, or `leaseMs` in a program. */
  name(key: keyof All & string): string;
  /** A value of the option that is checked: `40s`, or `40000` in a program. */
  value(value: T): string;
}

/**
 * One option.
 *
 * @typeParam T Its value.
 * @typeParam All The values of all options it is declared with, by their keys. A key is the name in
 * a program, with the unit in it: `leaseMs`.
 */
export interface Option<T, All> {
  /** Its name in a file and, after two dashes, on the command line. */
  readonly name: string;
  /** Other ways to write it on the command line, dashes included. */
  readonly aliases?: readonly string[];
  /** How its value is written, and its limits. */
  readonly kind: Kind<T>;
  /**
   * The value when none is given. A constant is right by definition, also outside the limits of the
   * kind: `Infinity` for "no limit". A function follows options whose own defaults are constants.
   */
  readonly default: T | ((all: All) => T);
  /** The default in words, where its value doesn't tell: "no limit". */
  readonly defaultText?: string;
  /** What it is for, in one line. */
  readonly help: string;
  /** The commands that know it. */
  readonly commands: readonly Command[];
  /** The section of a configuration file it may stand in; without one it can't be in a file. */
  readonly section?: Section;
  /** Its name there, when that is another one. */
  readonly fileName?: string;
  /** Its name in the section of one destination, where it may stand there. */
  readonly destinationName?: string;
  /** Whether it stays as it is while the consumer runs. */
  readonly fixed?: true;
  /** Whether its value may hold a secret: no message shows it. */
  readonly secret?: true;
  /** The name of an option that must be written as well. */
  readonly needs?: string;
  /** The names of options that can't be written as well. */
  readonly excludes?: readonly string[];
  /**
   * What the value must be beside being of its kind, given all others, if it isn't.
   *
   * @returns As in "--lease must be `at least --timeout + 10s (40s)`"; `undefined` when all is
   * well.
   */
  check?(value: T, all: All, say: Say<T, All>): string | undefined;
}

/** A declaration of each of some options, by key. One that is missing doesn't compile. */
export type OptionsOf<All> = {
  readonly [Key in keyof All]-?: Option<All[Key], All>;
};

/** Any option, to look at. */
export type AnyOption = Option<unknown, never>;
