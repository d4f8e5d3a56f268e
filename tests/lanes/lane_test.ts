import { assert, assertEquals } from "@std/assert";
import { Lane, type LaneLimits, type Verdict } from "../../lib/lanes/lane.ts";

const LIMITS: LaneLimits = { most: 64, fixed: undefined, ratePerSecond: Infinity };

let events = 0;

function end(lane: Lane, verdict: Verdict, ms: number, nowMs: number, random = 0) {
  return lane.end(verdict, ms, nowMs, random, `event-${++events}`);
}

function fail(lane: Lane, nowMs: number): string | undefined {
  lane.start(nowMs);
  return end(lane, "unreachable", 1, nowMs);
}

function opened(nowMs = 0): Lane {
  const lane = new Lane(LIMITS, nowMs);
  for (let n = 0; n < 5; n++) fail(lane, nowMs);
  return lane;
}

Deno.test("a lane opens after five failures in a row where nobody answers, and a success in between starts the count anew", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 4; n++) assertEquals(fail(lane, 0), undefined);
  for (let n = 0; n < 20; n++) {
    lane.start(0);
    end(lane, "success", 1, 0);
  }
  for (let n = 0; n < 4; n++) assertEquals(fail(lane, 0), undefined);
  assertEquals(lane.readyMs(0), 0);
  assertEquals(fail(lane, 0), "opened");
  assert(lane.readyMs(0) > 0 && lane.isClosedOff(0));
});

Deno.test("one event that fails for ever doesn't open a lane, two do", () => {
  const lane = new Lane(LIMITS, 0);
  for (let n = 0; n < 20; n++) {
    lane.start(0);
    assertEquals(lane.end("unreachable", 1, 0, 0, "poison"), undefined);
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

Deno.test("an open lane lets one probe through at a time", () => {
  const lane = opened();
  for (let now = 0, n = 0; n < 10; n++) {
    assert(lane.readyMs(now) > now);
    now = lane.readyMs(now);
    assertEquals(lane.start(now), "probing");
    assertEquals(lane.readyMs(now), Infinity, "one probe at a time");
    assertEquals(end(lane, "failure", 1, now), undefined);
  }
});

Deno.test("a probe that is refused as an event is followed by another at once", () => {
  const lane = opened();
  const now = lane.readyMs(0);
  lane.start(now);
  assertEquals(end(lane, "nothing", 1, now), undefined);
  assertEquals(lane.readyMs(now), now);
  assertEquals(lane.start(now), "probing");
});

/** Requests in each second from its recovery at `fromMs` on. */
function sentPerSecond(lane: Lane, fromMs: number, seconds: number): number[] {
  const counts: number[] = new Array(seconds).fill(0);
  for (let now = fromMs; (now = lane.readyMs(now)) < fromMs + seconds * 1_000;) {
    if (counts[Math.floor((now - fromMs) / 1_000)]!++ > 5_000) break;
    lane.start(now);
    end(lane, "success", 1, now);
  }
  return counts;
}

function recovered(nowMs: number): Lane {
  const lane = opened();
  lane.start(nowMs);
  assertEquals(end(lane, "success", 1, nowMs), "recovered");
  return lane;
}

Deno.test("after an hour's outage the rate doubles every five seconds from ten a second", () => {
  const counts = sentPerSecond(recovered(3_600_000), 3_600_000, 30);
  for (const [second, count] of counts.entries()) {
    const share = 10 * 2 ** ((second + 0.5) / 5);
    assert(
      count <= 1.3 * share + 1 && count >= 0.7 * share,
      `second ${second}: ${count} of ${share}`,
    );
  }
});

Deno.test("after an outage of seconds it sends all it can at once", () => {
  assert(sentPerSecond(recovered(4_000), 4_000, 1)[0]! > 5_000);
});

Deno.test("a slow start stops at signs of too much to do, and goes on with success", () => {
  const lane = recovered(3_600_000);
  lane.start(3_600_100);
  end(lane, "overload", 1, 3_600_100);
  for (let nowMs = 3_600_200; nowMs < 3_660_000; nowMs += 100) lane.readyMs(nowMs);
  assertEquals(lane.awaySinceMs(3_800_000), 0, "it stands still");
  const counts = sentPerSecond(lane, 3_800_000, 6);
  assert(counts[0]! <= 13 && counts[5]! >= 16, `${counts}`);
});

Deno.test("a blip within a slow start doesn't end it", () => {
  const lane = recovered(3_600_000);
  for (let n = 0; n < 20; n++) {
    lane.start(3_600_000 + n);
    end(lane, "success", 1, 3_600_000 + n);
  }
  for (let n = 0; n < 20 && !lane.isDown; n++) fail(lane, 3_605_000);
  assert(lane.isDown);
  lane.start(3_606_000);
  assertEquals(end(lane, "success", 1, 3_606_000), "recovered");
  const counts = sentPerSecond(lane, 3_606_000, 6);
  assert(counts[1]! <= 30 && counts[5]! >= 30 && counts[5]! <= 60, `${counts}`);
});

Deno.test("what others say of an outage is believed unless something got through since", () => {
  const lane = new Lane(LIMITS, 3_600_000);
  assertEquals(lane.wasAway(0), true);
  assertEquals(lane.awaySinceMs(3_600_000), undefined, "it isn't known here");
  lane.start(3_600_000);
  assertEquals(end(lane, "success", 1, 3_600_000), undefined);
  assert(sentPerSecond(lane, 3_600_000, 1)[0]! <= 13, "it begins slowly");
  const other = new Lane(LIMITS, 0);
  other.start(1_000);
  end(other, "success", 1, 1_000);
  assertEquals([other.wasAway(999), other.awaySinceMs(2_000)], [false, undefined]);
  assertEquals(other.wasAway(1_000), true);
  other.isBack();
  other.start(2_000);
  end(other, "success", 1, 2_000);
  assert(sentPerSecond(other, 2_000, 1)[0]! > 5_000, "nobody says so any more");
});

Deno.test("how long a lane has been away is known until its slow start is over", () => {
  const lane = opened(1_000);
  assertEquals(lane.awaySinceMs(2_000), 1_000);
  lane.start(3_600_000);
  end(lane, "success", 1, 3_600_000);
  assertEquals(lane.awaySinceMs(3_669_999), 1_000);
  assertEquals(lane.awaySinceMs(3_670_000), undefined);
});

Deno.test("a lane that goes on in another's place begins as slowly", () => {
  const lane = recovered(3_600_000);
  const next = new Lane(LIMITS, 3_601_000, lane.closedOff(3_601_000));
  assertEquals([next.isDown, next.closedOff(3_601_000)?.awaySinceMs], [false, 0]);
  next.start(3_601_000);
  end(next, "success", 1, 3_601_000);
  assert(sentPerSecond(next, 3_601_000, 1)[0]! <= 13);
});

Deno.test("a part of the requests that fails is told once, with the part that gets through, and holds up nothing", () => {
  const lane = new Lane(LIMITS, 0);
  const changes: string[] = [];
  for (let n = 1; n <= 1_000; n++) {
    assertEquals(lane.readyMs(n), n);
    lane.start(n);
    changes.push(...[end(lane, n % 2 === 0 ? "success" : "failure", 1, n) ?? []].flat());
  }
  assertEquals([changes, lane.isStruggling, lane.isProven], [["struggling"], true, true]);
  assert(Math.abs(lane.share - 0.5) < 0.02);
});

Deno.test("where nearly all fail no more than ten a second are sent, and ten for each that succeeds", () => {
  const lane = new Lane(LIMITS, 0);
  let sent = 0;
  for (let now = 0; (now = lane.readyMs(now)) < 4_900; sent++) {
    lane.start(now);
    end(lane, "failure", 1, now);
  }
  assert(sent > 100 && sent < 120, `${sent}`);
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
  lane.start(1_000);
  end(lane, "success", 100, 1_100);
  lane.start(1_100);
  end(lane, "silence", 100, 1_200);
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

Deno.test("limits that change count at once", () => {
  const limits = { most: 64, fixed: 2 as number | undefined, ratePerSecond: Infinity };
  const lane = new Lane(limits, 0);
  for (let n = 0; n < 2; n++) lane.start(0);
  assertEquals(lane.readyMs(0), Infinity);
  limits.fixed = 3;
  assertEquals(lane.readyMs(0), 0);
  limits.fixed = undefined;
  limits.most = 2;
  assertEquals(lane.readyMs(0), Infinity);
  limits.most = 64;
  limits.ratePerSecond = 2;
  assertEquals(lane.readyMs(0), 0);
  lane.start(0);
  assertEquals(lane.readyMs(0), 500);
  limits.ratePerSecond = Infinity;
  assertEquals(lane.readyMs(0), 0);
});
