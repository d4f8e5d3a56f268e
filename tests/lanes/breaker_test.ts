import { assert, assertEquals } from "@std/assert";
import { Breaker } from "../../lib/lanes/breaker.ts";
import type { Verdict } from "../../lib/lanes/verdict.ts";

let events = 0;

function end(breaker: Breaker, verdict: Verdict, nowMs: number, isLast = true, random = 0) {
  return breaker.end(verdict, nowMs, random, `event-${++events}`, isLast);
}

function opened(nowMs = 0, breaker = new Breaker()): Breaker {
  for (let n = 1; n < 5; n++) {
    breaker.start();
    assertEquals(end(breaker, "unreachable", nowMs), undefined);
  }
  assertEquals(end(breaker, "silence", nowMs), "opened");
  return breaker;
}

/** One through which something has got. */
function known(): Breaker {
  const breaker = new Breaker();
  for (let n = 0; n < 30; n++) end(breaker, "success", 0);
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
  assertEquals([breaker.isClosed, breaker.isFailing, breaker.open], [true, false, undefined]);
  assertEquals(breaker.readyMs(7), 7);
});

Deno.test("closed: it opens when so many of two events fail as chance doesn't make", () => {
  for (
    const [verdicts, isClosed] of [
      ["unreachable unreachable unreachable silence", true],
      ["unreachable unreachable unreachable unreachable silence", false],
      ["silence silence silence success silence silence", true],
      ["failure failure failure failure failure overload", true],
      ["unreachable unreachable nothing unreachable silence silence", false],
    ] as const
  ) {
    const breaker = new Breaker();
    for (const verdict of verdicts.split(" ") as Verdict[]) end(breaker, verdict, 0);
    assertEquals(breaker.isClosed, isClosed, verdicts);
  }
  const breaker = new Breaker();
  for (let n = 0; n < 50; n++) breaker.end("unreachable", 0, 0, "the same", true);
  assertEquals(breaker.isClosed, true);
  assertEquals(breaker.end("unreachable", 0, 0, "another", true), "opened");
});

Deno.test("closed: failures that are answered open it once they have lasted", () => {
  const breaker = known();
  for (let nowMs = 1_000; nowMs < 6_000; nowMs += 10) {
    assertEquals(end(breaker, nowMs % 20 === 0 ? "overload" : "failure", nowMs), undefined);
  }
  assertEquals([breaker.isFailing, breaker.isFailingForLong], [true, true]);
  assertEquals(end(breaker, "failure", 6_000), "opened");
  assertEquals(breaker.downSinceMs, 1_000);
});

Deno.test("open: failures of requests that began before don't lengthen the pause, a success closes it", () => {
  const breaker = opened();
  for (let n = 0; n < 9; n++) assertEquals(end(breaker, "failure", 100), undefined);
  assertEquals(end(breaker, "nothing", 100), undefined);
  assertEquals(breaker.readyMs(100), 1_000);
  assertEquals(end(breaker, "success", 100), "recovered");
  assertEquals([breaker.readyMs(100), breaker.downSinceMs], [100, undefined]);
});

Deno.test("probing: a failure opens it again, a success closes it", () => {
  const failed = probing();
  assertEquals(end(failed, "failure", 3_000), undefined);
  assertEquals([failed.isClosed, failed.readyMs(3_000)], [false, 4_000]);
  const good = probing();
  assertEquals(end(good, "success", 3_000), "recovered");
  assertEquals([good.isClosed, good.isFailing], [true, false]);
});

Deno.test("a pause is a sixth of the time since it opened, from 400 ms to a minute, and a quarter more by chance", () => {
  const breaker = opened(0, known());
  const pauses: number[] = [];
  for (const nowMs of [300, 1_000, 6_000, 60_000, 360_000, 720_000]) {
    breaker.start();
    end(breaker, "failure", nowMs);
    pauses.push(breaker.readyMs(nowMs) - nowMs);
  }
  assertEquals(pauses, [400, 400, 1_000, 10_000, 60_000, 60_000]);
  breaker.start();
  end(breaker, "failure", 720_000, true, 0.999);
  assert(breaker.readyMs(0) > 720_000 + 74_900 && breaker.readyMs(0) <= 720_000 + 75_000);
});

Deno.test("where nothing ever got through a pause is a second at least", () => {
  assertEquals(opened(5_000).readyMs(0), 6_000);
  assertEquals(opened(5_000, known()).readyMs(0), 5_400);
});

Deno.test("one that opens again soon goes on where it was; each second closed makes good for twenty", () => {
  for (const [closedMs, pauseMs] of [[1_000, 56_667], [17_000, 3_333], [18_000, 400]] as const) {
    const breaker = probing();
    for (let n = 0; n < 30; n++) end(breaker, "success", 360_000);
    opened(360_000 + closedMs, breaker);
    assertEquals(Math.round(breaker.readyMs(0)) - 360_000 - closedMs, pauseMs);
  }
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
  end(breaker, "failure", 6_000);
  const next = new Breaker(breaker.open);
  assertEquals([next.isClosed, next.downSinceMs, next.readyMs(0)], [false, 0, 7_000]);
  assertEquals(next.start(), "probing");
  end(next, "failure", 9_000);
  assertEquals(next.readyMs(9_000), 10_500);
});
