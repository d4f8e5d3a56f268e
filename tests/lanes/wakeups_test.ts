import { assertEquals } from "@std/assert";
import { type Waiting, Wakeups } from "../../lib/lanes/wakeups.ts";

/** Lanes by name, with the time at which each may send. */
class Bells {
  readonly readyMs = new Map<string, number>();
  readonly dueMs = new Map<string, number>();
  woken: string[] = [];
  /** How often all lanes were looked through. */
  looks = 0;
  readonly wakeups = new Wakeups<string>({
    readyMs: (entry, nowMs) => Math.max(nowMs, this.readyMs.get(entry) ?? 0),
    wake: (entry) => this.woken.push(entry),
  });

  *waiting(): Iterable<Waiting<string>> {
    this.looks++;
    for (const [entry, dueMs] of this.dueMs) yield { entry, dueMs };
  }
}

Deno.test("before a rest, lanes that may send are woken, and the rest lasts until the first other may", () => {
  const bells = new Bells();
  bells.dueMs.set("now", 900).set("later", 1_500).set("limited", 0).set("never", 0);
  bells.readyMs.set("limited", 1_200).set("never", Infinity).set("later", 1_600);
  assertEquals(bells.wakeups.beforeRestMs(1_000, bells.waiting()), 1_000);
  assertEquals(bells.woken, ["now"]);
  bells.dueMs.delete("now");
  bells.dueMs.set("now", Infinity);
  assertEquals(bells.wakeups.beforeRestMs(1_010, bells.waiting()), 1_200);
});

Deno.test("lanes are not looked through twice within 10 ms, unless one is due", () => {
  const bells = new Bells();
  bells.dueMs.set("a", 1_005);
  assertEquals(bells.wakeups.beforeRestMs(1_000, bells.waiting()), 1_005);
  assertEquals(bells.wakeups.beforeRestMs(1_004, bells.waiting()), 1_005);
  assertEquals([bells.looks, bells.woken], [1, []]);
  bells.wakeups.beforeRestMs(1_005, bells.waiting());
  assertEquals([bells.looks, bells.woken], [2, ["a"]]);
  bells.dueMs.set("a", Infinity);
  bells.wakeups.beforeRestMs(1_006, bells.waiting());
  assertEquals(
    bells.wakeups.beforeRestMs(1_007, bells.waiting()),
    1_016,
    "looked through again then",
  );
  assertEquals(bells.looks, 3);
});

Deno.test("after a rest they are looked through only if the first is due", () => {
  const bells = new Bells();
  bells.dueMs.set("a", 2_000);
  bells.wakeups.beforeRestMs(1_000, bells.waiting());
  bells.wakeups.wakeDue(1_999, bells.waiting());
  assertEquals(bells.looks, 1);
  bells.wakeups.wakeDue(2_000, bells.waiting());
  assertEquals([bells.looks, bells.woken], [2, ["a"]]);
});

Deno.test("all can be woken at any time, and the rest that follows needs no other look", () => {
  const bells = new Bells();
  bells.dueMs.set("a", 0);
  bells.wakeups.beforeRestMs(1_000, bells.waiting());
  bells.wakeups.wakeAll(1_001, bells.waiting());
  assertEquals([bells.looks, bells.woken], [2, ["a", "a"]]);
  assertEquals(bells.wakeups.beforeRestMs(1_001, bells.waiting()), 1_001);
  assertEquals(bells.looks, 2);
});
