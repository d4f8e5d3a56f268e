import { assert, assertEquals } from "@std/assert";
import { SlowStart } from "../../lib/lanes/slow_start.ts";

Deno.test("a slow start allows ten requests in its first second, and doubles that every five", () => {
  const slowStart = new SlowStart(0);
  const perSecond: number[] = new Array(31).fill(0);
  for (let nowMs = 0; (nowMs = slowStart.readyMs(nowMs)) < 31_000;) {
    slowStart.start(nowMs);
    perSecond[Math.floor(nowMs / 1_000)]!++;
  }
  for (const [second, count] of perSecond.entries()) {
    const share = 10 * 2 ** ((second + 0.5) / 5);
    assert(Math.abs(count - share) <= 1 + 0.15 * share, `${count} in second ${second}`);
  }
});

Deno.test("a slow start is over after twenty doublings, when it limits nothing any more", () => {
  const slowStart = new SlowStart(5_000);
  assertEquals([slowStart.isOver(104_999), slowStart.isOver(105_000)], [false, true]);
  for (let n = 0; n < 10_000; n++) {
    assertEquals(slowStart.readyMs(104_999), 104_999);
    slowStart.start(104_999);
  }
});
