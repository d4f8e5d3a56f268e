import { assert, assertEquals } from "@std/assert";
import { Throttle } from "../../lib/lanes/throttle.ts";
import type { Verdict } from "../../lib/lanes/verdict.ts";

/** Requests that begin until `untilMs`, one after the other, each ended at once. */
function sent(throttle: Throttle, untilMs: number, verdict: (nth: number) => Verdict): number {
  let count = 0;
  for (let nowMs = 0; (nowMs = throttle.readyMs(nowMs)) < untilMs && count < 100_000; count++) {
    throttle.start(nowMs, 16);
    throttle.end(verdict(count), nowMs, 16);
  }
  return count;
}

Deno.test("where all fail there are as many as were saved, and ten a second", () => {
  assertEquals(sent(new Throttle(0, 16), 10_000, () => "failure"), 66 + 99);
});

Deno.test("where one of ten succeeds it never says no", () => {
  assertEquals(
    sent(new Throttle(0, 16), 1, (nth) => nth % 10 === 9 ? "success" : "overload"),
    100_000,
  );
});

Deno.test("where one of twenty succeeds there are ten for each of these, and ten a second", () => {
  const count = sent(new Throttle(0, 16), 60_000, (nth) => nth % 20 === 19 ? "success" : "failure");
  const successes = Math.floor(count / 20);
  assert(Math.abs(count - (66 + 600 + 10 * successes)) <= 10, `${count}`);
});

Deno.test("what says nothing costs nothing", () => {
  assertEquals(sent(new Throttle(0, 16), 1, () => "nothing"), 100_000);
});

Deno.test("no more is saved than fifty and what may be in flight, which may all begin at once", () => {
  const throttle = new Throttle(0, 64);
  for (let n = 0; n < 100; n++) {
    throttle.start(3_600_000, 64);
    throttle.end("success", 3_600_000, 64);
  }
  for (let n = 0; n < 114; n++) {
    assertEquals(throttle.readyMs(3_600_000), 3_600_000);
    throttle.start(3_600_000, 64);
  }
  assertEquals(throttle.readyMs(3_600_000), 3_600_100);
});
