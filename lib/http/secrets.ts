/**
 * Keeps our own credentials out of what is written about an answer: an endpoint may well repeat
 * them (`invalid token abc`), and `.why`, `.meta` and the log are read by more people than the
 * event.
 *
 * @module
 */

import { KEY_HEADER } from "./defaults.ts";
import type { HttpRequest } from "./step.ts";

/** What stands where a secret stood. */
const MASK = "…";

/** Names of headers whose values are secrets. */
const SECRET_NAME = /auth|cookie|credential|key|passw|pwd|secret|session|signature|token/;

/** Shorter texts are no secrets, and would be found everywhere. */
const SHORTEST = 3;

/** A part of a value with a name: `sid=abc`, `response="abc"`; not the padding of Base64. */
const NAMED = /^[^=]+="?([^="].*?)"?$/;

const utf8 = new TextDecoder();

/** What of a request must not be shown, in the forms in which it may be repeated. */
export function secretsOf(
  { headers, secrets: known = [] }: Pick<HttpRequest, "headers" | "secrets">,
): readonly string[] {
  const secrets = new Set(known.flatMap(formsOf).filter((form) => form.length >= SHORTEST));
  for (const [name, value] of headers) {
    if (name === KEY_HEADER || !SECRET_NAME.test(name)) continue;
    for (const text of partsOf(value)) {
      for (const form of formsOf(text)) if (form.length >= SHORTEST) secrets.add(form);
    }
  }
  return [...secrets];
}

/** The value, its words (but for a scheme such as `Bearer`), and what is encoded in them. */
function partsOf(value: string): string[] {
  const words = value.split(/[\s,;]+/).filter((word) => word !== "");
  const scheme = words.length > 1 && /^[a-z-]+$/i.test(words[0]!) ? words.shift()! : "";
  const parts = [value.trim(), ...words];
  for (const word of words) {
    const named = NAMED.exec(word);
    if (named) parts.push(named[1]!);
    if (scheme.toLowerCase() === "basic") parts.push(...userInfoIn(word));
  }
  return parts;
}

/** What a Basic credential is made of: `user:password`, and each of both, also read as UTF-8. */
function userInfoIn(base64: string): string[] {
  let bytes: string;
  try {
    bytes = atob(base64);
  } catch {
    return []; // it is none
  }
  const text = utf8.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  return [bytes, text].flatMap((user) => {
    const colon = user.indexOf(":");
    return [user, user.slice(0, colon), user.slice(colon + 1)];
  });
}

/** A text as it is, in a URL, and in JSON. */
function formsOf(text: string): string[] {
  return [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1)];
}

/**
 * A text with `…` wherever it shows a secret.
 *
 * @param isCut Whether the text may go on: then what begins a secret at its end is masked as well.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { masked } from "./secrets.ts";
 *
 * assertEquals(masked("no such token: abc123", ["abc123"], false), "no such token: …");
 * assertEquals(masked("no such token: abc", ["abc123"], true), "no such token: …");
 * ```
 */
export function masked(text: string, secrets: readonly string[], isCut: boolean): string {
  const spans = secrets.flatMap((secret) => spansOf(text, secret, isCut));
  if (spans.length === 0) return text;
  spans.sort(([a], [b]) => a - b);
  let shown = "";
  let at = 0;
  for (const [start, end] of spans) {
    // else it goes on where the one before ends, or overlaps it
    if (start > at || shown === "") shown += text.slice(at, start) + MASK;
    at = Math.max(at, end);
  }
  return shown + text.slice(at);
}

type TextSpan = readonly [start: number, end: number];

/** Where a secret stands in a text; they may overlap. */
function spansOf(text: string, secret: string, isCut: boolean): TextSpan[] {
  const spans: TextSpan[] = [];
  let at = text.indexOf(secret);
  for (; at !== -1; at = text.indexOf(secret, at + 1)) spans.push([at, at + secret.length]);
  if (!isCut) return spans;
  const start = secret.slice(0, SHORTEST);
  at = text.indexOf(start, text.length - secret.length);
  for (; at !== -1; at = text.indexOf(start, at + 1)) {
    if (secret.startsWith(text.slice(at))) return [...spans, [at, text.length]];
  }
  return spans;
}
