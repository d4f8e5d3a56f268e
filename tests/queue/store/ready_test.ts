import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseName, parseTag } from "../../../lib/queue/name.ts";
import { SLICE } from "../../../lib/queue/store/listing.ts";
import { Parts } from "../../../lib/queue/store/parts.ts";
import { Postponed } from "../../../lib/queue/store/postponed.ts";
import { ReadyEvents } from "../../../lib/queue/store/ready.ts";
import { strayReport } from "../../../lib/queue/store/strays.ts";
import { type Ground, grounded } from "./ground.ts";

function readyOf({ queue, reporter }: Ground): ReadyEvents {
  const later = new Postponed(queue, reporter, () => {});
  return new ReadyEvents(queue.place, strayReport(reporter), later, new Parts(queue.owner));
}

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** The names of the next slice. */
async function next(ready: ReadyEvents): Promise<string[]> {
  return (await ready.next()).map(({ folder, name }) => `${folder}/${name}`);
}

Deno.test("a pass gives what is due, the oldest first, and the next call begins another pass", () =>
  grounded(async (ground) => {
    ground.put("new/second", "{}", 2_000);
    ground.put("new/first", "{}", 3_000);
    ground.put("new/third", "{}", 1_000);
    const ready = readyOf(ground);
    assert(ready.passEnded);
    assertEquals(await next(ready), ["new/first", "new/second", "new/third"]);
    assert(ready.passEnded);
    ground.put("new/fourth", "{}", 0);
    assertEquals((await next(ready)).length, 4);
  }));

Deno.test("a long folder is gone through slice by slice, once", () =>
  grounded(async (ground) => {
    for (let n = 0; n < 2 * SLICE + 5; n++) ground.put(`new/event-${n}`);
    const ready = readyOf(ground);
    const names = new Set<string>();
    for (const size of [SLICE, SLICE, 5]) {
      const slice = await next(ready);
      assertEquals(slice.length, size);
      for (const name of slice) names.add(name);
    }
    assertEquals([names.size, ready.passEnded], [2 * SLICE + 5, true]);
  }, { maxCalls: 1e6 }));

Deno.test("what is not due yet is left out, and when the first of it is due is known", () =>
  grounded(async (ground) => {
    const { nowMs } = ground;
    ground.put(`new/later+1@${nowMs + 60_000}`);
    ground.put(`new/soon+1@${nowMs + 5_000}`);
    ground.put(`new/due+1@${nowMs}`);
    const ready = readyOf(ground);
    assertEquals(ready.nextDueMs, Infinity);
    assertEquals(await next(ready), [`new/due+1@${nowMs}`]);
    assertEquals(ready.nextDueMs, nowMs + 5_000);
    await ground.pass(60_000);
    assertEquals((await next(ready)).length, 3);
    assertEquals(ready.nextDueMs, Infinity);
  }));

Deno.test("what isn't an event is told once and left alone; dot files don't exist", () =>
  grounded(async (ground) => {
    for (const kind of ["directory", "symlink", "other"] as const) {
      ground.plant(`new/${kind}`, kind);
    }
    ground.put("new/.dot");
    ground.put("new/bad\uFFFDname");
    ground.refuse("lstat new/bad", "ENOENT");
    const ready = readyOf(ground);
    for (let n = 0; n < 3; n++) assertEquals(await next(ready), []);
    const told = ground.trace.map((event) => event.type === "skipped" && event.path);
    assertEquals(told.sort(), ["new/bad\uFFFDname", "new/directory", "new/other", "new/symlink"]);
  }));

Deno.test("a folder that isn't there is an empty one", () =>
  grounded(async (ground) => {
    await ground.process.runtime.disk.removeDir("/q/new");
    assertEquals(await next(readyOf(ground)), []);
  }));

Deno.test("a listing that breaks off ends the pass, and the next begins at the start", () =>
  grounded(async (ground) => {
    for (let n = 0; n < 200; n++) ground.put(`new/event-${n}`);
    const ready = readyOf(ground);
    let lists = 0;
    ground.world.onVerb = ({ verb }) =>
      verb === "list" && ++lists === 3 ? { code: "EIO" } : undefined;
    await assertRejects(() => ready.next(), Error, "EIO");
    assert(ready.passEnded);
    assertEquals((await next(ready)).length, 200);
  }));

Deno.test("what is due much later is moved to its destination's folder, with its time and its count", () =>
  grounded(async (ground) => {
    const { nowMs } = ground;
    const [soon, later] = [nowMs + 60_000, nowMs + 60_001];
    const event = '{"url":"http://a.test/","requestBody":1}';
    ground.put(`new/soon+0@${soon}.json`, event);
    ground.put(`new/later+0@${later}.json`, event);
    ground.put(`new/again+3@${later}~host-1-own-7x2`, event);
    ground.put("new/due", event);
    const ready = readyOf(ground);
    assertEquals(await next(ready), ["new/due"]);
    assertEquals(ground.files("new").map(nameOf), ["due", `soon+0@${soon}.json`]);
    const waiting = ground.files("defer/http_a.test_80").filter((path) => !path.endsWith("/"));
    const moved = waiting.map((path) => {
      const { id, attempt, timeMs, tag } = parseName(nameOf(path));
      return [id, attempt, timeMs, parseTag(tag!)?.takeovers];
    });
    assertEquals(moved.sort(), [["again", 3, later, 2], ["later", 0, later, 0]]);
  }));

Deno.test("what can't be read as an event, and what the disk won't move, stays until it is due", () =>
  grounded(async (ground) => {
    const dueMs = ground.nowMs + 3_600_000;
    const event = '{"url":"http://a.test/","requestBody":1}';
    ground.put(`new/broken+0@${dueMs}`, "{");
    ground.put(`new/large+0@${dueMs}`, event + " ".repeat(2 ** 16));
    ground.put(`new/stuck+0@${dueMs}`, event);
    ground.refuse("rename new/stuck", "EIO");
    const ready = readyOf(ground);
    assertEquals(await next(ready), []);
    assertEquals(ground.files("new").length, 3);
    assertEquals(ready.nextDueMs, dueMs);
    const told = ground.trace.map((event) => event.type === "disk-trouble" && event.verb);
    assertEquals(told, ["postpone"]);
  }));
