import { assertEquals } from "@std/assert";
import { Tolerance } from "../../lib/lanes/tolerance.ts";

/** Outcomes of which `percent` are overloads; after how many they are tolerated. */
function toleratedAfter(
  tolerance: Tolerance,
  count: number,
  percent: number,
  limit: number,
  nowMs = 0,
): number {
  let debt = 0;
  for (let n = 1; n <= count; n++) {
    debt += percent;
    const isOverload = debt >= 100;
    if (isOverload) debt -= 100;
    if (tolerance.ended(isOverload, limit, nowMs)) return n;
  }
  return Infinity;
}

Deno.test("overloads that are as many with few requests at once as with many are tolerated", () => {
  for (const percent of [10, 33, 90]) {
    const tolerance = new Tolerance();
    assertEquals(toleratedAfter(tolerance, 100, percent, 16), Infinity);
    assertEquals(tolerance.isTolerating, false);
    assertEquals(toleratedAfter(tolerance, 100, percent, 4), 48);
    assertEquals(tolerance.isTolerating, true);
  }
});

Deno.test("those that get fewer are not", () => {
  const tolerance = new Tolerance();
  toleratedAfter(tolerance, 100, 90, 16);
  assertEquals(toleratedAfter(tolerance, 1_000, 33, 2), Infinity);
});

Deno.test("without many to compare with nothing is tolerated, nor two in forty-eight", () => {
  assertEquals(toleratedAfter(new Tolerance(), 1_000, 90, 4), Infinity);
  const tolerance = new Tolerance();
  toleratedAfter(tolerance, 100, 4, 16);
  assertEquals(toleratedAfter(tolerance, 480, 4, 4), Infinity);
});

Deno.test("it ends when they get more, or after a minute", () => {
  for (
    const [percent, nowMs, isTolerating] of [[40, 0, true], [70, 0, false], [
      30,
      60_000,
      false,
    ]] as const
  ) {
    const tolerance = new Tolerance();
    toleratedAfter(tolerance, 100, 30, 16);
    toleratedAfter(tolerance, 48, 30, 4);
    toleratedAfter(tolerance, 40, percent, 64, nowMs);
    assertEquals(tolerance.isTolerating, isTolerating, `${percent} %`);
  }
});
