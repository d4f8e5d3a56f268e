import { assert, assertEquals } from "@std/assert";
import { parseName } from "../../../lib/queue/name.ts";
import type { Queue } from "../../../lib/queue/queue.ts";
import { acquireOwner } from "../../../lib/queue/store/owner.ts";
import { Parts } from "../../../lib/queue/store/parts.ts";
import { AbandonedClaims } from "../../../lib/queue/store/recovery.ts";
import { strayReport } from "../../../lib/queue/store/strays.ts";
import type { SimProcess } from "../../sim/process.ts";
import { type Ground, grounded } from "./ground.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const LEASE_MS = 30 * SECOND_MS;

/** `cur/` as a consumer sees it that holds no claims but those named. */
function abandonedOf(ground: Ground, held = new Set<string>(), queue = ground.queue) {
  const onOther = strayReport(ground.reporter);
  return new AbandonedClaims(
    queue,
    LEASE_MS,
    (name) => held.has(name),
    onOther,
    new Parts(queue.owner),
  );
}

/** The ids of what may be taken over. */
async function next(abandoned: AbandonedClaims): Promise<string[]> {
  const found = await abandoned.next();
  assert(found.every(({ folder }) => folder === "cur"));
  return found.map(({ name }) => parseName(name).id).sort();
}

/** Another consumer at work, with its owner file, and claims by id. */
async function working(
  ground: Ground,
  ids: readonly string[],
  host?: string,
): Promise<{ readonly process: SimProcess; readonly queue: Queue }> {
  const other = await ground.another(host);
  await acquireOwner(other.queue);
  for (const id of ids) {
    ground.put(`new/${id}`);
    await other.queue.claim("new", id, LEASE_MS);
  }
  return other;
}

/** The owner files in `cur/`. */
function owners(ground: Ground): string[] {
  return ground.files("cur").filter((name) => name.startsWith("."));
}

/** Take everything over. */
async function takeOver(ground: Ground, abandoned: AbandonedClaims): Promise<number> {
  const found = await abandoned.next();
  for (const { name } of found) assert(await ground.queue.takeOver(name, LEASE_MS));
  return found.length;
}

Deno.test("claims of a dead consumer on this host may be taken over at once", () =>
  grounded(async (ground) => {
    const { process } = await working(ground, ["a", "b"]);
    const abandoned = abandonedOf(ground);
    assertEquals(await next(abandoned), []);
    process.kill();
    assertEquals(await next(abandoned), ["a", "b"]);
    assertEquals(await next(abandoned), ["a", "b"], "until somebody does");
  }));

Deno.test("a dead consumer's owner file goes when none of its claims is left, not before", () =>
  grounded(async (ground) => {
    const { process } = await working(ground, ["a"]);
    process.kill();
    const abandoned = abandonedOf(ground);
    await next(abandoned);
    assertEquals(owners(ground).length, 1);
    assertEquals(await takeOver(ground, abandoned), 1);
    assertEquals(await next(abandoned), []);
    assertEquals(owners(ground), []);
  }));

Deno.test("one who leaves passes a dead consumer's claims on, or removes what is done with", () =>
  grounded(async (ground) => {
    const { process } = await working(ground, ["a"]);
    process.kill();
    const first = abandonedOf(ground);
    await next(first);
    const second = await ground.another();
    const heir = abandonedOf(ground, new Set(), second.queue);
    assertEquals(await next(heir), [], "the lock is taken");
    await first.close();
    assertEquals(owners(ground).length, 1);
    assertEquals(await next(heir), ["a"]);
    const [left] = await heir.next();
    await second.queue.takeOver(left!.name, LEASE_MS);
    await heir.close();
    assertEquals(owners(ground), []);
  }));

Deno.test("a living consumer's claim is left alone until its lease has ended and it has been watched for one", () =>
  grounded(async (ground) => {
    await working(ground, ["a"]);
    await ground.pass(20 * SECOND_MS);
    const abandoned = abandonedOf(ground);
    const sinceMs = ground.nowMs;
    while ((await next(abandoned)).length === 0) await ground.pass(SECOND_MS);
    assertEquals(ground.nowMs - sinceMs, LEASE_MS, "seen as it is for a whole lease");
  }));

Deno.test("a claim that changes is watched anew", () =>
  grounded(async (ground) => {
    const { queue } = await working(ground, []);
    ground.put("new/a");
    let claim = (await queue.claim("new", "a", LEASE_MS))!;
    const abandoned = abandonedOf(ground);
    for (let n = 0; n < 10; n++) {
      assertEquals(await next(abandoned), []);
      await ground.pass(20 * SECOND_MS);
      claim = (await queue.renew(claim, LEASE_MS))!;
    }
    await ground.pass(LEASE_MS);
    assertEquals(await next(abandoned), [], "its last name is new here");
    await ground.pass(LEASE_MS);
    assertEquals(await next(abandoned), ["a"]);
  }));

Deno.test("a wall clock that jumps ends no lease", () =>
  grounded(async (ground) => {
    await working(ground, ["a"]);
    const abandoned = abandonedOf(ground);
    assertEquals(await next(abandoned), []);
    ground.world.host("edge").jump(24 * HOUR_MS);
    await ground.pass(LEASE_MS - SECOND_MS);
    assertEquals(await next(abandoned), []);
    await ground.pass(SECOND_MS);
    assertEquals(await next(abandoned), ["a"]);
  }));

Deno.test("of another host nobody knows who lives: a claim is left alone for a quarter of an hour more", () =>
  grounded(async (ground) => {
    const { process } = await working(ground, ["a"], "far");
    process.kill();
    const abandoned = abandonedOf(ground);
    const sinceMs = ground.nowMs;
    while ((await next(abandoned)).length === 0) await ground.pass(SECOND_MS);
    assertEquals(ground.nowMs - sinceMs, LEASE_MS + 15 * MINUTE_MS);
  }));

Deno.test("a lease that no clock can have set has ended", () =>
  grounded(async (ground) => {
    const far = await ground.another("far");
    ground.put("new/a");
    await far.queue.claim("new", "a", 2 * HOUR_MS);
    const abandoned = abandonedOf(ground);
    assertEquals(await next(abandoned), []);
    await ground.pass(LEASE_MS);
    assertEquals(await next(abandoned), ["a"]);
  }));

Deno.test("a file without a lease is abandoned when it is old, whoever left it", () =>
  grounded(async (ground) => {
    ground.put("cur/old", "{}", 76 * MINUTE_MS);
    ground.put("cur/future", "{}", -76 * MINUTE_MS);
    ground.put("cur/young", "{}", 74 * MINUTE_MS);
    const abandoned = abandonedOf(ground);
    assertEquals(await next(abandoned), ["future", "old"]);
    await ground.pass(2 * MINUTE_MS);
    assertEquals((await next(abandoned)).includes("young"), true);
  }));

Deno.test("a claim without a tag has nobody to be asked: its lease decides", () =>
  grounded(async (ground) => {
    ground.put(`cur/a+1@${ground.nowMs + LEASE_MS}`);
    const abandoned = abandonedOf(ground);
    await ground.pass(LEASE_MS + 15 * MINUTE_MS - SECOND_MS);
    assertEquals(await next(abandoned), []);
    await ground.pass(SECOND_MS);
    assertEquals(await next(abandoned), ["a"]);
  }));

Deno.test("this consumer's own claims in flight are nobody's to take over, whatever their lease", () =>
  grounded(async (ground) => {
    ground.put("new/a");
    const held = new Set([(await ground.queue.claim("new", "a", LEASE_MS))!.name]);
    const abandoned = abandonedOf(ground, held);
    await ground.pass(10 * HOUR_MS);
    assertEquals(await next(abandoned), []);
    held.clear();
    assertEquals(await next(abandoned), ["a"]);
  }));

Deno.test("who looks only once can't watch: the lease decides, unless the owner is seen to live", () =>
  grounded(async (ground) => {
    await working(ground, ["living"]);
    const gone = await ground.another();
    ground.put("new/gone");
    await gone.queue.claim("new", "gone", LEASE_MS);
    const once = () => {
      const abandoned = abandonedOf(ground);
      abandoned.looksOnce = true;
      return next(abandoned);
    };
    assertEquals(await once(), []);
    await ground.pass(LEASE_MS);
    assertEquals(await once(), ["gone"]);
  }));

Deno.test("whoever lives, and whoever may live on another host, is a peer", () =>
  grounded(async (ground) => {
    const abandoned = abandonedOf(ground);
    const hasPeers = async () => {
      await next(abandoned);
      return abandoned.hasPeers;
    };
    assertEquals(await hasPeers(), false);
    const near = await working(ground, ["a"]);
    assertEquals(await hasPeers(), true);
    near.process.kill();
    assertEquals(await hasPeers(), false, "its claim is as good as taken over");
    await takeOver(ground, abandoned);
    const far = await working(ground, [], "far");
    assertEquals(await hasPeers(), true, "its owner file");
    await ground.world.process({ host: "far" }).runtime.disk.remove(`/q/cur/.${far.queue.owner}`);
    assertEquals(await hasPeers(), false);
    ground.put("new/b");
    await far.queue.claim("new", "b", LEASE_MS);
    assertEquals(await hasPeers(), true, "its claim");
  }));

Deno.test("without locks the lease decides, and an owner is a stranger", () =>
  grounded(async (ground) => {
    const { process } = await working(ground, ["a"]);
    ground.refuse("tryLock", "ENOSYS");
    process.kill();
    const abandoned = abandonedOf(ground);
    assertEquals([await next(abandoned), abandoned.hasPeers], [[], true]);
    await ground.pass(LEASE_MS);
    assertEquals(await next(abandoned), ["a"]);
  }));

Deno.test("what isn't a claim in cur/ is told and left alone", () =>
  grounded(async (ground) => {
    ground.plant("cur/folder", "directory");
    ground.plant("cur/link", "symlink");
    ground.put("cur/.keep");
    assertEquals(await next(abandonedOf(ground)), []);
    const told = ground.trace.map((event) => event.type === "skipped" && event.path);
    assertEquals(told.sort(), ["cur/folder", "cur/link"]);
  }));
