import { assertEquals } from "@std/assert";
import { Lane } from "../../lib/lanes/lane.ts";
import { Memory } from "../../lib/lanes/memory.ts";
import type { LaneEntry } from "../../lib/lanes/lane_entry.ts";

interface Event {
  readonly bytes: number;
}

const EVENT: Event = { bytes: 100 };

/** The memory of a consumer with a concurrency of 64. */
class Yard {
  readonly busy = new Set<LaneEntry<Event>>();
  readonly memory = new Memory<Event>({ most: 64 }, this.busy);

  lane(isProven = false): LaneEntry<Event> {
    const lane = new Lane({ most: 64, fixed: undefined, ratePerSecond: Infinity }, 0);
    if (isProven) {
      lane.start(0);
      lane.end("success", 1, 0, 0, "event");
    }
    return {
      destination: "",
      lane,
      queue: [],
      flights: new Set(),
      lastEndMs: 0,
      lastError: "",
      toldShare: 1,
      fromMemory: true,
    };
  }

  add(entry: LaneEntry<Event>, count: number): void {
    const events = new Array(count).fill(EVENT);
    entry.queue.push(...events);
    this.memory.added(entry, events);
    this.busy.add(entry);
  }

  /** Add to a lane until it is full. */
  fill(entry: LaneEntry<Event>): number {
    for (let count = 0;; count++) {
      if (this.memory.isFull(entry)) return count;
      this.add(entry, 1);
    }
  }

  claimsFromMs(nowMs: number, readyMs = Infinity): number {
    return this.memory.claimsFromMs(nowMs, () => readyMs);
  }
}

Deno.test("events in memory are counted, and their size", () => {
  const yard = new Yard();
  const entry = yard.lane();
  yard.add(entry, 3);
  assertEquals([yard.memory.events, yard.memory.bytes], [3, 300]);
  yard.memory.removed(entry, entry.queue.splice(0, 2));
  assertEquals([yard.memory.events, yard.memory.bytes], [1, 100]);
});

Deno.test("a lane has half of the concurrency in memory, and 32 at most", () => {
  assertEquals(new Yard().fill(new Yard().lane()), 32);
  const few = new Memory<Event>({ most: 8 }, new Set());
  const entry = new Yard().lane();
  entry.queue.push(...new Array(3).fill(EVENT));
  assertEquals(few.isFull(entry), false);
  entry.queue.push(EVENT);
  assertEquals(few.isFull(entry), true);
});

Deno.test("while others have work, lanes nobody has answered on have one each, and a quarter together", () => {
  const yard = new Yard();
  assertEquals(yard.fill(yard.lane(true)), 32);
  const unproven = Array.from({ length: 20 }, () => yard.fill(yard.lane()));
  assertEquals(unproven, [...new Array(16).fill(1), 0, 0, 0, 0]);
  assertEquals(yard.fill(yard.lane(true)), 32);
});

Deno.test("what a lane has in memory counts otherwise once somebody has answered on it", () => {
  const yard = new Yard();
  yard.fill(yard.lane(true));
  const entries = Array.from({ length: 16 }, () => yard.lane());
  for (const entry of entries) yard.fill(entry);
  assertEquals(yard.memory.isFull(yard.lane()), true);
  const [entry] = entries;
  yard.memory.before(entry!);
  entry!.lane.start(0);
  entry!.lane.end("success", 1, 0, 0, "event");
  yard.memory.after(entry!);
  assertEquals(yard.memory.isFull(yard.lane()), false);
});

Deno.test("no more is claimed than finds room in memory, if all of it may be for one lane", () => {
  const yard = new Yard();
  assertEquals([yard.memory.mostClaims(0), yard.memory.mostClaims(1)], [Infinity, 0]);
  const entry = yard.lane(true);
  yard.add(entry, 20);
  assertEquals([yard.memory.mostClaims(0), yard.memory.mostClaims(20)], [12, 0]);
  yard.fill(entry);
  assertEquals(yard.memory.mostClaims(0), Infinity, "what follows a full lane's events is parked");
  yard.add(yard.lane(true), 1);
  assertEquals(yard.memory.mostClaims(0), Infinity);
});

Deno.test("a lane that is alone and half full is waited for as long as answers come", () => {
  const yard = new Yard();
  const entry = yard.lane(true);
  yard.add(entry, 15);
  assertEquals(yard.claimsFromMs(1_000), 0);
  yard.add(entry, 1);
  assertEquals(yard.claimsFromMs(1_000, 1_000), 1_001, "it has enough to send right now");
  entry.lastEndMs = 950;
  assertEquals(yard.claimsFromMs(1_000, Infinity), 1_150, "its next answer will come soon");
  assertEquals(yard.claimsFromMs(1_000, 5_000), 0, "nothing can be sent for a long time");
  entry.lane.isHeld = true;
  assertEquals(yard.claimsFromMs(1_000), 0);
});

Deno.test("lanes nobody has answered on are waited for while they fail fast", () => {
  const yard = new Yard();
  yard.add(yard.lane(true), 1);
  const failing = Array.from({ length: 16 }, () => yard.lane());
  for (const entry of failing) yard.add(entry, 1);
  assertEquals(yard.claimsFromMs(1_000), -Infinity);
  yard.memory.ending(failing[0]!, 1_000);
  assertEquals(yard.claimsFromMs(1_000), 1_200);
});

Deno.test("the lane that is silent for longest gives way, after a second, if anything waits for it", () => {
  const yard = new Yard();
  const [idle, short, long] = [yard.lane(), yard.lane(), yard.lane()];
  yard.busy.add(idle);
  yard.add(short, 1);
  yard.add(long, 1);
  short.lastEndMs = 500;
  assertEquals(yard.memory.mostSilent(999), undefined);
  assertEquals(yard.memory.mostSilent(2_000) === long, true);
  yard.memory.removed(long, long.queue.splice(0));
  assertEquals(yard.memory.mostSilent(2_000) === short, true);
});
