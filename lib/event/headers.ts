/**
 * Which headers an event may set: those that arrive as written.
 *
 * The rest is refused rather than dropped. `fetch` silently drops some headers (`host`,
 * `content-length`), sends others that then contradict the connection (`upgrade`, `te`), and throws
 * on values HTTP can't carry; an event whose headers would not arrive should not pass for
 * delivered.
 *
 * @module
 */

import { decodeString, membersOf } from "./json.ts";

/** A header as it is sent: lower-case name, value. */
export type Header = readonly [name: string, value: string];

/**
 * Most headers an event may set. Servers end at 100 to 2,000; from 24,576 on Deno's HTTP library
 * ends the whole process.
 */
export const HEADERS_MAX = 1_000;

/** Most bytes that an event's headers may have on the wire, in all: 64 KiB. */
export const HEADERS_MAX_BYTES = 65_536;

/**
 * Longest text of an object of headers, in characters: each of their bytes written as an escape
 * (`\u0061`), and room for quotes and blanks.
 */
const TEXT_MAX_LENGTH = 8 * HEADERS_MAX_BYTES;

/** What stands around a header's name and value on the wire: a colon, a blank, a line break. */
const AROUND_BYTES = 4;

/** Longest header name in bytes. Deno's HTTP library ends at 65,535. */
const NAME_MAX_LENGTH = 1_000;

/**
 * Headers that frame the message or belong to one connection (RFC 9110, sections 7.6.1, 7.8 and
 * 10.1.1; RFC 9112, section 6): the HTTP client writes them itself. All of `proxy-*` is for a
 * proxy, not for the destination.
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A token of RFC 9110, section 5.6.2: what a header's name and a method are made of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What a value may hold: tab, and the visible characters and spaces of ISO 8859-1. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether `text` is a token of RFC 9110: what a header's name and a method are made of. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * The headers written in `text`, the JSON text of an object; of names that differ in case only, the
 * last. Reads no further than the limits allow.
 *
 * @returns The headers, or what is wrong with them. That never shows a value, nor a name that isn't
 * one.
 */
export function readHeaders(text: string): Header[] | string {
  if (text.length > TEXT_MAX_LENGTH) return tooMany(HEADERS_MAX_BYTES, "bytes");
  const written = new Map<string, string>();
  for (const { keyAt, keyEnd, valueAt, valueEnd } of membersOf(text)) {
    const name = decodeString(text.slice(keyAt, keyEnd));
    written.delete(name); // So that a duplicate also takes the later place.
    written.set(name, text.slice(valueAt, valueEnd));
    if (written.size > HEADERS_MAX) return tooMany(HEADERS_MAX, "in number");
  }
  const headers = new Map<string, string>();
  let position = 0;
  let bytes = 0;
  for (const [name, json] of written) {
    position++;
    const value = json.startsWith('"') ? decodeString(json) : undefined;
    const problem = nameProblem(name, position) ?? valueProblem(name, value);
    if (problem !== undefined) return problem;
    headers.set(name.toLowerCase(), value!);
    bytes += name.length + value!.length + AROUND_BYTES;
    if (bytes > HEADERS_MAX_BYTES) return tooMany(HEADERS_MAX_BYTES, "bytes");
  }
  return [...headers];
}

function tooMany(most: number, unit: string): string {
  return `headers must be at most ${most} ${unit}, current value is more`;
}

function nameProblem(name: string, position: number): string | undefined {
  if (!isToken(name)) {
    // Not quoted: it may be a whole header line, value included.
    return `the name of header ${position} must be made of letters, digits and !#$%&'*+-.^_\`|~ only`;
  }
  if (name.length > NAME_MAX_LENGTH) {
    return `the name of header ${position} must be at most ${NAME_MAX_LENGTH} characters long, current value is ${name.length}`;
  }
  const lower = name.toLowerCase();
  // Behind some servers an underscore is as good as a hyphen.
  if (FORBIDDEN.has(lower.replaceAll("_", "-")) || lower.startsWith("proxy-")) {
    return `headers must be without ${lower}, which belongs to the connection and is not the event's to set`;
  }
  return undefined;
}

function valueProblem(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return `the header ${name} must be a string`;
  if (!VALUE.test(value)) {
    return `the header ${name} must be without line breaks, control characters and characters above U+00FF`;
  }
  return undefined;
}
