import { assert, assertEquals } from "@std/assert";
import { Throughput } from "../../lib/lanes/throughput.ts";

/** Successes from one time to another, so many a second. */
function work(throughput: Throughput, fromMs: number, toMs: number, perSecond: number): void {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 1_000 / perSecond) throughput.succeeded(nowMs);
}

Deno.test("the best second counts, and half of it a minute later", () => {
  const throughput = new Throughput(0);
  assertEquals(throughput.perSecond, 0);
  work(throughput, 0, 5_000, 500);
  assert(Math.abs(throughput.perSecond - 500) < 10, `${throughput.perSecond}`);
  work(throughput, 5_000, 65_000, 10);
  assert(Math.abs(throughput.perSecond - 250) < 20, `${throughput.perSecond}`);
});

Deno.test("an outage changes nothing of what is known", () => {
  const throughput = new Throughput(0);
  work(throughput, 0, 5_000, 500);
  const known = throughput.perSecond;
  throughput.restart(3_600_000);
  throughput.succeeded(3_600_001);
  assertEquals(throughput.perSecond, known);
});
