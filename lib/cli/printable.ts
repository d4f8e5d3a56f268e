/**
 * Text from elsewhere (file names, reasons, arguments) made safe to print: it stays on its line,
 * moves no cursor, and is seen in the order in which it was written.
 *
 * @module
 */

import { visible } from "../event/visible.ts";

/**
 * A JSON string literal, quotes included, that holds nothing unprintable: one token in a text line,
 * a value in a JSON line.
 */
export function quoted(text: string): string {
  return visible(JSON.stringify(text));
}

/**
 * The text as it is where nothing in it needs an escape, else with each unprintable character as
 * `\uXXXX`.
 */
export function printable(text: string): string {
  return visible(text);
}

const PLAIN_WORD = /^[\w.:/~+@%,()-]+$/;

/**
 * A word of a text line: as it is where it can be told from its neighbours, else {@linkcode
 * quoted}.
 */
export function word(text: string): string {
  return PLAIN_WORD.test(text) ? text : quoted(text);
}
