/**
 * Checks JSON text, and cuts members out of it.
 *
 * What is sent must be the text the producer wrote, so the text has to be cut, not parsed and
 * printed again. `JSON.parse` would also build what nobody reads: of 4 MiB of brackets or keys it
 * takes a third of a second, and memory many times theirs. So the text is checked here, in one pass
 * that builds nothing, without recursion, so that nesting costs no stack.
 *
 * @module
 */

import { isBlank, skipBlanks } from "./json.ts";

const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const LOWER_A = 0x61;
const LOWER_B = 0x62;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_R = 0x72;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;

/** What a text turned out to be. */
export type Scan =
  /** An object, with the exact source texts of the members that were asked for and are there. */
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, string> }
  /** JSON, but another value than an object. */
  | { readonly kind: "other" }
  /** No JSON; `at` is the index of what can't stand there: the text's length if it ends early. */
  | { readonly kind: "broken"; readonly at: number };

/**
 * Check a text as `JSON.parse` would, and cut out the values of an object's members by decoded key
 * (`"\u0075rl"` is `url`). Of duplicate keys the last counts, as in `JSON.parse`.
 *
 * Takes time in proportion to the text's length, and a byte of memory for each level of nesting.
 *
 * @param wanted The keys to look for, of letters only.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scanJson } from "./scan.ts";
 *
 * const scan = scanJson(`{ "n": 1.0, "n": [2, 3], "m": 0 }`, ["n"]);
 * assertEquals(scan, { kind: "object", members: new Map([["n", "[2, 3]"]]) });
 * assertEquals(scanJson("[1,]", []), { kind: "broken", at: 3 });
 * ```
 */
export function scanJson(text: string, wanted: readonly string[]): Scan {
  const spans: Span[] = wanted.map(() => ({ start: 0, end: 0 }));
  const at = brokenAt(text, wanted, spans);
  if (at !== undefined) return { kind: "broken", at };
  if (text.charCodeAt(skipBlanks(text, 0)) !== OPEN_BRACE) return { kind: "other" };
  const members = new Map<string, string>();
  for (const [n, { start, end }] of spans.entries()) {
    if (end > 0) members.set(wanted[n]!, text.slice(start, end));
  }
  return { kind: "object", members };
}

/** Where a value stands; all 0 when it is nowhere. */
interface Span {
  start: number;
  end: number;
}

/** What may come next. From `FIRST_ITEM` on the innermost bracket may be closed as well. */
const VALUE = 0;
const KEY = 1;
const FIRST_ITEM = 2;
const FIRST_KEY = 3;
const COMMA_OR_CLOSE = 4;

/** From `[` to `]`, and from `{` to `}`. */
const TO_CLOSE = 2;

/**
 * Where a text stops to be JSON; `undefined` when it doesn't. Fills in the spans on its way.
 *
 * One loop, its state in variables: of 4 MiB of brackets every call in it would cost 10 ms.
 */
function brokenAt(
  text: string,
  wanted: readonly string[],
  spans: readonly Span[],
): number | undefined {
  const { length } = text;
  let around = new Uint8Array(64); // the brackets around the innermost open one
  let depth = 0;
  let open = 0; // the innermost open bracket
  let next = VALUE;
  let member: Span | undefined; // whose value is being read
  let valueEnd = 0;
  let at = 0;
  for (;;) {
    const code = at < length ? text.charCodeAt(at) : 0;
    if (code <= SPACE) {
      if (!isBlank(code)) break;
      at++;
      continue;
    }
    if (next === COMMA_OR_CLOSE) {
      if (depth === 0) break;
      if (depth === 1 && member) {
        member.end = valueEnd;
        member = undefined;
      }
      if (code === COMMA) {
        at++;
        next = open === OPEN_BRACE ? KEY : VALUE;
        continue;
      }
    }
    if (next >= FIRST_ITEM && code === open + TO_CLOSE) {
      open = around[--depth]!;
      valueEnd = ++at;
      next = COMMA_OR_CLOSE;
    } else if (next === KEY || next === FIRST_KEY) {
      if (code !== QUOTE) break;
      const keyAt = at;
      at = stringEndChecked(text, at);
      if (at < 0) return ~at;
      if (depth === 1) member = memberOf(text, keyAt, at, wanted, spans);
      at = skipBlanks(text, at);
      if (text.charCodeAt(at) !== COLON) break;
      at = skipBlanks(text, at + 1);
      if (depth === 1 && member) member.start = at;
      next = VALUE;
    } else if (next === COMMA_OR_CLOSE) {
      break;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (depth === around.length) around = widened(around);
      around[depth++] = open;
      open = code;
      at++;
      next = code === OPEN_BRACE ? FIRST_KEY : FIRST_ITEM;
    } else {
      if (code === QUOTE) at = stringEndChecked(text, at);
      else if (isDigit(code) && text.charCodeAt(at + 1) === COMMA) at++; // the shortest item
      else at = scalarEndChecked(text, at, code);
      if (at < 0) return ~at;
      valueEnd = at;
      next = COMMA_OR_CLOSE;
    }
  }
  return at === length && depth === 0 && next === COMMA_OR_CLOSE ? undefined : at;
}

function widened(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const wider = new Uint8Array(4 * bytes.length);
  wider.set(bytes);
  return wider;
}

/** As {@linkcode stringEnd}, or `~at` where the string can't go on so. */
function stringEndChecked(text: string, open: number): number {
  for (let at = open + 1;; at++) {
    const code = text.charCodeAt(at); // NaN at the end
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) {
      const end = escapeEnd(text, at);
      if (end < 0) return end;
      at = end - 1;
    } else if (!(code >= SPACE)) return ~at; // a control character, or the end
  }
}

/** The index after the escape that begins at `at`, or `~at` where it can't go on so. */
function escapeEnd(text: string, at: number): number {
  const code = text.charCodeAt(++at);
  if (code === LOWER_U) {
    const end = at + 4;
    while (at < end) if (hexValue(text.charCodeAt(++at)) < 0) return ~at;
    return at + 1;
  }
  const isShort = code === QUOTE || code === BACKSLASH || code === SLASH || code === LOWER_N ||
    code === LOWER_T || code === LOWER_R || code === LOWER_B || code === LOWER_F;
  return isShort ? at + 1 : ~at;
}

/** What a hexadecimal digit is worth; -1 for what isn't one. */
function hexValue(code: number): number {
  if (isDigit(code)) return code - ZERO;
  const lower = code | 0x20;
  return lower >= LOWER_A && lower <= LOWER_F ? lower - LOWER_A + 10 : -1;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** The index after the number, `true`, `false` or `null` at `at`, or `~at` where there is none. */
function scalarEndChecked(text: string, at: number, code: number): number {
  if (isDigit(code) || code === MINUS) return numberEndChecked(text, at);
  for (const word of WORDS) if (text.startsWith(word, at)) return at + word.length;
  return ~at;
}

const WORDS = ["true", "false", "null"];

function numberEndChecked(text: string, at: number): number {
  if (text.charCodeAt(at) === MINUS) at++;
  let end = text.charCodeAt(at) === ZERO ? at + 1 : digitsEnd(text, at);
  if (end === at) return ~at;
  if (text.charCodeAt(end) === DOT) {
    at = end + 1;
    end = digitsEnd(text, at);
    if (end === at) return ~at;
  }
  if ((text.charCodeAt(end) | 0x20) === LOWER_E) {
    const sign = text.charCodeAt(end + 1);
    at = sign === PLUS || sign === MINUS ? end + 2 : end + 1;
    end = digitsEnd(text, at);
    if (end === at) return ~at;
  }
  return end;
}

/** The first index from `at` on that isn't a digit. */
function digitsEnd(text: string, at: number): number {
  while (isDigit(text.charCodeAt(at))) at++;
  return at;
}

/** The span of the word that the key from `at` to `end`, quotes included, says, if any. */
function memberOf(
  text: string,
  at: number,
  end: number,
  words: readonly string[],
  spans: readonly Span[],
): Span | undefined {
  const code = text.charCodeAt(at + 1);
  const first = code === BACKSLASH ? unicodeEscape(text, at + 1) : code;
  for (let n = 0; n < words.length; n++) {
    const word = words[n]!;
    if (word.charCodeAt(0) === first && says(text, at + 1, end - 1, word)) return spans[n];
  }
  return undefined;
}

/** Whether the inside of a string, from `at` to `end`, says `word` when its escapes are decoded. */
function says(text: string, at: number, end: number, word: string): boolean {
  for (let n = 0; n < word.length; n++) {
    if (at >= end) return false;
    const isEscaped = text.charCodeAt(at) === BACKSLASH;
    const code = isEscaped ? unicodeEscape(text, at) : text.charCodeAt(at);
    if (code !== word.charCodeAt(n)) return false;
    at += isEscaped ? UNICODE_ESCAPE_LENGTH : 1;
  }
  return at === end;
}

const UNICODE_ESCAPE_LENGTH = "\\u0061".length;

/** What `\uXXXX` at `at` stands for; -1 for a shorter escape, none of which is a letter. */
function unicodeEscape(text: string, at: number): number {
  if (text.charCodeAt(at + 1) !== LOWER_U) return -1;
  let code = 0;
  for (let n = 2; n < UNICODE_ESCAPE_LENGTH; n++) {
    code = 16 * code + hexValue(text.charCodeAt(at + n));
  }
  return code;
}
