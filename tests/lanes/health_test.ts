import { assert, assertEquals } from "@std/assert";
import { Health } from "../../lib/lanes/health.ts";

/** Outcomes of which one of so many succeeds, as the last of these; what changed. */
function ends(health: Health, count: number, every: number, nowMs = 0): string[] {
  const changes: string[] = [];
  for (let n = 1; n <= count; n++) {
    const change = health.end(n % every === 0 ? "success" : "failure", nowMs);
    if (change) changes.push(change);
  }
  return changes;
}

Deno.test("it is struggling when less than four of five succeed, and healthy again from nine of ten on", () => {
  const health = new Health();
  assertEquals([...ends(health, 100, 1), health.share], [1]);
  assertEquals(ends(health, 100, 2, 100_000), ["struggling"]);
  assertEquals([health.isStruggling, health.share], [true, 0.5]);
  assertEquals(ends(health, 100, 1, 110_000), []);
  assertEquals(health.share, 0.75);
  assertEquals(ends(health, 500, 1, 120_000), ["healthy"]);
  assert(health.share >= 0.9);
  assertEquals(ends(health, 200, 1, 130_000), []);
});

Deno.test("less than twenty outcomes within a minute say nothing", () => {
  const health = new Health();
  for (let minute = 0; minute < 20; minute++) {
    assertEquals(ends(health, 18, 2, minute * 61_000), []);
  }
  assertEquals(ends(health, 4, 2, 19 * 61_000), ["struggling"]);
});

Deno.test("while nothing at all succeeds it isn't struggling, nor by what says nothing", () => {
  const health = new Health();
  assertEquals(ends(health, 500, Infinity), []);
  assertEquals(health.end("nothing", 0), undefined);
  assertEquals(health.end("success", 0), "struggling");
});

Deno.test("what is down or recovers begins anew", () => {
  const health = new Health();
  ends(health, 100, 4);
  health.reset();
  assertEquals([health.isStruggling, health.share], [false, 1]);
  assertEquals(ends(health, 19, 2), []);
});
