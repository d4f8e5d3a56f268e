/**
 * The head of an HTTP/1.1 request: bytes to a value, strictly (RFC 9112). Pure.
 *
 * What two programs could read in two ways is refused, never repaired: bare line feeds, folded
 * lines, a blank before a colon, a length that is repeated or stands beside a transfer coding. So
 * nothing that passes through a proxy before us can mean two requests to it and three to us.
 *
 * @module
 */

import {
  type HeaderLine,
  isToken,
  listed,
  MalformedError,
  readHeaders,
  textOf,
} from "../wire/lines.ts";

/** Largest head, in bytes; also the size of a connection's buffer. */
export const LONGEST_HEAD_BYTES = 16 * 1024;

/** Most header lines. */
export const MOST_HEADERS = 100;

/** Longest body whose length is announced that has a number: what a double can count. */
const MOST_DIGITS = 15;

/** What a peer sent can't be understood, or is not served; the connection can't be used again. */
export class BadRequestError extends MalformedError {
  /** The name of the class. */
  override readonly name = "BadRequestError";
  /** The status to answer with. */
  readonly status: number;

  /** An error with the status to answer with and one sentence for the peer. */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The head of a request. */
export interface Head {
  /** As it came: methods are case-sensitive. */
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  /** Host and port the peer believes to talk to, lower case. */
  readonly host: string;
  /** Names in lower case, in the order they came. */
  readonly headers: readonly HeaderLine[];
  /** How long the body is: a number of bytes, or until its last chunk. */
  readonly length: number | "chunked";
  /** Whether the peer can read a chunked answer: it speaks HTTP/1.1. */
  readonly isModern: boolean;
  /** Whether the connection may serve another request after this one. */
  readonly keepAlive: boolean;
  /** Whether the peer waits for a word before it sends the body. */
  readonly expectsContinue: boolean;
}

const REQUEST_LINE = /^(\S+) (\S+) HTTP\/(\d)\.(\d)$/;
/** Path and query: visible characters, but no fragment. */
const ORIGIN_FORM = /^\/[\x21\x22\x24-\x7e]*$/;
const ABSOLUTE_FORM = /^http:\/\/([^/?#]+)(\/[\x21\x22\x24-\x7e]*)?$/i;
/** Host and port; what a name may be is whoever compares it to decide. */
const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/;

/** Methods that the Fetch standard has no `Request` for. */
const WITHOUT_REQUEST = new Set(["CONNECT", "TRACE", "TRACK"]);

/** What can't be understood, as the answer to it. */
export function badRequest(error: unknown): unknown {
  const isPlain = error instanceof MalformedError && !(error instanceof BadRequestError);
  return isPlain ? new BadRequestError(400, error.message) : error;
}

/**
 * Read a head that is whole, its empty line included; one empty line before it is let pass.
 *
 * @throws {BadRequestError} If it is malformed, or asks for what isn't served.
 */
export function parseHead(bytes: Uint8Array): Head {
  const text = textOf(bytes);
  const lines = text.slice(text.startsWith("\r\n") ? 2 : 0, -4).split("\r\n");
  const [, method, rawTarget, major, minor] = REQUEST_LINE.exec(lines[0]!) ?? [];
  if (method === undefined || !isToken(method)) {
    throw new BadRequestError(400, "the request line must be a method, a path and HTTP/1.1");
  }
  if (major !== "1") throw new BadRequestError(505, "the version must be HTTP/1.1");
  const headers = readLines(lines.slice(1));
  const isModern = minor !== "0";
  const { target, host } = readTarget(rawTarget!, only(headers, "host"));
  if (WITHOUT_REQUEST.has(method.toUpperCase())) {
    throw new BadRequestError(501, `the method ${method.toUpperCase()} is not served`);
  }
  const length = readLength(headers, isModern);
  if (length !== 0 && (method === "GET" || method === "HEAD")) {
    throw new BadRequestError(400, `a ${method} must have no body`);
  }
  return {
    method,
    target,
    host,
    headers,
    length,
    isModern,
    keepAlive: readKeepAlive(headers, isModern),
    expectsContinue: readExpect(headers, isModern),
  };
}

function readLines(lines: readonly string[]): HeaderLine[] {
  if (lines.length > MOST_HEADERS) {
    throw new BadRequestError(431, `there must be at most ${MOST_HEADERS} headers`);
  }
  try {
    return readHeaders(lines);
  } catch (error) {
    throw badRequest(error);
  }
}

/** The value of a header that may be there once; `undefined` when it isn't there. */
function only(headers: Head["headers"], name: string): string | undefined {
  const values = headers.filter(([header]) => header === name);
  if (values.length > 1) throw new BadRequestError(400, `there must be one header ${name}`);
  return values[0]?.[1];
}

function readTarget(target: string, host: string | undefined): { target: string; host: string } {
  const authority = host?.toLowerCase();
  if (authority === undefined || !AUTHORITY.test(authority)) {
    throw new BadRequestError(400, "there must be a header host with a host and its port");
  }
  if (ORIGIN_FORM.test(target)) return { target, host: authority };
  const [, named, path] = ABSOLUTE_FORM.exec(target) ?? [];
  if (named?.toLowerCase() === authority) return { target: path ?? "/", host: authority };
  throw new BadRequestError(400, "the target must be a path, or a URL of the host in the headers");
}

function readLength(headers: Head["headers"], isModern: boolean): number | "chunked" {
  const length = only(headers, "content-length");
  const coding = only(headers, "transfer-encoding");
  if (length !== undefined && !/^\d+$/.test(length)) {
    throw new BadRequestError(400, "the content length must be a whole number");
  }
  if (length !== undefined && length.length > MOST_DIGITS) {
    throw new BadRequestError(413, "the body is too long");
  }
  if (coding === undefined) return Number(length ?? 0);
  if (length !== undefined || !isModern) {
    throw new BadRequestError(400, "a transfer coding must be alone, and in HTTP/1.1");
  }
  if (coding.toLowerCase() === "chunked") return "chunked";
  throw new BadRequestError(501, "the transfer coding must be chunked");
}

function readKeepAlive(headers: Head["headers"], isModern: boolean): boolean {
  const wishes = listed(headers, "connection");
  return !wishes.includes("close") && (isModern || wishes.includes("keep-alive"));
}

function readExpect(headers: Head["headers"], isModern: boolean): boolean {
  const expects = only(headers, "expect")?.toLowerCase();
  if (expects === undefined || !isModern) return false;
  if (expects === "100-continue") return true;
  throw new BadRequestError(417, "nothing but 100-continue can be expected");
}
