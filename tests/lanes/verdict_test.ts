import { assertEquals } from "@std/assert";
import type { Attempt } from "../../lib/http/sender.ts";
import { verdictOf } from "../../lib/lanes/verdict.ts";

const verdict = (attempt: Partial<Attempt>) =>
  verdictOf({ outcome: "deferred", reason: "", ms: 1, ...attempt });

Deno.test("an attempt that was not sent, or is about its event alone, says nothing of the destination", () => {
  assertEquals(verdictOf(undefined), "nothing");
  for (const outcome of ["aborted", "crowded", "refused"] as const) {
    assertEquals(verdict({ outcome }), "nothing");
  }
  assertEquals(verdict({ status: 404 }), "nothing");
});

Deno.test("an answer that could not be kept was an answer all the same", () => {
  assertEquals(verdict({ status: 200, error: new Error("no space left") }), "success");
  assertEquals(verdict({ status: 200 }), "failure");
});

Deno.test("a destination works, has too much to do, or doesn't work", () => {
  assertEquals(verdict({ outcome: "delivered", status: 204 }), "success");
  for (const status of [429, 503]) assertEquals(verdict({ status }), "overload");
  assertEquals(verdict({ isTimeout: true }), "overload");
  for (const status of [302, 401, 403, 407, 408, 425, 500]) {
    assertEquals(verdict({ status }), "failure");
  }
  assertEquals(verdict({}), "failure");
});
