import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { basename, dirname } from "@std/path";
import { EventExistsError, NotAQueueError, openQueue, Queue, requeue, status } from "../../mod.ts";
import { hostOf } from "../../lib/queue/host.ts";
import { hasSameClock, isSameKernel, parseName, parseTag } from "../../lib/queue/name.ts";
import type { Claimed } from "../../lib/queue/queue.ts";
import { acquireOwner, lockDeadOwner, releaseOwner } from "../../lib/queue/store/owner.ts";
import { run } from "../../lib/queue/steps.ts";
import { sweep } from "../../lib/queue/sweep.ts";
import { asyncDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { isEmpty } from "../../lib/queue/status.ts";
import { namesIn, type TempDir, tempDir } from "../support/temp_dir.ts";

const EVENT = { url: "http://127.0.0.1:65000/", requestBody: { n: 1 } };
const BYTES = new TextEncoder().encode('{"url":"http://127.0.0.1:65000/","requestBody":{"n":1}}\n');
const LEASE_MS = 60_000;
const FOLDERS = ["tmp", "new", "cur", "defer", "doa", "res"];

function makeQueue(dir: TempDir): Promise<Queue> {
  return openQueue(`${dir.path}/q`, { create: true });
}

/** Where every file of a queue is, as `folder/name`. */
function files(queue: Queue): string[] {
  const walk = (folder: string): string[] =>
    [...Deno.readDirSync(`${queue.place.base}/${folder}`)].flatMap(({ name, isDirectory }) =>
      isDirectory ? walk(`${folder}/${name}`) : [`${folder}/${name}`]
    );
  return FOLDERS.flatMap(walk).sort();
}

function contents(queue: Queue, path: string): string {
  return Deno.readTextFileSync(`${queue.place.base}/${path}`);
}

/** A path as `claim()` takes it. */
function whereOf(path: string): [folder: string, name: string] {
  return [dirname(path), basename(path)];
}

async function claimOnly(queue: Queue) {
  const [name] = namesIn(`${queue.place.base}/new`);
  const claim = await queue.claim("new", name!, LEASE_MS);
  assert(claim);
  return claim;
}

Deno.test("open() makes the folders, private to their owner, and finds them again", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(`${dir.path}/a/b/`, { create: true });
  assertEquals(queue.place.base, `${dir.path}/a/b`);
  assertEquals(namesIn(queue.place.base), [...FOLDERS].sort());
  for (const folder of FOLDERS) {
    assertEquals(Deno.statSync(`${queue.place.base}/${folder}`).mode! & 0o7777, 0o700);
  }
  await openQueue(queue.place.base);
});

Deno.test("open() with group shares folders and files with the group, and later commands keep that", async () => {
  await using dir = await tempDir();
  const old = Deno.umask(0o077);
  try {
    await (await openQueue(dir.path, { create: true, group: true })).enqueue(EVENT);
    assertEquals(Deno.statSync(`${dir.path}/new`).mode! & 0o7777, 0o2770);
    const queue = await openQueue(dir.path);
    await queue.enqueue(EVENT);
    for (const file of files(queue)) {
      assertEquals(Deno.statSync(`${dir.path}/${file}`).mode! & 0o7777, 0o660);
    }
  } finally {
    Deno.umask(old);
  }
});

Deno.test("open() refuses what is not a queue, and says what it found", async () => {
  await using dir = await tempDir();
  await assertRejects(() => openQueue(`${dir.path}/missing`), NotAQueueError, "it is missing");
  await assertRejects(() => openQueue(dir.path), NotAQueueError, "it is empty");
  Deno.writeTextFileSync(`${dir.path}/notes.txt`, "");
  await assertRejects(() => openQueue(dir.path, { create: true }), NotAQueueError, '"notes.txt"');
  await assertRejects(() => openQueue(`${dir.path}/notes.txt`), NotAQueueError, "it is a file");
  assertEquals(namesIn(dir.path), ["notes.txt"]);
});

Deno.test("open() takes a directory with only some of the folders, dot names and lost+found, and completes it", async () => {
  await using dir = await tempDir();
  for (const name of ["new", "tmp", ".snapshot", "lost+found"]) {
    Deno.mkdirSync(`${dir.path}/${name}`);
  }
  await openQueue(dir.path, { create: true });
  for (const folder of FOLDERS) assert(namesIn(dir.path).includes(folder));
});

Deno.test("open() takes the original's five folders beside anything else", async () => {
  await using dir = await tempDir();
  for (const name of ["tmp", "new", "cur", "doa", "res", "backup"]) {
    Deno.mkdirSync(`${dir.path}/${name}`);
  }
  await openQueue(dir.path);
});

Deno.test("enqueue() puts one private file into new/ and leaves nothing in tmp/", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const id = await queue.enqueue(EVENT);
  assertEquals(files(queue), [`new/${id}.json`]);
  assertEquals(contents(queue, `new/${id}.json`), new TextDecoder().decode(BYTES));
  assertEquals(Deno.statSync(`${queue.place.base}/new/${id}.json`).mode! & 0o777, 0o600);
});

Deno.test("enqueueSync() does the same before it returns, and needs a blocking disk", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const id = queue.enqueueSync(BYTES);
  assertEquals(files(queue), [`new/${id}.json`]);
  const other = await Queue.open(queue.place.base, denoRuntime(asyncDisk));
  assertThrows(() => other.enqueueSync(BYTES), TypeError, "blocking");
});

Deno.test("enqueueMany() answers with the ids in the order given", async () => {
  await using dir = await tempDir();
  const queue = await Queue.open(`${dir.path}/q`, denoRuntime(asyncDisk), { create: true });
  const ids = await queue.enqueueMany([EVENT, BYTES, { ...EVENT, requestBody: 3 }]);
  assertEquals(ids.length, 3);
  assertMatch(contents(queue, `new/${ids[2]}.json`), /"requestBody":3/);
  assertEquals(files(queue), ids.map((id) => `new/${id}.json`).sort());
});

Deno.test("enqueue() with an id that is in new/ already reports it and touches nothing", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  assertEquals(await queue.enqueue(EVENT, { id: "order-17" }), "order-17");
  await assertRejects(
    () => queue.enqueue({ ...EVENT, requestBody: 2 }, { id: "order-17" }),
    EventExistsError,
    "order-17",
  );
  assertEquals(files(queue), ["new/order-17.json"]);
  assertMatch(contents(queue, "new/order-17.json"), /"n":1/);
});

Deno.test("enqueue() takes the same id again once the first is claimed, and both are events", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  await queue.enqueue(EVENT, { id: "a" });
  await claimOnly(queue);
  await queue.enqueue(EVENT, { id: "a" });
  await claimOnly(queue);
  assertEquals(files(queue).map((path) => parseName(path.slice(4)).id), ["a", "a"]);
});

Deno.test("enqueue() refuses an id that can't be one", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  for (const id of ["", ".a", "a b", "../a", "a.why", "x".repeat(121)]) {
    await assertRejects(() => queue.enqueue(EVENT, { id }), RangeError, "id must be");
  }
  assertEquals(files(queue), []);
});

Deno.test("enqueue() brings folders back that somebody removed", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  for (const folder of ["tmp", "new"]) Deno.removeSync(`${queue.place.base}/${folder}`);
  const id = await queue.enqueue(EVENT);
  assertEquals(files(queue), [`new/${id}.json`]);
});

Deno.test("claim() counts the attempt, sets the lease and moves the bytes as they are", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const id = await queue.enqueue(BYTES);
  const before = Date.now();
  const claim = await claimOnly(queue);
  assertEquals([claim.id, claim.attempt, claim.takeovers], [id, 1, 0]);
  assert(claim.leaseEndMs >= before + LEASE_MS && claim.leaseEndMs <= Date.now() + LEASE_MS);
  assertEquals(files(queue), [`cur/${claim.name}`]);
  assertEquals(contents(queue, `cur/${claim.name}`), new TextDecoder().decode(BYTES));
});

Deno.test("claim() answers nothing when another consumer was faster", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  await one.enqueue(EVENT);
  const [name] = namesIn(`${one.place.base}/new`);
  assert(await one.claim("new", name!, LEASE_MS));
  assertEquals(await other.claim("new", name!, LEASE_MS), undefined);
  assertEquals(files(one).length, 1);
});

Deno.test("claim() makes cur/ again when somebody removed it", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  await queue.enqueue(EVENT);
  Deno.removeSync(`${queue.place.base}/cur`);
  await claimOnly(queue);
});

Deno.test("claim() goes on from the state in the name", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  Deno.writeFileSync(`${queue.place.base}/new/a+6@5~x-1-y-2.json`, BYTES);
  assertEquals((await claimOnly(queue)).attempt, 7);
});

Deno.test("claim() replaces an id that can't be one, and says which", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  for (
    const name of [
      'it\'s "odd"',
      "é".repeat(120),
      "a.why",
      "b.meta",
      "a+1@2~t+x.json",
      "x".repeat(255),
    ]
  ) {
    Deno.writeFileSync(`${queue.place.base}/new/${name}`, BYTES);
    const claim = await claimOnly(queue);
    assertEquals(claim.replacedName, name);
    assertMatch(claim.id, /^x-[0-9a-f]{32}$/);
    assert(await queue.complete(claim));
  }
});

Deno.test("complete() removes exactly the claimed file; a lost lease is false, not an error", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  await one.enqueue(EVENT);
  const claim = await claimOnly(one);
  const taken = await other.takeOver(claim.name, LEASE_MS);
  assert(taken);
  assertEquals(await one.complete(claim), false);
  assertEquals(files(one), [`cur/${taken.name}`]);
  assertEquals(await other.complete(taken), true);
  assertEquals(files(one), []);
});

Deno.test("renew() gives a claim a later lease; the old name no longer settles anything", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  await queue.enqueue(EVENT);
  const claim = await claimOnly(queue);
  const renewed = await queue.renew(claim, 2 * LEASE_MS);
  assert(renewed && renewed.leaseEndMs > claim.leaseEndMs && renewed.attempt === 1);
  assertEquals(await queue.renew(claim, LEASE_MS), undefined);
  assertEquals(await queue.release(claim, 0, false), false);
  assertEquals(files(queue), [`cur/${renewed.name}`]);
});

Deno.test("defer() parks an event in its destination's folder with its due time", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const id = await queue.enqueue(EVENT);
  const claim = await claimOnly(queue);
  const { settled, folder } = await queue.defer(claim, "http_127.0.0.1_65000", 1234);
  const [path] = files(queue);
  assertEquals(settled, "done");
  assertMatch(path!, /^defer\/http_127\.0\.0\.1_65000\/000000000-[0-9a-z]{8}-0\//);
  assert(path!.endsWith(`/${id}+1@1234~${claim.tag}.json`));
  const again = await queue.claim(folder!, path!.split("/")[3]!, LEASE_MS);
  assertEquals(again?.attempt, 2);
});

Deno.test("defer() and bury() of a lost lease touch nothing and leave no reason behind", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  await one.enqueue(EVENT);
  const claim = await claimOnly(one);
  const taken = await other.takeOver(claim.name, LEASE_MS);
  assertEquals((await one.defer(claim, "d", 1, true)).settled, "lost");
  assertEquals((await one.bury(claim, { outcome: "refused", reason: "no" }, 1)).settled, "lost");
  assertEquals(files(one), [`cur/${taken!.name}`]);
});

Deno.test("defer() shares one folder between destinations beyond the thousandth", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  for (let n = 0; n < 1_000; n++) Deno.mkdirSync(`${queue.place.base}/defer/http_h${n}_80`);
  await queue.enqueueMany([EVENT, EVENT]);
  await queue.defer(await claimOnly(queue), "http_new_80", 1, true);
  await queue.defer(await claimOnly(queue), "http_h7_80", 1, true);
  assertEquals(files(queue).map((path) => path.split("/")[1]), ["http_h7_80", "others"]);
});

Deno.test("bury() leaves the event and beside it why", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const id = await queue.enqueue(EVENT);
  const claim = await claimOnly(queue);
  const reason = {
    outcome: "refused",
    reason: "no",
    destination: "d",
    status: 400,
    answer: "bad",
  } as const;
  assertEquals((await queue.bury(claim, reason, 1)).settled, "done");
  const [letter, why] = files(queue);
  assertEquals(why, `${letter}.why`);
  assertMatch(letter!, new RegExp(`^doa/${id}\\+1@\\d+~${claim.tag}\\.json$`));
  const { at, ...rest } = JSON.parse(contents(queue, why!));
  assertEquals(rest, { id, attempt: 1, ...reason });
  assertEquals(Date.parse(at), parseName(letter!.slice(4)).timeMs);
});

Deno.test("release() gives back an attempt that was not sent, and keeps one that was", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  await queue.enqueue(EVENT);
  assert(await queue.release(await claimOnly(queue), 77, false));
  assertMatch(files(queue)[0]!, /^new\/.*\+0@77~.*\.json$/);
  assert(await queue.release(await claimOnly(queue), 77, true));
  assertMatch(files(queue)[0]!, /^new\/.*\+1@77~.*\.json$/);
});

Deno.test("takeOver() keeps the attempt and names the old owner; a first one makes the event suspected", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  await one.enqueue(EVENT);
  const claim = await claimOnly(one);
  const taken = await other.takeOver(claim.name, LEASE_MS);
  assertEquals([taken?.attempt, taken?.takeovers, taken?.isBegun], [1, 1, false]);
  assertEquals(taken?.previousOwner, one.owner);
  assertMatch(taken!.name, /-1x1\.json$/);
});

Deno.test("takeOver() counts what was in flight, and not what only waited in the memory of the dead", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  await one.enqueue(EVENT);
  let claim = await claimOnly(one);
  for (const expected of [1, 1, 1]) {
    claim = (await other.takeOver(claim.name, LEASE_MS))!;
    assertEquals(claim.takeovers, expected);
  }
  for (const expected of [2, 3, 4, 5]) {
    claim = (await one.begin(claim, LEASE_MS))!;
    assertMatch(claim.name, /x\ds\.json$/);
    assertEquals([claim.takeovers, claim.isBegun], [expected - 1, true]);
    claim = (await other.takeOver(claim.name, LEASE_MS))!;
    assertEquals([claim.takeovers, claim.isBegun], [expected, false]);
  }
  assertMatch(claim.name, /x5\.json$/);
});

Deno.test("begin() and setAside() start the lease anew; the old name no longer settles anything", async () => {
  await using dir = await tempDir();
  const [queue, dying] = [await makeQueue(dir), await makeQueue(dir)];
  await queue.enqueue(EVENT);
  const fresh = await claimOnly(dying);
  const plain = await dying.begin(fresh, LEASE_MS);
  assertEquals(plain?.isBegun, false); // not suspected: nothing to be said
  const claim = (await queue.takeOver(plain!.name, LEASE_MS))!;
  const begun = await queue.begin(claim, 2 * LEASE_MS);
  assert(begun && begun.leaseEndMs > claim.leaseEndMs && begun.attempt === 1);
  assertEquals(await queue.begin(claim, LEASE_MS), undefined);
  const renewed = await queue.renew(begun, LEASE_MS);
  assertEquals(renewed?.isBegun, true);
  const waiting = await queue.setAside(renewed!, LEASE_MS);
  assertEquals([waiting?.takeovers, waiting?.isBegun], [1, false]);
  assertEquals(files(queue), [`cur/${waiting!.name}`]);
});

Deno.test("an event stays suspected until a consumer has survived it", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  await one.enqueue(EVENT);
  let claim = (await other.takeOver((await claimOnly(one)).name, LEASE_MS))!;
  assert(await other.release(claim, 0, false));
  claim = await claimOnly(other);
  assertEquals([claim.takeovers, claim.attempt, "previousOwner" in claim], [1, 2, false]);
  const { settled } = await other.defer(claim, "d", 1, false);
  assertEquals(settled, "done");
  const [candidate] = files(other).map(whereOf);
  const [{ claim: again }] = await other.claimMany(
    [{ folder: candidate![0], name: candidate![1] }],
    LEASE_MS,
    1_000,
  ) as [Claimed];
  assertEquals(again?.takeovers, 1);
  const begun = (await other.begin(again!, LEASE_MS))!;
  await other.defer(begun, "d", 1, true);
  const survived = await other.claim(...whereOf(files(one)[0]!), LEASE_MS);
  assertEquals([survived?.attempt, survived?.takeovers], [3, 0]);
});

Deno.test("storeResponse() keeps the body and beside it what it was the answer to", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const id = await queue.enqueue({ url: EVENT.url });
  const claim = await claimOnly(queue);
  await queue.storeResponse(claim, { body: BYTES, meta: { status: 200 } });
  const [body, meta] = files(queue).filter((path) => path.startsWith("res/"));
  assertEquals(body, `res/${id}+1~${claim.tag}`);
  assertEquals([meta, JSON.parse(contents(queue, meta!))], [`${body}.meta`, { status: 200 }]);
});

Deno.test("requeue() brings dead letters back with attempts from 0 and age from now", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const [first, second] = await queue.enqueueMany([EVENT, EVENT]);
  for (let n = 0; n < 2; n++) {
    await queue.bury(await claimOnly(queue), { outcome: "refused", reason: "no" }, 1);
  }
  assertEquals(await requeue(queue, [first!, "nobody"]), {
    requeued: [first!],
    unknown: ["nobody"],
    refused: [],
  });
  const [raised] = namesIn(`${queue.place.base}/new`);
  const { attempt, timeMs, tag } = parseName(raised!);
  assertEquals([attempt, parseTag(tag!)?.requeuedMs], [0, timeMs]);
  assertEquals(namesIn(`${queue.place.base}/doa`).length, 2);
  assertEquals((await requeue(queue, "all")).requeued, [second!]);
  assertEquals(namesIn(`${queue.place.base}/doa`), []);
});

Deno.test("status() counts events by state and by destination", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  await queue.enqueueMany([EVENT, EVENT, EVENT, EVENT]);
  const far = Date.now() + 5_000;
  await queue.defer(await claimOnly(queue), "http_a_80", far, true);
  await queue.bury(await claimOnly(queue), {
    outcome: "refused",
    reason: "no",
    destination: "http_a_80",
  }, 1);
  await claimOnly(queue);
  Deno.mkdirSync(`${queue.place.base}/defer/http_b_80/bucket`, { recursive: true });
  Deno.writeFileSync(`${queue.place.base}/defer/http_b_80/bucket/x`, BYTES);
  Deno.writeFileSync(`${queue.place.base}/defer/http_b_80/.hold`, new Uint8Array());
  const { destinations, ...totals } = await status(queue);
  assertEquals(totals, {
    writing: 0,
    ready: 1,
    claimed: 1,
    claimedUnread: 0,
    deferred: 2,
    dead: 1,
    responses: 0,
    unreachable: 0,
  });
  const healthy = {
    isHeld: false,
    throttledUntilMs: undefined,
    downSinceMs: undefined,
    strugglingShare: undefined,
    strugglingSinceMs: undefined,
    lastError: undefined,
  };
  assertEquals(destinations[1], {
    destination: "http_a_80",
    waiting: 1,
    inFlight: 0,
    dead: 1,
    ...healthy,
    nextAttemptMs: far,
  });
  assertEquals(destinations[2]!.waiting, 1);
  assertEquals([destinations[2]!.isHeld, destinations[2]!.nextAttemptMs], [true, undefined]);
  assertEquals(destinations.map(({ inFlight }) => inFlight), [1, 0, 0]);
  assertEquals(await isEmpty(queue), false);
});

Deno.test("an owner's lock is free once it is released, and only then is it inherited", async () => {
  await using dir = await tempDir();
  const [one, other] = [await makeQueue(dir), await makeQueue(dir)];
  const held = await acquireOwner(one);
  assert(held);
  assertEquals(files(one), [`cur/.${one.owner}`]);
  assertEquals(await lockDeadOwner(other, `.${one.owner}`), "alive");
  held.lock.release(); // as the kernel does when the process dies
  const inherited = await lockDeadOwner(other, `.${one.owner}`);
  assert(typeof inherited === "object");
  await releaseOwner(other, inherited);
  assertEquals(files(one), []);
  assertEquals(await lockDeadOwner(other, `.${one.owner}`), "unknown");
  assertEquals(await lockDeadOwner(other, `.otherhost-1-abcd`), "unknown");
});

Deno.test("a free lock tells of a death on one kernel whatever the host name, and on no other", async () => {
  await using dir = await tempDir();
  const on = (hostname: string, bootId: string) =>
    Queue.open(`${dir.path}/q`, { ...denoRuntime(), hostname, bootId, pid: 1 }, { create: true });
  const dead = await on("0fae31", "k");
  const held = await acquireOwner(dead);
  held!.lock.release();
  assertEquals(await lockDeadOwner(await on("0fae31", "l"), `.${dead.owner}`), "unknown");
  const found = await lockDeadOwner(await on("77bc02", "k"), `.${dead.owner}`);
  assert(typeof found === "object");
  found.lock.release();
});

Deno.test("an owner file says in a line of JSON who its owner is", async () => {
  await using dir = await tempDir();
  const runtime = { ...denoRuntime(), hostname: "Edge.example", bootId: "b", machineId: undefined };
  const queue = await Queue.open(`${dir.path}/q`, runtime, { create: true, ownerName: "blue" });
  assertMatch(queue.owner, /^blue-[a-z0-9]{16}-\d+-[a-z0-9]{8}$/);
  const held = await acquireOwner(queue);
  const { since, ...rest } = JSON.parse(contents(queue, `cur/.${queue.owner}`));
  assert(Date.parse(since) <= Date.now());
  assertEquals(rest, { host: "Edge.example", ownerName: "blue", bootId: "b", pid: Deno.pid });
  await releaseOwner(queue, held!);
});

Deno.test("a host is known again by its boot, else by its own disk, else by its machine, else not at all", async () => {
  await using dir = await tempDir();
  const runtime = denoRuntime();
  const cannotTell = { bootId: undefined, machineId: undefined, ownsDevice: () => false };
  const host = (identity: Partial<typeof runtime>, ownerName?: string) =>
    run(hostOf(dir.path, { ...runtime, ...cannotTell, ...identity }, ownerName));
  Deno.mkdirSync(`${dir.path}/cur`);
  const same = async (
    one: Partial<typeof runtime>,
    other: Partial<typeof runtime>,
    ownerName?: string,
  ) => {
    const [a, b] = [await host(one, ownerName), await host(other, ownerName)];
    return `${isSameKernel(a, b) ? "kernel" : ""} ${hasSameClock(a, b) ? "clock" : ""}`.trim();
  };
  const [here, there] = [{ hostname: "a" }, { hostname: "b" }];
  const own = { ownsDevice: () => true };
  assertEquals(await same({ bootId: "1" }, { bootId: "1" }), "kernel clock");
  assertEquals(await same({ bootId: "1", ...here }, { bootId: "1", ...there }), "kernel clock");
  assertEquals(await same({ bootId: "1" }, { bootId: "2" }), "");
  assertEquals(await same({ bootId: "1", ...own }, { bootId: "2", ...own }), "");
  const machineId = "m";
  assertEquals(await same({ bootId: "1", machineId }, { bootId: "2", machineId }), "clock");
  assertEquals(
    await same({ bootId: "1", machineId, ...here }, { bootId: "2", machineId, ...there }),
    "",
  );
  assertEquals(await same({ ...own, ...here }, { ...own, ...there }), "kernel clock");
  assertEquals(await same({ machineId }, { machineId }), "kernel clock");
  assertEquals(await same({ machineId, ...here }, { machineId, ...there }), "");
  assertEquals(await same({}, {}), ""); // a host name alone is nobody's
  assertEquals(await same({ bootId: "1" }, {}), "");
  assertEquals(await same({ bootId: "1", ...here }, { bootId: "2", ...there }, "blue"), "clock");
  assertEquals(await same(here, there, "blue"), "clock");
});

Deno.test("openQueue() refuses an owner's name that is empty", async () => {
  await using dir = await tempDir();
  const opening = () => openQueue(dir.path, { create: true, ownerName: "" });
  await assertRejects(opening, RangeError, "ownerName must not be empty");
});

Deno.test("sweep() removes what is 36 hours old in tmp/, reasons whose letter never came, and owner files on their way", async () => {
  await using dir = await tempDir();
  const base = `${dir.path}/q`;
  await makeQueue(dir);
  for (const name of ["tmp/old", "tmp/.keep", "doa/a.why", "doa/b", "doa/b.why"]) {
    Deno.writeTextFileSync(`${base}/${name}`, "");
  }
  const owners = ["tmp/.edge-1-a", "new/.edge-1-b", "defer/.edge-1-c"];
  for (const name of [...owners, "new/a", "new/.keep"]) {
    Deno.writeTextFileSync(`${base}/${name}`, "");
  }
  Deno.mkdirSync(`${base}/tmp/folder`);
  const runtime = denoRuntime();
  const later = (hours: number) => ({
    ...runtime,
    clock: { ...runtime.clock, now: () => Date.now() + hours * 60 * 60_000 },
  });
  const { signal } = new AbortController();
  assertEquals(await sweep(await Queue.open(base, later(35.9)), signal), 0);
  const queue = await Queue.open(base, later(36.1));
  Deno.writeTextFileSync(`${base}/tmp/young`, "");
  Deno.utimeSync(`${base}/tmp/young`, new Date(Date.now() + 1e8), new Date(Date.now() + 1e8));
  assertEquals(await sweep(queue, signal), 5);
  const kept = ["doa/b", "doa/b.why", "new/.keep", "new/a", "tmp/.keep"];
  assertEquals(files(queue), [...kept, "tmp/young"]);
});

Deno.test("sweep() removes owner files of the vanished: untouched for long, not locked, without claims", async () => {
  await using dir = await tempDir();
  const base = `${dir.path}/q`;
  const queue = await makeQueue(dir);
  const alive = await acquireOwner(await Queue.open(base, { ...denoRuntime(), bootId: "b" }));
  await queue.enqueue(EVENT);
  Deno.renameSync(`${base}/new/${namesIn(`${base}/new`)[0]}`, `${base}/cur/a+1@1~far-1-c-1.json`);
  for (const owner of ["far-1-c", "far-1-d"]) Deno.writeTextFileSync(`${base}/cur/.${owner}`, "");
  Deno.symlinkSync("/nowhere", `${base}/cur/.far-1-e`);
  const later = async (minutes: number) => {
    const runtime = denoRuntime();
    const now = () => Date.now() + minutes * 60_000;
    const clock = { ...runtime.clock, now };
    const { signal } = new AbortController();
    return await sweep(await Queue.open(base, { ...runtime, clock }), signal);
  };
  assertEquals(await later(104), 0);
  assertEquals(await later(106), 1);
  const kept = [`.${alive!.owner}`, ".far-1-c", ".far-1-e", "a+1@1~far-1-c-1.json"];
  assertEquals(namesIn(`${base}/cur`), kept.sort());
  alive!.lock.release();
  assertEquals(await later(106), 1);
});

Deno.test("what a producer lets wait has its time in its name, and its age counts from then", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const notBefore = new Date(Date.now() + 3_600_000);
  const id = await queue.enqueue(EVENT, { notBefore });
  const [many] = await queue.enqueueMany([EVENT], { notBefore });
  const past = await queue.enqueue(EVENT, { notBefore: new Date(Date.now() - 1) });
  const dueMs = notBefore.getTime();
  const names = [`new/${id}+0@${dueMs}.json`, `new/${many}+0@${dueMs}.json`, `new/${past}.json`];
  assertEquals(files(queue), names.sort());
  const postponed = await queue.postpone("new", `${id}+0@${dueMs}.json`, "http_a.test_80");
  assertEquals(postponed?.dueMs, dueMs);
  const [path] = files(queue).filter((path) => path.startsWith(postponed!.folder));
  const { attempt, timeMs, tag } = parseName(path!.slice(postponed!.folder.length + 1));
  assertEquals([attempt, timeMs, parseTag(tag!)?.requeuedMs], [0, dueMs, dueMs]);
  assertEquals(await queue.postpone("new", `${id}+0@${dueMs}.json`, "http_a.test_80"), undefined);
});

Deno.test("what is to wait for more than 7 days, or until no time at all, is refused", async () => {
  await using dir = await tempDir();
  const queue = await makeQueue(dir);
  const late = new Date(Date.now() + 7 * 86_400_000 + 60_000);
  const why = `notBefore must be at most 7 days ahead, current value is ${late.toISOString()}`;
  await assertRejects(() => queue.enqueue(EVENT, { notBefore: late }), RangeError, why);
  const none = { notBefore: new Date(NaN) };
  await assertRejects(
    () => queue.enqueueMany([EVENT], none),
    RangeError,
    "current value is no date",
  );
  assertEquals(files(queue), []);
});
