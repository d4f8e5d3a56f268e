import { assert, assertEquals } from "@std/assert";
import { SlowStart } from "../../lib/lanes/slow_start.ts";

const HOUR_MS = 3_600_000;

/** Requests in each second from `fromMs` on. */
function perSecond(slowStart: SlowStart, seconds: number, fromMs = 0): number[] {
  const counts: number[] = new Array(seconds).fill(0);
  for (let nowMs = fromMs; (nowMs = slowStart.readyMs(nowMs)) < fromMs + seconds * 1_000;) {
    slowStart.start(nowMs);
    counts[Math.floor((nowMs - fromMs) / 1_000)]!++;
  }
  return counts;
}

Deno.test("after an hour ten requests a second are allowed at first, twice as many every five seconds", () => {
  for (const known of [0, 100, 640]) {
    const slowStart = SlowStart.after(0, HOUR_MS, known)!;
    for (const [second, count] of perSecond(slowStart, 31).entries()) {
      const share = 10 * 2 ** ((second + 0.5) / 5);
      assert(Math.abs(count - share) <= 1 + 0.15 * share, `${count} in second ${second}`);
    }
  }
});

Deno.test("after any long outage it takes half a minute to the rate that is known", () => {
  const counts = perSecond(SlowStart.after(0, 24 * HOUR_MS, 6_400)!, 31);
  assert(Math.abs(counts[0]! - 107) < 20, `${counts[0]}`);
  assert(Math.abs(counts[30]! - 6_850) < 700, `${counts[30]}`);
});

Deno.test("a shorter outage is made good for in a tenth of its time, one of seconds at once", () => {
  const counts = perSecond(SlowStart.after(0, 60_000, 640)!, 7);
  assert(counts[0]! <= 15 && counts[6]! >= 600, `${counts}`);
  assertEquals(SlowStart.after(0, 4_999, 640), undefined);
});

Deno.test("it stops growing while there is too much to do, and goes on where it stopped", () => {
  const slowStart = SlowStart.after(0, HOUR_MS, 640)!;
  perSecond(slowStart, 10);
  slowStart.stop(10_000);
  slowStart.stop(10_000);
  for (const count of perSecond(slowStart, 60, 10_000)) {
    assert(count >= 36 && count <= 44, `${count}`);
  }
  slowStart.resume(70_000);
  slowStart.resume(70_000);
  const counts = perSecond(slowStart, 11, 70_000);
  assert(Math.abs(counts[10]! - 171) < 20, `${counts[10]}`);
});

Deno.test("it is over after fourteen doublings, which are no limit", () => {
  const slowStart = SlowStart.after(0, HOUR_MS, 0)!;
  assertEquals([slowStart.isOver(69_999), slowStart.isOver(70_000)], [false, true]);
  for (let n = 0; n < 10_000; n++) {
    assertEquals(slowStart.readyMs(69_999), 69_999);
    slowStart.start(69_999);
  }
  const stopped = SlowStart.after(0, HOUR_MS, 0)!;
  stopped.stop(50_000);
  assertEquals(stopped.isOver(HOUR_MS), false);
});
