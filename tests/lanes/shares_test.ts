import { assertEquals } from "@std/assert";
import { Lane, type LaneLimits, type Verdict } from "../../lib/lanes/lane.ts";
import { Shares, type Standing } from "../../lib/lanes/shares.ts";
import type { Flight, LaneEntry } from "../../lib/lanes/lane_entry.ts";

const LIMITS: LaneLimits = { most: 64, fixed: 64, ratePerSecond: Infinity };

/** Lanes with a share of a concurrency, and a clock. */
class Yard {
  nowMs = 0;
  readonly busy = new Set<LaneEntry<never>>();
  readonly shares: Shares<never>;
  #events = 0;

  constructor(most = 64) {
    this.shares = new Shares({ most }, this.busy);
  }

  lane(): LaneEntry<never> {
    return {
      destination: "",
      lane: new Lane(LIMITS, this.nowMs),
      queue: [],
      flights: new Set(),
      lastEndMs: this.nowMs,
      lastError: "",
      toldShare: 1,
      fromMemory: true,
    };
  }

  /** A lane that answered after `ms`. */
  trusted(ms = 1): LaneEntry<never> {
    const entry = this.lane();
    this.end(this.start(entry), "success", ms);
    return entry;
  }

  start(entry: LaneEntry<never>): Flight<never> {
    const flight = { entry, startMs: this.nowMs, change: undefined };
    this.shares.before(entry, this.nowMs);
    entry.lane.start(this.nowMs);
    entry.flights.add(flight);
    this.busy.add(entry);
    this.shares.after(entry, this.nowMs);
    return flight;
  }

  end(flight: Flight<never>, verdict: Verdict, ms = 1): void {
    const { entry } = flight;
    this.shares.before(entry, this.nowMs);
    entry.flights.delete(flight);
    entry.lane.end(verdict, ms, this.nowMs, 0, `event ${this.#events++}`);
    this.shares.after(entry, this.nowMs);
    if (entry.flights.size === 0) this.busy.delete(entry);
  }

  /** Start as many requests of a lane as it may have. */
  fill(entry: LaneEntry<never>): Flight<never>[] {
    const flights = [];
    while (this.shares.allow(entry, this.nowMs)) flights.push(this.start(entry));
    return flights;
  }

  /** Requests in flight of these lanes. */
  inFlight(entries: readonly LaneEntry<never>[]): number {
    return entries.reduce((sum, { flights }) => sum + flights.size, 0);
  }
}

const many = <S>(count: number, make: () => S): S[] => Array.from({ length: count }, make);

Deno.test("a lane that answers has all of the concurrency alone, and half while others have work", () => {
  const yard = new Yard();
  const alone = yard.trusted();
  assertEquals(yard.fill(alone).length, 64);
  const beside = new Yard();
  beside.start(beside.lane());
  assertEquals(beside.fill(beside.trusted()).length, 32);
});

Deno.test("a lane nobody has answered on has four requests alone, and one while others have work", () => {
  const yard = new Yard();
  assertEquals(yard.fill(yard.lane()).length, 4);
  assertEquals(yard.fill(yard.lane()).length, 1);
});

Deno.test("any number of lanes nobody has answered on have half, and those that have failed a quarter", () => {
  const yard = new Yard();
  const failing = many(40, () => yard.lane());
  for (const entry of failing) yard.end(yard.start(entry), "failure");
  const busy = yard.trusted();
  yard.start(busy);
  for (const entry of failing) yard.fill(entry);
  assertEquals(yard.inFlight(failing), 16);
  const untried = many(40, () => yard.lane());
  for (const entry of untried) yard.fill(entry);
  assertEquals(yard.inFlight(untried), 16);
  yard.fill(busy);
  assertEquals(busy.flights.size, 32);
});

Deno.test("a lane hangs when its oldest request takes a second, or four times as long as the best", () => {
  for (const [bestMs, hangsAfterMs] of [[1, 1_000], [250, 1_000], [2_000, 8_000]] as const) {
    const yard = new Yard();
    const entry = yard.trusted(bestMs);
    const oldest = yard.start(entry);
    const standingAt = (nowMs: number): Standing => {
      yard.shares.allow(entry, yard.nowMs = nowMs);
      return yard.shares.standing(entry);
    };
    assertEquals(standingAt(hangsAfterMs - 1), "trusted");
    yard.start(entry);
    assertEquals(standingAt(hangsAfterMs), "hanging");
    yard.end(oldest, "success", bestMs);
    assertEquals(standingAt(hangsAfterMs), "trusted");
    assertEquals(standingAt(2 * hangsAfterMs), "hanging", "the other does");
  }
});

Deno.test("lanes that begin to hang get no more than a quarter together, while they hang", () => {
  const yard = new Yard();
  const [first, second] = [yard.trusted(), yard.trusted()];
  const flights = many(12, () => yard.start(first));
  many(2, () => yard.start(second));
  yard.nowMs = 1_000;
  assertEquals([yard.fill(first).length, yard.fill(second).length], [2, 0]);
  for (const flight of flights) yard.end(flight, "success");
  assertEquals(yard.fill(first).length, 30, "it hangs no more, once its oldest are answered");
});

Deno.test("a lane that hangs alone has half", () => {
  const yard = new Yard();
  const entry = yard.trusted();
  yard.start(entry);
  yard.nowMs = 1_000;
  yard.fill(entry);
  assertEquals(entry.flights.size, 32);
});

Deno.test("whatever hangs, a quarter is left to lanes nobody has tried and to probes", () => {
  const yard = new Yard();
  const hanging = yard.trusted();
  yard.fill(hanging);
  yard.nowMs = 1_000;
  const untried = many(40, () => yard.lane());
  for (const entry of untried) yard.fill(entry);
  assertEquals([hanging.flights.size, yard.inFlight(untried)], [64, 16]);
});

Deno.test("half is kept free of suspects, however many there are, and whatever order they come in", () => {
  for (const most of [1, 2, 3, 8, 63, 64, 1_000]) {
    const yard = new Yard(most);
    const well = yard.trusted();
    const half = Math.ceil(most / 2);
    const hanging = many(Math.floor(half / 2), () => yard.trusted());
    const failing = many(most, () => yard.lane());
    for (const entry of failing) yard.end(yard.start(entry), "failure");
    for (const entry of hanging) yard.start(entry);
    yard.nowMs += 1_000;
    yard.start(well);
    const suspects = [...hanging, ...failing, ...many(most, () => yard.lane())];
    for (const entry of suspects) yard.fill(entry);
    const sum = yard.inFlight(suspects);
    assertEquals(sum, half);
    yard.fill(well);
    assertEquals(well.flights.size, half);
  }
});

Deno.test("nothing is counted any more once all has ended", () => {
  const yard = new Yard();
  const verdicts: Verdict[] = ["success", "failure", "overload", "nothing"];
  const entries = many(20, () => yard.lane());
  const flights = [];
  for (let n = 0; n < 2_000; n++) {
    yard.nowMs += 37;
    const entry = entries[n % 20]!;
    if (yard.shares.allow(entry, yard.nowMs)) flights.push(yard.start(entry));
    if (n % 3 > 0 && flights.length > 0) {
      yard.end(flights.splice(n * 7 % flights.length, 1)[0]!, verdicts[n * 5 % 4]!);
    }
  }
  for (const flight of flights) yard.end(flight, "failure");
  assertEquals(yard.busy.size, 0);
  assertEquals(
    [
      yard.shares.room("hanging", yard.nowMs),
      yard.shares.room("untried", yard.nowMs),
      yard.shares.room("failing", yard.nowMs),
    ],
    [16, 32, 16],
  );
});
