/**
 * Where the values of a JSON object stand in its text.
 *
 * Checking it is `scan.ts`'s work; this module only finds its way through text that is JSON,
 * jumping from quote to quote, without recursion, so that nesting costs no stack.
 *
 * @module
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Where a member of an object stands in its text, quotes included. */
export interface MemberSpan {
  /** Where its key begins. */
  readonly keyAt: number;
  /** The index after its key. */
  readonly keyEnd: number;
  /** Where its value begins. */
  readonly valueAt: number;
  /** The index after its value. */
  readonly valueEnd: number;
}

/**
 * The members of an object one by one, duplicates too, in the order they stand in its text.
 *
 * `text` must be one that `scanJson` takes for an object; for any other the answer means
 * nothing.
 */
export function* membersOf(text: string): Generator<MemberSpan> {
  // Between two members stand only blanks and a comma, so the next quote opens the next key.
  let keyAt = text.indexOf('"');
  while (keyAt !== -1) {
    const keyEnd = stringEnd(text, keyAt);
    const valueAt = skipBlanks(text, text.indexOf(":", keyEnd) + 1);
    const valueEnd = endOfValue(text, valueAt);
    yield { keyAt, keyEnd, valueAt, valueEnd };
    keyAt = text.indexOf('"', valueEnd);
  }
}

/**
 * Where the value of an object's first member with this decoded key stands in its text; `undefined`
 * when there is none.
 *
 * `text` must be one that `scanJson` takes for an object.
 */
export function memberSpan(
  text: string,
  wanted: string,
): readonly [start: number, end: number] | undefined {
  for (const { keyAt, keyEnd, valueAt, valueEnd } of membersOf(text)) {
    if (decodeString(text.slice(keyAt, keyEnd)) === wanted) return [valueAt, valueEnd];
  }
  return undefined;
}

/**
 * Whether `text` stops before its JSON value does: it is blank, or a bracket or string was never
 * closed.
 *
 * This tells a file that is still being written from one that is broken, for text that
 * `scanJson` calls broken.
 */
export function endsEarly(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at) - 1;
      if (at === -1) return true;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    // Once the first bracket has been closed the value is over, and more text can't mend it.
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth <= 0) return false;
  }
  return depth > 0 || text.trim() === "";
}

/** The index after the quote that closes the string opened at `open`; 0 when none does. */
export function stringEnd(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (text.charCodeAt(close - 1) === BACKSLASH && isEscaped(text, close)) {
    close = text.indexOf('"', close + 1);
  }
  return close + 1;
}

/**
 * Whether an odd number of backslashes stands before `at`. A string's own opening quote stops the
 * count.
 */
function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before--;
  return (at - before) % 2 === 0;
}

/** What a string says, its quotes included in the text. */
export function decodeString(quoted: string): string {
  return quoted.includes("\\") ? JSON.parse(quoted) : quoted.slice(1, -1);
}

/** The first index from `at` on that isn't a blank. */
export function skipBlanks(text: string, at: number): number {
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** The four blanks of JSON: space, tab, line feed, carriage return. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function endOfValue(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return stringEnd(text, at);
  if (code === OPEN_BRACE || code === OPEN_BRACKET) return containerEnd(text, at);
  return scalarEnd(text, at);
}

/** The index after the bracket that closes the one at `open`. */
function containerEnd(text: string, open: number): number {
  let at = open + 1;
  for (let depth = 1; depth > 0; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    // A bracket and the brace of the same side differ by 0x20, and by nothing else that JSON has
    // outside of strings.
    else if ((code | 0x20) === OPEN_BRACE) depth++;
    else if ((code | 0x20) === CLOSE_BRACE) depth--;
  }
  return at;
}

/** The index after the number, `true`, `false` or `null` at `at`. */
function scalarEnd(text: string, at: number): number {
  for (;; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || isBlank(code)) return at;
  }
}
