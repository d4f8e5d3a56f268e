import { assert, assertEquals, assertRejects } from "@std/assert";
import { MOST_DESTINATION_FOLDERS } from "../../../lib/queue/constants.ts";
import { parseName } from "../../../lib/queue/name.ts";
import type { DeferredEvents, DeferredFolder } from "../../../lib/queue/store/deferred.ts";
import { A, type Ground, grounded } from "./ground.ts";

const B = "http_b.test_80";
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A destination's folder, which must be known. */
function folderOf(deferred: DeferredEvents, destination = A): DeferredFolder {
  const folder = deferred.get(destination);
  assert(folder !== undefined, `${destination} is not known`);
  return folder;
}

/** The id of the next due event of a destination. */
async function next(deferred: DeferredEvents, destination = A): Promise<string | undefined> {
  const folder = deferred.get(destination);
  const candidate = folder && await deferred.next(folder);
  return candidate && parseName(candidate.name).id;
}

/** What is known after a look. */
async function looked(ground: Ground): Promise<DeferredEvents> {
  const deferred = ground.deferred();
  await deferred.refresh();
  return deferred;
}

Deno.test("no bucket is listed before its minute, and none but the first that is due", () =>
  grounded(async (ground) => {
    const ids: string[] = [];
    for (const minutes of [5, 10, 15]) {
      ids.push(await ground.defer(ground.nowMs + minutes * MINUTE_MS));
    }
    const deferred = await looked(ground);
    const lists = async (act: () => Promise<unknown>) =>
      (await ground.asks(act)).filter((asked) => asked.startsWith(`list defer/${A}/`)).length;
    assertEquals(await lists(() => next(deferred)), 0);
    await ground.pass(11 * MINUTE_MS);
    const found: (string | undefined)[] = [];
    const listed = await lists(async () => void found.push(await next(deferred)));
    assertEquals([found, listed], [[ids[0]], 1]);
    assertEquals(await next(deferred), ids[1]);
    assertEquals(await next(deferred), undefined);
  }));

Deno.test("a folder in which nothing changes is not listed again, for a minute", () =>
  grounded(async (ground) => {
    await ground.defer(ground.nowMs + HOUR_MS);
    await ground.pass(10 * SECOND_MS);
    const deferred = await looked(ground);
    const listed = async () =>
      (await ground.asks(() => deferred.refresh())).filter((asked) => asked.startsWith("list "));
    assertEquals(await listed(), []);
    await ground.defer(ground.nowMs + 2 * HOUR_MS);
    assertEquals(await listed(), [`list defer/${A}`]);
    await ground.pass(MINUTE_MS);
    assertEquals(await listed(), ["list defer", `list defer/${A}`], "an mtime isn't all");
  }));

Deno.test("a folder that has just changed is listed until its mtime can't hide a change", () =>
  grounded(async (ground) => {
    await ground.defer(ground.nowMs + HOUR_MS);
    const deferred = await looked(ground);
    const isListed = async () =>
      (await ground.asks(() => deferred.refresh())).includes(`list defer/${A}`);
    assertEquals(await isListed(), true);
    await ground.pass(3 * SECOND_MS);
    assertEquals([await isListed(), await isListed()], [true, false]);
  }));

Deno.test("what this consumer itself has put off is known without a look", () =>
  grounded(async (ground) => {
    const deferred = ground.deferred();
    const dueMs = ground.nowMs + MINUTE_MS;
    deferred.added(`defer/${A}/bucket`, dueMs);
    deferred.added(`defer/${A}/bucket`, dueMs + MINUTE_MS);
    assertEquals([...deferred].map(({ destination }) => destination), [A]);
    assertEquals(deferred.nextDueMs(folderOf(deferred)), dueMs);
    assertEquals(await ground.asks(() => Promise.resolve()), []);
  }));

Deno.test("what somebody added to a bucket that was listed is seen when its folder is looked at again", () =>
  grounded(async (ground) => {
    const toMinuteMs = MINUTE_MS - ground.nowMs % MINUTE_MS;
    await ground.pass(toMinuteMs);
    const bucketMs = ground.nowMs;
    await ground.defer(bucketMs + 50 * SECOND_MS);
    await ground.pass(10 * SECOND_MS);
    const deferred = await looked(ground);
    assertEquals(await next(deferred), undefined);
    assertEquals(folderOf(deferred).nextDueMs, bucketMs + 50 * SECOND_MS);
    const early = await ground.defer(bucketMs + 20 * SECOND_MS);
    assertEquals(ground.files(`defer/${A}`).length, 3, "one bucket");
    await ground.defer(bucketMs + 5 * MINUTE_MS);
    await ground.pass(10 * SECOND_MS);
    await deferred.refresh();
    assertEquals(await next(deferred), early);
  }));

Deno.test("buckets that are worked off go, and their folder with the last", () =>
  grounded(async (ground) => {
    await ground.defer(ground.nowMs);
    await ground.defer(ground.nowMs + MINUTE_MS);
    await ground.pass(2 * MINUTE_MS);
    const deferred = await looked(ground);
    for (let n = 0; n < 2; n++) {
      const { folder, name } = (await deferred.next(folderOf(deferred)))!;
      await ground.queue.claim(folder, name, 30_000);
    }
    assertEquals(ground.files("defer").length, 2, "the folder and the last bucket");
    assertEquals(await next(deferred), undefined);
    assertEquals(ground.files("defer"), []);
    await deferred.refresh();
    assertEquals(deferred.get(A), undefined);
  }));

Deno.test("a bucket in which something stays is looked at again a poll later", () =>
  grounded(async (ground) => {
    const id = await ground.defer(ground.nowMs);
    const deferred = await looked(ground);
    assertEquals(await next(deferred), id);
    assertEquals(await next(deferred), undefined, "it resists its claim");
    await ground.pass(ground.limits.current.pollMs);
    assertEquals(await next(deferred), id);
  }));

Deno.test("a folder that can't be looked at is held, the others are looked at, until it can be", () =>
  grounded(async (ground) => {
    await ground.defer(ground.nowMs, A);
    const deferred = await looked(ground);
    await ground.defer(ground.nowMs, B);
    ground.refuse(`lstat defer/${A}`);
    await deferred.refresh();
    assertEquals([folderOf(deferred).isHeld, folderOf(deferred, B).isHeld], [true, false]);
    assert(await next(deferred, B));
    assertEquals(ground.reasons, [`defer/${A} can't be looked at, so it is held`]);
    ground.put(`defer/${B}/.hold`);
    await deferred.refresh();
    assert(folderOf(deferred, B).isHeld, "the others' marks count meanwhile");
    ground.refuse(undefined);
    await deferred.refresh();
    assertEquals([folderOf(deferred).isHeld, folderOf(deferred).isMarkedHeld], [false, false]);
  }));

Deno.test("a hold stays a hold while its folder is out of sight, and after it", () =>
  grounded(async (ground) => {
    await ground.defer(ground.nowMs);
    ground.put(`defer/${A}/.hold`);
    const deferred = await looked(ground);
    ground.refuse(`list defer/${A}`, "EACCES");
    await ground.pass(2 * MINUTE_MS);
    const folder = await deferred.look(A);
    assertEquals([folder?.isHeld, folder?.isOutOfSight], [true, true]);
    ground.refuse(undefined);
    assertEquals((await deferred.look(A))?.isMarkedHeld, true);
  }));

Deno.test("a destination that is looked at for the first time and can't be is held too", () =>
  grounded(async (ground) => {
    ground.refuse(`lstat defer/${A}`);
    assertEquals((await ground.deferred().look(A))?.isHeld, true);
    ground.refuse(undefined);
    assertEquals(await ground.deferred().look(A), undefined, "it has no folder");
  }));

Deno.test("where defer/ itself can't be listed the disk's error is thrown", () =>
  grounded(async (ground) => {
    const deferred = ground.deferred();
    ground.refuse("list defer");
    await assertRejects(() => deferred.refresh(), Error, "EIO");
    ground.refuse(undefined);
    await ground.defer(ground.nowMs);
    await deferred.refresh();
    assert(await next(deferred));
  }));

Deno.test("a backlog that can't be listed rests for a poll, and is not due meanwhile", () =>
  grounded(async (ground) => {
    const id = await ground.defer(ground.nowMs);
    const deferred = await looked(ground);
    ground.refuse(`list defer/${A}/`);
    await assertRejects(() => next(deferred), Error, "EIO");
    assertEquals(deferred.hasDue(folderOf(deferred)), false);
    assertEquals(folderOf(deferred).nextDueMs, ground.nowMs + SECOND_MS);
    assertEquals(await ground.asks(() => next(deferred)), []);
    ground.refuse(undefined);
    await ground.pass(SECOND_MS);
    assertEquals(await next(deferred), id);
  }));

Deno.test("marks are read, those that are over are removed", () =>
  grounded(async (ground) => {
    const untilMs = ground.nowMs + MINUTE_MS;
    await ground.defer(ground.nowMs + HOUR_MS);
    for (const ms of [untilMs, untilMs - SECOND_MS, ground.nowMs - 1, ground.nowMs + 9 * HOUR_MS]) {
      ground.put(`defer/${A}/.after@${ms}`);
    }
    ground.put(`defer/${A}/.open~far-1-abc`);
    ground.put(`defer/${A}/.struggling~far-1-abc`);
    const awayMs = ground.nowMs - MINUTE_MS;
    for (const ms of [awayMs, awayMs + 1, awayMs - 8 * 24 * HOUR_MS]) {
      ground.put(`defer/${A}/.away@${ms}`);
    }
    const folder = folderOf(await looked(ground));
    assertEquals([folder.afterMs, folder.isMarkedOpen, folder.isHeld], [untilMs, true, false]);
    assertEquals([folder.isMarkedStruggling, folder.awaySinceMs], [true, awayMs]);
    assertEquals(ground.files(`defer/${A}`).filter((name) => name.startsWith(".away")), [
      `.away@${awayMs}`,
      `.away@${awayMs + 1}`,
    ]);
    assertEquals(ground.files(`defer/${A}`).filter((name) => name.startsWith(".after")), [
      `.after@${untilMs - SECOND_MS}`,
      `.after@${untilMs}`,
    ]);
  }));

Deno.test("that a destination is down is of no use when nothing waits for it: its folder goes", () =>
  grounded(async (ground) => {
    ground.put(`defer/${A}/.open~far-1-abc`);
    ground.put(`defer/${A}/.struggling~far-1-abc`);
    ground.put(`defer/${A}/.away@${ground.nowMs}`);
    ground.put(`defer/${B}/.hold`);
    await looked(ground);
    assertEquals(ground.files("defer"), [`${B}/`, `${B}/.hold`]);
  }));

Deno.test("files that somebody put into a destination's folder itself are its events", () =>
  grounded(async (ground) => {
    ground.put(`defer/${A}/loose`);
    ground.put(`defer/${A}/later+1@${ground.nowMs + MINUTE_MS}`);
    const deferred = await looked(ground);
    assertEquals(await next(deferred), "loose");
    assertEquals(await next(deferred), undefined);
    await ground.pass(2 * MINUTE_MS);
    await deferred.refresh();
    const found = new Set([await next(deferred), await next(deferred)]);
    assertEquals(found, new Set(["loose", "later"]));
  }));

Deno.test("how long events have waited is told by their bucket; put there by hand, it may be for ever", () =>
  grounded(async (ground) => {
    const { nowMs } = ground;
    await ground.defer(nowMs + 10 * MINUTE_MS);
    await ground.defer(nowMs + 5 * MINUTE_MS);
    const deferred = await looked(ground);
    const { oldestMs } = folderOf(deferred);
    assert(oldestMs <= nowMs + 5 * MINUTE_MS && oldestMs > nowMs + 4 * MINUTE_MS);
    for (const path of ["loose", "0001/event"]) {
      ground.put(`defer/${B}/${path}`);
      await deferred.refresh();
      assertEquals(folderOf(deferred, B).oldestMs, 0, path);
      await ground.process.runtime.disk.remove(`/q/defer/${B}/${path}`);
    }
  }));

Deno.test("others' buckets are looked into at once, whatever their name; what is no bucket is told", () =>
  grounded(async (ground) => {
    ground.put(`defer/${A}/0001/event`);
    ground.put(`defer/${A}/Not a bucket/other`);
    const deferred = await looked(ground);
    assertEquals([await next(deferred), await next(deferred)], ["event", undefined]);
    const told = ground.trace.map((event) => event.type === "skipped" && event.path);
    assertEquals(told, [`defer/${A}/Not a bucket`]);
  }));

Deno.test("what is in others/, or in defer/ itself, is nobody's in particular", () =>
  grounded(async (ground) => {
    const id = await ground.defer(ground.nowMs, "others");
    ground.put("defer/loose");
    const deferred = await looked(ground);
    assertEquals([[...deferred], deferred.get("others"), deferred.get("")], [
      [],
      undefined,
      undefined,
    ]);
    assert(deferred.hasShared);
    const found: string[] = [];
    for (const folder of deferred.shared) {
      assert(deferred.hasDue(folder));
      found.push(parseName((await deferred.next(folder))!.name).id);
    }
    assertEquals(found, [id, "loose"]);
  }));

Deno.test("beyond the most folders destinations share one, and have no marks there", () =>
  grounded(async (ground) => {
    for (let n = 0; n < MOST_DESTINATION_FOLDERS; n++) {
      ground.plant(`defer/http_${n}_80`, "directory");
    }
    const deferred = ground.deferred();
    await deferred.word.after(A, ground.nowMs + MINUTE_MS);
    await deferred.word.open(A, "down");
    await deferred.word.takeBackOpen(A);
    await deferred.word.struggling(A, 0.5, "it said 502");
    await deferred.word.takeBackStruggling(A);
    await deferred.word.away(A, ground.nowMs);
    await deferred.word.takeBackAway(A);
    assertEquals(ground.files("defer").length, MOST_DESTINATION_FOLDERS);
    assertEquals(deferred.get(A), undefined);
    await ground.defer(ground.nowMs);
    assertEquals(ground.files("defer/others").length, 2);
  }, { maxCalls: 1e6 }));

Deno.test("a wait that no clock can have set is over", () =>
  grounded(async (ground) => {
    const id = await ground.defer(ground.nowMs + 9 * 24 * HOUR_MS);
    const deferred = await looked(ground);
    assert(deferred.hasDue(folderOf(deferred)));
    assertEquals(await next(deferred), id);
  }));

Deno.test("for a run that looks once only what was due at its start is due", () =>
  grounded(async (ground) => {
    const startMs = ground.nowMs;
    const early = await ground.defer(startMs);
    await ground.defer(startMs + MINUTE_MS);
    const deferred = ground.deferred(startMs);
    await ground.pass(HOUR_MS);
    await deferred.refresh();
    assertEquals([await next(deferred), await next(deferred)], [early, undefined]);
    assertEquals(deferred.hasDue(folderOf(deferred)), false);
  }));

Deno.test("this consumer's word goes with it, and the folder if that was all", () =>
  grounded(async (ground) => {
    const other = await ground.another();
    await ground.defer(ground.nowMs + HOUR_MS, B);
    const deferred = ground.deferred();
    await deferred.word.open(A, "down");
    await deferred.word.struggling(B, 0.5, "it said 502");
    ground.put(`defer/${B}/.open~${other.queue.owner}`);
    await deferred.withdrawMarks();
    const marks = ground.files("defer").filter((name) => name.includes("/."));
    assertEquals(marks, [`${B}/.open~${other.queue.owner}`]);
    assertEquals(ground.files(`defer`).includes(`${A}/`), false);
  }));

Deno.test("a folder that somebody removed is forgotten", () =>
  grounded(async (ground) => {
    ground.put(`defer/${A}/.hold`);
    const deferred = await looked(ground);
    const { disk } = ground.process.runtime;
    await disk.remove(`/q/defer/${A}/.hold`);
    await disk.removeDir(`/q/defer/${A}`);
    await deferred.refresh();
    assertEquals([[...deferred], deferred.get(A)], [[], undefined]);
  }));
