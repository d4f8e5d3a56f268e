import { assert, assertEquals } from "@std/assert";
import type { LaneLimits } from "../../lib/lanes/lane.ts";
import { Registry, type RegistryLimits } from "../../lib/lanes/registry.ts";
import type { LaneEntry } from "../../lib/lanes/lane_entry.ts";

const LIMITS: LaneLimits = { most: 64, fixed: undefined, ratePerSecond: Infinity };

function registry(most?: RegistryLimits) {
  const busy = new Set<LaneEntry<never>>();
  const forgotten: string[] = [];
  const lanes = new Registry<never>(
    LIMITS,
    (entry) => busy.has(entry),
    ({ destination }) => forgotten.push(destination),
    most,
  );
  return { lanes, busy, forgotten };
}

function fail({ lane }: LaneEntry<never>, nowMs: number): void {
  for (let n = 0; n < 5; n++) {
    lane.start(nowMs);
    lane.end("unreachable", 1, nowMs, 0, `event ${n}`);
  }
}

function succeed({ lane }: LaneEntry<never>, nowMs: number): void {
  lane.start(nowMs);
  lane.end("success", 1, nowMs, 0, "event");
}

const size = (lanes: Registry<never>) => [...lanes.entries].length;

Deno.test("a destination has one lane", () => {
  const { lanes } = registry();
  assertEquals(lanes.get("a"), undefined);
  const entry = lanes.of("a", 0);
  assert(lanes.of("a", 1) === entry && lanes.get("a") === entry);
});

Deno.test("beyond the limit, lanes nobody has answered on are forgotten, the one used least lately first", () => {
  const { lanes, busy, forgotten } = registry({ lanes: 8, closedOff: 8 });
  for (const name of "abcdefgh") lanes.of(name, 0);
  succeed(lanes.of("b", 0), 0);
  busy.add(lanes.of("c", 0));
  lanes.of("a", 0);
  lanes.of("new", 0);
  assertEquals(forgotten, ["d", "e"]);
  assertEquals(
    [...lanes.entries].map(({ destination }) => destination).join(" "),
    "f g h b c a new",
  );
});

Deno.test("lanes that answered are forgotten only when the others don't suffice, busy ones never", () => {
  const { lanes, busy, forgotten } = registry({ lanes: 4, closedOff: 8 });
  for (const name of "abcd") succeed(lanes.of(name, 0), 0);
  for (const name of "acd") busy.add(lanes.of(name, 0));
  lanes.of("e", 0);
  assertEquals(forgotten, ["b"]);
  for (const name of "fghi") lanes.of(name, 0);
  assertEquals(forgotten.join(""), "befgh");
});

Deno.test("10,000 held, 10,000 down and 10,000 throttled destinations stay closed off, whatever else comes", () => {
  const { lanes } = registry();
  const names = Array.from({ length: 10_000 }, (_, n) => String(n));
  for (const name of names) {
    lanes.of(`held ${name}`, 0).lane.isHeld = true;
    const down = lanes.of(`down ${name}`, 0);
    fail(down, 0);
    down.lastError = "connection refused";
    lanes.of(`throttled ${name}`, 0).lane.holdUntil(60_000);
  }
  for (let n = 0; n < 20_000; n++) lanes.of(`other ${n}`, 100);
  assert(size(lanes) <= 2_000, `${size(lanes)} lanes`);
  assertEquals(new Set(lanes.held()), new Set(names.map((name) => `held ${name}`)));
  for (const name of names) {
    assertEquals(lanes.of(`held ${name}`, 200).lane.readyMs(200), Infinity);
    assertEquals(lanes.of(`throttled ${name}`, 200).lane.readyMs(200), 60_000);
    const { lane, lastError } = lanes.of(`down ${name}`, 200);
    assertEquals([lane.isDown, lane.readyMs(200), lastError], [true, 1_000, "connection refused"]);
    assertEquals(lane.start(6_000), "probing");
    assertEquals(lane.readyMs(6_000), Infinity, "one probe at a time");
    lane.end("failure", 1, 6_000, 0, "event");
  }
  for (let n = 0; n < 2_000; n++) lanes.of(`more ${n}`, 6_500);
  assertEquals(lanes.of("down 7", 6_500).lane.readyMs(6_500), 7_000, "the pauses grow on");
});

Deno.test("what was closed off and is so no more is made anew", () => {
  const { lanes } = registry({ lanes: 4, closedOff: 8 });
  lanes.of("held", 0).lane.isHeld = true;
  for (let n = 0; n < 9; n++) lanes.of(`other ${n}`, 0);
  assertEquals([lanes.get("held"), lanes.closedOff], [undefined, 1]);
  lanes.of("held", 0).lane.isHeld = false;
  for (let n = 0; n < 9; n++) lanes.of(`other ${n}`, 0);
  assertEquals([[...lanes.held()], lanes.closedOff], [[], 0]);
  assertEquals(lanes.of("held", 7).lane.readyMs(7), 7);
});

Deno.test("a destination can be held before it has a lane, or while it is remembered that it is down", () => {
  const { lanes } = registry({ lanes: 4, closedOff: 8 });
  lanes.setHeld("a", true);
  assertEquals([[...lanes.held()], lanes.isHeld("a"), lanes.get("a")], [["a"], true, undefined]);
  assertEquals(lanes.of("a", 0).lane.isHeld, true);
  lanes.setHeld("a", false);
  assertEquals([[...lanes.held()], lanes.of("a", 0).lane.isHeld], [[], false]);
  fail(lanes.of("down", 0), 0);
  for (let n = 0; n < 9; n++) lanes.of(`other ${n}`, 0);
  for (const isHeld of [true, false]) {
    lanes.setHeld("down", isHeld);
    assertEquals([lanes.get("down"), lanes.isHeld("down")], [undefined, isHeld]);
  }
  assertEquals([lanes.of("down", 0).lane.isDown, lanes.of("down", 0).lane.readyMs(0)], [
    true,
    1_000,
  ]);
});

Deno.test("no more destinations that are down are remembered than may be, but all that are held", () => {
  const { lanes } = registry({ lanes: 100, closedOff: 1_000 });
  lanes.of("held", 0).lane.isHeld = true;
  for (let n = 0; n < 5_000; n++) fail(lanes.of(`down ${n}`, 0), 0);
  assert(size(lanes) <= 100 && lanes.closedOff <= 1_001, `${lanes.closedOff}`);
  assert(lanes.of("held", 1).lane.isHeld);
  assert(lanes.of("down 4500", 1).lane.isDown);
  assert(!lanes.of("down 0", 1).lane.isDown);
});

Deno.test("what is throttled no more makes room before anything that is down is forgotten", () => {
  const { lanes } = registry({ lanes: 10, closedOff: 100 });
  for (let n = 0; n < 60; n++) lanes.of(`throttled ${n}`, 0).lane.holdUntil(1_000);
  for (let n = 0; n < 60; n++) fail(lanes.of(`down ${n}`, 2_000), 2_000);
  for (let n = 0; n < 60; n++) assert(lanes.of(`down ${n}`, 2_000).lane.isDown, `${n}`);
});
