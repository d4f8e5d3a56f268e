/**
 * A lane and an endpoint in virtual time, and nothing else: which of the events that are due go out
 * when, with what comes of it. Beside it an ideal client, which sends whatever is due at once.
 */

import { retryDelayMs } from "../../lib/http/schedule.ts";
import { Lane, type LaneChange, type Verdict } from "../../lib/lanes/lane.ts";
import { seeded } from "../sim/choices.ts";

/** What an endpoint says to a request. */
export interface Reply {
  readonly verdict: Verdict;
  /** How long it takes. */
  readonly ms: number;
}

/** An endpoint: what it says to a request that begins at `nowMs`, the `nth` of its event. */
export type Endpoint = (nowMs: number, event: number, nth: number) => Reply;

/** Some events for one endpoint. */
export interface FlowOptions {
  readonly endpoint: Endpoint;
  /** When each event comes, ms, ascending. */
  readonly arriveMs: readonly number[];
  readonly seed?: number;
  /** @default {forever} */
  readonly untilMs?: number;
  /** A lane that knows something already. */
  readonly lane?: Lane;
  /** When nothing was known yet. @default 0 */
  readonly startMs?: number;
}

/** What came of it. */
export interface Flow {
  /** When requests began. */
  readonly sentMs: readonly number[];
  /** When events were delivered. */
  readonly deliveredMs: readonly number[];
  readonly changes: readonly { readonly atMs: number; readonly change: LaneChange }[];
  readonly lane: Lane;
}

/** What is to happen at a time, in the order of times. */
class Agenda<T> {
  readonly #heap: { readonly atMs: number; readonly what: T }[] = [];

  get firstMs(): number {
    return this.#heap[0]?.atMs ?? Infinity;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(atMs: number, what: T): void {
    const heap = this.#heap;
    let at = heap.push({ atMs, what }) - 1;
    for (let up; at > 0 && heap[up = (at - 1) >> 1]!.atMs > heap[at]!.atMs; at = up) {
      [heap[up], heap[at]] = [heap[at]!, heap[up]!];
    }
  }

  take(): T {
    const heap = this.#heap;
    const { what } = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return what;
    heap[0] = last;
    for (let at = 0;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && heap[left]!.atMs < heap[least]!.atMs) least = left;
      if (right < heap.length && heap[right]!.atMs < heap[least]!.atMs) least = right;
      if (least === at) return what;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

interface Due {
  readonly event: number;
  readonly attempt: number;
}

export const LIMITS = { most: 64, fixed: undefined, ratePerSecond: Infinity } as const;

const SCHEDULE = { baseMs: 1_000, capMs: 600_000 } as const;

/** How long an event waits after an attempt: the same for every client with this seed. */
function waitMs(seed: number, { event, attempt }: Due): number {
  const random = seeded(seed + event * 7_919 + attempt * 104_729)();
  return retryDelayMs({ attempt, random, ...SCHEDULE });
}

/** Let a lane send events to an endpoint. */
export function flow(options: FlowOptions): Flow {
  const { endpoint, arriveMs, seed = 1, untilMs = Infinity, startMs = 0 } = options;
  const { lane = new Lane(LIMITS, startMs) } = options;
  const random = seeded(seed);
  const [due, ends] = [new Agenda<Due>(), new Agenda<Due & { readonly reply: Reply }>()];
  const sentMs: number[] = [];
  const deliveredMs: number[] = [];
  const changes: { atMs: number; change: LaneChange }[] = [];
  const told = (atMs: number, change: LaneChange | undefined) => {
    if (change) changes.push({ atMs, change });
  };
  let nowMs = startMs;
  let arrived = 0;
  while (nowMs <= untilMs) {
    while (ends.firstMs <= nowMs) {
      const { event, attempt, reply } = ends.take();
      told(nowMs, lane.end(reply.verdict, reply.ms, nowMs, random(), String(event)));
      if (reply.verdict === "success") deliveredMs.push(nowMs);
      else due.add(nowMs + waitMs(seed, { event, attempt }), { event, attempt: attempt + 1 });
    }
    for (; arrived < arriveMs.length && arriveMs[arrived]! <= nowMs; arrived++) {
      due.add(arriveMs[arrived]!, { event: arrived, attempt: 1 });
    }
    while (due.firstMs <= nowMs && lane.readyMs(nowMs) <= nowMs) {
      const next = due.take();
      told(nowMs, lane.start(nowMs));
      sentMs.push(nowMs);
      const reply = endpoint(nowMs, next.event, next.attempt);
      ends.add(nowMs + reply.ms, { ...next, reply });
    }
    const sendMs = due.size === 0 ? Infinity : Math.max(due.firstMs, lane.readyMs(nowMs));
    const next = Math.min(ends.firstMs, arriveMs[arrived] ?? Infinity, sendMs);
    if (next === Infinity) break;
    nowMs = Math.max(next, nowMs + 1e-3);
  }
  return { sentMs, deliveredMs, changes, lane };
}

/** When an ideal client delivers them: it sends each event when its own schedule says so. */
export function ideal({ endpoint, arriveMs, seed = 1 }: FlowOptions): number[] {
  return arriveMs.map((atMs, event) => {
    for (let attempt = 1;; attempt++) {
      const { verdict, ms } = endpoint(atMs, event, attempt);
      atMs += ms;
      if (verdict === "success") return atMs;
      atMs += waitMs(seed, { event, attempt });
    }
  }).sort((a, b) => a - b);
}

/** An endpoint that fails a share of requests, each as its own lot is. */
export function flaky(share: number, verdict: Verdict, ms: number, seed: number): Endpoint {
  return (_, event, nth) => ({
    verdict: seeded(seed * 31 + event * 6_151 + nth * 24_593)() < share ? verdict : "success",
    ms,
  });
}

/** So many events at once. */
export function backlog(count: number, atMs = 0): number[] {
  return Array.from({ length: count }, () => atMs);
}

/** When a part of so many events was delivered. */
export function reached(deliveredMs: readonly number[], part: number, count: number): number {
  return deliveredMs[Math.ceil(part * count) - 1] ?? Infinity;
}
