import { assert, assertEquals } from "@std/assert";
import { Parts } from "../../../lib/queue/store/parts.ts";
import { uuidv7 } from "../../../lib/queue/uuid.ts";

const OWNERS = ["edge-1-abcdefgh", "edge-2-ijklmnop", "other-7-qrstuvwx", "other-8-yzabcdef"];

const EVENTS = Array.from({ length: 4_000 }, (_, n) => uuidv7(1_700_000_000_000 + n, Math.random));

/** Who has each event, when just these are alive: everybody who says so. */
function dealt(alive: readonly string[], ids: readonly string[] = EVENTS): string[][] {
  const parts = alive.map((owner) => {
    const own = new Parts(owner);
    own.shareWith(new Set(alive.filter((other) => other !== owner)));
    return { owner, own };
  });
  return ids.map((id) => parts.filter(({ own }) => own.isOurs(id)).map(({ owner }) => owner));
}

Deno.test("every event is in the part of exactly one of those alive", () => {
  const strange = ["", "a", "aa", "event-1", "event-2", "\u{1F600}", ...EVENTS];
  for (let count = 1; count <= OWNERS.length; count++) {
    for (const having of dealt(OWNERS.slice(0, count), strange)) assertEquals(having.length, 1);
  }
});

Deno.test("the parts are about as large as each other", () => {
  for (let count = 2; count <= OWNERS.length; count++) {
    const having = dealt(OWNERS.slice(0, count)).flat();
    for (const owner of OWNERS.slice(0, count)) {
      const share = having.filter((each) => each === owner).length / EVENTS.length * count;
      assert(share > 0.8 && share < 1.2, `${owner} has ${share}`);
    }
  }
});

Deno.test("who dies or comes moves only its own part", () => {
  const before = dealt(OWNERS);
  const after = dealt(OWNERS.slice(0, 3));
  for (const [n, [owner]] of before.entries()) {
    if (owner !== OWNERS[3]) assertEquals(after[n], [owner]);
  }
});

Deno.test("who is alone has everything, and is told whether others are new", () => {
  const parts = new Parts("a");
  assert(!parts.areShared && EVENTS.every((id) => parts.isOurs(id)));
  assertEquals(parts.shareWith(new Set(["b"])), true);
  assertEquals(parts.shareWith(new Set(["b"])), false);
  assertEquals(parts.shareWith(new Set(["c"])), true);
  assertEquals(parts.shareWith(new Set()), true);
  assertEquals(parts.areShared, false);
});

Deno.test("few are not worth sharing", () => {
  const parts = new Parts("a");
  parts.shareWith(new Set(["b", "c"]));
  const idOf = (id: string) => id;
  assertEquals(parts.oursOf(EVENTS.slice(0, 64), idOf).length, 64);
  const ours = parts.oursOf(EVENTS, idOf);
  assertEquals(ours, EVENTS.filter((id) => parts.isOurs(id)));
  assert(ours.length < EVENTS.length / 2);
});
