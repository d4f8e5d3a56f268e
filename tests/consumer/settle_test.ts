import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { Prepared, Rejection } from "../../lib/consumer/prepare.ts";
import { memoryFor } from "../../lib/store/budget.ts";
import type { Attempt } from "../../lib/http/sender.ts";
import type { Reason, Settled } from "../../lib/store/store.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { START_MS } from "../sim/world.ts";
import { A, attempt, type Parts, withMemory } from "../support/consumer_parts.ts";
import { type Script, ScriptedClaim } from "../support/scripted_claim.ts";

const HOUR_MS = 3_600_000;

/** A prepared event on a claim of that kind. */
function prepared(claim: ScriptedClaim): Prepared {
  const request = { url: new URL("http://a.test/"), method: "POST", headers: [], body: "1" };
  return { claim, request, destination: A, bytes: 100 };
}

/** Settle a claim, and see what was asked of it and told. */
async function settled(
  script: Script,
  act: (parts: Parts, claim: ScriptedClaim) => Promise<unknown>,
  options: ConsumerOptions = {},
): Promise<{ readonly asked: ScriptedClaim["asked"]; readonly trace: readonly TraceEvent[] }> {
  const claim = new ScriptedClaim({ enqueuedMs: START_MS, ...script });
  let trace: readonly TraceEvent[] = [];
  await withMemory(options, async (parts) => {
    trace = parts.trace;
    await act(parts, claim);
  });
  return { asked: claim.asked, trace };
}

/** What is told, as `type` or `type verb`. */
function told(trace: readonly TraceEvent[]): string[] {
  return trace.map((event) => event.type === "lease-lost" ? `lost ${event.verb}` : event.type);
}

/** What is told of each outcome, if that is what becomes of the claim. */
interface Expected {
  readonly asks: string;
  readonly tells: Readonly<Record<Settled, readonly string[]>>;
}

const OUTCOMES: Readonly<Record<Attempt["outcome"], Expected>> = {
  delivered: {
    asks: "complete",
    tells: {
      done: ["delivered"],
      lost: ["delivered", "lost complete"],
      kept: ["delivered"],
      returned: ["delivered"],
    },
  },
  deferred: {
    asks: "defer",
    tells: { done: ["deferred"], lost: ["lost defer"], kept: ["kept"], returned: ["released"] },
  },
  refused: {
    asks: "bury",
    tells: { done: ["dead"], lost: ["lost bury"], kept: ["kept"], returned: ["released"] },
  },
  aborted: {
    asks: "release",
    tells: { done: ["released"], lost: ["lost release"], kept: ["kept"], returned: ["released"] },
  },
  crowded: {
    asks: "release",
    tells: { done: ["released"], lost: ["lost release"], kept: ["kept"], returned: ["released"] },
  },
};

Deno.test("every outcome settles the claim in its way, and what became of it is told", async () => {
  for (const [name, { asks, tells }] of Object.entries(OUTCOMES)) {
    const outcome = name as Attempt["outcome"];
    for (const settles of ["done", "lost", "kept", "returned"] as const) {
      const { asked, trace } = await settled(
        { settles },
        ({ settler }, claim) => settler.settle(prepared(claim), attempt(outcome)),
      );
      assertEquals(asked.map(([verb]) => verb), [asks], outcome);
      assertEquals(told(trace), tells[settles], `${outcome}, ${settles}`);
    }
  }
});

Deno.test("what is told of an end names event, destination, attempt, status, time and reason", async () => {
  const more = { status: 418, answer: "I'm a teapot", ms: 12 };
  const ends = await Promise.all(
    (["delivered", "deferred", "refused"] as const).map(async (outcome) => {
      const { trace } = await settled(
        { attempt: 3 },
        ({ settler }, claim) => settler.settle(prepared(claim), attempt(outcome, more), 5),
      );
      return trace[0]!;
    }),
  );
  const common = { id: "event", destination: A, status: 418, attempt: 3, ms: 12, merged: 5 };
  assertEquals(ends[0], { type: "delivered", ...common });
  const { dueMs, ...deferred } = ends[1] as { dueMs: number } & TraceEvent;
  assertEquals(deferred, { type: "deferred", ...common, reason: "it is deferred" });
  assert(dueMs > START_MS);
  assertEquals(ends[2], { type: "dead", ...common, reason: "it is refused" });
});

Deno.test("a deferred event is due when the schedule says, or later if the endpoint asks for it", async () => {
  const options = { backoffBaseMs: 10_000, backoffCapMs: 60_000 };
  const rows = [
    [1, undefined, 5_000, 10_000],
    [3, undefined, 20_000, 40_000],
    [9, undefined, 30_000, 60_000],
    [1, 120_000, 120_000, 120_000],
    [9, 1_000, 30_000, 60_000],
  ] as const;
  for (const [number, retryAfterMs, leastMs, mostMs] of rows) {
    const more = retryAfterMs === undefined ? {} : { retryAfterMs };
    const { asked: [defer] } = await settled(
      { attempt: number },
      ({ settler }, claim) => settler.settle(prepared(claim), attempt("deferred", more)),
      options,
    );
    const [, destination, dueMs] = defer as [string, string, number];
    assertEquals(destination, A);
    const delayMs = dueMs - START_MS;
    assert(delayMs >= leastMs && delayMs <= mostMs, `attempt ${number}: ${delayMs} ms`);
  }
});

Deno.test("an event that failed too often, or is too old, is buried with its last answer", async () => {
  const old = { enqueuedMs: START_MS - 73 * HOUR_MS };
  const rows = [
    [
      { attempt: 4 },
      { maxAttempts: 4 },
      /^given up after 4 of at most 4 attempts; the last answer/,
    ],
    [{ ...old, attempt: 3 }, {}, /^given up after 3 attempts at an age of 3d 1h, at most 3d; the/],
  ] as const;
  for (const [script, options, why] of rows) {
    const { asked: [bury] } = await settled(
      script,
      ({ settler }, claim) =>
        settler.settle(prepared(claim), attempt("deferred", { status: 503, answer: "busy" })),
      options,
    );
    const [verb, reason, dueMs] = bury as [string, Reason, number];
    assertEquals(verb, "bury");
    assertMatch(reason.reason, why);
    const { outcome, status, answer, destination } = reason;
    assertEquals([outcome, status, answer, destination], ["deferred", 503, "busy", A]);
    assertEquals(dueMs, START_MS + 600_000, "if it can't be buried it is tried again, but rarely");
  }
  const { asked } = await settled(
    { ...old, attempt: 2 },
    ({ settler }, claim) => settler.settle(prepared(claim), attempt("deferred")),
  );
  assertEquals(asked[0]![0], "defer", "three attempts it gets at any age");
});

Deno.test("an attempt that was called off stays counted, one that never began is given back", async () => {
  const { asked: [calledOff] } = await settled(
    {},
    ({ settler }, claim) => settler.settle(prepared(claim), attempt("aborted")),
  );
  assertEquals(calledOff, ["release", START_MS, true]);
  const { asked: [crowded] } = await settled(
    {},
    ({ settler }, claim) => settler.settle(prepared(claim), attempt("crowded")),
  );
  assertEquals(crowded, ["release", START_MS + 1_000, false]);
  const { asked: [unsent], trace } = await settled(
    {},
    ({ settler }, claim) => settler.release(prepared(claim), "no time"),
  );
  assertEquals(unsent, ["release", START_MS, false]);
  assertEquals(trace, [{ type: "released", id: "event", reason: "no time", dueMs: START_MS }]);
});

const REJECTIONS: readonly (readonly [Rejection, asks: unknown[], tells: string])[] = [
  [{ kind: "lost" }, [], "lost read"],
  [{ kind: "crowded", reason: "", pauseMs: 9 }, ["release", START_MS + 9, false], "released"],
  [{ kind: "released", reason: "", pauseMs: 5 }, ["release", START_MS + 5, false], "released"],
  [
    { kind: "refused", reason: "bad", destination: A },
    ["bury", { outcome: "refused", reason: "bad", destination: A }, START_MS + 600_000],
    "dead",
  ],
];

Deno.test("every reason not to send an event settles it in its way", async () => {
  for (const [rejection, asks, tells] of REJECTIONS) {
    const { asked, trace } = await settled(
      {},
      ({ settler }, claim) => settler.reject(claim, rejection),
    );
    assertEquals(asked, asks.length === 0 ? [] : [asks as [string]], rejection.kind);
    assertEquals(told(trace), [tells]);
  }
});

Deno.test("what can't be read now waits for no destination in particular", async () => {
  const { asked: [defer], trace: [deferred] } = await settled(
    {},
    ({ settler }, claim) => settler.reject(claim, { kind: "deferred", reason: "EIO" }),
  );
  assertEquals(defer!.slice(0, 2), ["defer", undefined]);
  assert(deferred?.type === "deferred");
  assertEquals([deferred.destination, deferred.ms, deferred.reason], ["others", 0, "EIO"]);
});

Deno.test("what became of a parked event is told", async () => {
  const tells = { done: "parked", lost: "lost defer", kept: "kept", returned: "released" } as const;
  for (const settles of ["done", "lost", "kept", "returned"] as const) {
    const { asked, trace } = await settled(
      { settles },
      ({ settler }, claim) => settler.park(prepared(claim), 250),
    );
    assertEquals(asked, [["park", A, 250]]);
    assertEquals(told(trace), [tells[settles]]);
  }
});

Deno.test("an event waits for a dead destination until it is too old, then it is buried", async () => {
  for (const [hours, isBuried] of [[71.9, false], [72, true]] as const) {
    let expired: boolean | undefined;
    const { asked } = await settled(
      { enqueuedMs: START_MS - hours * HOUR_MS },
      async ({ settler }, claim) => {
        expired = await settler.expire(prepared(claim), "connection refused");
      },
    );
    assertEquals([expired, asked.length], [isBuried, isBuried ? 1 : 0]);
    if (!isBuried) continue;
    const { reason, outcome, destination } = asked[0]![1] as Reason;
    assertEquals([outcome, destination], ["deferred", A]);
    assertEquals(
      reason,
      "it has waited for 72 h for its destination, which is down: connection refused",
    );
  }
});

const META = { url: "http://a.test/", status: 200, headers: {}, time: "", truncated: false };
const ANSWERED = attempt("delivered", { status: 200, response: { meta: META } });
const NO_ROOM = Object.assign(new Error("no room"), { code: "ENOSPC" });

/** Settle an event whose answer was to be kept. */
function answered(script: Script, ended: Attempt) {
  return settled(
    script,
    ({ settler }, claim) => settler.settle(prepared(claim), ended, 1, claim.answer()),
  );
}

Deno.test("the answer to a GET is whole before its event is removed", async () => {
  const { asked, trace } = await answered({}, ANSWERED);
  assertEquals(asked, [["finish", META], ["complete"]]);
  assertEquals(told(trace), ["delivered"]);
});

Deno.test("an answer that the disk refuses to keep is discarded, and asked for again later", async () => {
  const { asked, trace } = await answered({ unkept: NO_ROOM }, ANSWERED);
  assertEquals(asked.map(([verb]) => verb), ["finish", "discard", "defer"]);
  assertEquals(told(trace), ["disk-trouble", "deferred"]);
  assert(trace[1]!.type === "deferred");
  assertMatch(trace[1].reason, /^the response can't be written.*: ENOSPC$/);
});

Deno.test("what was kept of an answer that is none is discarded", async () => {
  for (
    const [ended, tells] of [
      [attempt("deferred", { status: 500 }), ["deferred"]],
      [attempt("refused", { status: 404 }), ["dead"]],
      [attempt("deferred", { error: NO_ROOM }), ["disk-trouble", "deferred"]],
    ] as const
  ) {
    const { asked, trace } = await answered({}, ended);
    assertEquals(asked[0], ["discard"]);
    assertEquals(told(trace), [...tells]);
  }
});

Deno.test("a bug in keeping an answer is no disk's refusal", async () => {
  const bug = new TypeError("a bug");
  await assertRejects(() => answered({ unkept: bug }, ANSWERED), TypeError, "a bug");
  const thrown = attempt("deferred", { error: bug });
  await assertRejects(() => answered({}, thrown), TypeError, "a bug");
});

Deno.test("the memory of an event is given back once, however its claim ends", async () => {
  const ends: ((parts: Parts, event: Prepared) => unknown)[] = [
    ({ settler }, event) => settler.settle(event, attempt("delivered")),
    ({ settler }, event) => settler.settle(event, attempt("deferred")),
    ({ settler }, event) => settler.release(event),
    ({ settler }, event) => settler.park(event, 0),
    ({ settler }, event) => settler.expire(event, "down"),
    ({ settler }, event) => settler.unsent(event, "lost"),
  ];
  for (const end of ends) {
    await settled({ enqueuedMs: 0 }, async (parts, claim) => {
      parts.budget.add(1_000);
      await end(parts, prepared(claim));
      assertEquals(parts.budget.used, 1_000 - memoryFor(100));
    });
  }
  await settled({}, async (parts, claim) => {
    parts.budget.add(1_000);
    assertEquals(await parts.settler.expire(prepared(claim), "down"), false);
    assertEquals(parts.budget.used, 1_000, "it lives on");
  });
});

Deno.test("a lease that was lost, or can't be renewed, is told", async () => {
  for (const [fate, tells] of [["lost", "lost renew"], ["kept", "kept"]] as const) {
    const { asked, trace } = await settled({}, ({ settler }, claim) => {
      settler.unsent(prepared(claim), fate);
      return Promise.resolve();
    });
    assertEquals([asked, told(trace)], [[], [tells]]);
  }
});

Deno.test("an outcome nobody knows is an error, not a delivery", async () => {
  const unknown = attempt("quarantined" as Attempt["outcome"]);
  const claim = new ScriptedClaim();
  await assertRejects(
    () => withMemory({}, async ({ settler }) => await settler.settle(prepared(claim), unknown)),
    TypeError,
  );
  assertEquals(claim.asked, []);
});
