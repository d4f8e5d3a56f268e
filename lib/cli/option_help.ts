/**
 * The part of the help that lists options, made from the schema.
 *
 * @module
 */

import { type AnyOption, type Command, COMMANDS } from "../config/option.ts";
import { defaultOf, OPTIONS, usageOf } from "../config/schema.ts";

const COLUMNS = 80;

/** What is wider gets a line of its own. */
const WIDEST_USAGE = 19;

/** Words in lines of a width. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** What an option is for, with its other names and its default. */
export function purposeOf(option: AnyOption): string {
  const others = (option.aliases ?? []).filter((alias) => alias.startsWith("--"));
  const also = others.length === 0 ? "" : `; ${others.join(", ")} is the same`;
  const standard = defaultOf(option);
  return `${option.help}${also}${standard === "" ? "" : ` (default: ${standard})`}`;
}

/** Options, one below the other. */
function listText(options: readonly AnyOption[]): string {
  const widths = options.map((option) => usageOf(option).length);
  const width = Math.max(...widths.filter((width) => width <= WIDEST_USAGE));
  const indent = " ".repeat(2 + width + 2);
  return options.map((option) => {
    const usage = usageOf(option);
    const text = wrap(purposeOf(option), COLUMNS - indent.length).join(`\n${indent}`);
    const gap = usage.length > width ? `\n${indent}` : " ".repeat(width - usage.length + 2);
    return `  ${usage}${gap}${text}\n`;
  }).join("");
}

/** Whether every command knows an option. */
export function isEverywhere({ commands }: AnyOption): boolean {
  return commands.length === COMMANDS.length;
}

/** The options of every command. */
export function everywhereText(): string {
  return listText(OPTIONS.filter(isEverywhere));
}

/** The options of a command; its own help doesn't speak of `--help` and `--version`. */
export function optionsText(command: Command): string {
  const known = OPTIONS.filter(({ commands }) => commands.includes(command));
  return `Options:\n${
    listText(known.filter((option) => !isEverywhere(option) || option.name === "base-dir"))
  }`;
}
