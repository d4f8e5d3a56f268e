import { assert, assertEquals, assertThrows } from "@std/assert";
import { ClaimBackoff } from "../../../lib/queue/store/claim_backoff.ts";
import { DiskFailure } from "../../../lib/store/failure.ts";

const ERROR = Object.assign(new Error("EIO"), { code: "EIO" });

/** A back-off on a clock that is put forward by hand. */
function setUp() {
  let nowMs = 5_000;
  const clock = { now: () => 0, monotonic: () => nowMs, sleep: () => Promise.resolve() };
  return { backoff: new ClaimBackoff(clock), pass: (ms: number) => void (nowMs += ms) };
}

const file = (name: string | number) => ({ folder: "new", name: `${name}` });

Deno.test("a file that resists rests for a second, then twice as long each time, up to 5 minutes", () => {
  const { backoff, pass } = setUp();
  const [first, ...pauses] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((s) => s * 1_000);
  assertEquals(backoff.rests(file("a")), false);
  assertEquals(backoff.refused(file("a"), ERROR), true, "the first time");
  let pauseMs = first!;
  for (const next of pauses) {
    pass(pauseMs - 1);
    assert(backoff.rests(file("a")), `${pauseMs}`);
    pass(1);
    assertEquals(backoff.rests(file("a")), false);
    assertEquals(backoff.refused(file("a"), ERROR), false, "known");
    pauseMs = next;
  }
});

Deno.test("others don't rest with it, nor one of that name in another folder", () => {
  const { backoff } = setUp();
  backoff.refused(file("a"), ERROR);
  assertEquals(backoff.rests(file("b")), false);
  assertEquals(backoff.rests({ folder: "cur", name: "a" }), false);
});

Deno.test("a file that could be claimed is as good as new", () => {
  const { backoff } = setUp();
  backoff.refused(file("a"), ERROR);
  backoff.claimed(file("a"));
  assertEquals(backoff.rests(file("a")), false);
  assertEquals(backoff.refused(file("a"), ERROR), true);
});

Deno.test("three files that resist for half a minute are the disk's fault, not theirs", () => {
  const { backoff, pass } = setUp();
  for (const name of ["a", "b", "c"]) backoff.refused(file(name), ERROR);
  pass(29_999);
  backoff.refused(file("a"), ERROR);
  pass(1);
  const error = assertThrows(() => backoff.refused(file("a"), ERROR), DiskFailure, "30 s");
  assertEquals(error.cause, ERROR);
});

Deno.test("two files can resist for ever", () => {
  const { backoff, pass } = setUp();
  for (let n = 0; n < 100; n++) {
    backoff.refused(file(n % 2), ERROR);
    pass(60_000);
  }
});

Deno.test("one claim that goes through shows that the disk works", () => {
  const { backoff, pass } = setUp();
  for (let n = 0; n < 10; n++) {
    for (const name of ["a", "b", "c"]) backoff.refused(file(name), ERROR);
    pass(20_000);
    backoff.claimed(file("d"));
  }
});

Deno.test("no more than some 10,000 files are remembered", () => {
  const { backoff } = setUp();
  for (let n = 0; n <= 10_000; n++) backoff.refused(file(n), ERROR);
  assertEquals([backoff.rests(file(0)), backoff.rests(file(10_000))], [false, true]);
});
