import { assert, assertEquals } from "@std/assert";
import { Lane, type LaneLimits, type Verdict } from "../../lib/lanes/lane.ts";

const LIMITS: LaneLimits = { most: 64, fixed: undefined, ratePerSecond: Infinity };

let events = 0;

function end(lane: Lane, verdict: Verdict, ms: number, nowMs: number, random = 0) {
  return lane.end(verdict, ms, nowMs, random, `event-${++events}`);
}

function fail(lane: Lane, nowMs: number): string | undefined {
  lane.start(nowMs);
  return end(lane, "failure", 1, nowMs);
}

function opened(nowMs = 0): Lane {
  const lane = new Lane(LIMITS, nowMs);
  for (let n = 0; n < 5; n++) fail(lane, nowMs);
  return lane;
}

Deno.test("a lane opens after five failures in a row, and a success in between starts the count anew", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 4; n++) assertEquals(fail(lane, 0), undefined);
  lane.start(0);
  end(lane, "success", 1, 0);
  for (let n = 0; n < 4; n++) assertEquals(fail(lane, 0), undefined);
  assertEquals(lane.readyMs(0), 0);
  assertEquals(fail(lane, 0), "opened");
  assert(lane.readyMs(0) > 0 && lane.isClosedOff(0));
});

Deno.test("one event that fails for ever doesn't open a lane, two do", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 20; n++) {
    lane.start(0);
    assertEquals(lane.end("failure", 1, 0, 0, "poison"), undefined);
  }
  assertEquals(fail(lane, 0), "opened");
});

Deno.test("refusals of single events never open a lane", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 100; n++) {
    lane.start(0);
    assertEquals(end(lane, "nothing", 1, 0), undefined);
  }
  assertEquals(lane.isClosedOff(0), false);
});

Deno.test("an open lane lets one probe through after pauses that double up to a minute", () => {
  const lane = opened();
  const pauses: number[] = [];
  for (let now = 0, n = 0; n < 10; n++) {
    const at = lane.readyMs(now);
    pauses.push(at - now);
    now = at;
    assertEquals(lane.start(now), "probing");
    assertEquals(lane.readyMs(now), Infinity, "one probe at a time");
    assertEquals(end(lane, "failure", 1, now), undefined);
  }
  assertEquals(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map((s) => s * 1_000));
});

Deno.test("chance lengthens a pause by up to a quarter", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 5; n++) {
    lane.start(0);
    end(lane, "failure", 1, 0, 0.999);
  }
  assert(lane.readyMs(0) > 1_240 && lane.readyMs(0) <= 1_250);
});

Deno.test("a probe that is refused as an event is followed by another at once", () => {
  const lane = opened();
  const now = lane.readyMs(0);
  lane.start(now);
  assertEquals(end(lane, "nothing", 1, now), undefined);
  assertEquals(lane.readyMs(now), now);
  assertEquals(lane.start(now), "probing");
});

Deno.test("a lane that recovers and soon fails again goes on with the longer pause; after a quiet minute it starts anew", () => {
  const lane = opened();
  let now = lane.readyMs(0);
  lane.start(now);
  assertEquals(end(lane, "success", 1, now), "recovered");
  now += 10_000;
  for (let n = 0; n < 5; n++) fail(lane, now);
  assertEquals(lane.readyMs(now) - now, 2_000);
  now = lane.readyMs(now);
  lane.start(now);
  end(lane, "success", 1, now);
  now += 61_000;
  for (let n = 0; n < 5; n++) fail(lane, now);
  assertEquals(lane.readyMs(now) - now, 1_000);
});

Deno.test("after an outage the rate doubles every five seconds from ten a second", () => {
  const lane = opened();
  const start = lane.readyMs(0);
  lane.start(start);
  end(lane, "success", 1, start);
  const perSecond: number[] = new Array(60).fill(0);
  let sent = 0;
  for (let now = start; sent < 10_000 && now < start + 60_000;) {
    const at = lane.readyMs(now);
    now = Math.max(at, now);
    if (now >= start + 60_000) break;
    lane.start(now);
    end(lane, "success", 1, now);
    perSecond[Math.floor((now - start) / 1_000)]!++;
    sent++;
  }
  assertEquals(sent, 10_000);
  for (let second = 0; second < 30; second++) {
    const share = 10 * 2 ** (second / 5);
    assert(perSecond[second]! <= 2 * share, `second ${second}: ${perSecond[second]} of ${share}`);
    assert(perSecond[second]! >= 0.5 * share, `second ${second}: ${perSecond[second]} of ${share}`);
  }
});

Deno.test("concurrency grows while answers come as fast as before, and stands still when they get slow", () => {
  const lane = new Lane(LIMITS, 0);
  assertEquals(lane.limit, 16);
  for (let n = 0; n < 60; n++) {
    lane.start(n);
    end(lane, "success", 50, n);
  }
  assertEquals(lane.limit, 64);
  const slow = new Lane(LIMITS, 0);
  for (let n = 0; n < 60; n++) {
    slow.start(n);
    end(slow, "success", n === 0 ? 50 : 1_000, n);
  }
  assertEquals(slow.limit, 17);
});

Deno.test("time-outs, 429 and 503 halve the concurrency, once a round", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 60; n++) {
    lane.start(0);
    end(lane, "success", 50, 0);
  }
  for (let n = 0; n < 3; n++) {
    lane.start(0);
    end(lane, "overload", 100, 1_000);
  }
  assertEquals(lane.limit, 32);
  lane.start(1_100);
  end(lane, "overload", 100, 1_200);
  assertEquals(lane.limit, 16);
  for (let n = 0; n < 16; n++) {
    lane.start(2_000);
    end(lane, "success", 50, 2_000);
  }
  assertEquals(lane.limit, 16, "from now on one a round");
});

Deno.test("a fixed concurrency stays", () => {
  const lane = new Lane({ ...LIMITS, fixed: 8 }, 0);
  lane.start(0);
  end(lane, "overload", 10, 1_000);
  for (let n = 0; n < 20; n++) {
    lane.start(0);
    end(lane, "success", 1, 1_000);
  }
  assertEquals(lane.limit, 8);
});

Deno.test("a rate limit spreads requests evenly, with a tenth of a second's worth at once", () => {
  const lane = new Lane({ ...LIMITS, ratePerSecond: 100 }, 0);
  const at: number[] = [];
  for (let now = 0; at.length < 500;) {
    now = lane.readyMs(now);
    lane.start(now);
    end(lane, "success", 1, now);
    at.push(now);
  }
  for (let n = 110; n < 500; n++) assert(at[n]! - at[n - 110]! >= 990, `${n}`);
  assert(Math.abs(at.at(-1)! - 4_990) < 200);
});

Deno.test("a lane is left alone until the endpoint's wish is over, and while an operator holds it", () => {
  const lane = new Lane(LIMITS, 0);
  lane.holdUntil(120_000);
  lane.holdUntil(60_000);
  assertEquals(lane.readyMs(1), 120_000);
  assert(lane.isClosedOff(119_999) && !lane.isClosedOff(120_000));
  lane.isHeld = true;
  assertEquals(lane.readyMs(130_000), Infinity);
});
