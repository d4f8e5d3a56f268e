import { assertEquals } from "@std/assert";
import { Breaker, FAILURES_TO_OPEN } from "../../lib/lanes/breaker.ts";
import type { Verdict } from "../../lib/lanes/verdict.ts";

let events = 0;

function end(breaker: Breaker, verdict: Verdict, nowMs: number, isLast = true) {
  return breaker.end(verdict, nowMs, 0, `event-${++events}`, isLast);
}

function opened(nowMs = 0): Breaker {
  const breaker = new Breaker();
  for (let n = 1; n < FAILURES_TO_OPEN; n++) {
    breaker.start();
    assertEquals(end(breaker, "failure", nowMs), undefined);
  }
  assertEquals(end(breaker, "overload", nowMs), "opened");
  return breaker;
}

function probing(nowMs = 0): Breaker {
  const breaker = opened(nowMs);
  assertEquals(breaker.start(), "probing");
  return breaker;
}

Deno.test("a breaker is closed at first, and requests change nothing", () => {
  const breaker = new Breaker();
  assertEquals(breaker.start(), undefined);
  assertEquals(end(breaker, "success", 0), undefined);
  assertEquals([breaker.isClosed, breaker.failures, breaker.open], [true, 0, undefined]);
  assertEquals(breaker.readyMs(7), 7);
});

Deno.test("closed: only failures of at least two events in a row open it", () => {
  for (
    const [verdicts, isClosed] of [
      ["failure failure failure failure", true],
      ["failure failure failure failure overload", false],
      ["failure failure failure failure success failure", true],
      ["failure failure nothing failure failure failure", false],
    ] as const
  ) {
    const breaker = new Breaker();
    for (const verdict of verdicts.split(" ") as Verdict[]) end(breaker, verdict, 0);
    assertEquals(breaker.isClosed, isClosed, verdicts);
  }
  const breaker = new Breaker();
  for (let n = 0; n < 50; n++) breaker.end("failure", 0, 0, "the same", true);
  assertEquals(breaker.isClosed, true);
  assertEquals(breaker.end("failure", 0, 0, "another", true), "opened");
});

Deno.test("open: failures of requests that began before don't lengthen the pause, a success closes it", () => {
  const breaker = opened();
  for (let n = 0; n < 9; n++) assertEquals(end(breaker, "failure", 500), undefined);
  assertEquals(end(breaker, "nothing", 500), undefined);
  assertEquals(breaker.readyMs(500), 1_000);
  assertEquals(end(breaker, "success", 500), "recovered");
  assertEquals(breaker.readyMs(500), 500);
});

Deno.test("probing: a failure opens it for longer, a success closes it", () => {
  const failed = probing();
  assertEquals(end(failed, "failure", 1_000), undefined);
  assertEquals([failed.isClosed, failed.readyMs(1_000)], [false, 3_000]);
  const good = probing();
  assertEquals(end(good, "success", 1_000), "recovered");
  assertEquals([good.isClosed, good.failures], [true, 0]);
});

Deno.test("probing: what says nothing is followed by another probe once none is in flight", () => {
  const breaker = probing();
  end(breaker, "nothing", 1_000, false);
  assertEquals(breaker.start(), undefined, "a request that began before has ended: probing still");
  end(breaker, "nothing", 1_000);
  assertEquals(breaker.readyMs(1_000), 1_000);
  assertEquals(breaker.start(), "probing");
});

Deno.test("an open breaker goes on where it was in another's place", () => {
  const breaker = probing();
  end(breaker, "failure", 1_000);
  const next = new Breaker(breaker.open);
  assertEquals([next.isClosed, next.failures, next.readyMs(0)], [false, 6, 3_000]);
  assertEquals(next.start(), "probing");
  end(next, "failure", 3_000);
  assertEquals(next.readyMs(3_000), 7_000);
});
