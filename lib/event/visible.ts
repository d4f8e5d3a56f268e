/**
 * Text from elsewhere made safe to show: no character in it moves a cursor, hides, or turns the
 * direction of what stands beside it.
 *
 * @module
 */

/**
 * What a terminal obeys or a reader can't see: C0 and C1 controls, DEL, line and paragraph
 * separators, marks that turn the direction of writing, the byte order mark, and halves of
 * surrogate pairs.
 */
const INVISIBLE =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

/**
 * The text as it is where nothing in it needs an escape, else with each such character as `\uXXXX`.
 *
 * @param kept Characters to leave alone, such as line breaks in a text of several lines.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { visible } from "./visible.ts";
 *
 * assertEquals(visible("a\u009b2J\u202eb\n"), "a\\u009b2J\\u202eb\\u000a");
 * assertEquals(visible("a\u009b\n", "\n"), "a\\u009b\n");
 * ```
 */
export function visible(text: string, kept = ""): string {
  return text.replace(INVISIBLE, (unit) => kept.includes(unit) ? unit : escaped(unit));
}

function escaped(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}
