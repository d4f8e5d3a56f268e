/**
 * The head of an answer: bytes to a value, strictly (RFC 9112). Pure.
 *
 *     the body ends                       where
 *     at once                             204, 304, the answer to HEAD
 *     after its last chunk                the last transfer coding is `chunked`
 *     when the connection does            another transfer coding is last, or no length is given
 *     after so many bytes                 `content-length`, which may be repeated if it is the same
 *
 * A length beside a transfer coding is refused, as is any that isn't a number: what two programs
 * could read in two ways is no answer.
 *
 * @module
 */

import {
  endOfHead,
  type HeaderLine,
  listed,
  MalformedError,
  readHeaders,
  textOf,
} from "../../wire/lines.ts";
import type { AnswerHeaders } from "./transport.ts";

/** Largest head, in bytes. */
export const LONGEST_HEAD_BYTES = 64 * 1024;

/** Most header lines. */
export const MOST_HEADERS = 1_000;

const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

/** A length that a double can count. */
const LENGTH = /^\d{1,15}$/;

/** The head of an answer. */
export interface AnswerHead {
  /** HTTP status. */
  readonly status: number;
  /** The reason phrase. */
  readonly statusText: string;
  /** All headers. */
  readonly headers: AnswerHeaders;
  /** How long the body is: bytes, until its last chunk, or until the connection ends. */
  readonly length: number | "chunked" | "until close";
  /** Whether the connection may serve another request. */
  readonly keepAlive: boolean;
}

/** Headers as they came. */
class Headers implements AnswerHeaders {
  readonly #lines: readonly HeaderLine[];

  constructor(lines: readonly HeaderLine[]) {
    this.#lines = lines;
  }

  get(name: string): string | null {
    let found: string | null = null;
    for (const [each, value] of this.#lines) {
      if (each === name) found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }

  /** Each name once. */
  *[Symbol.iterator](): Iterator<[string, string]> {
    const names = new Set(this.#lines.map(([name]) => name));
    for (const name of names) yield [name, this.get(name)!];
  }
}

/**
 * Read a head that is whole, its empty line included.
 *
 * @throws {MalformedError} If it can't be understood, or in more than one way.
 */
export function parseAnswerHead(bytes: Uint8Array, isHead: boolean): AnswerHead {
  const [first, ...lines] = textOf(bytes.subarray(0, -4)).split("\r\n") as [string, ...string[]];
  const [, minor, digits, statusText = ""] = STATUS_LINE.exec(first) ?? [];
  const status = Number(digits ?? 0);
  if (status < 100) throw new MalformedError("it must begin with HTTP/1.1 and a status");
  if (lines.length > MOST_HEADERS) {
    throw new MalformedError(`it must have at most ${MOST_HEADERS} headers`);
  }
  const headers = readHeaders(lines);
  const isModern = minor === "1";
  const length = readLength(headers, isModern);
  const wishes = listed(headers, "connection");
  const isEmpty = status < 200 || status === 204 || status === 304 || isHead;
  return {
    status,
    statusText,
    headers: new Headers(headers),
    length: isEmpty ? 0 : length,
    keepAlive: !wishes.includes("close") && (isModern || wishes.includes("keep-alive")) &&
      (isEmpty || length !== "until close"),
  };
}

function readLength(headers: readonly HeaderLine[], isModern: boolean): AnswerHead["length"] {
  const lengths = new Set(listed(headers, "content-length"));
  const codings = listed(headers, "transfer-encoding");
  const [length] = lengths;
  if (codings.length > 0) return readCodings(codings, length !== undefined, isModern);
  if (length === undefined) return "until close";
  if (lengths.size > 1 || !LENGTH.test(length)) {
    throw new MalformedError("its content-length must be one whole number");
  }
  return Number(length);
}

function readCodings(
  codings: readonly string[],
  hasLength: boolean,
  isModern: boolean,
): "chunked" | "until close" {
  if (hasLength || !isModern) {
    throw new MalformedError(
      "a transfer-encoding must be without a content-length, and in HTTP/1.1",
    );
  }
  const at = codings.indexOf("chunked");
  if (at >= 0 && at < codings.length - 1) {
    throw new MalformedError("chunked must be its last transfer-encoding, and once");
  }
  return at < 0 ? "until close" : "chunked";
}

/**
 * Reads the heads of one connection's answers. An endpoint says nearly the same again and again: a
 * head that is the same, byte by byte, as the one before is not read again.
 */
export class AnswerHeadReader {
  #lastBytes = new Uint8Array(0);
  #last: AnswerHead | undefined;
  #lastIsHead = false;

  /**
   * The head at the front of `bytes`, and where it ends; `undefined` while it isn't whole.
   *
   * @param from How many bytes were looked at before.
   * @throws {MalformedError} If it can't be understood.
   */
  read(
    bytes: Uint8Array,
    from: number,
    isHead: boolean,
  ): { readonly head: AnswerHead; readonly end: number } | undefined {
    if (this.#last !== undefined && isHead === this.#lastIsHead && this.#isLast(bytes)) {
      return { head: this.#last, end: this.#lastBytes.length };
    }
    const end = endOfHead(bytes, from);
    if (end < 0) return undefined;
    const head = parseAnswerHead(bytes.subarray(0, end), isHead);
    this.#last = head;
    this.#lastBytes = bytes.slice(0, end);
    this.#lastIsHead = isHead;
    return { head, end };
  }

  #isLast(bytes: Uint8Array): boolean {
    const last = this.#lastBytes;
    if (bytes.length < last.length) return false;
    for (let at = 0; at < last.length; at++) if (bytes[at] !== last[at]) return false;
    return true;
  }
}
