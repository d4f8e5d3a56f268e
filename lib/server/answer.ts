/**
 * An answer as bytes: its head, and the chunks of a body whose length isn't known. Pure.
 *
 * @module
 */

import type { Head } from "./head.ts";

/** Reason phrases; no program reads them, people with `curl -i` do. */
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  202: "Accepted",
  204: "No Content",
  303: "See Other",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** Headers that say where a body ends or what becomes of the connection: ours to write. */
const OURS = new Set(["connection", "keep-alive", "transfer-encoding", "date"]);

/** Sent before the body of a request that waits for it. */
export const CONTINUE = bytesOf("HTTP/1.1 100 Continue\r\n\r\n");

/** Sent after the last chunk. */
export const LAST_CHUNK = bytesOf("0\r\n\r\n");

/** How an answer goes out. */
export interface AnswerForm {
  /** Whether the connection stays for another request. */
  readonly keepAlive: boolean;
  /**
   * How the end of the body is told: there can't be one, it is empty, its length is in the headers,
   * by its last chunk, by the end of the connection.
   */
  readonly body: "none" | "empty" | "length" | "chunked" | "until close";
  /** Unix ms. */
  readonly nowMs: number;
}

/** The form in which an answer to `head` goes out; `until close` only where nothing else can be. */
export function bodyForm(
  { method, isModern }: Pick<Head, "method" | "isModern">,
  { status, headers, body }: Response,
): AnswerForm["body"] {
  if (method === "HEAD" || status === 204 || status === 304) return "none";
  if (body === null) return "empty";
  if (headers.has("content-length")) return "length";
  return isModern ? "chunked" : "until close";
}

/** The head of an answer, its empty line included. */
export function encodeHead({ status, headers }: Response, form: AnswerForm): Uint8Array {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? ""}`];
  for (const [name, value] of headers) {
    if (!OURS.has(name) && !(name === "content-length" && form.body !== "length")) {
      lines.push(`${name}: ${value}`);
    }
  }
  if (form.body === "empty") lines.push("content-length: 0");
  if (form.body === "chunked") lines.push("transfer-encoding: chunked");
  lines.push(`connection: ${form.keepAlive ? "keep-alive" : "close"}`);
  lines.push(`date: ${new Date(form.nowMs).toUTCString()}`);
  return bytesOf(`${lines.join("\r\n")}\r\n\r\n`);
}

/** A chunk with its framing. */
export function encodeChunk(bytes: Uint8Array): Uint8Array {
  const size = bytesOf(`${bytes.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.length + bytes.length + 2);
  chunk.set(size);
  chunk.set(bytes, size.length);
  chunk.set([13, 10], size.length + bytes.length);
  return chunk;
}

/** One byte a character, as headers are. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
