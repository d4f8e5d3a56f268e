/**
 * The lines of an HTTP/1.1 head, of a request as of an answer: where they end, and what a header is
 * (RFC 9112). Pure.
 *
 * What two programs could read in two ways is refused, never repaired: bare line feeds, folded
 * lines, a blank before a colon.
 *
 * @module
 */

const CR = 13;
const LF = 10;

/** What a peer sent can't be understood; the connection can't be used again. */
export class MalformedError extends Error {
  /** The name of the class. */
  override readonly name: string = "MalformedError";
}

/** A header as it came: lower-case name, value. */
export type HeaderLine = readonly [name: string, value: string];

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a text is what methods and the names of headers are made of. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * Where a head ends: the index after its empty line, -1 when that hasn't come yet.
 *
 * @param from How many bytes were looked at before.
 * @throws {MalformedError} On a line feed alone.
 */
export function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) throw new MalformedError("a line must end with CR LF");
    if (at > 2 && bytes[at - 2] === LF) return at + 1;
  }
  return -1;
}

/** How many characters are made at once: a call takes so many arguments everywhere. */
const MOST_ARGUMENTS = 8_192;

/** One character for each byte. */
export function textOf(bytes: Uint8Array): string {
  if (bytes.length <= MOST_ARGUMENTS) return String.fromCharCode(...bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += MOST_ARGUMENTS) {
    text += String.fromCharCode(...bytes.subarray(at, at + MOST_ARGUMENTS));
  }
  return text;
}

/**
 * The headers on lines, in the order they came.
 *
 * @throws {MalformedError} On a line that isn't a header.
 */
export function readHeaders(lines: readonly string[]): HeaderLine[] {
  return lines.map((line) => {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = trim(line.slice(colon + 1));
    if (TOKEN.test(name) && VALUE.test(value)) return [name.toLowerCase(), value];
    throw new MalformedError("a header must be a name, a colon and a value on one line");
  });
}

/** Without blanks and tabs around it, and nothing else. */
export function trim(text: string): string {
  const isBlank = (at: number) => text[at] === " " || text[at] === "\t";
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

/** The members of all headers of a name that holds a list, lower case. */
export function listed(headers: readonly HeaderLine[], name: string): string[] {
  return headers.filter(([header]) => header === name)
    .flatMap(([, value]) => value.toLowerCase().split(",").map(trim));
}
