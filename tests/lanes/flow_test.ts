/** What lanes promise of endpoints that are broken by half, or for a while; in virtual time. */

import { assert, assertEquals } from "@std/assert";
import type { Verdict } from "../../lib/lanes/lane.ts";
import { backlog, type Endpoint, flaky, flow, ideal, reached, type Reply } from "./flow.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const EVENTS = 2_000;

const WELL: Reply = { verdict: "success", ms: 20 };

/** How often something happened in each span from `fromMs` on. */
function perSpan(timesMs: readonly number[], fromMs: number, spanMs: number, spans: number) {
  const counts: number[] = new Array(spans).fill(0);
  for (const atMs of timesMs) {
    const span = Math.floor((atMs - fromMs) / spanMs);
    if (span >= 0 && span < spans) counts[span]!++;
  }
  return counts;
}

/** Each part of the events is delivered within so many times what an ideal client takes. */
function assertAsFast(endpoint: Endpoint, other: Endpoint, times: number, what: string): void {
  const arriveMs = backlog(EVENTS);
  const { deliveredMs } = flow({ endpoint, arriveMs });
  const best = ideal({ endpoint: other, arriveMs });
  assertEquals(deliveredMs.length, EVENTS, what);
  for (const part of [0.5, 0.9, 0.95]) {
    const [real, fastest] = [reached(deliveredMs, part, EVENTS), reached(best, part, EVENTS)];
    const mostMs = Math.max(times * fastest, fastest + SECOND_MS);
    assert(real <= mostMs, `${what}: ${part} after ${real} ms, ideally ${fastest} ms`);
  }
}

for (const [percent, times] of [[10, 1.5], [30, 1.5], [50, 1.5], [70, 2.5], [90, 4]] as const) {
  Deno.test(`where ${percent} % fail, events take at most ${times} times what their own schedules ask for`, () => {
    // where many can't be connected to, it is taken for down now and then
    const unreachable = percent <= 30 ? ["unreachable"] as const : [];
    for (const verdict of ["failure", "overload", ...unreachable] satisfies Verdict[]) {
      for (const seed of [1, 2, 3]) {
        const endpoint = flaky(percent / 100, verdict, 1, seed);
        assertAsFast(endpoint, endpoint, times, `${percent} % ${verdict}, seed ${seed}`);
      }
    }
  });
}

Deno.test("one bad backend of three behind round robin is as good as 30 % that fail", () => {
  for (const verdict of ["failure", "overload", "unreachable"] satisfies Verdict[]) {
    let requests = 0;
    const inTurn: Endpoint = () => ({ verdict: requests++ % 3 === 0 ? verdict : "success", ms: 1 });
    assertAsFast(inTurn, flaky(0.3, verdict, 1, 1), 1.5, verdict);
  }
});

Deno.test("an endpoint that is slow and answers 503 by lot is not left to one request at a time", () => {
  const endpoint = flaky(0.3, "overload", 50, 1);
  const { deliveredMs } = flow({ endpoint, arriveMs: backlog(EVENTS) });
  assert(reached(deliveredMs, 0.95, EVENTS) < 10 * SECOND_MS, `${deliveredMs.at(-1)}`);
});

Deno.test("one that takes no more than some at a time is sent to with about as many", () => {
  let inFlight: number[] = [];
  let [taken, most] = [0, 0];
  const endpoint: Endpoint = (nowMs) => {
    inFlight = inFlight.filter((endMs) => endMs > nowMs);
    most = Math.max(most, inFlight.length);
    if (inFlight.length >= 8) return { verdict: "overload", ms: 1 };
    inFlight.push(nowMs + 50);
    taken++;
    return { verdict: "success", ms: 50 };
  };
  const { sentMs, deliveredMs } = flow({ endpoint, arriveMs: backlog(10_000), untilMs: MINUTE_MS });
  assertEquals(most, 8);
  assert(deliveredMs.length > 0.7 * 160 * 60, `${deliveredMs.length} delivered`);
  assert(sentMs.length < 1.5 * taken, `${sentMs.length} requests, ${taken} taken`);
});

Deno.test("one that never answers, from the start or all at once, sees less than 100 requests a minute", () => {
  for (const silentFromMs of [0, 5 * SECOND_MS]) {
    const endpoint: Endpoint = (nowMs) =>
      nowMs < silentFromMs ? WELL : { verdict: "silence", ms: 30 * SECOND_MS };
    const arriveMs = Array.from({ length: 60_000 }, (_, n) => n * 10);
    const { sentMs } = flow({ endpoint, arriveMs, untilMs: 10 * MINUTE_MS });
    const counts = perSpan(sentMs, silentFromMs, MINUTE_MS, 9);
    assert(Math.max(...counts) < 100, `${counts}`);
    assert(Math.max(...counts.slice(1)) <= 2, `${counts}`);
  }
});

Deno.test("after ten minutes of 403 it gets a probe a minute, each another event, and all when it is well", () => {
  const endpoint: Endpoint = (nowMs) =>
    nowMs < 10 * MINUTE_MS ? { verdict: "failure", ms: 20 } : WELL;
  const { sentMs, deliveredMs } = flow({ endpoint, arriveMs: backlog(1_000) });
  const counts = perSpan(sentMs, 0, MINUTE_MS, 10);
  assert(counts[0]! < 200 && Math.max(...counts.slice(6)) <= 1, `${counts}`);
  assertEquals(deliveredMs.length, 1_000);
  assert(deliveredMs.at(-1)! < 15 * MINUTE_MS, `${deliveredMs.at(-1)}`);
});

/** After an hour's outage with 100,000 waiting; the endpoint worked before if `isKnown`. */
function afterAnHour(ms: number, isKnown: boolean): void {
  const endpoint: Endpoint = (nowMs) =>
    nowMs >= MINUTE_MS && nowMs < HOUR_MS ? { verdict: "unreachable", ms: 1 } : { ...WELL, ms };
  const before = isKnown ? Array.from({ length: 6_000 }, (_, n) => n * 10) : [];
  const arriveMs = [...before, ...backlog(100_000, MINUTE_MS)];
  const { sentMs, deliveredMs, changes } = flow({ endpoint, arriveMs });
  const backMs = changes.findLast(({ change }) => change === "recovered")!.atMs;
  assert(backMs < HOUR_MS + 76 * SECOND_MS, `${backMs - HOUR_MS} ms until a probe`);
  for (const [second, count] of perSpan(sentMs, backMs, SECOND_MS, 60).entries()) {
    const share = 10 * 2 ** ((second + 0.5) / 5);
    assert(count <= 2 * share, `second ${second}: ${count} of ${share}`);
  }
  const neededMs = 100_000 / 64 * ms;
  const tookMs = deliveredMs.at(-1)! - backMs;
  assert(tookMs <= neededMs + MINUTE_MS, `${tookMs} ms, its speed allows ${neededMs}`);
}

for (const ms of [5, 20, 100]) {
  Deno.test(`after an hour's outage 100,000 events follow the ramp, and are gone within a minute of what ${ms} ms an answer allow`, () => {
    for (const isKnown of [false, true]) afterAnHour(ms, isKnown);
  });
}

Deno.test("after a blip of 2 s under 500 events a second the backlog is gone within 5 s", () => {
  for (const verdict of ["failure", "overload", "unreachable"] satisfies Verdict[]) {
    const endpoint: Endpoint = (nowMs) =>
      nowMs >= 20_000 && nowMs < 22_000 ? { verdict, ms: 1 } : WELL;
    const arriveMs = Array.from({ length: 15_000 }, (_, n) => n * 2);
    const { deliveredMs } = flow({ endpoint, arriveMs });
    for (let nowMs = 27_000; nowMs < 30_000; nowMs += 100) {
      const delivered = deliveredMs.filter((atMs) => atMs <= nowMs).length;
      const behind = Math.floor(nowMs / 2) - delivered;
      assert(behind < 30, `${verdict}: ${behind} behind at ${nowMs} ms`);
    }
  }
});

Deno.test("of one that is up for 3 s and down for 3 s at least four fifths of the time up are used", () => {
  const isUp = (nowMs: number) => Math.floor(nowMs / 3_000) % 2 === 0;
  for (const verdict of ["failure", "overload", "unreachable"] satisfies Verdict[]) {
    const ms = 50;
    const perSecond = 64 * SECOND_MS / ms;
    const endpoint: Endpoint = (nowMs) =>
      isUp(nowMs) ? { verdict: "success", ms } : { verdict, ms: 1 };
    const untilMs = 10 * MINUTE_MS;
    const arriveMs = backlog(perSecond * 301);
    const { deliveredMs } = flow({ endpoint, arriveMs, untilMs });
    const used = deliveredMs.length / (perSecond * 300);
    assert(used >= 0.8, `${verdict}: ${(100 * used).toFixed(0)} %`);
  }
});
