import { assert, assertEquals } from "@std/assert";
import type { Verdict } from "../../lib/lanes/lane.ts";
import { type Flight, type LaneEntry, Lanes } from "../../lib/lanes/lanes.ts";

interface Event {
  readonly id: string;
  readonly bytes: number;
}

/** Lanes, their clock, and what was sent on them. */
class Yard {
  nowMs = 0;
  readonly lanes = new Lanes<Event>({ most: 64, fixed: undefined, ratePerSecond: Infinity });
  readonly sent: string[] = [];
  readonly flights: Flight<Event>[] = [];
  #made = 0;

  put(destination: string, count = 1): LaneEntry<Event> {
    const entry = this.lanes.of(destination, this.nowMs);
    for (let n = 0; n < count; n++) {
      this.lanes.enqueue(entry, { id: String(this.#made++), bytes: 10 });
    }
    return entry;
  }

  /** Send what may be sent, at most so many. */
  send(most = Infinity): void {
    for (let n = 0; n < most; n++) {
      const entry = this.lanes.next(this.nowMs);
      if (!entry) return;
      const event = this.lanes.dequeue(entry);
      if (!event) continue;
      this.flights.push(this.lanes.started(entry, this.nowMs));
      this.sent.push(entry.destination);
      this.lanes.wake(entry);
    }
  }

  /** End the requests in flight of a destination, or all. */
  end(verdict: Verdict, destination?: string): void {
    for (const flight of this.flights.splice(0)) {
      if (destination !== undefined && flight.entry.destination !== destination) {
        this.flights.push(flight);
        continue;
      }
      this.lanes.ended(flight, this.nowMs, verdict, 1, 0, String(this.#made++));
    }
  }

  /** Lanes that answer well. */
  proven(...destinations: string[]): void {
    for (const destination of destinations) this.put(destination);
    this.send();
    this.end("success");
    this.sent.length = 0;
  }
}

Deno.test("events leave memory in their order, one, some or all", () => {
  const { lanes, ...yard } = new Yard();
  const entry = lanes.of("a", yard.nowMs);
  const events = Array.from({ length: 6 }, (_, n): Event => ({ id: String(n), bytes: n }));
  for (const event of events) lanes.enqueue(entry, event);
  assertEquals([lanes.queued, lanes.queuedBytes], [6, 15]);
  assertEquals(lanes.dequeue(entry), events[0]);
  lanes.take(entry, [events[2]!, events[4]!]);
  assertEquals([lanes.queued, lanes.queuedBytes], [3, 9]);
  assertEquals(lanes.empty(entry), [events[1], events[3], events[5]]);
  assertEquals([lanes.queued, lanes.queuedBytes, lanes.dequeue(entry)], [0, 0, undefined]);
});

Deno.test("lanes send in turn", () => {
  const yard = new Yard();
  yard.proven("a", "b", "c");
  yard.put("a", 3);
  yard.put("b", 2);
  yard.put("c", 1);
  yard.send();
  assertEquals(yard.sent.join(""), "abcaba");
});

Deno.test("a lane that waits for others' room goes on as soon as one of their requests ends", () => {
  const yard = new Yard();
  yard.proven("well");
  yard.put("well");
  for (let n = 0; n < 40; n++) yard.put(`new ${n}`);
  yard.send();
  assertEquals(yard.sent.length, 1 + 32);
  yard.end("failure", "new 0");
  yard.send();
  assertEquals(yard.sent.at(-1), "new 32");
  yard.end("failure");
  yard.send();
  assertEquals(yard.sent.length, 1 + 40);
});

Deno.test("an endpoint that ends no request leaves half of the concurrency to the others", () => {
  const yard = new Yard();
  yard.proven("hangs", "well");
  yard.put("well");
  yard.put("hangs", 20);
  yard.send();
  assertEquals(yard.lanes.get("hangs")!.lane.inFlight, 17);
  yard.nowMs = 1_000;
  yard.end("success", "well");
  yard.put("hangs", 30);
  yard.put("well", 40);
  for (let n = 0; n < 12; n++) yard.put(`new ${n}`);
  yard.send();
  assertEquals(yard.lanes.get("hangs")!.lane.inFlight, 17, "no more while it hangs");
  const { inFlight, limit } = yard.lanes.get("well")!.lane;
  assertEquals(inFlight, limit);
  assertEquals(yard.sent.filter((each) => each.startsWith("new")).length, 12);
});

Deno.test("a lane may send when its limits and its share allow it", () => {
  const yard = new Yard();
  const entry = yard.put("a");
  assertEquals([yard.lanes.readyMs(entry, 7), yard.lanes.admits(entry, 7)], [7, true]);
  yard.send();
  yard.put("b");
  assertEquals(yard.lanes.readyMs(entry, 7), Infinity, "one while others have work");
  entry.lane.isHeld = true;
  yard.end("success");
  assertEquals(yard.lanes.readyMs(entry, 7), Infinity);
});

Deno.test("a lane that is down, then forgotten and made again, sends nothing but its probe", () => {
  const yard = new Yard();
  for (let n = 0; n < 5; n++) {
    yard.put("down");
    yard.send();
    yard.end("unreachable");
  }
  const before = yard.lanes.get("down");
  assert(before!.lane.isDown);
  for (let n = 0; n < 5_000; n++) yard.lanes.of(`other ${n}`, yard.nowMs);
  assertEquals(yard.lanes.get("down"), undefined);
  yard.put("down", 3);
  yard.sent.length = 0;
  yard.send();
  assertEquals(yard.sent, []);
  yard.nowMs = 1_000;
  yard.lanes.wake(yard.lanes.get("down")!);
  yard.send();
  assertEquals(yard.sent, ["down"]);
});

Deno.test("held destinations are known even of lanes that were forgotten", () => {
  const { lanes } = new Yard();
  lanes.of("held", 0).lane.isHeld = true;
  for (let n = 0; n < 5_000; n++) lanes.of(`other ${n}`, 0);
  assertEquals([[...lanes.held()], lanes.get("held")], [["held"], undefined]);
  lanes.of("held", 0).lane.isHeld = false;
  assertEquals([...lanes.held()], []);
});
