import { assert, assertEquals, assertThrows } from "@std/assert";
import { Reporter } from "../../lib/telemetry/reporter.ts";
import type { DiskTrouble, Skipped, TraceEvent } from "../../lib/telemetry/trace.ts";

/** A reporter on a clock that is put forward by hand. */
function setUp() {
  const told: (DiskTrouble | Skipped)[] = [];
  let nowMs = 1_000_000;
  const clock = { now: () => 0, monotonic: () => nowMs, sleep: () => Promise.resolve() };
  const trace = (event: TraceEvent) => void told.push(event as DiskTrouble | Skipped);
  return { told, reporter: new Reporter(trace, clock), pass: (ms: number) => void (nowMs += ms) };
}

function diskError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

Deno.test("a path that is left alone is told once", () => {
  const { told, reporter, pass } = setUp();
  for (let n = 0; n < 100; n++) {
    reporter.skipped("new/link", "a symlink");
    pass(10_000);
  }
  assertEquals(told, [{ type: "skipped", path: "new/link", reason: "a symlink" }]);
});

Deno.test("12,000 symlinks are a few lines, look after look, and the others are counted", () => {
  const { told, reporter, pass } = setUp();
  const look = () => {
    for (let n = 0; n < 12_000; n++) reporter.skipped(`new/link-${n}`, "a symlink");
  };
  look();
  assertEquals(told.length, 20);
  pass(60_000);
  look();
  // Those beyond what is remembered are told as if new, and with the first of them the untold.
  assert(told.length <= 40, `${told.length} lines`);
  assertEquals(told[20]!.more, 12_000 - 20);
  for (let n = 0; n < 60; n++) {
    pass(1_000);
    look();
  }
  assert(told.length <= 60, `${told.length} lines`);
});

Deno.test("kinds of trouble don't crowd each other out", () => {
  const { told, reporter } = setUp();
  for (let n = 0; n < 1_000; n++) reporter.skipped(`new/link-${n}`, "a symlink");
  reporter.skipped("new/fifo", "a FIFO");
  reporter.trouble("list", diskError("EIO"), "looked at again later");
  assertEquals(told.slice(-2).map(({ type }) => type), ["skipped", "disk-trouble"]);
});

Deno.test("the same trouble is told 20 times a minute, then with how often it went untold", () => {
  const { told, reporter, pass } = setUp();
  for (let n = 0; n < 50; n++) reporter.trouble("claim", diskError("EIO"), "later", `event-${n}`);
  assertEquals(told.length, 20);
  assertEquals(told[0], {
    type: "disk-trouble",
    verb: "claim",
    code: "EIO",
    reason: "later",
    id: "event-0",
  });
  pass(60_000);
  reporter.trouble("claim", diskError("EIO"), "later");
  reporter.trouble("claim", diskError("EIO"), "later");
  assertEquals(told.slice(20).map(({ more }) => more), [30, undefined]);
});

Deno.test("codes and verbs are kinds of their own", () => {
  const { told, reporter } = setUp();
  for (let n = 0; n < 30; n++) {
    reporter.trouble("claim", diskError("EIO"), "later");
    reporter.trouble("claim", diskError("ENOSPC"), "later");
    reporter.trouble("list", diskError("EIO"), "later");
  }
  assertEquals(told.length, 60);
});

Deno.test("what isn't the disk's is a bug and thrown", () => {
  const { told, reporter } = setUp();
  assertThrows(() => reporter.trouble("list", new TypeError("a bug"), "later"), TypeError);
  assertEquals(told, []);
});

Deno.test("ever new kinds of trouble don't fill the memory", () => {
  const { told, reporter } = setUp();
  for (let n = 0; n < 10_001; n++) reporter.trouble("claim", diskError("EIO"), `reason ${n}`);
  assertEquals(told.length, 10_001);
  reporter.trouble("claim", diskError("EIO"), "reason 0");
  assertEquals(told.at(-1)!.more, undefined, "forgotten, so it is told as if new");
});
