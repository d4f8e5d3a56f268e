/** What is told once and then counted. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Clock } from "../../lib/runtime/runtime.ts";
import { PathMemory } from "../../lib/telemetry/path_memory.ts";
import { Reporter } from "../../lib/telemetry/reporter.ts";
import type { DiskTrouble, Skipped, TraceEvent } from "../../lib/telemetry/trace.ts";

const SECOND_MS = 1_000;
const REFUSED = diskError("EACCES");

function diskError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A reporter on a clock that a test sets. */
function bench() {
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: () => Promise.resolve(),
  };
  const told: (DiskTrouble | Skipped)[] = [];
  const trace = (event: TraceEvent) => void told.push(event as DiskTrouble | Skipped);
  const reporter = new Reporter(trace, clock);
  return { told, reporter, wait: (ms: number) => void (nowMs += ms) };
}

const brief = (told: readonly (DiskTrouble | Skipped)[]) =>
  told.map((event) =>
    [event.type === "skipped" ? event.path : event.reason, event.more ?? 0] as const
  );

Deno.test("what fails again and again is told once a minute, with how often", () => {
  const { told, reporter, wait } = bench();
  for (let second = 0; second < 150; second++) {
    reporter.flush();
    reporter.trouble("list", REFUSED, "can't be looked at", { path: "defer/a" });
    wait(SECOND_MS);
  }
  const reason = "defer/a can't be looked at";
  assertEquals(brief(told), [[reason, 0], [reason, 58], [reason, 59]]);
});

Deno.test("of one kind of trouble twenty are told in a minute, and of each kind", () => {
  const { told, reporter, wait } = bench();
  for (let n = 0; n < 1_000; n++) {
    reporter.trouble("list", REFUSED, "can't be looked at", { path: `defer/${n}` });
    reporter.trouble("defer", REFUSED, "it stays claimed", { id: `${n}` });
  }
  assertEquals(told.length, 40);
  reporter.flush();
  assertEquals(told.length, 40);
  wait(60 * SECOND_MS);
  reporter.flush();
  assertEquals(brief(told.slice(40)), [
    ["defer/999 can't be looked at", 979],
    ["it stays claimed", 979],
  ]);
  reporter.flush(true);
  assertEquals(told.length, 42);
});

Deno.test("12,000 paths that are left alone are twenty lines and a number, however often they are met", () => {
  const { told, reporter, wait } = bench();
  for (let pass = 0; pass < 200; pass++) {
    reporter.flush();
    for (let n = 0; n < 12_000; n++) reporter.skipped(`new/link-${n}`, "a symlink");
    wait(SECOND_MS);
  }
  reporter.flush(true);
  assertEquals(told.length, 21);
  const counted = brief(told).reduce((sum, [, more]) => sum + 1 + more, 0);
  assert(counted > 11_950 && counted <= 12_000, `${counted}`);
});

Deno.test("what nothing expects is told where it may happen, and thrown elsewhere", () => {
  const { told, reporter } = bench();
  const bug = new RangeError("Invalid time value");
  assertThrows(() => reporter.trouble("list", bug, "later"), RangeError);
  reporter.unexpected("list", bug, "is held", { path: "defer/a" });
  reporter.unexpected("list", REFUSED, "is held", { path: "defer/b" });
  assertEquals(brief(told), [
    ["defer/a is held (unexpected: Invalid time value)", 0],
    ["defer/b is held", 0],
  ]);
});

Deno.test("a memory of paths forgets none, and takes few for known that aren't", () => {
  const memory = new PathMemory();
  let known = 0;
  for (let n = 0; n < 50_000; n++) if (!memory.isNew(`new/${n}`)) known++;
  assert(known < 1_000, `${known}`);
  for (let n = 0; n < 50_000; n++) assert(!memory.isNew(`new/${n}`));
});

Deno.test("a path that is left alone is told once", () => {
  const { told, reporter, wait } = bench();
  for (let n = 0; n < 100; n++) {
    reporter.skipped("new/link", "a symlink");
    wait(10_000);
  }
  assertEquals(told, [{ type: "skipped", path: "new/link", reason: "a symlink" }]);
});

Deno.test("12,000 symlinks are a few lines, look after look, and the others are counted", () => {
  const { told, reporter, wait } = bench();
  const look = () => {
    for (let n = 0; n < 12_000; n++) reporter.skipped(`new/link-${n}`, "a symlink");
  };
  look();
  assertEquals(told.length, 20);
  wait(60_000);
  look();
  reporter.flush();
  // Of those beyond what is remembered for certain a few are taken for told.
  const { more = 0 } = told[20]!;
  assert(more > 11_950 && more < 12_000 - 20, `${more}`);
  for (let n = 0; n < 120; n++) {
    wait(1_000);
    look();
    reporter.flush();
  }
  assertEquals(told.length, 21);
});

Deno.test("kinds of trouble don't crowd each other out", () => {
  const { told, reporter } = bench();
  for (let n = 0; n < 1_000; n++) reporter.skipped(`new/link-${n}`, "a symlink");
  reporter.skipped("new/fifo", "a FIFO");
  reporter.trouble("list", diskError("EIO"), "looked at again later");
  assertEquals(told.slice(-2).map(({ type }) => type), ["skipped", "disk-trouble"]);
});

Deno.test("the same trouble is told 20 times a minute, then with how often it went untold", () => {
  const { told, reporter, wait } = bench();
  for (let n = 0; n < 50; n++) {
    reporter.trouble("claim", diskError("EIO"), "later", { id: `event-${n}` });
  }
  assertEquals(told.length, 20);
  assertEquals(told[0], {
    type: "disk-trouble",
    verb: "claim",
    code: "EIO",
    reason: "later",
    id: "event-0",
  });
  wait(60_000);
  reporter.trouble("claim", diskError("EIO"), "later");
  reporter.trouble("claim", diskError("EIO"), "later");
  assertEquals(told.slice(20).map(({ more }) => more), [30, undefined]);
});

Deno.test("codes and verbs are kinds of their own", () => {
  const { told, reporter } = bench();
  for (let n = 0; n < 30; n++) {
    reporter.trouble("claim", diskError("EIO"), "later");
    reporter.trouble("claim", diskError("ENOSPC"), "later");
    reporter.trouble("list", diskError("EIO"), "later");
  }
  assertEquals(told.length, 60);
});

Deno.test("what isn't the disk's is a bug and thrown", () => {
  const { told, reporter } = bench();
  assertThrows(() => reporter.trouble("list", new TypeError("a bug"), "later"), TypeError);
  assertEquals(told, []);
});

Deno.test("ever new kinds of trouble don't fill the memory", () => {
  const { told, reporter } = bench();
  for (let n = 0; n < 10_001; n++) reporter.trouble("claim", diskError("EIO"), `reason ${n}`);
  assertEquals(told.length, 10_001);
  reporter.trouble("claim", diskError("EIO"), "reason 0");
  assertEquals(told.at(-1)!.more, undefined, "forgotten, so it is told as if new");
});
