/**
 * Answers to read: some that are right, and many that aren't, made from a seed.
 *
 * @module
 */

import { seeded } from "../../sim/choices.ts";

/** An answer, one character a byte, after which the connection ends. */
export interface MadeAnswer {
  readonly method: "GET" | "HEAD";
  readonly text: string;
}

type Pick = <T>(...from: readonly T[]) => T;

const STATUS_LINES = [
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200",
  "HTTP/1.1 200 ",
  "HTTP/1.1 404 Not  Found at all",
  "HTTP/1.1 503 B\xe9b\xe9",
  "HTTP/1.1 204 No Content",
  "HTTP/1.1 304 Not Modified",
  "HTTP/1.0 200 OK",
] as const;

const WRONG_STATUS_LINES = [
  "HTTP/1.1 20 OK",
  "HTTP/1.1 2000 OK",
  "HTTP/1.1  200 OK",
  "HTTP/2.0 200 OK",
  "http/1.1 200 OK",
  "HTTP/1.1 abc OK",
  "ICY 200 OK",
  "HTTP/1.1 200\x00OK",
  "",
] as const;

const HEADERS = [
  "x-a: b",
  "X-A:  c \t",
  "x-empty:",
  "x-bytes: \xe9\xa0",
  "server: nginx/1.22.1",
  "set-cookie: a=b; path=/",
  "set-cookie: c=d",
  "vary: accept, x-y",
] as const;

const WRONG_HEADERS = [
  "x a: b",
  "x-a : b",
  ": b",
  "no colon",
  " folded",
  "x-a: b\r\n\tfolded",
  "x-a: b\x00c",
  "x-a: b\x01c",
  "x(a): b",
  "x-a: b\rc",
] as const;

const CLOSING = ["connection: close", "connection: keep-alive", "connection: x, close"] as const;

function chunked(body: string, pick: Pick, random: () => number): string {
  let text = "";
  for (let at = 0; at < body.length;) {
    const length = 1 + Math.floor(random() * (body.length - at));
    const size = pick(
      length.toString(16),
      length.toString(16).toUpperCase(),
      `0${length.toString(16)}`,
    );
    const extension = pick("", "", "", ";a=b", ';a="b c"');
    text += `${size}${extension}\r\n${body.slice(at, at + length)}\r\n`;
    at += length;
  }
  return `${text}0\r\n${pick("", "", "x-trailer: a\r\n")}\r\n`;
}

/** How a body is framed: headers and what follows the head. */
function framed(body: string, pick: Pick, random: () => number): [headers: string[], rest: string] {
  switch (pick("length", "length", "length", "chunked", "chunked", "close", "both", "wrong")) {
    case "length":
      return [[`content-length: ${body.length}`], body];
    case "chunked":
      return [
        [pick("transfer-encoding: chunked", "Transfer-Encoding: CHUNKED")],
        chunked(body, pick, random),
      ];
    case "close":
      return [[], body];
    case "both":
      return [
        ["transfer-encoding: chunked", `content-length: ${body.length}`],
        chunked(body, pick, random),
      ];
    default: {
      const wrong = pick(
        [`content-length: ${body.length}x`],
        [`content-length: -${body.length}`],
        [`content-length: +${body.length}`],
        [`content-length: ${body.length}, ${body.length + 1}`],
        [`content-length: ${body.length}`, `content-length: ${body.length + 1}`],
        [`content-length: ${body.length + 3}`],
        ["content-length:"],
        ["transfer-encoding: chunked, chunked"],
      );
      return [wrong, wrong[0]!.startsWith("t") ? chunked(body, pick, random) : body];
    }
  }
}

/** The answer with this number. */
export function answerOf(number: number): MadeAnswer {
  const random = seeded(number * 7_919 + 1);
  const pick: Pick = (...from) => from[Math.floor(random() * from.length)]!;
  const isRare = () => random() < 0.06;
  const method = random() < 0.05 ? "HEAD" : "GET";
  const status = isRare() ? pick(...WRONG_STATUS_LINES) : pick(...STATUS_LINES);
  const body = "hello, w\xf6rld\r\n\r\n".repeat(Math.floor(random() * 4));
  const [framing, rest] = framed(body, pick, random);
  const lines: string[] = [];
  for (let n = Math.floor(random() * 5); n > 0; n--) lines.push(pick(...HEADERS));
  if (isRare()) lines.push(pick(...WRONG_HEADERS));
  if (isRare()) lines.push(pick(...CLOSING));
  lines.splice(Math.floor(random() * (lines.length + 1)), 0, ...framing);
  const interim = isRare()
    ? pick("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
    : "";
  const hasBody = method === "GET" && !/ (?:204|304)/.test(status);
  let text = `${interim}${[status, ...lines].join("\r\n")}\r\n\r\n${hasBody ? rest : ""}`;
  if (isRare()) text = text.slice(0, Math.floor(random() * text.length)); // cut
  if (isRare()) text = text.replace(pick("\r\n", "\r\n\r\n", ":"), pick("\n", "\r", "")); // damaged
  return { method, text };
}
