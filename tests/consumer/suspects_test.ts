import { assertEquals } from "@std/assert";
import type { Prepared } from "../../lib/consumer/prepare.ts";
import { Suspects } from "../../lib/consumer/suspects.ts";
import { A } from "../support/consumer_parts.ts";
import { ScriptedClaim } from "../support/scripted_claim.ts";

function taken(takeovers: number): Prepared {
  const claim = new ScriptedClaim({ takeovers });
  const request = { url: new URL("http://a.test/"), method: "POST", headers: [], body: "1" };
  return { claim, request, destination: A, bytes: 1 };
}

Deno.test("one death says little, from two on an event is a suspect", () => {
  assertEquals([0, 1, 2, 4].map((times) => Suspects.isOne(taken(times))), [
    false,
    false,
    true,
    true,
  ]);
});

Deno.test("those with the fewest deaths are tried first, of equals the first that came", () => {
  const suspects = new Suspects();
  const events = [4, 2, 3, 2].map(taken);
  for (const event of events) suspects.add(event);
  assertEquals(suspects.size, 4);
  const order = events.map(() => events.indexOf(suspects.take()!));
  assertEquals([order, suspects.take()], [[1, 3, 2, 0], undefined]);
});

Deno.test("after a trial others have as long as it took; without suspects nothing is due", () => {
  const suspects = new Suspects();
  assertEquals(suspects.dueMs, Infinity);
  suspects.add(taken(2));
  assertEquals(suspects.dueMs, -Infinity);
  suspects.tried(1_000, 1_300);
  assertEquals(suspects.dueMs, 1_600);
  suspects.take();
  assertEquals(suspects.dueMs, Infinity);
});
