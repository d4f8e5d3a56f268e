/**
 * What the client makes of answers, against what Node's own client makes of them: thousands of
 * them, right and wrong, and cut in every place.
 */

import { assert, assertEquals } from "@std/assert";
import { HttpConnection } from "../../../lib/http/transport/connection.ts";
import { type CallOff, TransportError } from "../../../lib/http/transport/transport.ts";
import { scriptedConnection } from "../../support/scripted_connection.ts";
import { answerOf, type MadeAnswer } from "./answers.ts";

const ANSWERS = 5_000;

/** What a client made of an answer. */
interface Made {
  readonly status?: number;
  readonly statusText?: string;
  readonly rawHeaders?: readonly string[];
  readonly body?: string;
  readonly error?: string;
}

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

const CLOCK = { now: () => 0, monotonic: () => 0, sleep: () => Promise.resolve() };
const OWNER = { free() {}, gone() {} };

async function read({ method, text }: MadeAnswer, cuts: readonly number[] = []): Promise<Made> {
  const bytes = bytesOf(text);
  const parts = [0, ...cuts].map((at, n, all) => bytes.subarray(at, all[n + 1]));
  const some = parts.filter(({ length }) => length > 0);
  const connection = new HttpConnection(scriptedConnection(some), {}, OWNER, CLOCK);
  const callOff: CallOff = {
    signal: new AbortController().signal,
    isOver: false,
    onOver: undefined,
  };
  const url = new URL("http://a.test/");
  try {
    const request = { url, method, headers: [], body: undefined };
    const answer = await connection.send("GET / HTTP/1.1\r\n", request, callOff);
    let body = "";
    for (let piece; (piece = await answer.body?.read());) body += String.fromCharCode(...piece);
    const { status, statusText, headers } = answer;
    return { status, statusText, rawHeaders: [...headers].flat(), body };
  } catch (error) {
    assert(error instanceof TransportError, `${error}`);
    assert(/^the endpoint('s answer isn't| closed)/.test(error.message), error.message);
    return { error: error.message };
  }
}

async function readByNode(answers: readonly MadeAnswer[]): Promise<Made[]> {
  const program = new URL("node_program.mjs", import.meta.url).pathname;
  const child = new Deno.Command("node", { args: [program], stdin: "piped", stdout: "piped" })
    .spawn();
  const lines = answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
  const [{ stdout }] = await Promise.all([
    child.output(),
    ReadableStream.from([new TextEncoder().encode(lines)]).pipeTo(child.stdin),
  ]);
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

/** Headers by name, lines of one name joined. */
function joined(rawHeaders: readonly string[]): Record<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!];
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
  }
  return Object.fromEntries(headers);
}

/** What we refuse and Node lets pass. */
const STRICTER = [
  /^HTTP\/2/, // another version
  /HTTP\/1\.0 [^]*transfer-encoding/i, // that of before there were any
  /chunked, chunked/, // twice
];

/** What we let pass, but for the connection, which is closed: bytes that follow the answer. */
const FOLLOWED = /^HPE_(?:CLOSED_CONNECTION|INVALID_CONSTANT)$/;

Deno.test("of 5,000 answers the client makes what Node's own makes of them, or refuses more", async () => {
  const answers = Array.from({ length: ANSWERS }, (_, n) => answerOf(n));
  const theirs = await readByNode(answers);
  const counts = { same: 0, refused: 0 };
  const differing: unknown[] = [];
  for (const [n, answer] of answers.entries()) {
    const [ours, nodes] = [await read(answer), theirs[n]!];
    if (ours.error !== undefined && nodes.error !== undefined) counts.refused++;
    else if (ours.error !== undefined) {
      if (!STRICTER.some((pattern) => pattern.test(answer.text))) {
        differing.push({ n, answer, ours, nodes });
      }
    } else if (nodes.error !== undefined) {
      if (!FOLLOWED.test(nodes.error)) differing.push({ n, answer, ours, nodes });
    } else {
      counts.same++;
      const [a, b] = [ours, nodes].map(({ rawHeaders, ...rest }) => ({
        ...rest,
        headers: joined(rawHeaders!),
      }));
      assertEquals(a, b, JSON.stringify(answer));
    }
  }
  assertEquals(differing, []);
  assert(counts.same > ANSWERS / 2 && counts.refused > ANSWERS / 10, JSON.stringify(counts));
});

Deno.test("however an answer is cut on its way, it is the same", async () => {
  for (let n = 0; n < 60; n++) {
    const answer = answerOf(n);
    const whole = await read(answer);
    for (let at = 1; at < answer.text.length; at++) {
      assertEquals(await read(answer, [at]), whole, `${n} cut at ${at}`);
    }
    const each = Array.from({ length: Math.max(answer.text.length - 1, 0) }, (_, at) => at + 1);
    assertEquals(await read(answer, each), whole, `${n} byte by byte`);
  }
});

Deno.test("an answer that ends early is none, wherever it ends", async () => {
  const answers = [
    "HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nx-t: y\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
  ];
  for (const text of answers) {
    assertEquals((await read({ method: "GET", text })).error, undefined);
    for (let at = 0; at < text.length; at++) {
      const { error } = await read({ method: "GET", text: text.slice(0, at) });
      assert(error?.includes("closed the connection"), `${text.slice(0, at)}: ${error}`);
    }
  }
});
