/**
 * Text from elsewhere (file names, reasons, arguments) made safe to print: it stays on its line,
 * moves no cursor, and is seen in the order in which it was written.
 *
 * @module
 */

/**
 * What a terminal obeys or a reader can't see: C0 and C1 controls, DEL, line and paragraph
 * separators, marks that turn the direction of writing, the byte order mark, and halves of
 * surrogate pairs.
 */
const UNPRINTABLE =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

const escapeUnit = (unit: string) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");

/**
 * A JSON string literal, quotes included, that holds nothing unprintable: one token in a text line,
 * a value in a JSON line.
 */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(UNPRINTABLE, escapeUnit);
}

/**
 * The text as it is where nothing in it needs an escape, else with each unprintable character as
 * `\uXXXX`.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escapeUnit);
}

const PLAIN_WORD = /^[\w.:/~+@%,()-]+$/;

/**
 * A word of a text line: as it is where it can be told from its neighbours, else {@linkcode
 * quoted}.
 */
export function word(text: string): string {
  return PLAIN_WORD.test(text) ? text : quoted(text);
}
