import { assert, assertEquals } from "@std/assert";
import { FailureRun } from "../../lib/lanes/failure_run.ts";

let events = 0;

/** Fail so many times, every `everyMs`; when the run is too long, which failure that was. */
function tooLongAfter(run: FailureRun, everyMs: number, isAnswered = true, most = 200): number {
  for (let n = 1; n <= most; n++) {
    const nowMs = n * everyMs;
    run.failed(nowMs, `event ${++events}`, isAnswered);
    if (run.isTooLong(nowMs)) return n;
  }
  return Infinity;
}

/** A run of a destination of whose requests one of so many succeeded. */
function known(failuresPerSuccess: number): FailureRun {
  const run = new FailureRun();
  for (let n = 0; n < 100; n++) {
    for (let failure = 0; failure < failuresPerSuccess; failure++) run.failed(0, "one", true);
    run.succeeded();
  }
  return run;
}

Deno.test("after successes alone five failures in a row are too many, once they have lasted for five seconds", () => {
  assertEquals(tooLongAfter(known(0), 10_000), 5);
  assertEquals(tooLongAfter(known(0), 100), 51);
});

Deno.test("where nobody answers five are too many at once", () => {
  assertEquals(tooLongAfter(known(0), 0, false), 5);
  assertEquals(tooLongAfter(new FailureRun(), 0, false), 5, "nor of one that nobody knows");
});

Deno.test("an answer in between begins the count of those without one anew", () => {
  const run = known(0);
  for (let n = 0; n < 4; n++) run.failed(0, `event ${n}`, false);
  run.failed(0, "event 4", true);
  for (let n = 5; n < 9; n++) run.failed(0, `event ${n}`, false);
  assertEquals(run.isTooLong(0), false);
  run.failed(0, "event 9", false);
  assert(run.isTooLong(0));
});

Deno.test("the more failed before the more it takes", () => {
  assertEquals(tooLongAfter(known(1), 1_000), 14);
  assertEquals(tooLongAfter(known(1), 0, false), 14);
  assertEquals(tooLongAfter(known(9), 1_000), 88);
});

Deno.test("of a destination that nobody knows the worst is thought, less the longer it fails", () => {
  assert(tooLongAfter(new FailureRun(), 50) > 80, "a burst");
  assertEquals(tooLongAfter(new FailureRun(), 10_000), 5, "one now and then");
});

Deno.test("where somebody says that it is down five are enough, until something succeeds", () => {
  const run = new FailureRun();
  run.expect();
  assertEquals(tooLongAfter(run, 0), 5);
  run.expect();
  run.succeeded();
  assert(tooLongAfter(run, 0) > 5);
});

Deno.test("one event alone never makes a run too long", () => {
  const run = known(0);
  for (let n = 0; n < 50; n++) run.failed(n * 10_000, "the same", false);
  assertEquals(run.isTooLong(500_000), false);
  run.failed(500_000, "another", false);
  assert(run.isTooLong(500_000));
});

Deno.test("a success ends it, and one long run alone doesn't make a destination a bad one", () => {
  const run = known(0);
  assertEquals(tooLongAfter(run, 1_000), 6);
  assert(run.isLong);
  for (let n = 0; n < 1_000; n++) run.failed(0, `event ${n}`, true);
  run.succeeded();
  assertEquals([run.length, run.isLong], [0, false]);
  for (let n = 0; n < 10; n++) run.succeeded();
  assert(tooLongAfter(run, 1_000) <= 9);
});
