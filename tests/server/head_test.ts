/** Reading the head of a request: what is understood, and all that is refused. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BadRequestError,
  type Head,
  LONGEST_HEAD_BYTES,
  parseHead,
} from "../../lib/server/head.ts";
import { endOfHead, MalformedError } from "../../lib/wire/lines.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function read(...lines: string[]): Head {
  const bytes = bytesOf(`${lines.join("\r\n")}\r\n\r\n`);
  assertEquals(endOfHead(bytes, 0), bytes.length);
  return parseHead(bytes);
}

/** The status of the refusal. */
function refusal(...lines: string[]): number {
  return assertThrows(() => read(...lines), BadRequestError, undefined, lines.join("|")).status;
}

Deno.test("a head is read as it was meant", () => {
  const head = read(
    "POST /v1/events?a=b HTTP/1.1",
    "Host: LocalHost:8080",
    "content-length:12",
    "X-Empty:",
    "X-Text: \t a  b \t",
    "X-Bytes: \xe9\xa0",
  );
  assertEquals(head, {
    method: "POST",
    target: "/v1/events?a=b",
    host: "localhost:8080",
    headers: [
      ["host", "LocalHost:8080"],
      ["content-length", "12"],
      ["x-empty", ""],
      ["x-text", "a  b"],
      ["x-bytes", "\xe9\xa0"],
    ],
    length: 12,
    isModern: true,
    keepAlive: true,
    expectsContinue: false,
  });
});

Deno.test("a head ends at its empty line, wherever it was cut on the way", () => {
  const bytes = bytesOf("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next");
  for (let cut = 0; cut < bytes.length; cut++) {
    const isWhole = cut >= 27;
    assertEquals(endOfHead(bytes.subarray(0, cut), 0), isWhole ? 27 : -1);
    assertEquals(endOfHead(bytes, Math.min(cut, 26)), 27);
  }
});

Deno.test("one empty line before a request is let pass, two are not", () => {
  assertEquals(parseHead(bytesOf("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")).target, "/");
  assertEquals(endOfHead(bytesOf("\r\n\r\nGET / HTTP/1.1\r\n"), 0), 4);
  assertThrows(() => parseHead(bytesOf("\r\n\r\n")), BadRequestError);
});

Deno.test("what could be read in two ways is refused", () => {
  const host = "Host: a";
  const cases: [status: number, ...lines: string[]][] = [
    [400, "GET  / HTTP/1.1", host],
    [400, "GET / HTTP/1.1 ", host],
    [400, " GET / HTTP/1.1", host],
    [400, "GET\t/ HTTP/1.1", host],
    [400, "GET / http/1.1", host],
    [400, "GET /", host],
    [400, "GET / HTTP/1.1x", host],
    [400, "GET /a#b HTTP/1.1", host],
    [400, "GET /\x7f HTTP/1.1", host],
    [400, "GET /\xe9 HTTP/1.1", host],
    [400, "GET a HTTP/1.1", host],
    [400, "OPTIONS * HTTP/1.1", host],
    [400, "G(T / HTTP/1.1", host],
    [400, "GET / HTTP/1.1", host, "X : a"],
    [400, "GET / HTTP/1.1", host, " folded: a"],
    [400, "GET / HTTP/1.1", host, "X: a", "\tfolded"],
    [400, "GET / HTTP/1.1", host, ": a"],
    [400, "GET / HTTP/1.1", host, "X"],
    [400, "GET / HTTP/1.1", host, "X: a\x00b"],
    [400, "GET / HTTP/1.1", host, "X: a\rb"],
    [400, "GET / HTTP/1.1", host, "X\xe9: a"],
    [400, "GET / HTTP/1.1"],
    [400, "GET / HTTP/1.0"],
    [400, "GET / HTTP/1.1", host, "Host: b"],
    [400, "GET / HTTP/1.1", host, "host: a"],
    [400, "GET / HTTP/1.1", "Host: a, b"],
    [400, "GET / HTTP/1.1", "Host: a@b"],
    [400, "GET / HTTP/1.1", "Host: "],
    [400, "GET http://b/ HTTP/1.1", host],
    [400, "GET http://a@b/ HTTP/1.1", host],
    [400, "POST / HTTP/1.1", host, "Content-Length: 1", "Content-Length: 2"],
    [400, "POST / HTTP/1.1", host, "Content-Length: 1", "Content-Length: 1"],
    [400, "POST / HTTP/1.1", host, "Content-Length: 1, 1"],
    [400, "POST / HTTP/1.1", host, "Content-Length: +1"],
    [400, "POST / HTTP/1.1", host, "Content-Length: -1"],
    [400, "POST / HTTP/1.1", host, "Content-Length: 0x1"],
    [400, "POST / HTTP/1.1", host, "Content-Length: 1e3"],
    [400, "POST / HTTP/1.1", host, "Content-Length: 1 1"],
    [400, "POST / HTTP/1.1", host, "Content-Length:"],
    [400, "POST / HTTP/1.1", host, "Content-Length: 1", "Transfer-Encoding: chunked"],
    [400, "POST / HTTP/1.1", host, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    [400, "POST / HTTP/1.0", host, "Transfer-Encoding: chunked"],
    [501, "POST / HTTP/1.1", host, "Transfer-Encoding: chunked, chunked"],
    [501, "POST / HTTP/1.1", host, "Transfer-Encoding: gzip, chunked"],
    [501, "POST / HTTP/1.1", host, "Transfer-Encoding: xchunked"],
    [501, "POST / HTTP/1.1", host, "Transfer-Encoding: identity"],
    [501, "POST / HTTP/1.1", host, "Transfer-Encoding:"],
    [400, "GET / HTTP/1.1", host, "Content-Length: 5"],
    [400, "HEAD / HTTP/1.1", host, "Transfer-Encoding: chunked"],
    [413, "POST / HTTP/1.1", host, "Content-Length: 9999999999999999"],
    [417, "POST / HTTP/1.1", host, "Expect: the-worst"],
    [501, "CONNECT / HTTP/1.1", host],
    [501, "trace / HTTP/1.1", host],
    [505, "GET / HTTP/2.0", host],
    [505, "PRI * HTTP/2.0"],
  ];
  for (const [status, ...lines] of cases) {
    assertEquals([refusal(...lines), ...lines], [status, ...lines]);
  }
});

Deno.test("a line feed alone is refused as soon as it comes", () => {
  for (const text of ["GET / HTTP/1.1\n", "\n", "GET / HTTP/1.1\r\nHost: a\n\r\n"]) {
    assertThrows(() => endOfHead(bytesOf(text), 0), MalformedError, "CR LF", text);
  }
});

Deno.test("the connection stays as its peer wishes, by version", () => {
  const keep = (version: string, ...wishes: string[]) =>
    read(`GET / HTTP/${version}`, "Host: a", ...wishes).keepAlive;
  assertEquals(keep("1.1"), true);
  assertEquals(keep("1.1", "Connection: Close"), false);
  assertEquals(keep("1.1", "Connection: foo", "Connection: keep-alive , close"), false);
  assertEquals(keep("1.0"), false);
  assertEquals(keep("1.0", "Connection: Keep-Alive"), true);
});

Deno.test("a target may be a URL of the same host", () => {
  const { target, host } = read("GET http://A:80/x?y HTTP/1.1", "Host: a:80");
  assertEquals([target, host], ["/x?y", "a:80"]);
  assertEquals(read("GET HTTP://a HTTP/1.1", "Host: a").target, "/");
});

Deno.test("100 headers are read, 101 are too many", () => {
  const headers = (count: number) => Array.from({ length: count }, (_, n) => `X-${n}: a`);
  assertEquals(read("GET / HTTP/1.1", "Host: a", ...headers(99)).headers.length, 100);
  assertEquals(refusal("GET / HTTP/1.1", "Host: a", ...headers(100)), 431);
});

Deno.test("the worst head that fits takes no longer than a moment", () => {
  const blanks = " ".repeat(LONGEST_HEAD_BYTES - 100);
  const startMs = performance.now();
  for (let n = 0; n < 20; n++) {
    assertThrows(() => read("GET / HTTP/1.1", "Host: a", `X:${blanks}\x00`), BadRequestError);
    read("GET / HTTP/1.1", "Host: a", `X: a${blanks}b`, `Connection: ,${blanks},`);
  }
  assert(performance.now() - startMs < 2_000);
});
