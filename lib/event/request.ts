/**
 * Reads an event file: what request it asks for, or why none can be made.
 *
 * Everything that can be wrong with an event is found here, before anything is sent: what is
 * accepted, `new Request` accepts as well. The body is the exact text of its value in the file;
 * parsing and printing it again would change numbers above 2^53, escapes and the order of keys.
 *
 * @module
 */

import { addressProblem, basicAuthorization, stripUrl, type UserInfo } from "./address.ts";
import { type Header, isToken, readHeaders } from "./headers.ts";
import { endsEarly, scanObject } from "./json.ts";

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
  /** The exact JSON text to send; `undefined` for none. */
  readonly body: string | undefined;
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

/** How much of a wrong value a reason quotes, in characters. */
const QUOTE_MAX_LENGTH = 40;

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
 * const bytes = new TextEncoder().encode(`{ "url": "https://a.example/", "requestBody": { "n": 1.0
 * } }`); const event = parseEvent(bytes);
 * assertEquals(event.kind === "request" && event.request.body, `{ "n": 1.0 }`);
 * ```
 */
export function parseEvent(bytes: Uint8Array): ParsedEvent {
  let text;
  try {
    text = utf8.decode(bytes);
  } catch {
    return notUtf8(bytes);
  }
  let members: unknown;
  try {
    members = JSON.parse(text);
  } catch (error) {
    return endsEarly(text) ? unfinished(text) : refused(notJson(error));
  }
  if (typeof members !== "object" || members === null || Array.isArray(members)) {
    return refused(
      `the event must be a JSON object with a url, current value is ${kindOf(members)}`,
    );
  }
  return readMembers(scanObject(text));
}

/**
 * The members that are read, all others are left alone: `url`, `method` and `headers`,
 * `requestBody`, and the SDKs' words `httpVerb` and `params`. `null` is as good as absent.
 *
 * They come out of the scanned texts one by one, not out of the object `JSON.parse` made: the
 * engine mistakes escaped keys now and then.
 */
function readMembers(texts: ReadonlyMap<string, string>): ParsedEvent {
  const address = readAddress(valueOf(texts, "url"));
  if (typeof address === "string") return refused(address);
  const { url, user, problem } = address;
  if (problem !== undefined) return refused(problem, url);

  const body = textOf(texts, "requestBody") ?? textOf(texts, "params");
  const verb = valueOf(texts, "method") ?? valueOf(texts, "httpVerb");
  const method = readMethod(verb, body !== undefined);
  if (!method.ok) return refused(method.reason, url);
  const headers = readAllHeaders(valueOf(texts, "headers"), texts.get("headers"), user);
  if (typeof headers === "string") return refused(headers, url);
  return { kind: "request", request: { url, method: method.value, headers, body } };
}

/** The text of a member, unless it is absent or `null`. */
function textOf(texts: ReadonlyMap<string, string>, name: string): string | undefined {
  const text = texts.get(name);
  return text === "null" ? undefined : text;
}

function valueOf(texts: ReadonlyMap<string, string>, name: string): unknown {
  const text = textOf(texts, name);
  return text === undefined ? undefined : JSON.parse(text);
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

function readAddress(value: unknown): Address | string {
  const known = addresses.get(value as string);
  if (known) return known;
  const url = readUrl(value);
  if (typeof url === "string") return url;
  const user = stripUrl(url);
  const address = { url, user, problem: addressProblem(url) };
  if (addresses.size >= MOST_ADDRESSES) addresses.clear();
  if ((value as string).length <= LONGEST_KEY) addresses.set(value as string, address);
  return address;
}

function readUrl(value: unknown): URL | string {
  if (typeof value !== "string") {
    return `the event's url must be a string, current value is ${kindOf(value)}`;
  }
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
  value: unknown,
  hasBody: boolean,
): { ok: true; value: string } | { ok: false; reason: string } {
  if (!isGiven(value)) return { ok: true, value: hasBody ? "POST" : "GET" };
  if (typeof value !== "string" || !isToken(value)) {
    const current = typeof value === "string" ? quote(value) : kindOf(value);
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
  value: unknown,
  text: string | undefined,
  user: UserInfo | undefined,
): readonly Header[] | string {
  const own = readOwnHeaders(value, text);
  if (user === undefined || typeof own === "string") return own;
  if (own.some(([name]) => name === "authorization")) return own;
  const authorization = basicAuthorization(user);
  if (authorization === undefined) {
    return "the URL's user name must be without a colon, which Basic authentication can't express";
  }
  return [...own, ["authorization", authorization]];
}

function readOwnHeaders(value: unknown, text: string | undefined): readonly Header[] | string {
  if (!isGiven(value) || text === undefined) return [];
  if (typeof value !== "object" || Array.isArray(value)) {
    return `the event's headers must be an object of strings, current value is ${kindOf(value)}`;
  }
  return readHeaders(text);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
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

/**
 * Says where the JSON breaks if the engine does, but leaves out the piece of the event that it
 * quotes.
 */
function notJson(error: unknown): string {
  const where = /^[^"]* at position \d+(?: \(line \d+ column \d+\))?$/.exec(
    (error as SyntaxError).message,
  );
  return `the event must be JSON${where === null ? "" : `: ${where[0]}`}`;
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `of type ${typeof value}`;
}

function quote(text: string): string {
  return JSON.stringify(
    text.length > QUOTE_MAX_LENGTH ? `${text.slice(0, QUOTE_MAX_LENGTH)}…` : text,
  );
}
