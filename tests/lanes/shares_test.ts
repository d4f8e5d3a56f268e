import { assertEquals } from "@std/assert";
import { Lane, type LaneLimits, type Verdict } from "../../lib/lanes/lane.ts";
import { Shares, type Standing } from "../../lib/lanes/shares.ts";
import type { Flight, Station } from "../../lib/lanes/station.ts";

const LIMITS: LaneLimits = { most: 64, fixed: 64, ratePerSecond: Infinity };

/** Lanes with a share of a concurrency, and a clock. */
class Yard {
  nowMs = 0;
  readonly busy = new Set<Station<never>>();
  readonly shares: Shares<never>;
  #events = 0;

  constructor(most = 64) {
    this.shares = new Shares(most, this.busy);
  }

  lane(): Station<never> {
    return {
      destination: "",
      lane: new Lane(LIMITS, this.nowMs),
      queue: [],
      flights: new Set(),
      lastEndMs: this.nowMs,
      lastError: "",
      fromMemory: true,
    };
  }

  /** A lane that answered after `ms`. */
  trusted(ms = 1): Station<never> {
    const station = this.lane();
    this.end(this.start(station), "success", ms);
    return station;
  }

  start(station: Station<never>): Flight<never> {
    const flight = { station, startMs: this.nowMs, change: undefined };
    this.shares.before(station, this.nowMs);
    station.lane.start(this.nowMs);
    station.flights.add(flight);
    this.busy.add(station);
    this.shares.after(station, this.nowMs);
    return flight;
  }

  end(flight: Flight<never>, verdict: Verdict, ms = 1): void {
    const { station } = flight;
    this.shares.before(station, this.nowMs);
    station.flights.delete(flight);
    station.lane.end(verdict, ms, this.nowMs, 0, `event ${this.#events++}`);
    this.shares.after(station, this.nowMs);
    if (station.flights.size === 0) this.busy.delete(station);
  }

  /** Start as many requests of a lane as it may have. */
  fill(station: Station<never>): Flight<never>[] {
    const flights = [];
    while (this.shares.allow(station, this.nowMs)) flights.push(this.start(station));
    return flights;
  }

  /** Requests in flight of these lanes. */
  inFlight(stations: readonly Station<never>[]): number {
    return stations.reduce((sum, { flights }) => sum + flights.size, 0);
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
  for (const station of failing) yard.end(yard.start(station), "failure");
  const busy = yard.trusted();
  yard.start(busy);
  for (const station of failing) yard.fill(station);
  assertEquals(yard.inFlight(failing), 16);
  const untried = many(40, () => yard.lane());
  for (const station of untried) yard.fill(station);
  assertEquals(yard.inFlight(untried), 16);
  yard.fill(busy);
  assertEquals(busy.flights.size, 32);
});

Deno.test("a lane hangs when its oldest request takes a second, or four times as long as the best", () => {
  for (const [bestMs, hangsAfterMs] of [[1, 1_000], [250, 1_000], [2_000, 8_000]] as const) {
    const yard = new Yard();
    const station = yard.trusted(bestMs);
    const oldest = yard.start(station);
    const standingAt = (nowMs: number): Standing => {
      yard.shares.allow(station, yard.nowMs = nowMs);
      return yard.shares.standing(station);
    };
    assertEquals(standingAt(hangsAfterMs - 1), "trusted");
    yard.start(station);
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
  const station = yard.trusted();
  yard.start(station);
  yard.nowMs = 1_000;
  yard.fill(station);
  assertEquals(station.flights.size, 32);
});

Deno.test("whatever hangs, a quarter is left to lanes nobody has tried and to probes", () => {
  const yard = new Yard();
  const hanging = yard.trusted();
  yard.fill(hanging);
  yard.nowMs = 1_000;
  const untried = many(40, () => yard.lane());
  for (const station of untried) yard.fill(station);
  assertEquals([hanging.flights.size, yard.inFlight(untried)], [64, 16]);
});

Deno.test("half is kept free of suspects, however many there are, and whatever order they come in", () => {
  for (const most of [1, 2, 3, 8, 63, 64, 1_000]) {
    const yard = new Yard(most);
    const well = yard.trusted();
    const half = Math.ceil(most / 2);
    const hanging = many(Math.floor(half / 2), () => yard.trusted());
    const failing = many(most, () => yard.lane());
    for (const station of failing) yard.end(yard.start(station), "failure");
    for (const station of hanging) yard.start(station);
    yard.nowMs += 1_000;
    yard.start(well);
    const suspects = [...hanging, ...failing, ...many(most, () => yard.lane())];
    for (const station of suspects) yard.fill(station);
    const sum = yard.inFlight(suspects);
    assertEquals(sum, half);
    yard.fill(well);
    assertEquals(well.flights.size, half);
  }
});

Deno.test("nothing is counted any more once all has ended", () => {
  const yard = new Yard();
  const verdicts: Verdict[] = ["success", "failure", "overload", "nothing"];
  const stations = many(20, () => yard.lane());
  const flights = [];
  for (let n = 0; n < 2_000; n++) {
    yard.nowMs += 37;
    const station = stations[n % 20]!;
    if (yard.shares.allow(station, yard.nowMs)) flights.push(yard.start(station));
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
