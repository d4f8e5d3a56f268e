/**
 * Writes an event file: one line that people can read, and that the consumer will accept.
 *
 * What is wrong with an event is best heard by the producer that makes it, so nothing is written
 * here that `parseEvent` would refuse.
 *
 * @module
 */

import { parseEvent } from "./request.ts";
import { scanJson } from "./scan.ts";

/** An event to write, its body given as a value. */
export interface EventInput {
  /** Where to send it; `http:` or `https:`. User info becomes an `Authorization` header. */
  readonly url: string | URL;
  /**
   * What to send, any JSON value. Absent or `null`: nothing, and the request is a GET unless
   * `method` says otherwise.
   */
  readonly requestBody?: unknown;
  /** HTTP method. @default `POST` with a body, `GET` without */
  readonly method?: string;
  /** Headers besides `Content-Type: application/json`, or in its place. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An event to write, its body given as JSON text. */
export interface EventTextInput extends Omit<EventInput, "requestBody"> {
  /** What to send: JSON text, which is sent as it is. Absent or `null`: nothing. */
  readonly bodyText?: string;
}

/** What others call the body: an event with one of these and none of ours would be a bare GET. */
const MISNOMERS = ["body", "data", "payload", "json"];

const utf8 = new TextEncoder();

/**
 * The bytes of an event file: one line, `{"url":…,"requestBody":…}`.
 *
 * @throws {TypeError} When the body can't be written as JSON, or the consumer would refuse the
 * event; the message says what must be different and shows no header value and no user info.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeEvent } from "./encode.ts";
 *
 * const bytes = encodeEvent({ url: "https://a.example/", requestBody: { n: 1 } });
 * assertEquals(new TextDecoder().decode(bytes),
 * `{"url":"https://a.example/","requestBody":{"n":1}}\n`);
 * ```
 */
export function encodeEvent(input: EventInput): Uint8Array {
  const misnomer = MISNOMERS.find((name) => Object.hasOwn(input, name));
  if (misnomer !== undefined && input.requestBody === undefined) {
    throw cannotEncode(misnamed(misnomer));
  }
  return encode(input, bodyTextOf(input.requestBody));
}

/**
 * As {@linkcode encodeEvent}, for a body that is JSON text already: the text goes into the file,
 * and to the destination, character by character.
 *
 * @throws {TypeError} When `bodyText` is not JSON, or the consumer would refuse the event.
 */
export function encodeEventText(input: EventTextInput): Uint8Array {
  const { bodyText } = input;
  if (bodyText !== undefined && !isJson(bodyText)) throw cannotEncode("the body must be JSON text");
  return encode(input, bodyText);
}

/**
 * Why these bytes are not an event that can be sent as its producer means it; `undefined` when they
 * are. An event that ends early is none, nor is one without `requestBody` that has its body under
 * another name: a consumer, which takes what others drop as it is, would send it without.
 */
export function checkEvent(bytes: Uint8Array): string | undefined {
  const event = parseEvent(bytes);
  if (event.kind !== "request") return event.reason;
  if (event.request.body !== undefined) return undefined;
  const scan = scanJson(bytes, [...MISNOMERS, "requestBody", "params"]);
  if (scan.kind !== "object") return undefined; // a BOM is before it: parseEvent has seen an object
  const { members } = scan;
  if (members.has("requestBody") || members.has("params")) return undefined; // null says none
  const misnomer = MISNOMERS.find((name) => members.has(name));
  return misnomer === undefined ? undefined : misnamed(misnomer);
}

function misnamed(name: string): string {
  return `the event must be without ${name}, which is not sent: did you mean requestBody?`;
}

function encode(input: Omit<EventInput, "requestBody">, bodyText: string | undefined): Uint8Array {
  const members = [`"url":${JSON.stringify(input.url ?? null)}`];
  if (input.method !== undefined) members.push(`"method":${JSON.stringify(input.method)}`);
  if (input.headers !== undefined) members.push(`"headers":${headersText(input.headers)}`);
  if (bodyText !== undefined) members.push(`"requestBody":${bodyText}`);
  const bytes = utf8.encode(`{${members.join(",")}}\n`);
  const reason = checkEvent(bytes);
  if (reason !== undefined) throw cannotEncode(reason);
  return bytes;
}

/** A value that is missing must not vanish with its header: as `null` it is refused. */
function headersText(headers: Readonly<Record<string, string>>): string {
  if (typeof headers === "object" && headers !== null && Symbol.iterator in headers) {
    throw cannotEncode("headers must be a plain object of strings");
  }
  return JSON.stringify(headers, (_, value) => value === undefined ? null : value);
}

function bodyTextOf(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(body);
  } catch (error) {
    cause = error;
  }
  // "null" is what JSON makes of NaN and the like: a body that would not be sent.
  if (text !== undefined && text !== "null") return text;
  throw cannotEncode("the body must be a JSON value", cause);
}

function isJson(text: string): boolean {
  // Half a surrogate pair has no UTF-8: it would arrive as another character.
  return text.isWellFormed() && scanJson(utf8.encode(text), []).kind !== "broken";
}

function cannotEncode(reason: string, cause?: unknown): TypeError {
  return new TypeError(
    `Cannot encode the event: ${reason}`,
    cause === undefined ? undefined : { cause },
  );
}
