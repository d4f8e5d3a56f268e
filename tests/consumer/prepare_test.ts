import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { Prepared, Rejection } from "../../lib/consumer/prepare.ts";
import type { Content } from "../../lib/store/store.ts";
import { A, ARRAY_MERGER, eventText, type Parts, withMemory } from "../support/consumer_parts.ts";
import { type Script, ScriptedClaim } from "../support/scripted_claim.ts";

function bytes(text: string, mayBeUnfinished = false): Content {
  return { kind: "bytes", bytes: new TextEncoder().encode(text), mayBeUnfinished };
}

/** What a claim of that kind is found to be. */
async function look(
  script: Script,
  options: ConsumerOptions = {},
  before: (parts: Parts) => void = () => {},
): Promise<{ readonly found: Prepared | Rejection; readonly claim: ScriptedClaim }> {
  const claim = new ScriptedClaim(script);
  let found: Prepared | Rejection | undefined;
  await withMemory(options, async (parts) => {
    before(parts);
    found = await parts.preparer.prepare(claim);
  });
  return { found: found!, claim };
}

async function rejectionOf(script: Script): Promise<Rejection> {
  const { found } = await look(script);
  assert("kind" in found, "it can be sent");
  return found;
}

Deno.test("an event is prepared with its request, its destination's label and its size", async () => {
  const text = eventText("http://a.test/x", { n: 1 });
  for (const content of [bytes(text), Promise.resolve(bytes(text))]) {
    const { found, claim } = await look({ content });
    assert(!("kind" in found));
    assertEquals([found.claim, found.destination, found.bytes], [claim, A, text.length]);
    const { url, method, body } = found.request;
    assertEquals([url.href, method, body], ["http://a.test/x", "POST", '{"n":1}']);
    assertEquals(found.merging, undefined);
  }
});

Deno.test("a destination that can't be a label as it is has one that ends in a hash", async () => {
  const { found } = await look({ content: bytes(eventText("http://[::1]:8080/")) });
  assert(!("kind" in found));
  assertMatch(found.destination, /^http____1__8080_[0-9a-f]{12}$/);
});

Deno.test("what the store can't read is rejected as it says", async () => {
  const contents: Exclude<Content, { kind: "bytes" }>[] = [
    { kind: "lost" },
    { kind: "crowded", reason: "EMFILE", pauseMs: 1_000 },
    { kind: "deferred", reason: "EIO" },
    { kind: "released", reason: "a folder", pauseMs: 0 },
    { kind: "refused", reason: "too large" },
  ];
  for (const content of contents) assertEquals(await rejectionOf({ content }), content);
});

Deno.test("an event whose consumers died five times in a row is refused unread", async () => {
  const { found, claim } = await look({ takeovers: 5, content: bytes(eventText()) });
  assert("kind" in found && found.kind === "refused");
  assertStringIncludes(found.reason, "its consumer died 5 times");
  assertEquals(claim.asked, []);
  assert(!("kind" in (await look({ takeovers: 4, content: bytes(eventText()) })).found));
});

Deno.test("what ends early may still be being written; when it can't be, it is broken", async () => {
  const half = eventText().slice(0, 12);
  const young = await rejectionOf({ content: bytes(half, true) });
  assert(young.kind === "released");
  assertEquals(young.pauseMs, 5_000);
  assertStringIncludes(young.reason, "may still be being written");
  assertEquals((await rejectionOf({ content: bytes(half) })).kind, "refused");
  const wrong = await rejectionOf({ content: bytes("[1]", true) });
  assertEquals(wrong.kind, "refused", "whole and wrong is wrong, however young");
});

Deno.test("a broken event is refused with its destination, as far as that is known", async () => {
  const noBody = `{"url":"http://a.test/","method":"GET","requestBody":1}`;
  const known = await rejectionOf({ content: bytes(noBody) });
  assert(known.kind === "refused" && "destination" in known);
  assertEquals(known.destination, A);
  const unknown = await rejectionOf({ content: bytes(`{"requestBody":1}`) });
  assert(unknown.kind === "refused");
  assertEquals("destination" in unknown, false);
});

Deno.test("an address that this program may not reach is refused before anything is sent", async () => {
  const { found } = await look({ content: bytes(eventText()) }, {}, ({ world }) => {
    world.network.mayReach = ({ hostname }) => hostname !== "a.test";
  });
  assert("kind" in found && found.kind === "refused" && "destination" in found);
  assertStringIncludes(found.reason, "may not reach a.test");
  assertEquals(found.destination, A);
});

Deno.test("where events are merged, one is prepared with what it brings; a GET goes alone", async () => {
  const options = { merge: ARRAY_MERGER };
  const { found } = await look({ content: bytes(eventText("http://a.test/x", "b")) }, options);
  assert(!("kind" in found));
  const { part, group, sinceMs } = found.merging!;
  assertEquals([part.text, group, sinceMs], ['"b"', "POST http://a.test/x", 0]);
  const alone = await look({ content: bytes(`{"url":"http://a.test/"}`) }, options);
  assert(!("kind" in alone.found));
  assertEquals(alone.found.merging, undefined);
});
