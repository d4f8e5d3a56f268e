import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseName } from "../../../lib/queue/name.ts";
import { SLICE } from "../../../lib/queue/store/listing.ts";
import { acquireOwner } from "../../../lib/queue/store/owner.ts";
import { Parts } from "../../../lib/queue/store/parts.ts";
import { Poller } from "../../../lib/queue/store/poller.ts";
import { Postponed } from "../../../lib/queue/store/postponed.ts";
import { ReadyEvents } from "../../../lib/queue/store/ready.ts";
import { AbandonedClaims } from "../../../lib/queue/store/recovery.ts";
import { strayReport } from "../../../lib/queue/store/strays.ts";
import { DiskFailure } from "../../../lib/store/failure.ts";
import { A, type Ground, grounded } from "./ground.ts";

const SECOND_MS = 1_000;

/** A poller of a queue; what `defer/` holds is looked at first. */
async function pollerOf(ground: Ground, once = false): Promise<Poller> {
  const { clock, queue, limits, reporter } = ground;
  const onOther = strayReport(reporter);
  const parts = new Parts(queue.owner);
  const deferred = ground.deferred(once ? ground.nowMs : Infinity);
  await deferred.refresh();
  const abandoned = new AbandonedClaims(queue, limits.current.leaseMs, () => false, onOther, parts);
  abandoned.looksOnce = once;
  const later = new Postponed(queue, reporter, () => {});
  const ready = new ReadyEvents(queue.place, onOther, later, parts);
  const backoff = ground.backoff();
  return new Poller({ clock, ready, abandoned, deferred, parts, backoff }, limits, once);
}

/** The ids of what comes next. */
async function next(poller: Poller, most = 10, mayWait = true): Promise<string[]> {
  return (await poller.next(most, mayWait)).map(({ name }) => parseName(name).id);
}

/** For how long there is nothing, ms. */
function restMs(poller: Poller, { clock }: Ground): number {
  return poller.restUntilMs - clock.monotonic();
}

Deno.test("a pass that gives nothing is followed by a rest of a poll, in which nothing is listed", () =>
  grounded(async (ground) => {
    const poller = await pollerOf(ground);
    assert(restMs(poller, ground) <= 0);
    assertEquals([await next(poller), poller.hasFinished], [[], true]);
    assertEquals(restMs(poller, ground), SECOND_MS);
    assertEquals(await ground.asks(() => next(poller)), []);
    ground.put("new/event");
    await ground.pass(SECOND_MS);
    assertEquals(await next(poller), ["event"]);
  }));

Deno.test("a rest ends when the first that was not due is", () =>
  grounded(async (ground) => {
    ground.put(`new/event+1@${ground.nowMs + 300}`);
    const poller = await pollerOf(ground);
    assertEquals([await next(poller), restMs(poller, ground)], [[], 300]);
    await ground.pass(300);
    assertEquals(await next(poller), ["event"]);
  }));

Deno.test("whoever is told that something has come rests no longer", () =>
  grounded(async (ground) => {
    const poller = await pollerOf(ground);
    await next(poller);
    ground.put("new/event");
    poller.wake();
    assert(restMs(poller, ground) <= 1);
    assertEquals(await next(poller), ["event"]);
  }));

Deno.test("what comes while a pass is under way is not left to the next poll", () =>
  grounded(async (ground) => {
    ground.put("new/first");
    const poller = await pollerOf(ground);
    assertEquals(await next(poller), ["first"]);
    ground.put("new/second");
    poller.wake();
    assertEquals((await next(poller)).sort(), ["first", "second"], "although nothing was claimed");
  }));

Deno.test("nor what comes between two slices of a pass", () =>
  grounded(async (ground) => {
    for (let n = 0; n < SLICE + 1; n++) ground.put(`new/event-${n}`);
    const poller = await pollerOf(ground);
    assertEquals((await next(poller, SLICE)).length, SLICE);
    poller.wake();
    assertEquals((await next(poller, SLICE)).length, 1);
    assertEquals((await next(poller, SLICE)).length, SLICE, "another pass");
  }, { maxCalls: 1e6 }));

Deno.test("passes follow each other while they yield claims, and once more when others were faster", () =>
  grounded(async (ground) => {
    ground.put("new/event");
    const poller = await pollerOf(ground);
    for (let n = 0; n < 3; n++) {
      assertEquals(await next(poller), ["event"]);
      poller.decided(true);
    }
    for (let n = 0; n < 2; n++) {
      assertEquals(await next(poller), ["event"]);
      poller.decided(false);
    }
    assertEquals(await next(poller), []);
    assertEquals(restMs(poller, ground), SECOND_MS);
  }));

Deno.test("a slice is given in parts as large as asked for, and without a look while there is one", () =>
  grounded(async (ground) => {
    for (let n = 0; n < 5; n++) ground.put(`new/event-${n}`, "{}", 1_000 - n);
    const poller = await pollerOf(ground);
    assertEquals(await next(poller, 5, false), []);
    assertEquals(await next(poller, 2), ["event-0", "event-1"]);
    const asked = await ground.asks(async () => {
      assertEquals(await next(poller, 1, false), ["event-2"]);
      assertEquals(await next(poller, 9, true), ["event-3", "event-4"]);
      assertEquals(await next(poller, 9, false), []);
    });
    assertEquals(asked, []);
  }));

/** How often a folder is listed by a poller that is asked whenever it says so, in so many ms. */
async function listsOf(folder: string, ms: number, ground: Ground): Promise<number> {
  const poller = await pollerOf(ground);
  const untilMs = ground.clock.monotonic() + ms;
  const asked = await ground.asks(async () => {
    while (ground.clock.monotonic() < untilMs) {
      await next(poller);
      await ground.pass(Math.max(1, restMs(poller, ground)));
    }
  });
  return asked.filter((one) => one === `list ${folder}`).length;
}

Deno.test("a folder that takes long to list is looked at less often, but every few minutes at least", async () => {
  for (const [latencyMs, least, most] of [[0, 50, 60], [200, 20, 40], [10_000, 1, 3]] as const) {
    await grounded(async (ground) => {
      const lists = await listsOf("new", 60_000, ground);
      assert(lists >= least && lists <= most, `${lists} at ${latencyMs} ms`);
    }, { latencyMs: ({ verb }) => verb === "list" ? latencyMs : 0 });
  }
});

Deno.test("what is new is found although cur/ takes longer to list than a poll lasts", () =>
  grounded(async (ground) => {
    ground.put("new/event");
    const poller = await pollerOf(ground);
    assertEquals(await next(poller), ["event"]);
  }, { latencyMs: ({ path }) => path === "/q/cur" ? 2_000 : 0, maxTurns: 1_000 }));

Deno.test("claims nobody works on come before what is new, and are looked for each poll", () =>
  grounded(async (ground) => {
    const dead = await ground.another();
    const leave = async (name: string) => {
      ground.put(`new/${name}`);
      await dead.queue.claim("new", name, 30_000);
    };
    await acquireOwner(dead.queue);
    await leave("left");
    dead.process.kill();
    ground.put("new/event");
    const poller = await pollerOf(ground);
    assertEquals(await next(poller), ["left"]);
    assertEquals(await next(poller), ["event"]);
    const lists = async () =>
      (await ground.asks(() => next(poller))).filter((one) => one === "list cur");
    assertEquals((await lists()).length, 0);
    await ground.pass(SECOND_MS);
    assert((await lists()).length > 0);
  }));

Deno.test("what destinations share has every fourth turn beside what is new, one at a time", () =>
  grounded(async (ground) => {
    const shared: string[] = [];
    for (let n = 0; n < 3; n++) {
      shared.push(await ground.defer(ground.nowMs, "others"));
      await ground.pass(2);
    }
    for (let n = 0; n < 9; n++) ground.put(`new/event-${n}`, "{}", 1_000 - n);
    const poller = await pollerOf(ground);
    assertEquals(await next(poller, 9, false), [], "that needs a look");
    const found: string[] = [];
    for (let n = 0; n < 12; n++) found.push(...await next(poller, 1));
    assertEquals(found.filter((one) => shared.includes(one)).sort(), [...shared].sort());
    assertEquals(
      found.filter((_, n) => (n + 1) % 4 !== 0),
      Array.from({ length: 9 }, (_, n) => `event-${n}`),
    );
  }));

Deno.test("a rest ends when the first of what destinations share is due", () =>
  grounded(async (ground) => {
    ground.limits.current = { ...ground.limits.current, pollMs: 3_600_000 };
    await ground.defer(ground.nowMs + 125 * SECOND_MS, "others");
    const poller = await pollerOf(ground);
    await next(poller);
    const minuteMs = restMs(poller, ground); // its bucket's minute
    assert(minuteMs > 0 && minuteMs <= 125 * SECOND_MS);
    await ground.pass(minuteMs);
    assertEquals(await next(poller), []);
    await ground.pass(restMs(poller, ground));
    assertEquals((await next(poller)).length, 1);
  }));

Deno.test("a run that looks once makes one pass", () =>
  grounded(async (ground) => {
    ground.put("new/event");
    const poller = await pollerOf(ground, true);
    assertEquals([await next(poller), poller.hasFinished], [["event"], false]);
    poller.decided(true);
    assertEquals([await next(poller), poller.hasFinished], [[], true]);
    ground.put("new/more");
    await ground.pass(3_600_000);
    poller.wake();
    assertEquals([await next(poller), poller.restUntilMs], [[], Infinity]);
  }));

Deno.test("a folder that can't be listed is told and looked at a poll later; in the end it is a failure", () =>
  grounded(async (ground) => {
    ground.put("new/event");
    const poller = await pollerOf(ground);
    ground.refuse("list new");
    assertEquals([await next(poller), restMs(poller, ground)], [[], SECOND_MS]);
    assertEquals(ground.trace.map(({ type }) => type), ["disk-trouble"]);
    await assertRejects(async () => {
      for (let n = 0; n < 40; n++) {
        await ground.pass(SECOND_MS);
        assertEquals(await next(poller), []);
      }
    }, DiskFailure);
    ground.refuse(undefined);
    await ground.pass(SECOND_MS);
    assertEquals(await next(poller), ["event"]);
  }));

Deno.test("a backlog that can't be listed is told, and gives nothing", () =>
  grounded(async (ground) => {
    await ground.defer(ground.nowMs);
    const deferred = ground.deferred();
    const poller = await pollerOf(ground);
    await deferred.refresh();
    ground.refuse(`list defer/${A}/`);
    assertEquals(await poller.nextDue(deferred.get(A)!), undefined);
    assertEquals(ground.reasons, ["looked at again later"]);
  }));
