import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { destinationFolder, destinationLabel, Destinations } from "../../lib/event/destination.ts";
import {
  checkEvent,
  encodeEvent,
  encodeEventText,
  type EventInput,
} from "../../lib/event/encode.ts";
import { decodeString, endsEarly, membersOf } from "../../lib/event/json.ts";
import { type EventRequest, parseEvent } from "../../lib/event/request.ts";
import { scanJson } from "../../lib/event/scan.ts";
import { visible } from "../../lib/event/visible.ts";

const utf8 = new TextEncoder();
const URL_TEXT = "https://a.example/v1";

/** What stands in a text's UTF-8. */
function cut(text: string, { start, end }: { readonly start: number; readonly end: number }) {
  return new TextDecoder().decode(utf8.encode(text).subarray(start, end));
}

function bytesOf(event: unknown): Uint8Array {
  return utf8.encode(typeof event === "string" ? event : JSON.stringify(event));
}

function accepted(event: unknown): EventRequest {
  const parsed = parseEvent(bytesOf(event));
  assert(parsed.kind === "request", `not accepted: ${JSON.stringify(parsed)}`);
  return parsed.request;
}

function refusal(event: unknown): string {
  const parsed = parseEvent(bytesOf(event));
  assert(parsed.kind === "refused", `not refused: ${JSON.stringify(parsed)}`);
  return parsed.reason;
}

/** Runs of the four blanks of JSON. */
const blanks = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\r"), maxLength: 3 });

/**
 * A JSON string token with any character written plainly or escaped, also halves of surrogate
 * pairs.
 */
const stringToken = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
    fc.constantFrom('\\"', "\\\\", "\\/", "\\u0022", "\\ud800", "\\uDFFF", "{", "]", ",", ":", "é"),
  ),
  { maxLength: 4 },
).map((parts) => `"${parts.join("")}"`);

const numberToken = fc.oneof(
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String),
  fc.constantFrom("1.0", "-0", "1E+2", "9007199254740993", "1e400", "0.10"),
);

/** JSON text with any spacing, numbers no double can hold, and duplicate keys. */
const { value: jsonText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(stringToken, numberToken, fc.constantFrom("true", "false", "null")),
    fc.array(fc.tuple(blanks, tie("value"), blanks), { maxLength: 4 })
      .map((items) => `[${items.map((parts) => parts.join("")).join(",")}]`),
    fc.array(fc.tuple(blanks, key(), blanks, blanks, tie("value"), blanks), { maxLength: 4 })
      .map((members) => `{${members.map(memberText).join(",")}}`),
  ),
}));

function key(): fc.Arbitrary<string> {
  return fc.oneof(stringToken, fc.constantFrom('"requestBody"', '"url"', '"__proto__"', '"a"'));
}

function memberText([a, name, b, c, value, d]: string[]): string {
  return `${a}${name}${b}:${c}${value}${d}`;
}

/** The members of an object as they are written, duplicates too. */
function writtenIn(text: string): (readonly [key: string, value: string])[] {
  return Array.from(membersOf(text), ({ keyAt, keyEnd, valueAt, valueEnd }) => [
    decodeString(text.slice(keyAt, keyEnd)),
    text.slice(valueAt, valueEnd),
  ]);
}

Deno.test("membersOf() finds the text of each value, duplicates too", () => {
  const text = '{ "a" : 1.0 ,"b":"}\\"]","\\u0061":[ {"a":2} ], "c":{} , "":null,"__proto__":-0\n}';
  assertEquals(writtenIn(text), [
    ["a", "1.0"],
    ["b", '"}\\"]"'],
    ["a", '[ {"a":2} ]'],
    ["c", "{}"],
    ["", "null"],
    ["__proto__", "-0"],
  ]);
  assertEquals(writtenIn(" { } "), []);
});

Deno.test("membersOf() and scanJson() find every member of any object, its value's text as it was written", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(blanks, key(), blanks, blanks, jsonText, blanks)), (members) => {
      const text = ` {${members.map(memberText).join(",")}}\n`;
      // JSON.parse(text) is no judge: V8 15 can take a key written \" for an earlier one written
      // \\.
      const written = members.map(([, name, , , value]) => [JSON.parse(name), value] as const);
      assertEquals(writtenIn(text), written);
      const wanted = ["requestBody", "url", "a", "missing"];
      const last = new Map(written.filter(([name]) => wanted.includes(name)));
      const scan = scanJson(utf8.encode(text), wanted);
      assert(scan.kind === "object");
      const texts = [...scan.members].map(([name, span]) => [name, cut(text, span)] as const);
      assertEquals(new Map(texts), last);
    }),
    { numRuns: 300 },
  );
});

Deno.test("scanJson() finds a member however its key is written", () => {
  for (const name of ["url", "\\u0075rl", "u\\u0072\\u006C", "\\u0075\\u0072\\u006c"]) {
    const text = `{"urls":0,"ur":0,"\\\\u0075rl":0,"\\/url":0,"":0,"${name}" : [1] }`;
    const scan = scanJson(utf8.encode(text), ["url"]);
    assert(scan.kind === "object");
    assertEquals([...scan.members].map(([key, span]) => [key, cut(text, span)]), [["url", "[1]"]]);
  }
});

/** JSON texts with a few characters taken out, put in or exchanged: most are no JSON. */
const nearlyJson = fc.tuple(
  jsonText,
  fc.array(
    fc.tuple(
      fc.nat(),
      fc.integer({ min: 0, max: 2 }),
      fc.constantFrom(
        ...'{}[]:,"\\/bfnrtu0123456789aeEF+-. \t\n\r\u0000\u001f\u007f\u2028\ufeffé',
        "true",
        "nul",
        "",
      ),
    ),
    { maxLength: 3 },
  ),
).map(([text, edits]) => {
  for (const [at, cut, put] of edits) {
    const start = at % (text.length + 1);
    text = text.slice(0, start) + put + text.slice(start + cut);
  }
  return text;
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

Deno.test("scanJson() takes for JSON exactly what JSON.parse does", () => {
  let broken = 0;
  const agree = (text: string) => {
    const scan = scanJson(utf8.encode(text), ["a"]);
    assertEquals(scan.kind !== "broken", isJson(text), text);
    if (scan.kind === "broken") broken++;
    else assertEquals(scan.kind === "object", text.trimStart().startsWith("{"), text);
  };
  for (
    const number of "0 -0 01 -01 1. .1 -.1 +1 1e 1e+ 1E-05 1.5e3 0e0 0x1 - 1-1 1e5.5 Infinity"
      .split(" ")
  ) {
    for (const text of [number, `[${number}]`, `{"a":${number}}`, ` ${number} `]) agree(text);
  }
  for (
    const text of [
      "",
      " ",
      "[",
      "{",
      "]",
      "}",
      "[}",
      "{]",
      "[1}",
      '{"a":1]',
      "[,]",
      "{,}",
      "[1,]",
      '{"a":1,}',
    ]
  ) {
    agree(text);
  }
  for (
    const text of [
      "\u0002",
      "[] []",
      "{}\u0002",
      '"',
      '"\\',
      '"\\u',
      '"\\u12"',
      '"\\x"',
      '{"a"}',
      "\u00a01",
      "tru",
      "truee",
    ]
  ) {
    agree(text);
  }
  fc.assert(fc.property(nearlyJson, agree), { numRuns: 3_000 });
  fc.assert(fc.property(fc.string({ maxLength: 8 }), agree));
  assert(broken > 500, `only ${broken} were broken`);
});

Deno.test("scanJson() says where a text stops to be JSON, or that it ends early", () => {
  const places: [text: string, at: number][] = [
    ['{"a":}', 5],
    ["[1,]", 3],
    ["{} x", 3],
    ['{"a" 1}', 5],
    ['["\n"]', 2],
    ['["\\u00g0"]', 6],
    ["[nul]", 1],
    ['{"a":[1', 7],
    ['"abc', 4],
    ["", 0],
  ];
  for (const [text, at] of places) {
    assertEquals(scanJson(utf8.encode(text), []), { kind: "broken", at }, text);
  }
});

/** What `JSON.parse` takes long for. */
const HOSTILE: readonly (readonly [what: string, value: string])[] = [
  ["brackets in brackets", "[".repeat(2 << 20) + "]".repeat(2 << 20)],
  ["braces in braces", '{"":'.repeat(200_000) + "0" + "}".repeat(200_000)],
  ["many keys", `{${Array.from({ length: 100_000 }, (_, n) => `"${n.toString(36)}":0`)}}`],
];

for (const [what, value] of HOSTILE) {
  Deno.test(`parseEvent() takes ${what} without building them, in less time than JSON.parse`, () => {
    const bytes = utf8.encode(`{"url":"${URL_TEXT}","requestBody":${value}}`);
    const timed = (work: () => void) => {
      const startMs = performance.now();
      work();
      return performance.now() - startMs;
    };
    const parse = () => assertEquals(parseEvent(bytes).kind, "request");
    const ms = Math.min(...Array.from({ length: 5 }, () => timed(parse)));
    const parseMs = timed(() => JSON.parse(value));
    assert(ms < parseMs, `${ms} ms, JSON.parse alone ${parseMs} ms`);
    assert(endsEarly(value.slice(0, -1)));
  });
}

Deno.test("endsEarly() is true for every proper prefix of an object", () => {
  fc.assert(
    fc.property(
      fc.tuple(blanks, key(), blanks, blanks, jsonText, blanks),
      fc.nat(),
      (member, n) => {
        const text = `{${memberText(member)}}`;
        assert(endsEarly(text.slice(0, n % text.length)));
        assert(!endsEarly(text));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("endsEarly() is false for what more text can't mend", () => {
  for (const text of ['{"a":}', "{}x", "{}{", "]", "nul", '{"a":"\\\\"} "']) {
    assert(!endsEarly(text), text);
  }
  for (const text of ["", " \n", '{"a', '{"a\\"}', '"', '{"a":"\\\\\\"}']) {
    assert(endsEarly(text), text);
  }
});

Deno.test("parseEvent() sends the exact text of any JSON value", () => {
  const event = fc.record({
    bom: fc.constantFrom("", "\ufeff"),
    before: fc.constantFrom("", '"x":{"requestBody":1},', '"requestBody":"old" ,', '"params":0,'),
    name: fc.constantFrom('"requestBody"', '"request\\u0042ody"'),
    after: fc.constantFrom("", ',"params":[]', ',"y":"\\"requestBody\\":2"', ',"z":[{"url":3}]'),
    body: jsonText.filter((text) => text !== "null"),
    blank: blanks,
  });
  fc.assert(
    fc.property(event, ({ bom, before, name, after, body, blank }) => {
      const text =
        `${bom}{${blank}"url":"${URL_TEXT}",${before}${name}:${blank}${body}${blank}${after}}${blank}`;
      const request = accepted(text);
      // Compared as bytes, for these are sent.
      assertEquals(utf8.encode(request.body), utf8.encode(body));
      assertEquals([request.method, request.url.href], ["POST", URL_TEXT]);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("parseEvent() takes the last of duplicate keys, however they are written", () => {
  const request = accepted(
    `{"url":"ftp://x","requestBody":1,"\\u0075rl":"${URL_TEXT}","requestBody":9007199254740993}`,
  );
  assertEquals([request.url.href, request.body], [URL_TEXT, "9007199254740993"]);
  assertEquals(accepted(`{"url":"${URL_TEXT}","requestBody":1,"requestBody":null}`).method, "GET");
});

Deno.test("parseEvent() makes a GET of an event without a body, and leaves other members alone", () => {
  for (const event of [{}, { requestBody: null }, { method: null, headers: null, note: [1] }]) {
    const request = accepted({ url: URL_TEXT, ...event });
    assertEquals([request.method, request.body, request.headers.length], ["GET", undefined, 0]);
  }
});

Deno.test("parseEvent() upper-cases the method and lets it stand without a body", () => {
  assertEquals(accepted({ url: URL_TEXT, method: "patch", requestBody: 1 }).method, "PATCH");
  assertEquals(accepted({ url: URL_TEXT, method: "DELETE" }).method, "DELETE");
  assertEquals(accepted({ url: URL_TEXT, method: "HEAD" }).method, "HEAD");
  assertEquals(accepted({ url: URL_TEXT, method: "POST" }).body, undefined);
});

Deno.test("parseEvent() reads the SDKs' shape, and requestBody and method win over it", () => {
  const sdk = { url: URL_TEXT, httpVerb: "POST", params: { a: 1 } };
  assertEquals(accepted(sdk).body, '{"a":1}');
  const both = accepted({ ...sdk, requestBody: [2], method: "PUT" });
  assertEquals([both.method, both.body], ["PUT", "[2]"]);
  assertEquals(accepted({ ...sdk, requestBody: null }).body, '{"a":1}');
});

for (const version of ["v4", "v5", "v6"]) {
  for (const shape of ["impression", "conversion", "batch10"]) {
    const name = `${version}-node-${shape}.json`;
    Deno.test(`parseEvent() makes a POST of ${name}, its body the exact text of params`, async () => {
      const bytes = await Deno.readFile(new URL(`../fixtures/events/${name}`, import.meta.url));
      const text = new TextDecoder().decode(bytes);
      const parsed = parseEvent(bytes);
      assert(parsed.kind === "request");
      const { url, method, body } = parsed.request;
      assertEquals([url.href, method], ["https://logx.optimizely.com/v1/events", "POST"]);
      // Found by other means: params is the last member of these files.
      const start = text.indexOf(":", text.indexOf('\n  "params"')) + 2;
      assertEquals(body, text.slice(start, text.lastIndexOf("}")).trimEnd());
    });
  }
}

Deno.test("parseEvent() takes user info and fragment off the URL and makes Basic authorization of it", () => {
  const request = accepted({ url: "https://j%C3%B6:p%20%3A%zz@a.example/p?q#f" });
  assertEquals(request.url.href, "https://a.example/p?q");
  const basic = btoa(String.fromCharCode(...utf8.encode("jö:p :%zz")));
  assertEquals(request.headers, [["authorization", `Basic ${basic}`]]);
  assertEquals(accepted({ url: "https://@a.example/#" }).url.href, "https://a.example/");
});

Deno.test("parseEvent() lets the event's own authorization win over user info", () => {
  const event = { url: "https://a%3Ab:c@a.example/", headers: { Authorization: "Bearer x" } };
  assertEquals(accepted(event).headers, [["authorization", "Bearer x"]]);
  assertStringIncludes(refusal({ url: event.url }), "without a colon");
});

Deno.test("parseEvent() lower-cases header names, and of names that differ in case only the last wins", () => {
  const headers = '{"X-A":"1","x-a":"2","B":"3","X-A":"4"}';
  const request = accepted(`{"url":"${URL_TEXT}","headers":${headers}}`);
  assertEquals(request.headers, [["x-a", "4"], ["b", "3"]]);
});

Deno.test("parseEvent() calls unfinished what is empty or ends early, even inside of a character", () => {
  const whole = utf8.encode(`\ufeff{"url":"https://ä.example/","requestBody":{"a":["b"]}}`);
  for (let length = 0; length < whole.length; length++) {
    assertEquals(parseEvent(whole.subarray(0, length)).kind, "unfinished", `at ${length}`);
  }
  assertEquals(parseEvent(whole).kind, "request");
  assertEquals(parseEvent(utf8.encode(" \r\n")).kind, "unfinished");
});

Deno.test("parseEvent() refuses what more bytes can't mend", () => {
  for (const text of ['{"url":}', '{"url":"x",}', "{} {", "nul", "\0\0", "'a'", `{"a":01}`]) {
    assertStringIncludes(refusal(text), "must be JSON", text);
  }
  const invalid = new Uint8Array([...utf8.encode('{"url":"'), 0xff, ...utf8.encode('"}')]);
  const cutAfterEnd = new Uint8Array([...utf8.encode("{}"), 0xc3]);
  const utf16 = new Uint8Array([0xff, 0xfe, 0x7b, 0]);
  for (const bytes of [invalid, cutAfterEnd, utf16]) {
    const parsed = parseEvent(bytes);
    assert(parsed.kind === "refused");
    assertStringIncludes(parsed.reason, "UTF-8");
  }
});

Deno.test("parseEvent() says where JSON breaks without quoting it", () => {
  const reason = refusal('{"headers":{"authorization":"hunter2" "x":1}}');
  assertMatch(reason, /position 38/);
  assert(!refusal('{"headers":{"authorization":"hunter2"},hunter2}').includes("hunter2"));
});

Deno.test("parseEvent() wants an object with a url", () => {
  const object = "the event must be a JSON object with a url, current value is ";
  assertEquals(refusal("[]"), `${object}an array`);
  assertEquals(refusal("null"), `${object}null`);
  assertEquals(refusal("1"), `${object}of type number`);
  assertEquals(refusal("{}"), "the event's url must be a string, current value is missing");
  assertStringIncludes(refusal({ url: 1 }), "must be a string");
});

const REFUSED_URLS: readonly (readonly [url: string, reason: string])[] = [
  ["", "absolute URL"],
  ["/v1", "absolute URL"],
  ["//a.example", "absolute URL"],
  ["https://", "absolute URL"],
  ["http://a b/", "absolute URL"],
  ["file:///etc/passwd", 'current value is "file"'],
  ["data:text/plain,x", 'current value is "data"'],
  ["ftp://a.example", 'current value is "ftp"'],
  ["a.example:80/x", 'current value is "a.example"'],
  [`https://a/${"x".repeat(65_000)}`, "at most 65000 bytes"],
  [`https://a/#${"x".repeat(4_000_000)}`, "at most 65000 bytes"],
  ["http://../", "1 to 63"],
  ["http://./", "1 to 63"],
  ["http://a..b/", "1 to 63"],
  ["http://a.example../", "1 to 63"],
  [`http://${"a".repeat(64)}.example/`, "1 to 63"],
  [`http://${"a.".repeat(128)}/`, "253 characters"],
  ["http://a{b}/", "letters, digits"],
  ['http://a"b/', "letters, digits"],
  ["http://a.example:0/", "blocked ports"],
  ["http://a.example:25/", "blocked ports"],
  ["https://a.example:6697/", "blocked ports"],
  ["https://[::1]:10080/", "blocked ports"],
];

for (const [url, reason] of REFUSED_URLS) {
  Deno.test(`parseEvent() refuses the URL ${JSON.stringify(url.slice(0, 30))}`, () => {
    assertStringIncludes(refusal({ url }), reason);
  });
}

Deno.test("parseEvent() takes URLs at the limits", () => {
  const label = "a".repeat(63);
  const hosts = [
    `${"a.".repeat(126)}a.`,
    label,
    `${label}.`,
    "a.example.",
    "[::1]:8080",
    "127.0.0.1",
    "ü.example",
    "a_b",
  ];
  for (const host of hosts) assertEquals(accepted({ url: `http://${host}/` }).method, "GET");
  const longest = `https://a/${"x".repeat(64_990)}`;
  assertEquals(accepted({ url: longest }).url.href.length, 65_000);
  assertEquals(accepted({ url: `https://user:pass@a/${"x".repeat(64_990)}#f` }).url.href, longest);
});

const REFUSED_REST: readonly (readonly [event: Record<string, unknown>, reason: string])[] = [
  [{ method: "GET", requestBody: 1 }, "must not be GET when there is a body"],
  [{ method: "head", requestBody: {} }, "must not be HEAD when there is a body"],
  [{ httpVerb: "GET", params: {} }, "must not be GET when there is a body"],
  [{ method: "connect" }, "fetch forbids"],
  [{ method: "TRACE" }, "fetch forbids"],
  [{ method: "track", requestBody: 1 }, "fetch forbids"],
  [{ method: "" }, "HTTP method"],
  [{ method: "PO ST" }, "HTTP method"],
  [{ method: "poſt" }, "HTTP method"],
  [{ method: 1 }, "of type number"],
  [{ method: "x".repeat(200) }, "HTTP method"],
  [{ method: [1] }, "an array"],
  [{ method: true }, "of type boolean"],
  [{ method: "a\u009b\u202e" }, "a\\u009b\\u202e"],
  [{ headers: [] }, "an array"],
  [{ headers: "a: b" }, "of type string"],
  [{ headers: { a: 1 } }, "header a must be a string"],
  [{ headers: { a: null } }, "header a must be a string"],
  [{ headers: { "": "x" } }, "name of header 1"],
  [{ headers: { ok: "x", "a b": "x" } }, "name of header 2"],
  [{ headers: { "ä": "x" } }, "name of header 1"],
  [{ headers: { ["a".repeat(1_001)]: "x" } }, "at most 1000 characters"],
  [{ headers: { a: "b\r\nc: d" } }, "line breaks"],
  [{ headers: { a: "b\n" } }, "line breaks"],
  [{ headers: { a: "\0" } }, "line breaks"],
  [{ headers: { a: "\x01" } }, "control characters"],
  [{ headers: { a: "\x7f" } }, "control characters"],
  [{ headers: { a: "Ā" } }, "above U+00FF"],
  [{ headers: { a: "\ud800" } }, "above U+00FF"],
];

for (const [event, reason] of REFUSED_REST) {
  Deno.test(`parseEvent() refuses ${JSON.stringify(event).slice(0, 60)}`, () => {
    assertStringIncludes(refusal({ url: URL_TEXT, ...event }), reason);
  });
}

Deno.test("parseEvent() refuses headers that frame the message or belong to the connection", () => {
  const names = "Host Connection Content-Length Transfer-Encoding Upgrade Expect TE Trailer " +
    "Keep-Alive HTTP2-Settings Proxy-Authorization Proxy-Connection TRANSFER-ENCODING " +
    "transfer_encoding Content_Length keep_alive";
  for (const name of names.split(" ")) {
    for (const value of ["x", "", "trailers", "gzip, chunked"]) {
      const reason = refusal({ url: URL_TEXT, headers: { [name]: value } });
      assertStringIncludes(reason, `without ${name.toLowerCase()}`);
    }
  }
});

Deno.test("parseEvent() takes the headers that arrive as written", () => {
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "accept-encoding": "identity",
    cookie: "a=b",
    "user-agent": "é\t~",
    "idempotency-key": "",
    "x-!#$%&'*+-.^_`|~": "x",
    "__proto__x": "1",
  };
  assertEquals(accepted({ url: URL_TEXT, headers }).headers, Object.entries(headers));
});

Deno.test("parseEvent() refuses so many headers that they would end the process", () => {
  const many = (n: number) =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [`x${i}`, ""]));
  assertEquals(accepted({ url: URL_TEXT, headers: many(1_000) }).headers.length, 1_000);
  assertStringIncludes(refusal({ url: URL_TEXT, headers: many(1_001) }), "at most 1000");
});

Deno.test("parseEvent() refuses more headers than the limits allow, however they are written", () => {
  const text = (headers: string) => `{"url":"${URL_TEXT}","headers":${headers}}`;
  const tooMany = "headers must be at most 1000 in number, current value is more";
  const tooLong = "headers must be at most 65536 bytes, current value is more";
  const escapes = Array.from({ length: 1_001 }, (_, n) => `"\\u0078${n}":""`);
  assertEquals(refusal(text(`{${escapes}}`)), tooMany);
  // 1 + 4 bytes around the value
  const longest = "a".repeat(65_531);
  assertEquals(accepted({ url: URL_TEXT, headers: { a: longest } }).headers[0]?.[1], longest);
  assertEquals(accepted(text(`{"a":"${"\\u0061".repeat(65_531)}"}`)).headers[0]?.[1], longest);
  assertEquals(refusal({ url: URL_TEXT, headers: { a: `${longest}a` } }), tooLong);
  assertEquals(refusal({ url: URL_TEXT, headers: { a: longest, b: "" } }), tooLong);
  assertEquals(refusal(text(`{"a":"${"x".repeat(600_000)}","a":""}`)), tooLong);
});

Deno.test("parseEvent() refuses 320,000 headers", () => {
  const headers = Array.from({ length: 320_000 }, (_, n) => `"${n}":""`);
  const parsed = parseEvent(utf8.encode(`{"url":"${URL_TEXT}","headers":{${headers}}}`));
  assert(parsed.kind === "refused");
  assertStringIncludes(parsed.reason, "headers must be at most 65536 bytes");
});

Deno.test("parseEvent() never shows user info or a header's value in a reason", () => {
  const events = [
    { url: "https://u:hunter2@a.example:25/" },
    { url: "https://u:hunter2@../" },
    { url: "https://u:hunter2@" },
    { url: "ftp://u:hunter2@a.example/" },
    { url: "https://u%3A:hunter2@a.example/" },
    { url: URL_TEXT, headers: { a: "hunter2\n" } },
    { url: URL_TEXT, headers: { "authorization: hunter2": "" } },
    { url: URL_TEXT, headers: { te: "hunter2" } },
    { url: URL_TEXT, headers: ["hunter2"] },
    { url: URL_TEXT, headers: "hunter2" },
  ];
  for (const event of events) {
    const parsed = parseEvent(bytesOf(event));
    assert(parsed.kind === "refused");
    assert(!parsed.reason.includes("hunter2"), parsed.reason);
    assert(!parsed.url?.href.includes("hunter2"));
  }
});

Deno.test("parseEvent() names the URL of a refused event, so that its destination can be told", () => {
  const parsed = parseEvent(bytesOf({ url: "https://u:p@a.example/#x", method: "TRACE" }));
  assert(parsed.kind === "refused");
  assertEquals(parsed.url?.href, "https://a.example/");
});

Deno.test("whatever parseEvent() accepts, the platform's Request accepts", () => {
  const text = fc.oneof(
    fc.constantFrom("a", "GET", "x-a", "é", "a b", "\n", "", "TRACE", "purge", "PUT", "host"),
    fc.string({ unit: "binary", maxLength: 6 }),
  );
  const event = fc.record({
    url: fc.oneof(
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      text.map((part) => `http://a${part}.example/${part}?${part}`),
      text.map((part) => `https://${part}:${part}@a.example:80`),
    ),
    method: text,
    headers: fc.dictionary(text, text, { maxKeys: 3 }),
    requestBody: fc.jsonValue({ maxDepth: 2 }),
  }, { requiredKeys: ["url"] });
  let count = 0;
  fc.assert(
    fc.property(event, (event) => {
      const parsed = parseEvent(bytesOf(event));
      if (parsed.kind !== "request") return;
      count++;
      const { url, method, headers, body } = parsed.request;
      const request = new Request(url, {
        method,
        headers: headers.map(([name, value]): [string, string] => [name, value]),
        ...(body === undefined ? {} : { body }),
      });
      assertEquals(request.method, method);
    }),
    { numRuns: 1_000 },
  );
  assert(count > 100, `only ${count} were accepted`);
});

Deno.test("parseEvent() throws for no bytes whatever", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    assert(parseEvent(bytes).kind !== "request");
  }));
  fc.assert(fc.property(fc.json(), (json) => {
    parseEvent(utf8.encode(`{"url":"${URL_TEXT}","headers":${json},"method":${json}}`));
  }));
});

Deno.test("encodeEvent() writes one readable line that parseEvent() reads back", () => {
  const bytes = encodeEvent({
    url: new URL("https://u:p@a.example/"),
    requestBody: { b: [1, "é\ud800"], a: null },
    method: "put",
    headers: { "X-A": "1" },
  });
  assertEquals(
    new TextDecoder().decode(bytes),
    '{"url":"https://u:p@a.example/","method":"put","headers":{"X-A":"1"},"requestBody":{"b":[1,"é\\ud800"],"a":null}}\n',
  );
  assertEquals(checkEvent(bytes), undefined);
  fc.assert(fc.property(fc.jsonValue(), (requestBody) => {
    const parsed = parseEvent(encodeEvent({ url: URL_TEXT, requestBody }));
    assert(parsed.kind === "request");
    if (requestBody === null) assertEquals(parsed.request.method, "GET");
    else assertEquals(parsed.request.body, JSON.stringify(requestBody));
  }));
});

Deno.test("encodeEvent() throws one clear line for what the consumer would refuse", () => {
  const circular: unknown[] = [];
  circular.push(circular);
  for (const requestBody of [1n, circular, () => 1, Symbol("x"), NaN, new Date(NaN)]) {
    const error = assertThrows(() => encodeEvent({ url: URL_TEXT, requestBody }), TypeError);
    assertEquals(error.message, "Cannot encode the event: the body must be a JSON value");
  }
  assertThrows(
    () => encodeEvent({ url: "ftp://a.example" }),
    TypeError,
    'Cannot encode the event: the URL\'s scheme must be http or https, current value is "ftp"',
  );
  assertThrows(() => encodeEvent({ url: URL_TEXT, method: "GET", requestBody: 1 }), TypeError);
});

Deno.test("encodeEvent() loses no header that a program without types gets wrong", () => {
  const wrong: unknown[] = [
    { authorization: undefined },
    { a: 1 },
    new Headers({ a: "1" }),
    [],
    "a",
  ];
  for (const headers of wrong) {
    const input = { url: URL_TEXT, headers } as Parameters<typeof encodeEvent>[0];
    assertThrows(() => encodeEvent(input), TypeError, "Cannot encode the event: ");
  }
  const input = {} as Parameters<typeof encodeEvent>[0];
  assertThrows(() => encodeEvent(input), TypeError, "url must be a string");
});

Deno.test("encodeEventText() embeds any JSON text character by character", () => {
  fc.assert(fc.property(jsonText.filter((text) => text !== "null"), (bodyText) => {
    if (!bodyText.isWellFormed()) return;
    const parsed = parseEvent(encodeEventText({ url: URL_TEXT, bodyText }));
    assert(parsed.kind === "request");
    assertEquals(parsed.request.body, bodyText);
  }));
  assertEquals(checkEvent(encodeEventText({ url: URL_TEXT })), undefined);
});

Deno.test("encodeEventText() refuses a body that is not JSON, or that UTF-8 can't hold", () => {
  for (const bodyText of ["", "{", "{},", '1,"url":"ftp://x"', "NaN", "'a'", '"\ud800"']) {
    const encode = () => encodeEventText({ url: URL_TEXT, bodyText });
    assertThrows(encode, TypeError, "Cannot encode the event: the body must be JSON text");
  }
});

Deno.test("checkEvent() says why bytes are no event, and takes an unfinished one for none", () => {
  assertEquals(checkEvent(bytesOf({ url: URL_TEXT })), undefined);
  assertStringIncludes(checkEvent(bytesOf('{"url"')) ?? "", "must be whole");
  assertStringIncludes(checkEvent(bytesOf("")) ?? "", "empty");
  assertStringIncludes(checkEvent(bytesOf({})) ?? "", "url must be a string");
});

function neverAsked(): string {
  throw new Error("no hash was needed");
}

Deno.test("destinationFolder() is the label, without a promise or a hash, when that shows all", () => {
  const folders: [url: string, folder: string][] = [
    ["https://logx.optimizely.com/v1/events", "https_logx.optimizely.com_443"],
    ["http://A.Example/x", "http_a.example_80"],
    ["https://u:p@a.example:8443/#f", "https_a.example_8443"],
    ["http://127.0.0.1:3000", "http_127.0.0.1_3000"],
    ["http://a_b:80", "http_a_b_80"],
    [`http://${"a".repeat(60)}.${"b".repeat(31)}/`, `http_${"a".repeat(60)}.${"b".repeat(31)}_80`],
  ];
  for (const [url, folder] of folders) {
    assertEquals(destinationFolder(new URL(url), neverAsked), folder);
  }
});

Deno.test("destinationFolder() adds a hash of the origin to what is changed or cut", async () => {
  const asked: string[] = [];
  const sha256 = (text: string) => {
    asked.push(text);
    return "0123456789abcdef".repeat(4);
  };
  const ipv6 = new URL("http://[::1]:8080/x");
  assertEquals(destinationLabel(ipv6), "http____1__8080");
  assertEquals(destinationFolder(ipv6, sha256), "http____1__8080_0123456789ab");
  const long = new URL(`https://${"a".repeat(60)}.${"b".repeat(60)}/`);
  const cut = `https_${"a".repeat(60)}.${"b".repeat(33)}_0123456789ab`;
  assertEquals(await destinationFolder(long, (text) => Promise.resolve(sha256(text))), cut);
  assertEquals(asked, ["http://[::1]:8080", long.origin]);
});

Deno.test("Destinations gives one value to all URLs of a destination, a promise only for a hash", async () => {
  const asked: string[] = [];
  const destinations = new Destinations((text) => {
    asked.push(text);
    return Promise.resolve("0123456789abcdef".repeat(4));
  });
  const one = destinations.of(new URL("https://a.example/x"));
  assertEquals(one, { origin: "https://a.example", label: "https_a.example_443" });
  assert(destinations.of(new URL("https://a.example:443/y?z")) === one);
  const ipv6 = new URL("http://[::1]:8080/x");
  const both = [destinations.of(ipv6), destinations.of(ipv6)];
  assert(both[0] instanceof Promise);
  const [first, second] = await Promise.all(both);
  assert(first === second && destinations.of(ipv6) === first);
  assertEquals(first, { origin: "http://[::1]:8080", label: "http____1__8080_0123456789ab" });
  assertEquals(asked, [ipv6.origin, ipv6.origin]);
});

Deno.test("Destinations remembers those of late and takes up no more memory", () => {
  const destinations = new Destinations(neverAsked);
  const first = destinations.of(new URL("http://first/"));
  for (let n = 0; n < 5_000; n++) destinations.of(new URL(`http://h${n}/`));
  const again = destinations.of(new URL("http://first/"));
  assert(again !== first);
  assertEquals(again, first);
  assert(destinations.of(new URL("http://h4999/")) === destinations.of(new URL("http://h4999/")));
});

Deno.test("visible() escapes what a terminal obeys or a reader can't see, and nothing else", () => {
  const hidden = [0x00, 0x1b, 0x7f, 0x80, 0x9b, 0x061c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066];
  for (const code of [...hidden, 0x2069, 0x2028, 0xfeff, 0xd800]) {
    const hex = code.toString(16).padStart(4, "0");
    assertEquals(visible(`a${String.fromCharCode(code)}b`), `a\\u${hex}b`);
  }
  assertEquals(visible("a\nb\t\r\u001b", "\t\n"), "a\nb\t\\u000d\\u001b");
  assertEquals(visible("é ß 漢字 😀 …"), "é ß 漢字 😀 …");
});

Deno.test("parseEvent() reads escaped keys by what they say, however often", () => {
  const text = '{"\\\\":0,"\\"":0,"\\u0075rl":"http://h/","request\\u0042ody":[1]}';
  const other = new TextEncoder().encode('{"\\\\":1,"url":"http://o/"}');
  const bytes = new TextEncoder().encode(text);
  for (let n = 0; n < 2_000; n++) {
    parseEvent(other);
    const parsed = parseEvent(bytes);
    assert(parsed.kind === "request" && parsed.request.url.href === "http://h/");
    assertEquals(parsed.request.body, "[1]");
  }
});

Deno.test("a body under another name is no silent GET: its producer hears of it", () => {
  const why = "the event must be without data, which is not sent: did you mean requestBody?";
  const check = (text: string) => checkEvent(new TextEncoder().encode(text));
  assertEquals(check(`{"url":"http://a.test/","data":{"n":1}}`), why);
  for (
    const right of [
      `{"url":"http://a.test/","requestBody":1,"data":2}`,
      `{"url":"http://a.test/","requestBody":null,"data":2}`,
      `{"url":"http://a.test/","httpVerb":"POST","params":{},"body":2}`,
      `{"url":"http://a.test/","note":"mine"}`,
    ]
  ) assertEquals(check(right), undefined, right);
  const misnamed = { url: "http://a.test/", data: 1 } as EventInput;
  assertThrows(() => encodeEvent(misnamed), TypeError, `Cannot encode the event: ${why}`);
  encodeEvent({ ...misnamed, requestBody: null });
});
