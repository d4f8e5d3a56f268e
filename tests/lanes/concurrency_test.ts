import { assertEquals } from "@std/assert";
import { Concurrency } from "../../lib/lanes/concurrency.ts";

function succeed(concurrency: Concurrency, times: number, ms: number, nowMs = 0): void {
  for (let n = 0; n < times; n++) concurrency.succeeded(ms, nowMs);
}

Deno.test("starting: each fast answer allows one more, up to the most", () => {
  const concurrency = new Concurrency({ most: 20, fixed: undefined });
  assertEquals(concurrency.limit, 16);
  succeed(concurrency, 3, 50);
  assertEquals(concurrency.limit, 19);
  succeed(concurrency, 9, 50);
  assertEquals(concurrency.limit, 20);
});

Deno.test("it never starts above the most", () => {
  assertEquals(new Concurrency({ most: 3, fixed: undefined }).limit, 3);
});

Deno.test("steady, after a cut: a whole round of fast answers allows one more", () => {
  const concurrency = new Concurrency({ most: 64, fixed: undefined });
  concurrency.overloaded(10, 1_000);
  assertEquals(concurrency.limit, 8);
  succeed(concurrency, 7, 50);
  assertEquals(concurrency.limit, 8);
  succeed(concurrency, 2, 50);
  assertEquals(concurrency.limit, 9);
});

Deno.test("slow answers change nothing, until the best time is a minute old", () => {
  const concurrency = new Concurrency({ most: 64, fixed: undefined });
  succeed(concurrency, 1, 50, 0);
  succeed(concurrency, 9, 201, 1_000);
  assertEquals([concurrency.limit, concurrency.bestMs], [17, 50]);
  succeed(concurrency, 9, 201, 61_000);
  assertEquals([concurrency.limit, concurrency.bestMs], [26, 201]);
});

Deno.test("requests of one round cut it once, and never below one", () => {
  const concurrency = new Concurrency({ most: 64, fixed: undefined });
  for (let n = 0; n < 16; n++) concurrency.overloaded(500, 1_000 + n);
  assertEquals(concurrency.limit, 8);
  for (let nowMs = 2_000; nowMs < 9_000; nowMs += 1_000) {
    succeed(concurrency, 1, 500, nowMs);
    concurrency.overloaded(500, nowMs);
  }
  assertEquals(concurrency.limit, 1);
});

Deno.test("an outage cuts it once, and when it is over what it was before is back at once", () => {
  const concurrency = new Concurrency({ most: 64, fixed: undefined });
  succeed(concurrency, 48, 50);
  assertEquals(concurrency.limit, 64);
  for (let nowMs = 1_000; nowMs < 9_000; nowMs += 1_000) concurrency.overloaded(1, nowMs);
  assertEquals(concurrency.limit, 32);
  succeed(concurrency, 32, 50, 10_000);
  assertEquals(concurrency.limit, 64);
});

Deno.test("where fewer at once don't help it grows to what it was, and overloads cut it no more", () => {
  const concurrency = new Concurrency({ most: 64, fixed: undefined });
  succeed(concurrency, 48, 50);
  let [nowMs, least] = [1_000, 64];
  for (let n = 0; n < 500; n++, nowMs += 51) {
    if (n % 3 === 0) concurrency.overloaded(50, nowMs);
    else succeed(concurrency, 1, 50, nowMs);
    least = Math.min(least, concurrency.limit);
  }
  assertEquals([least < 4, concurrency.limit], [true, 64]);
});

Deno.test("a fixed concurrency neither grows nor shrinks, and knows its best time", () => {
  const concurrency = new Concurrency({ most: 64, fixed: 8 });
  succeed(concurrency, 20, 50);
  concurrency.overloaded(1, 1_000);
  assertEquals([concurrency.limit, concurrency.bestMs], [8, 50]);
});
