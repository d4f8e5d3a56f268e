/**
 * Reads an event file: what request it asks for, or why none can be made.
 *
 * Everything that can be wrong with an event is found here, before anything is sent: what is
 * accepted, `new Request` accepts as well. The body is the exact text of its value in the file;
 * parsing and printing it again would change numbers above 2^53, escapes and the order of keys.
 *
 * @module
 */

import {
  addressProblem,
  basicAuthorization,
  stripUrl,
  URL_TEXT_MAX_LENGTH,
  urlTooLong,
  type UserInfo,
} from "./address.ts";
import { type Header, isToken, readHeaders } from "./headers.ts";
import { decodeString, endsEarly, skipBlanks } from "./json.ts";
import { visible } from "./visible.ts";
import { scanJson, type Span } from "./scan.ts";

/** The HTTP request an event asks for. */
export interface EventRequest {
  /** Where to, without user info and fragment. */
  readonly url: URL;
  /** In upper case. */
  readonly method: string;
  /**
   * The event's own headers, names in lower case, each once; `authorization` may be made from the
   * URL's user info.
   */
  readonly headers: readonly Header[];
  /** The exact JSON text to send; `undefined` for none. Of a large one a new text at each use. */
  readonly body: string | undefined;
}

/**
 * The bodies of large events in UTF-8: as texts they would take twice the memory. They belong to
 * the one request that was read: a copy of it with another body has no part in them.
 */
const largeBodies = new WeakMap<EventRequest, Uint8Array>();

/** The body of a request as it takes the least memory; `undefined` for none. */
export function contentOf(request: EventRequest): string | Uint8Array | undefined {
  return largeBodies.get(request) ?? request.body;
}

/** The event is fine. */
export interface AcceptedEvent {
  /** The variant. */
  readonly kind: "request";
  /** What it asks for. */
  readonly request: EventRequest;
}

/** The file ends early: it may still be being written, which its age tells. */
export interface UnfinishedEvent {
  /** The variant. */
  readonly kind: "unfinished";
  /** How it ends early. */
  readonly reason: string;
}

/** No request can be made of the event, now or later. */
export interface RefusedEvent {
  /** The variant. */
  readonly kind: "refused";
  /** What is wrong and what would be right; no header value and no user info in it. */
  readonly reason: string;
  /** Where it wanted to go, without user info and fragment, when that is an HTTP URL. */
  readonly url?: URL;
}

/** What an event file turned out to be. */
export type ParsedEvent = AcceptedEvent | UnfinishedEvent | RefusedEvent;

/** Forbidden by the Fetch standard, https://fetch.spec.whatwg.org/#forbidden-method. */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/** The longest that is registered has 17 characters. */
const METHOD_MAX_LENGTH = 100;

/** How much of a wrong value a reason quotes, in characters. */
const QUOTE_MAX_LENGTH = 40;

/** The members that are read; all others are left alone. */
const READ = ["url", "requestBody", "params", "method", "httpVerb", "headers"];

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Read the bytes of an event file.
 *
 * A file that ends early is `unfinished`, whatever its age; the caller knows how long to wait. A
 * BOM is skipped. Of duplicate keys the last counts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseEvent } from "./request.ts";
 *
 * const text = `{ "url": "https://a.example/", "requestBody": { "n": 1.0 } }`;
 * const event = parseEvent(new TextEncoder().encode(text));
 * assertEquals(event.kind === "request" && event.request.body, `{ "n": 1.0 }`);
 * ```
 */
export function parseEvent(file: Uint8Array): ParsedEvent {
  const bytes = withoutBom(file);
  const text = bytes.length < LARGE_BYTES ? textOrNone(bytes) : undefined;
  if (text === undefined && !isUtf8(bytes)) return notUtf8(bytes);
  const scan = scanJson(bytes, READ);
  switch (scan.kind) {
    case "object":
      return readMembers(bytes, text, scan.members);
    case "other":
      return refused(
        `the event must be a JSON object with a url, current value is ${kindOf(startOf(bytes))}`,
      );
    case "broken": {
      const whole = text ?? utf8.decode(bytes);
      return endsEarly(whole) ? unfinished(whole) : refused(notJson(bytes, scan.at));
    }
  }
}

/** Larger events are handled as bytes: no text of them is made. */
const LARGE_BYTES = 64 * 1024;

function withoutBom(bytes: Uint8Array): Uint8Array {
  const hasBom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return hasBom ? bytes.subarray(3) : bytes;
}

/** The text of bytes that are UTF-8. */
function textOrNone(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether bytes are UTF-8, looked at piece by piece. */
function isUtf8(bytes: Uint8Array): boolean {
  const pieces = new TextDecoder("utf-8", { fatal: true });
  try {
    for (let at = 0; at < bytes.length; at += LARGE_BYTES) {
      pieces.decode(bytes.subarray(at, at + LARGE_BYTES), { stream: true });
    }
    pieces.decode();
    return true;
  } catch {
    return false;
  }
}

/**
 * Of the members that are read `url`, `method` and `headers`, `requestBody`, and the SDKs' words
 * `httpVerb` and `params`. `null` is as good as absent.
 */
function readMembers(
  event: Uint8Array,
  eventText: string | undefined,
  members: ReadonlyMap<string, Span>,
): ParsedEvent {
  // Where all is ASCII, characters stand where their bytes do.
  const ascii = eventText?.length === event.length ? eventText : undefined;
  const textOf = (name: string) => {
    const span = members.get(name);
    if (!span) return undefined;
    const text = ascii?.slice(span.start, span.end) ??
      utf8.decode(event.subarray(span.start, span.end));
    return text === "null" ? undefined : text;
  };
  const address = readAddress(textOf("url"));
  if (typeof address === "string") return refused(address);
  const { url, user, problem } = address;
  if (problem !== undefined) return refused(problem, url);

  const body = eventText === undefined
    ? bytesOf(event, members.get("requestBody")) ?? bytesOf(event, members.get("params"))
    : textOf("requestBody") ?? textOf("params");
  const verb = textOf("method") ?? textOf("httpVerb");
  const method = readMethod(verb, body !== undefined);
  if (!method.ok) return refused(method.reason, url);
  const headers = readAllHeaders(textOf("headers"), user);
  if (typeof headers === "string") return refused(headers, url);
  return { kind: "request", request: requestOf(url, method.value, headers, body) };
}

function requestOf(
  url: URL,
  method: string,
  headers: readonly Header[],
  body: string | Uint8Array | undefined,
): EventRequest {
  if (typeof body !== "object") return { url, method, headers, body };
  if (body.length < LARGE_BYTES) return { url, method, headers, body: utf8.decode(body) };
  const request: EventRequest = {
    url,
    method,
    headers,
    get body() {
      return utf8.decode(body);
    },
  };
  largeBodies.set(request, body);
  return request;
}

const NULL = [0x6e, 0x75, 0x6c, 0x6c];

/** The bytes of a member's value, unless it is absent or `null`. */
function bytesOf(event: Uint8Array, span: Span | undefined): Uint8Array | undefined {
  if (!span) return undefined;
  const bytes = event.subarray(span.start, span.end);
  return bytes.length === 4 && NULL.every((byte, n) => bytes[n] === byte) ? undefined : bytes;
}

/** A URL that was looked at. Events of one endpoint share it: nobody changes it. */
interface Address {
  readonly url: URL;
  readonly user: UserInfo | undefined;
  readonly problem: string | undefined;
}

/**
 * Addresses seen lately, by their text: most events name one of few, and parsing a URL costs as
 * much as the rest of an event.
 */
const addresses = new Map<string, Address>();

/** Most of those, and the longest text among them. */
const MOST_ADDRESSES = 256;
const LONGEST_KEY = 1_024;

/** @param text The URL as JSON text. */
function readAddress(text: string | undefined): Address | string {
  if (text === undefined || !isString(text)) {
    return `the event's url must be a string, current value is ${kindOf(text)}`;
  }
  if (text.length > URL_TEXT_MAX_LENGTH) return urlTooLong(text.length);
  // Parsed, which copies it: a slice of the event's text would keep all of that in memory.
  const value: string = JSON.parse(text);
  const known = addresses.get(value);
  if (known) return known;
  const url = readUrl(value);
  if (typeof url === "string") return url;
  const user = stripUrl(url);
  const address = { url, user, problem: addressProblem(url) };
  if (addresses.size >= MOST_ADDRESSES) addresses.clear();
  if (value.length <= LONGEST_KEY) addresses.set(value, address);
  return address;
}

function readUrl(value: string): URL | string {
  if (!URL.canParse(value)) {
    return "the event's url must be an absolute URL such as https://host/path";
  }
  const url = new URL(value);
  if (url.protocol === "https:" || url.protocol === "http:") return url;
  return `the URL's scheme must be http or https, current value is ${
    quote(url.protocol.slice(0, -1))
  }`;
}

function readMethod(
  text: string | undefined,
  hasBody: boolean,
): { ok: true; value: string } | { ok: false; reason: string } {
  if (text === undefined) return { ok: true, value: hasBody ? "POST" : "GET" };
  const isShort = text.length <= METHOD_MAX_LENGTH;
  const value = isString(text) && isShort ? decodeString(text) : "";
  if (!isToken(value)) {
    const current = !isString(text) ? kindOf(text) : isShort ? quote(value) : "longer";
    return {
      ok: false,
      reason: `the event's method must be an HTTP method such as POST, current value is ${current}`,
    };
  }
  const method = value.toUpperCase();
  if (FORBIDDEN_METHODS.has(method)) {
    return { ok: false, reason: `the event's method must not be ${method}, which fetch forbids` };
  }
  if (hasBody && (method === "GET" || method === "HEAD")) {
    return { ok: false, reason: `the event's method must not be ${method} when there is a body` };
  }
  return { ok: true, value: method };
}

/**
 * The event's headers, with one for the URL's user info unless the event has its own, or what is
 * wrong with them.
 */
function readAllHeaders(
  text: string | undefined,
  user: UserInfo | undefined,
): readonly Header[] | string {
  const own = readOwnHeaders(text);
  if (user === undefined || typeof own === "string") return own;
  if (own.some(([name]) => name === "authorization")) return own;
  const authorization = basicAuthorization(user);
  if (authorization === undefined) {
    return "the URL's user name must be without a colon, which Basic authentication can't express";
  }
  return [...own, ["authorization", authorization]];
}

function readOwnHeaders(text: string | undefined): readonly Header[] | string {
  if (text === undefined) return [];
  if (text.startsWith("{")) return readHeaders(text);
  return `the event's headers must be an object of strings, current value is ${kindOf(text)}`;
}

/** Whether a JSON text is that of a string. */
function isString(text: string): boolean {
  return text.startsWith('"');
}

function notUtf8(bytes: Uint8Array): ParsedEvent {
  try {
    // As the start of a stream, text may end in the middle of a character.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    if (endsEarly(text)) return unfinished(text);
  } catch {
    // Wrong before its end.
  }
  return refused("the event must be UTF-8 text, current value has bytes that are not");
}

function unfinished(text: string): UnfinishedEvent {
  const reason = text.trim() === ""
    ? "the event must be a JSON object, current value is empty"
    : "the event must be whole, current value ends in the middle of its JSON";
  return { kind: "unfinished", reason };
}

function refused(reason: string, url?: URL): RefusedEvent {
  return url === undefined ? { kind: "refused", reason } : { kind: "refused", reason, url };
}

/** Says where the JSON breaks, but not what stands there: it may be a secret. */
function notJson(bytes: Uint8Array, at: number): string {
  const before = utf8.decode(bytes.subarray(0, at));
  const line = before.split("\n").length;
  const column = before.length - before.lastIndexOf("\n");
  return `the event must be JSON, which ends at position ${before.length} ` +
    `(line ${line} column ${column})`;
}

/** As much of a JSON text as tells what it is the text of. */
function startOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, LARGE_BYTES)).trimStart();
}

/** What a JSON text is the text of. */
function kindOf(text: string | undefined): string {
  switch (text?.[skipBlanks(text, 0)]) {
    case undefined:
      return "missing";
    case "n":
      return "null";
    case "[":
      return "an array";
    case "{":
      return "of type object";
    case '"':
      return "of type string";
    case "t":
    case "f":
      return "of type boolean";
    default:
      return "of type number";
  }
}

function quote(text: string): string {
  const short = text.length > QUOTE_MAX_LENGTH ? `${text.slice(0, QUOTE_MAX_LENGTH)}…` : text;
  return visible(JSON.stringify(short));
}
