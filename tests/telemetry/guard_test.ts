import { assertEquals } from "@std/assert";
import { GuardedTrace } from "../../lib/telemetry/guard.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";

const KEPT = (id: string): TraceEvent => ({ type: "kept", id });

Deno.test("a trace that throws is told so once, of which event and what", () => {
  const told: TraceEvent[] = [];
  const error = new RangeError("the application's");
  const guarded = new GuardedTrace((event) => {
    told.push(event);
    if (event.type === "kept") throw error;
  });
  guarded.tell({ type: "released", id: "a", reason: "", dueMs: 0 });
  assertEquals(guarded.failure, undefined);
  for (const id of ["b", "c", "d"]) guarded.tell(KEPT(id));
  assertEquals(told.map(({ type }) => type), ["released", "kept", "trace-failed", "kept", "kept"]);
  assertEquals(told[2], { type: "trace-failed", of: "kept", error });
  assertEquals(guarded.failure, { error });
});

Deno.test("a trace that throws at everything, even at being told so, hurts nobody", () => {
  let calls = 0;
  const guarded = new GuardedTrace(() => {
    throw new TypeError(`${++calls}`);
  });
  for (const id of ["a", "b"]) guarded.tell(KEPT(id));
  assertEquals([calls, (guarded.failure?.error as Error).message], [3, "1"]);
});

Deno.test("undefined can be thrown as well", () => {
  const guarded = new GuardedTrace(() => {
    throw undefined;
  });
  guarded.tell(KEPT("a"));
  assertEquals(guarded.failure, { error: undefined });
});
