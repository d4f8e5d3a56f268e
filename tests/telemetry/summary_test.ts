import { assertEquals } from "@std/assert";
import { type Counts, Tally } from "../../lib/telemetry/summary.ts";
import type { LeaseLost, TraceEvent } from "../../lib/telemetry/trace.ts";

const NOTHING: Counts = {
  delivered: 0,
  deferred: 0,
  parked: 0,
  dead: 0,
  released: 0,
  lost: 0,
  kept: 0,
};

function countsOf(...events: TraceEvent[]): Counts {
  const tally = new Tally();
  for (const event of events) tally.note(event);
  return tally.counts;
}

const id = "a";
const destination = "http_a_80";
const ENDS: readonly [keyof Counts, TraceEvent][] = [
  ["delivered", { type: "delivered", id, destination, status: 200, attempt: 1, ms: 1 }],
  ["deferred", { type: "deferred", id, destination, attempt: 1, ms: 1, reason: "", dueMs: 1 }],
  ["parked", { type: "parked", id, destination }],
  ["dead", { type: "dead", id, attempt: 1, ms: 1, reason: "" }],
  ["released", { type: "released", id, reason: "", dueMs: 1 }],
  ["kept", { type: "kept", id }],
];

Deno.test("each way in which an event's claim ends counts as itself, each time", () => {
  for (const [end, event] of ENDS) {
    assertEquals(countsOf(event, event), { ...NOTHING, [end]: 2 });
  }
});

Deno.test("a lost lease counts, but for that of an event that is delivered", () => {
  const verbs: LeaseLost["verb"][] = ["read", "renew", "complete", "defer", "bury", "release"];
  for (const verb of verbs) {
    const lost = verb === "complete" ? 0 : 1;
    assertEquals(countsOf({ type: "lease-lost", id, verb }), { ...NOTHING, lost });
  }
});

Deno.test("what is no end of an event doesn't count", () => {
  assertEquals(
    countsOf(
      { type: "taken-over", id, owner: undefined, takeovers: 1 },
      { type: "id-replaced", id, name: "b" },
      { type: "skipped", path: "new/x", reason: "a folder" },
      { type: "disk-trouble", verb: "list", code: "EIO", reason: "" },
      { type: "lane", destination, change: "opened" },
      { type: "trace-failed", of: "kept", error: undefined },
    ),
    NOTHING,
  );
});

Deno.test("counts that were taken don't change any more", () => {
  const tally = new Tally();
  const before = tally.counts;
  tally.note({ type: "kept", id });
  assertEquals([before.kept, tally.counts.kept], [0, 1]);
});
