/** Taking the framing off a body, however it is cut on its way. */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { framingOf } from "../../lib/wire/framing.ts";
import { MalformedError } from "../../lib/wire/lines.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** What a body holds that comes in pieces of at most `cut` bytes, and what follows it. */
function unframe(
  length: number | "chunked",
  text: string,
  cut = Infinity,
  room = 7,
): { body: string; rest: string; isDone: boolean } {
  const framing = framingOf({ length });
  const bytes = bytesOf(text);
  let [at, body] = [0, ""];
  const into = new Uint8Array(room);
  while (at < bytes.length && !framing.isDone) {
    const { used, filled } = framing.take(bytes.subarray(at, at + cut), into);
    at += used;
    body += String.fromCharCode(...into.subarray(0, filled));
  }
  return { body, rest: text.slice(at), isDone: framing.isDone };
}

Deno.test("a body of a known length ends there, and what follows is left alone", () => {
  assertEquals(unframe(3, "abcdef"), { body: "abc", rest: "def", isDone: true });
  assertEquals(unframe(0, "abc"), { body: "", rest: "abc", isDone: true });
  assertEquals(unframe(9, "abc"), { body: "abc", rest: "", isDone: false });
});

Deno.test("a chunked body ends after its last chunk", () => {
  const text = '4\r\nWiki\r\n00A;x="y"\r\n0123456789\r\n0\r\nX-Trailer: a\r\n\r\nGET';
  assertEquals(unframe("chunked", text), { body: "Wiki0123456789", rest: "GET", isDone: true });
  assertEquals(unframe("chunked", "0\r\n\r\n"), { body: "", rest: "", isDone: true });
  assertEquals(unframe("chunked", "1\r\na\r\n0\r\n").isDone, false);
});

Deno.test("a chunked body is the same however it was cut and whatever room there is", () => {
  const chunk = fc.string({ minLength: 1, maxLength: 40, unit: "binary-ascii" });
  fc.assert(fc.property(
    fc.array(chunk, { maxLength: 6 }),
    fc.integer({ min: 1, max: 50 }),
    fc.integer({ min: 1, max: 50 }),
    (chunks, cut, room) => {
      const framed = chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join("");
      const expected = { body: chunks.join(""), rest: "next", isDone: true };
      assertEquals(unframe("chunked", `${framed}0\r\n\r\nnext`, cut, room), expected);
    },
  ));
});

Deno.test("wrong chunks are refused", () => {
  const wrong = [
    "\r\n",
    "x\r\n",
    "-1\r\n",
    "+1\r\n",
    "0x1\r\n",
    " 1\r\n",
    "1 \r\n",
    "1 ;a\r\n",
    "1_0\r\n",
    "123456789\r\n",
    "1\na\r\n",
    "1\r\nab\r\n",
    "1\r\na\n",
    "1\r\na0\r\n\r\n",
    "1;\x00\r\n",
    "1;a\rb\r\n",
    `1;${"a".repeat(300)}\r\n`,
    "0\r\nfolded\r\n\r\n",
    "0\r\n folded: a\r\n\r\n",
    "0\r\na: b\n\r\n",
    `0\r\n${"a: b\r\n".repeat(5_000)}\r\n`,
    `1;${"x".repeat(200)}\r\na\r\n`.repeat(100),
  ];
  for (const text of wrong) {
    for (const cut of [1, Infinity]) {
      assertThrows(() => unframe("chunked", text, cut), MalformedError, "chunked", text);
    }
  }
});
