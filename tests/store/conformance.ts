/**
 * The sentences of `lib/store/store.ts`: what every store keeps to, whatever it is made of, and
 * every consumer relies on.
 *
 * A store passes them by way of a {@linkcode Bench}; see `conformance_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DiskFailure } from "../../lib/store/failure.ts";
import type { Candidate, Claim, Claimed, Content, Deferred } from "../../lib/store/store.ts";
import { type Bench, type BenchOf, type Capability, LIMITS, type Peer } from "./bench.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Labels of two destinations. */
const A = "https_a.example_443";
const B = "https_b.example_443";

/** More passes of a poll than anything may take here. */
const PATIENCE = 300;

type Body = (bench: Bench) => Promise<void>;

const SENTENCES: { readonly text: string; readonly body: Body; readonly needs?: Capability }[] = [];

function holds(text: string, body: Body): void {
  SENTENCES.push({ text, body });
}

/** A sentence for stores that can be made to refuse. */
function holdsRefused(text: string, body: Body): void {
  SENTENCES.push({ text, body, needs: "refusals" });
}

/** Register the sentences for one store, but those that need what it lacks. */
export function conformance(name: string, bench: BenchOf, lacks: readonly Capability[] = []): void {
  for (const { text, body, needs } of SENTENCES) {
    const ignore = needs !== undefined && lacks.includes(needs);
    Deno.test({ name: `${text} (${name})`, ignore, fn: () => bench(body) });
  }
}

/** What a peer is offered next; time passes until there is something. */
async function offered(bench: Bench, { store }: Peer, most = 10): Promise<readonly Candidate[]> {
  for (let n = 0; n < PATIENCE; n++) {
    const found = await store.candidates(most, true);
    if (found.length > 0) return found;
    await bench.pass(LIMITS.pollMs);
  }
  throw new Error("Nothing is offered");
}

/** Whether a peer is offered nothing now. */
async function isOfferedNothing({ store }: Peer): Promise<boolean> {
  return (await store.candidates(10, true)).length === 0;
}

/** All that a peer is offered before it may rest. */
async function offeredNow({ store }: Peer, most = 10): Promise<Candidate[]> {
  const all: Candidate[] = [];
  for (let n = 0; n < PATIENCE; n++) {
    const found = await store.candidates(most, true);
    if (found.length === 0) return all;
    assert(found.length <= most, `${found.length} of at most ${most}`);
    all.push(...found);
  }
  throw new Error("It is offered more and more");
}

/** Claim one candidate. */
async function tryClaim({ store }: Peer, candidate: Candidate): Promise<Claimed> {
  const { claimed, failure } = await store.claim([candidate]);
  assertEquals([claimed.length, failure], [1, undefined]);
  return claimed[0]!;
}

/** Claim one candidate that nobody else wants. */
async function claim(peer: Peer, candidate: Candidate | undefined): Promise<Claim> {
  assert(candidate !== undefined, "there is no candidate");
  const claimed = await tryClaim(peer, candidate);
  assert(typeof claimed === "object", `the claim is ${claimed}`);
  return claimed;
}

/** Claim what a peer is offered next. */
async function claimNext(bench: Bench, peer: Peer): Promise<Claim> {
  return await claim(peer, (await offered(bench, peer, 1))[0]);
}

/** Put an event in and claim it. */
async function putAndClaim(bench: Bench, peer: Peer, text = "{}"): Promise<Claim> {
  await bench.put(text);
  return await claimNext(bench, peer);
}

/** What a peer knows of a destination. */
function known({ store }: Peer, destination: string): Deferred {
  const deferred = store.deferredOf(destination);
  assert(deferred !== undefined, `nothing is known of ${destination}`);
  assertEquals(deferred.destination, destination);
  return deferred;
}

/** The next due event of a destination's backlog, if there is one. */
async function nextDue({ store }: Peer, destination: string): Promise<Candidate | undefined> {
  const deferred = store.deferredOf(destination);
  return deferred && await store.nextDue(deferred);
}

/** Claim the next event of a destination's backlog; time passes until there is one. */
async function claimDeferred(bench: Bench, peer: Peer, destination = A): Promise<Claim> {
  for (let n = 0; n < PATIENCE; n++) {
    const candidate = await nextDue(peer, destination);
    if (candidate) return await claim(peer, candidate);
    await bench.pass(LIMITS.pollMs);
    await peer.store.refresh();
  }
  throw new Error(`Nothing of ${destination} is due`);
}

async function textOf(claim: Claim): Promise<string> {
  const content = await claim.read();
  assert(content.kind === "bytes", `it is ${content.kind}`);
  return new TextDecoder().decode(content.bytes);
}

/** Offering */

holds(
  "what is due is offered oldest first, and no more at a time than asked for",
  async (bench) => {
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) {
      ids.push(await bench.put(`${n}`));
      await bench.pass(10);
    }
    const peer = await bench.join();
    const claimed = await peer.store.claim(await offeredNow(peer, 3));
    assertEquals(claimed.claimed.map((one) => typeof one === "object" && one.id), ids);
  },
);

holds("what must not be waited for is answered at once, and without a look", async (bench) => {
  for (let n = 0; n < 3; n++) await bench.put(`${n}`);
  const peer = await bench.join();
  const before = bench.looks;
  const found = peer.store.candidates(10, false);
  assert(!(found instanceof Promise));
  assertEquals(bench.looks, before);
  const all = [...found, ...await offeredNow(peer, 2)];
  assertEquals(all.length, 3);
});

holds("an event is not offered before its time", async (bench) => {
  const id = await bench.put("{}", bench.nowMs + MINUTE_MS);
  const peer = await bench.join();
  assert(await isOfferedNothing(peer));
  await bench.pass(MINUTE_MS - SECOND_MS);
  assert(await isOfferedNothing(peer));
  await bench.pass(SECOND_MS + LIMITS.pollMs);
  assertEquals((await claimNext(bench, peer)).id, id);
});

holds("a time further ahead than the longest wait is now", async (bench) => {
  const id = await bench.put("{}", bench.nowMs + 8 * 24 * HOUR_MS);
  const peer = await bench.join();
  assertEquals((await claim(peer, (await offeredNow(peer))[0])).id, id);
});

holds("who rests as long as it is told misses nothing that falls due", async (bench) => {
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer);
  const dueMs = bench.nowMs + 5 * SECOND_MS;
  assertEquals(await first.release(dueMs, true), "done");
  for (let n = 0; n < PATIENCE; n++) {
    const found = await peer.store.candidates(10, true);
    if (found.length > 0) {
      assert(bench.nowMs >= dueMs && bench.nowMs <= dueMs + LIMITS.pollMs);
      return;
    }
    const restMs = peer.store.restUntilMs - peer.monotonicMs;
    assert(restMs <= LIMITS.pollMs, `a rest of ${restMs} ms`);
    await bench.pass(Math.max(0, restMs));
  }
  throw new Error("It is never offered");
});

holds("what was offered and not claimed is offered again", async (bench) => {
  const id = await bench.put("{}");
  const peer = await bench.join();
  assertEquals((await offered(bench, peer)).length, 1);
  assertEquals((await claimNext(bench, peer)).id, id);
});

holds("a run that looks once is offered what is due at its start, once", async (bench) => {
  const due = [await bench.put("1"), await bench.put("2")];
  await bench.put("later", bench.nowMs + MINUTE_MS);
  const peer = await bench.join({ once: true });
  assertEquals(peer.store.hasOfferedAll, false);
  const { claimed } = await peer.store.claim(await offeredNow(peer));
  assertEquals(claimed.map((one) => typeof one === "object" && one.id).sort(), due.sort());
  assertEquals(peer.store.hasOfferedAll, true);
  await bench.put("new");
  await bench.pass(2 * MINUTE_MS);
  assert(await isOfferedNothing(peer));
  assertEquals(peer.store.restUntilMs, Infinity);
});

holds("for a run that looks once nothing falls due that was not at its start", async (bench) => {
  const before = await bench.join();
  const first = await putAndClaim(bench, before);
  const second = await putAndClaim(bench, before);
  await first.defer(A, bench.nowMs);
  await second.defer(A, bench.nowMs + 2 * MINUTE_MS);
  await before.store.close();
  before.die();
  const peer = await bench.join({ once: true });
  await peer.store.refresh();
  assert(peer.store.hasDue(known(peer, A)));
  assertEquals((await claim(peer, await nextDue(peer, A))).id, first.id);
  await bench.pass(5 * MINUTE_MS);
  assertEquals(await nextDue(peer, A), undefined);
  assertEquals(peer.store.hasDue(known(peer, A)), false);
});

holds("a watch tells that something has come, and says whether it is new", async (bench) => {
  const peer = await bench.join();
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  assert(peer.store.watch(tell));
  assertEquals(peer.store.watch(tell), false);
  assert(await isOfferedNothing(peer));
  const id = await bench.put("{}");
  await told;
  assert(peer.store.restUntilMs <= peer.monotonicMs);
  assertEquals((await claim(peer, (await peer.store.candidates(1, true))[0])).id, id);
});

/** Claiming */

holds("a claim begins an attempt, which is counted, and a lease", async (bench) => {
  const beforeMs = bench.nowMs;
  await bench.pass(10);
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer);
  assertEquals([first.attempt, first.takeovers], [1, 0]);
  assert(first.leaseEndMs >= bench.nowMs + LIMITS.leaseMs - LIMITS.pollMs);
  assert(first.leaseEndMs <= bench.nowMs + LIMITS.leaseMs);
  assertEquals((await first.read()).kind, "bytes");
  assert(first.enqueuedMs > beforeMs && first.enqueuedMs <= bench.nowMs);
  await first.release(bench.nowMs, true);
  assertEquals((await claimNext(bench, peer)).attempt, 2);
});

holds(
  "candidates are claimed side by side, and what came of each is told in order",
  async (bench) => {
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) {
      ids.push(await bench.put(`${n}`));
      await bench.pass(2);
    }
    const peer = await bench.join();
    const candidates = await offered(bench, peer, 40); // all of them: it is alone
    const other = await bench.join();
    const theirs = await offered(bench, other, 40);
    // how many are its part is chance
    const taken = [(await claim(other, theirs[0])).id, (await claim(other, theirs.at(-1))).id];
    const { claimed } = await peer.store.claim(candidates);
    const expected = ids.map((id) => taken.includes(id) ? "gone" : id);
    assertEquals(claimed.map((one) => typeof one === "object" ? one.id : one), expected);
  },
);

holds("two peers never both get an event, and all of them get all", async (bench) => {
  for (let n = 0; n < 20; n++) await bench.put(`${n}`);
  const peers = [await bench.join(), await bench.join(), await bench.join()];
  const ids: string[] = [];
  for (let n = 0; n < PATIENCE && ids.length < 20; n++) {
    const offers = await Promise.all(peers.map(({ store }) => store.candidates(20, true)));
    const claims = await Promise.all(peers.map(({ store }, n) => store.claim(offers[n]!)));
    const all = claims.flatMap(({ claimed }) => claimed);
    ids.push(...all.flatMap((one) => typeof one === "object" ? [one.id] : []));
    assert(all.every((one) => typeof one === "object" || one === "gone"));
    await bench.pass(LIMITS.pollMs);
  }
  assertEquals([ids.length, new Set(ids).size], [20, 20]);
});

holds("what a peer might take and doesn't, another is offered soon", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  await offeredNow(peer);
  const put = new Set<string>();
  for (let n = 0; n < 20; n++) put.add(await bench.put(`${n}`));
  const fromMs = bench.nowMs;
  while (put.size > 0) {
    await offeredNow(peer); // looks, and does nothing
    const { claimed } = await other.store.claim(await other.store.candidates(20, true));
    for (const one of claimed) if (typeof one === "object") put.delete(one.id);
    await bench.pass(100);
    assert(bench.nowMs - fromMs <= 3 * LIMITS.pollMs, `${put.size} are not`);
  }
});

holds("the part of a peer that has died is another's at once", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  await offeredNow(peer);
  await offeredNow(other);
  peer.die();
  const put = new Set<string>();
  for (let n = 0; n < 200; n++) put.add(await bench.put(`${n}`));
  const fromMs = bench.nowMs;
  while (put.size > 0) {
    const { claimed } = await other.store.claim(await other.store.candidates(8, true));
    for (const one of claimed) if (typeof one === "object") put.delete(one.id);
    await bench.pass(10);
    assert(bench.nowMs - fromMs <= 2 * LIMITS.pollMs, `${put.size} are not`);
  }
});

holds("what is read is what was put in, to the byte", async (bench) => {
  const text = '\uFEFF{ "n": 1.0,  "big":12345678901234567890, "é":"\\u00e9\\ud800" }\r\n';
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer, text);
  const content = await first.read();
  assert(content.kind === "bytes");
  assertEquals(content.bytes, new TextEncoder().encode(text));
  await first.defer(A, bench.nowMs);
  const again = await (await claimDeferred(bench, peer)).read();
  assert(again.kind === "bytes");
  assertEquals(again.bytes, new TextEncoder().encode(text));
});

holds("an event over the limit is refused, and the reason names the limit", async (bench) => {
  const peer = await bench.join();
  const fits = await putAndClaim(bench, peer, "x".repeat(LIMITS.maxBytes));
  assertEquals((await fits.read()).kind, "bytes");
  const large: Content = await (await putAndClaim(bench, peer, "x".repeat(1_001))).read();
  assert(large.kind === "refused");
  assertStringIncludes(large.reason, "1000");
  assertStringIncludes(large.reason, "1001");
});

holds(
  "a renewal moves the lease's end and keeps the claim, for as long as it is renewed",
  async (bench) => {
    const [peer, other] = [await bench.join(), await bench.join()];
    const held = await putAndClaim(bench, peer);
    for (let n = 0; n < 10; n++) {
      await bench.pass(LIMITS.leaseMs / 2);
      const endMs = held.leaseEndMs;
      assertEquals(await held.renew(), "done");
      assert(held.leaseEndMs >= endMs + LIMITS.leaseMs / 2 - SECOND_MS);
      assert(await isOfferedNothing(other), "others leave it alone");
    }
    assertEquals([held.attempt, await held.complete()], [1, "done"]);
  },
);

/** Settling */

holds("what is completed is gone for good", async (bench) => {
  const peer = await bench.join();
  const done = await putAndClaim(bench, peer);
  assertEquals(await done.complete(), "done");
  const { ready, claimed, deferred, dead } = await bench.see();
  assertEquals([ready, claimed, deferred, dead], [[], [], [], []]);
  await bench.pass(2 * HOUR_MS);
  assert(await isOfferedNothing(peer));
});

holds("a claim is settled once: whatever is asked of it then is lost", async (bench) => {
  const peer = await bench.join();
  const settle: ((claim: Claim) => Promise<string>)[] = [
    (claim) => claim.complete(),
    (claim) => claim.defer(A, bench.nowMs),
    (claim) => claim.park(A, 0),
    (claim) => claim.bury({ outcome: "refused", reason: "bad" }, bench.nowMs),
    (claim) => claim.release(bench.nowMs + MINUTE_MS, true),
  ];
  for (const [n, first] of settle.entries()) {
    const settled = await putAndClaim(bench, peer);
    assertEquals(await first(settled), "done");
    const seen = await bench.see();
    const others = [...settle.filter((_, m) => m !== n), (claim: Claim) => claim.renew()];
    for (const then of others) assertEquals(await then(settled), "lost");
    assertEquals(await bench.see(), seen);
  }
});

holds(
  "a deferred event waits until it is due, and comes from its destination's backlog",
  async (bench) => {
    const peer = await bench.join();
    const first = await putAndClaim(bench, peer);
    const dueMs = bench.nowMs + 10 * MINUTE_MS;
    assertEquals(await first.defer(A, dueMs), "done");
    assertEquals((await bench.see()).deferred, [first.id]);
    const deferred = known(peer, A);
    assert(deferred.nextDueMs > bench.nowMs && deferred.nextDueMs <= dueMs);
    assertEquals(peer.store.hasDue(deferred), false);
    assertEquals([...peer.store.deferred].map(({ destination }) => destination), [A]);
    await bench.pass(dueMs - bench.nowMs - 2 * SECOND_MS);
    await peer.store.refresh();
    assertEquals(await nextDue(peer, A), undefined);
    const { nextDueMs } = known(peer, A);
    assert(nextDueMs > bench.nowMs && nextDueMs <= dueMs, "now it is known exactly");
    await bench.pass(3 * SECOND_MS);
    assert(await isOfferedNothing(peer), "it comes by no other way");
    assert(peer.store.hasDue(known(peer, A)));
    const again = await claim(peer, await nextDue(peer, A));
    assertEquals([again.id, again.attempt], [first.id, 2]);
    assertEquals(await nextDue(peer, A), undefined);
  },
);

holds(
  "of a destination's backlog the first to be due comes first, others' don't come",
  async (bench) => {
    const peer = await bench.join();
    const waits = new Map([["late", 30], ["early", 10], ["middle", 20]]);
    const ids = new Map<string, string>();
    for (const [name, minutes] of waits) {
      const one = await putAndClaim(bench, peer);
      ids.set(one.id, name);
      await one.defer(A, bench.nowMs + minutes * MINUTE_MS);
    }
    const other = await putAndClaim(bench, peer);
    await other.defer(B, bench.nowMs);
    await bench.pass(HOUR_MS);
    const order: (string | undefined)[] = [];
    for (let n = 0; n < 3; n++) order.push(ids.get((await claimDeferred(bench, peer)).id));
    assertEquals(order, ["early", "middle", "late"]);
    assertEquals((await claimDeferred(bench, peer, B)).id, other.id);
  },
);

holds("no event of a backlog is older than it says", async (bench) => {
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer);
  const second = await putAndClaim(bench, peer);
  const dueMs = bench.nowMs + HOUR_MS;
  await second.defer(A, dueMs + HOUR_MS);
  await first.defer(A, dueMs);
  for (const wait of [0, 2 * HOUR_MS]) {
    await bench.pass(wait);
    await peer.store.refresh();
    const { oldestMs } = known(peer, A);
    assert(oldestMs <= dueMs && oldestMs > dueMs - 10 * MINUTE_MS, `${dueMs - oldestMs}`);
  }
});

holds(
  "an event whose destination isn't known waits as long, and is offered like a new one",
  async (bench) => {
    const peer = await bench.join();
    const first = await putAndClaim(bench, peer);
    const dueMs = bench.nowMs + 5 * MINUTE_MS;
    assertEquals(await first.defer(undefined, dueMs), "done");
    assertEquals((await bench.see()).deferred, [first.id]);
    assertEquals([...peer.store.deferred], []);
    await bench.pass(4 * MINUTE_MS);
    assert(await isOfferedNothing(peer));
    const again = await claimNext(bench, peer);
    assertEquals([again.id, again.attempt, bench.nowMs >= dueMs], [first.id, 2, true]);
  },
);

holds(
  "a parked event gets its attempt back and is next in its destination's backlog",
  async (bench) => {
    const peer = await bench.join();
    const first = await putAndClaim(bench, peer);
    assertEquals(await first.park(A, HOUR_MS), "done");
    assertEquals((await bench.see()).deferred, [first.id]);
    assert(await isOfferedNothing(peer));
    const again = await claim(peer, await nextDue(peer, A));
    assertEquals([again.id, again.attempt], [first.id, 1]);
  },
);

holds("a buried event keeps its bytes and its reason, and is never offered", async (bench) => {
  const peer = await bench.join();
  const text = '{"n": 1.0}';
  const letter = await putAndClaim(bench, peer, text);
  const reason = {
    outcome: "deferred",
    reason: "given up after 9 attempts",
    destination: A,
    status: 503,
    answer: "busy\n",
  } as const;
  assertEquals(await letter.bury(reason, bench.nowMs + HOUR_MS), "done");
  assertEquals((await bench.see()).dead, [{ id: letter.id, text, reason }]);
  await bench.pass(2 * HOUR_MS);
  assert(await isOfferedNothing(peer));
  assertEquals(await peer.store.left(), "nothing");
});

holds(
  "a released event is ready again from its time on; unsent, it gets its attempt back",
  async (bench) => {
    const peer = await bench.join();
    const first = await putAndClaim(bench, peer);
    const dueMs = bench.nowMs + MINUTE_MS;
    assertEquals(await first.release(dueMs, false), "done");
    assertEquals((await bench.see()).ready, [first.id]);
    await bench.pass(50 * SECOND_MS);
    assert(await isOfferedNothing(peer));
    const second = await claimNext(bench, peer);
    assert(bench.nowMs >= dueMs);
    assertEquals([second.id, second.attempt], [first.id, 1]);
    assertEquals(await second.release(bench.nowMs, true), "done");
    assertEquals((await claimNext(bench, peer)).attempt, 2);
  },
);

holds("what a peer defers or releases others find", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  const deferred = await putAndClaim(bench, peer);
  await deferred.defer(A, bench.nowMs + MINUTE_MS);
  const parked = await putAndClaim(bench, peer);
  await parked.park(B, 0);
  const released = await putAndClaim(bench, peer);
  await released.release(bench.nowMs, false);
  assertEquals((await claimNext(bench, other)).id, released.id);
  assertEquals((await claimDeferred(bench, other, A)).id, deferred.id);
  assertEquals((await claimDeferred(bench, other, B)).id, parked.id);
});

/** Answers */

holds("an answer is kept whole, with what is known of it", async (bench) => {
  const peer = await bench.join();
  const asked = await putAndClaim(bench, peer);
  const answer = asked.answer();
  for (const text of ["one, ", "", "two"]) await answer.write(new TextEncoder().encode(text));
  assertEquals((await bench.see()).answers, [], "there is none before it is finished");
  await answer.finish({ status: 200, truncated: false });
  await asked.complete();
  const meta = { status: 200, truncated: false };
  assertEquals((await bench.see()).answers, [{ id: asked.id, text: "one, two", meta }]);
});

holds("an answer that is discarded leaves nothing; one may follow it", async (bench) => {
  const peer = await bench.join();
  const asked = await putAndClaim(bench, peer);
  const answer = asked.answer();
  await answer.write(new TextEncoder().encode("half of i"));
  await answer.discard();
  assertEquals((await bench.see()).answers, []);
  const second = asked.answer();
  await second.finish({ status: 204 });
  const [kept, ...more] = (await bench.see()).answers;
  assertEquals([kept?.text, more], ["", []]);
});

/** Death */

holds("a dead consumer's event comes to a peer, its attempt still counted", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  const first = await putAndClaim(bench, peer, "text");
  assertEquals(await first.begin(), "done");
  peer.die();
  const second = await claimNext(bench, other);
  assertEquals([second.id, second.attempt, second.takeovers], [first.id, 1, 1]);
  assertEquals(await textOf(second), "text");
  const told = other.trace.filter(({ type }) => type === "taken-over");
  assertEquals(told.length, 1);
  assertEquals(await second.begin(), "done");
  other.die();
  const last = await claimNext(bench, await bench.join());
  assertEquals([last.id, last.attempt, last.takeovers], [first.id, 1, 2]);
  assertEquals(await last.complete(), "done");
  assertEquals((await bench.see()).claimed, []);
});

holds("whoever begins after a death takes over what was left", async (bench) => {
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer);
  peer.die();
  const second = await claimNext(bench, await bench.join());
  assertEquals([second.id, second.attempt], [first.id, 1]);
});

holds("an attempt of an event that was taken over is not given back", async (bench) => {
  const peer = await bench.join();
  const [first, second] = [await putAndClaim(bench, peer), await putAndClaim(bench, peer)];
  peer.die();
  const other = await bench.join();
  const taken = [await claimNext(bench, other), await claimNext(bench, other)];
  assertEquals(taken.map(({ id }) => id).sort(), [first.id, second.id].sort());
  assertEquals(await taken[0]!.park(A, 0), "done");
  assertEquals(await taken[1]!.release(bench.nowMs, false), "done");
  assertEquals((await claimDeferred(bench, other)).attempt, 2);
  assertEquals((await claimNext(bench, other)).attempt, 2);
});

/** An event that a peer has claimed whose first consumer died. */
async function suspected(bench: Bench): Promise<readonly [Claim, Peer]> {
  const dead = await bench.join();
  await putAndClaim(bench, dead);
  dead.die();
  const peer = await bench.join();
  const suspect = await claimNext(bench, peer);
  assertEquals([suspect.attempt, suspect.takeovers], [1, 1]);
  return [suspect, peer];
}

holds(
  "a suspected event is blamed for a death only while it was begun, and not set aside",
  async (bench) => {
    const suspect = await suspected(bench);
    const takeovers: number[] = [];
    let [one, peer] = suspect;
    const acts: ((claim: Claim) => Promise<unknown>)[] = [
      () => Promise.resolve(),
      (claim) => claim.begin(),
      (claim) => claim.renew(),
      (claim) => claim.begin().then(() => claim.setAside()),
      (claim) => claim.begin().then(() => claim.renew()),
    ];
    for (const act of acts) {
      await act(one);
      peer.die();
      peer = await bench.join();
      one = await claimNext(bench, peer);
      takeovers.push(one.takeovers);
      assertEquals(one.attempt, 1);
    }
    assertEquals(takeovers, [1, 2, 2, 2, 3]);
  },
);

holds(
  "what a consumer has survived is suspected no more; put back before it was begun, it still is",
  async (bench) => {
    const [suspect, peer] = await suspected(bench);
    assertEquals(await suspect.release(bench.nowMs, false), "done");
    const second = await claimNext(bench, peer);
    assertEquals([second.attempt, second.takeovers], [2, 1]);
    assertEquals(await second.begin(), "done");
    assertEquals(await second.defer(A, bench.nowMs), "done");
    const third = await claimDeferred(bench, peer);
    assertEquals([third.attempt, third.takeovers], [3, 0]);
  },
);

holds(
  "an attempt of a claim that wasn't taken over is given back, whatever was before",
  async (bench) => {
    const [suspect, peer] = await suspected(bench);
    await suspect.park(A, 0);
    const second = await claimDeferred(bench, peer);
    assertEquals([second.attempt, second.takeovers], [2, 1]);
    await second.park(A, 0);
    assertEquals((await claimDeferred(bench, peer)).attempt, 2);
  },
);

holds(
  "a living peer that doesn't renew loses its claim once the lease has ended, not before",
  async (bench) => {
    const [peer, other] = [await bench.join(), await bench.join()];
    const first = await putAndClaim(bench, peer);
    const sinceMs = bench.nowMs;
    const second = await claimNext(bench, other);
    assertEquals([second.id, second.attempt], [first.id, 1]);
    assert(bench.nowMs >= sinceMs + LIMITS.leaseMs - LIMITS.pollMs);
  },
);

holds("who has lost a claim is told so whatever it does, and touches nothing", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  const lost = await putAndClaim(bench, peer);
  const held = await claimNext(bench, other);
  const seen = await bench.see();
  assertEquals(await lost.complete(), "lost");
  assertEquals(await lost.renew(), "lost");
  assertEquals(await lost.defer(A, bench.nowMs), "lost");
  assertEquals(await lost.park(A, 0), "lost");
  assertEquals(await lost.bury({ outcome: "refused", reason: "bad" }, bench.nowMs), "lost");
  assertEquals(await lost.release(bench.nowMs, false), "lost");
  assertEquals(await bench.see(), seen);
  assertEquals(await held.complete(), "done");
});

holds("who has lost a claim before it was read gets nothing to read", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  const deferred = await putAndClaim(bench, peer);
  await deferred.defer(A, bench.nowMs);
  // What is taken over is not read along with its claim.
  const dead = await bench.join();
  await claimDeferred(bench, dead);
  dead.die();
  const lost = await claimNext(bench, peer);
  await claimNext(bench, other);
  assertEquals((await lost.read()).kind, "lost");
});

holds("whoever is alive has peers, whoever is alone has none", async (bench) => {
  const peer = await bench.join();
  await peer.store.candidates(1, true);
  assertEquals(peer.store.hasPeers, false);
  const other = await bench.join();
  const third = await bench.join();
  const sees = async (hasPeers: boolean) => {
    for (let n = 0; n < PATIENCE && peer.store.hasPeers !== hasPeers; n++) {
      await bench.pass(LIMITS.pollMs);
      await peer.store.candidates(1, true);
    }
    assertEquals(peer.store.hasPeers, hasPeers);
  };
  await sees(true);
  await other.store.close();
  other.die();
  third.die();
  await sees(false);
});

/** Marks */

/** Two peers, and something that waits for a destination. */
async function withWaiting(bench: Bench): Promise<readonly [peer: Peer, other: Peer]> {
  const [peer, other] = [await bench.join(), await bench.join()];
  await (await putAndClaim(bench, peer)).defer(A, bench.nowMs + HOUR_MS);
  await other.store.refresh();
  const { isHeld, afterMs, isMarkedOpen } = known(other, A);
  assertEquals([isHeld, afterMs, isMarkedOpen], [false, 0, false]);
  return [peer, other];
}

holds(
  "until when an endpoint wants to be left alone is known to all, and after a restart",
  async (bench) => {
    const [peer, other] = await withWaiting(bench);
    const untilMs = bench.nowMs + HOUR_MS;
    await peer.store.markAfter(A, untilMs);
    assertEquals(known(peer, A).afterMs, untilMs);
    assertEquals((await other.store.look(A))?.afterMs, untilMs);
    await peer.store.markAfter(A, untilMs - MINUTE_MS);
    assertEquals(known(peer, A).afterMs, untilMs);
    await bench.pass(LIMITS.pollMs);
    await other.store.refresh();
    assertEquals(known(other, A).afterMs, untilMs, "the later one counts");
    for (const one of [peer, other]) {
      await one.store.close();
      one.die();
    }
    const later = await bench.join();
    await later.store.refresh();
    assertEquals(known(later, A).afterMs, untilMs);
    await bench.pass(untilMs - bench.nowMs + 1);
    await later.store.refresh();
    assert(known(later, A).afterMs <= bench.nowMs, "and then it is over");
  },
);

holds("an endpoint for which nothing waits can want to be left alone too", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  assertEquals(await other.store.look(A), undefined);
  const untilMs = bench.nowMs + MINUTE_MS;
  await peer.store.markAfter(A, untilMs);
  assertEquals((await other.store.look(A))?.afterMs, untilMs);
  await other.store.refresh();
  assertEquals([...other.store.deferred].map(({ destination }) => destination), [A]);
});

holds("that a destination is down is known to all until somebody is answered", async (bench) => {
  const [peer, other] = await withWaiting(bench);
  await peer.store.markOpen(A, "connection refused");
  assert(known(peer, A).isMarkedOpen);
  assert((await other.store.look(A))?.isMarkedOpen);
  await other.store.markOpen(A, "connection refused");
  await other.store.unmarkOpen(A);
  assertEquals(known(other, A).isMarkedOpen, false);
  await bench.pass(LIMITS.pollMs);
  await peer.store.refresh();
  assertEquals(known(peer, A).isMarkedOpen, false);
});

holds(
  "that a destination is struggling is known to all until it is or nobody says so any more",
  async (bench) => {
    const [peer, other] = await withWaiting(bench);
    await peer.store.markStruggling(A, 0.5, "it answered 502");
    await peer.store.markStruggling(A, 0.3, "it answered 502");
    assert(known(peer, A).isMarkedStruggling);
    assert((await other.store.look(A))?.isMarkedStruggling);
    await other.store.unmarkStruggling(A);
    assertEquals((await other.store.look(A))?.isMarkedStruggling, false);
    await peer.store.markStruggling(A, 0.5, "it answered 502");
    await peer.store.close();
    peer.die();
    await bench.pass(LIMITS.pollMs);
    await other.store.refresh();
    assertEquals(known(other, A).isMarkedStruggling, false);
  },
);

holds(
  "since when a destination was away is known to all, the earlier of two times, also when who said so has gone",
  async (bench) => {
    const [peer, other] = await withWaiting(bench);
    const sinceMs = bench.nowMs - MINUTE_MS;
    await peer.store.markAway(A, sinceMs);
    await peer.store.markAway(A, sinceMs + 1);
    assertEquals(known(peer, A).awaySinceMs, sinceMs);
    await peer.store.close();
    peer.die();
    assertEquals((await other.store.look(A))?.awaySinceMs, sinceMs);
    await other.store.unmarkAway(A);
    assertEquals(known(other, A).awaySinceMs, 0);
    assertEquals((await other.store.look(A))?.awaySinceMs, 0);
  },
);

holds("who leaves takes back that it found a destination down", async (bench) => {
  const [peer, other] = await withWaiting(bench);
  await peer.store.markOpen(A, "timed out");
  await other.store.refresh();
  assert(known(other, A).isMarkedOpen);
  await peer.store.close();
  peer.die();
  await bench.pass(LIMITS.pollMs);
  await other.store.refresh();
  assertEquals(known(other, A).isMarkedOpen, false);
});

holds(
  "an operator's hold is known to all, and after a restart, until it is lifted",
  async (bench) => {
    const [peer, other] = await withWaiting(bench);
    await bench.hold(A);
    await bench.hold(B);
    assert((await peer.store.look(A))?.isHeld);
    await bench.pass(LIMITS.pollMs);
    await other.store.refresh();
    assert(known(other, A).isHeld);
    assert(known(other, B).isHeld, "although nothing waits for it");
    const later = await bench.join();
    await later.store.refresh();
    assert(known(later, A).isHeld);
    await bench.resume(A);
    await bench.resume(B);
    assertEquals((await peer.store.look(A))?.isHeld, false);
    await bench.pass(LIMITS.pollMs);
    await other.store.refresh();
    assertEquals(known(other, A).isHeld, false);
    assert(!other.store.deferredOf(B)?.isHeld);
  },
);

/** What is left */

holds("what is left is told whoever has it: nothing, only what is held, or more", async (bench) => {
  const [peer, other] = [await bench.join(), await bench.join()];
  assertEquals(await other.store.left(), "nothing");
  await bench.put("{}", bench.nowMs + MINUTE_MS);
  assertEquals(await other.store.left(), "more", "ready");
  const claimed = await claimNext(bench, peer);
  assertEquals(await other.store.left(), "more", "claimed by a peer");
  await claimed.defer(A, bench.nowMs + HOUR_MS);
  assertEquals(await other.store.left(), "more", "deferred");
  await bench.hold(A);
  await bench.pass(LIMITS.pollMs);
  await other.store.refresh();
  assertEquals(await other.store.left(), "held");
  const second = await putAndClaim(bench, peer);
  assertEquals(await other.store.left(), "more", "another beside what is held");
  await second.defer(B, bench.nowMs + HOUR_MS);
  await other.store.refresh();
  assertEquals(await other.store.left(), "more", "only one of them is held");
});

holds("a sweep removes nothing that is needed, however old it is", async (bench) => {
  const peer = await bench.join();
  const deferred = await putAndClaim(bench, peer);
  await deferred.defer(A, bench.nowMs + 5 * 24 * HOUR_MS);
  const dead = await putAndClaim(bench, peer, "dead");
  await dead.bury({ outcome: "refused", reason: "bad" }, bench.nowMs);
  const asked = await putAndClaim(bench, peer);
  await asked.answer().finish({ status: 200 });
  const ready = await bench.put("ready", bench.nowMs + 5 * 24 * HOUR_MS);
  const before = await bench.see();
  assertEquals([before.ready, before.claimed, before.deferred], [[ready], [asked.id], [
    deferred.id,
  ]]);
  await bench.pass(3 * 24 * HOUR_MS);
  const other = await bench.join();
  await other.store.sweep(new AbortController().signal);
  assertEquals(await bench.see(), before);
  assertEquals(await asked.complete(), "done");
});

holds("what is delivered is done with, also where it is kept", async (bench) => {
  const limits = { keepSentMs: HOUR_MS };
  const peer = await bench.join({ limits });
  assertEquals(await (await putAndClaim(bench, peer)).complete(), "done");
  assertEquals(await peer.store.left(), "nothing");
  await bench.pass(LIMITS.leaseMs + 2 * HOUR_MS);
  const other = await bench.join({ limits });
  assert(await isOfferedNothing(other));
  await other.store.prune(new AbortController().signal);
  assertEquals(await bench.see(), { ready: [], claimed: [], deferred: [], dead: [], answers: [] });
});

holds(
  "pruning removes nothing that is to be delivered, or that has not had its time",
  async (bench) => {
    const limits = {
      keepSentMs: HOUR_MS,
      keepDeadMs: 30 * 24 * HOUR_MS,
      keepResMs: 7 * 24 * HOUR_MS,
    };
    const peer = await bench.join({ limits });
    const deferred = await putAndClaim(bench, peer);
    await deferred.defer(A, bench.nowMs + 5 * 24 * HOUR_MS);
    const dead = await putAndClaim(bench, peer, "dead");
    await dead.bury({ outcome: "refused", reason: "bad" }, bench.nowMs);
    const asked = await putAndClaim(bench, peer);
    await asked.answer().finish({ status: 200 });
    await bench.put("ready", bench.nowMs + 5 * 24 * HOUR_MS);
    const before = await bench.see();
    await bench.pass(3 * 24 * HOUR_MS);
    const other = await bench.join({ limits });
    await other.store.prune(new AbortController().signal);
    assertEquals(await bench.see(), before);
  },
);

/** Refusals */

/** What was told of refusals. */
function troubles({ trace }: Peer): string[] {
  return trace.flatMap((event) => event.type === "disk-trouble" ? [event.verb] : []);
}

holdsRefused("a claim that is refused is told of, and made when it no longer is", async (bench) => {
  const id = await bench.put("{}");
  const peer = await bench.join();
  const [candidate] = await offered(bench, peer);
  bench.refuse("changes");
  assertEquals(await tryClaim(peer, candidate!), "resists");
  assertEquals(peer.trace.filter(({ type }) => type === "skipped").length, 1);
  bench.refuse(undefined);
  let claimed: Claimed | undefined;
  for (let n = 0; typeof claimed !== "object"; n++) {
    assert(n < PATIENCE);
    claimed = await tryClaim(peer, (await offered(bench, peer, 1))[0]!);
    await bench.pass(LIMITS.pollMs);
  }
  assertEquals([claimed.id, claimed.attempt], [id, 1]);
  assertEquals(peer.trace.filter(({ type }) => type === "skipped").length, 1, "told once");
});

holdsRefused("a full store has no room for claims until something has gone", async (bench) => {
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer);
  await bench.put("{}");
  const [candidate] = await offered(bench, peer);
  bench.refuse("room");
  assertEquals(await tryClaim(peer, candidate!), "no room");
  assertEquals(await first.complete(), "done");
  bench.refuse(undefined);
  await claim(peer, candidate);
});

holdsRefused("a consumer begins although the store is full", async (bench) => {
  const id = await bench.put("{}");
  bench.refuse("room");
  const peer = await bench.join();
  assertEquals(troubles(peer).length, 1);
  bench.refuse(undefined);
  assertEquals((await claimNext(bench, peer)).id, id);
});

holdsRefused("when every claim has been refused for long, that is a failure", async (bench) => {
  for (let n = 0; n < 5; n++) await bench.put(`${n}`);
  const peer = await bench.join();
  const candidates = await offered(bench, peer);
  bench.refuse("changes");
  for (let n = 0; n < PATIENCE; n++) {
    const { claimed, failure } = await peer.store.claim(candidates);
    assertEquals(claimed, Array(5).fill("resists"));
    if (failure) {
      assert(failure instanceof DiskFailure && n > 5);
      return;
    }
    await bench.pass(5 * SECOND_MS);
  }
  throw new Error("It never fails");
});

holdsRefused(
  "when looking has been refused for long, that is a failure; before, it is told",
  async (bench) => {
    await bench.put("{}");
    const peer = await bench.join();
    bench.refuse("looks");
    assert(await isOfferedNothing(peer));
    assertEquals([...new Set(troubles(peer))], ["list"]);
    assert(peer.store.restUntilMs > peer.monotonicMs, "it is not asked again at once");
    await assertRejects(() => offered(bench, peer), DiskFailure);
  },
);

holdsRefused("a full store doesn't keep what is delivered, but is done with it", async (bench) => {
  const peer = await bench.join({ limits: { keepSentMs: HOUR_MS } });
  const first = await putAndClaim(bench, peer);
  bench.refuse("room");
  assertEquals(await first.complete(), "done");
  assertEquals(troubles(peer), ["keep"]);
  assertEquals(await peer.store.left(), "nothing");
});

holdsRefused(
  "a delivered event that can't be removed goes later, and nobody sends it",
  async (bench) => {
    const [peer, other] = [await bench.join(), await bench.join()];
    const done = await putAndClaim(bench, peer);
    bench.refuse("changes");
    assertEquals(await done.complete(), "kept");
    await peer.store.refresh();
    assertEquals((await bench.see()).claimed, [done.id]);
    assert(await isOfferedNothing(peer));
    bench.refuse(undefined);
    await peer.store.refresh();
    assertEquals((await bench.see()).claimed, []);
    assert(await isOfferedNothing(other));
  },
);

holdsRefused("the last chance to remove a delivered event is to take leave", async (bench) => {
  const peer = await bench.join();
  const done = await putAndClaim(bench, peer);
  bench.refuse("changes");
  await done.complete();
  bench.refuse(undefined);
  await peer.store.close();
  peer.die();
  assertEquals((await bench.see()).claimed, []);
});

holdsRefused("what can't wait for its destination is ready again at its time", async (bench) => {
  const peer = await bench.join();
  const first = await putAndClaim(bench, peer);
  const dueMs = bench.nowMs + MINUTE_MS;
  bench.refuse("deferring");
  assertEquals(await first.defer(A, dueMs), "returned");
  bench.refuse(undefined);
  assertEquals((await bench.see()).ready, [first.id]);
  assertEquals(troubles(peer).length, 1);
  const again = await claimNext(bench, peer);
  assertEquals([again.attempt, bench.nowMs >= dueMs], [2, true]);
  bench.refuse("deferring");
  assertEquals(await again.park(A, HOUR_MS), "returned");
  bench.refuse(undefined);
  assert(await isOfferedNothing(peer), "not at once again");
  assertEquals((await claimNext(bench, peer)).attempt, 2);
});

holdsRefused(
  "what can't be settled at all stays claimed, and comes when the lease has ended",
  async (bench) => {
    const peer = await bench.join();
    const settle: ((claim: Claim) => Promise<string>)[] = [
      (claim) => claim.defer(A, bench.nowMs),
      (claim) => claim.park(A, 0),
      (claim) => claim.bury({ outcome: "refused", reason: "bad" }, bench.nowMs),
      (claim) => claim.release(bench.nowMs, false),
      (claim) => claim.renew(),
    ];
    for (const act of settle) {
      const first = await putAndClaim(bench, peer, "text");
      bench.refuse("changes");
      assertEquals(await act(first), "kept");
      bench.refuse(undefined);
      const { ready, claimed, deferred, dead } = await bench.see();
      assertEquals([ready, claimed, deferred, dead], [[], [first.id], [], []]);
      assert(await isOfferedNothing(peer));
      const again = await claimNext(bench, peer);
      assertEquals([again.id, again.attempt, await textOf(again)], [first.id, 1, "text"]);
      assertEquals(await again.complete(), "done");
    }
    assert(troubles(peer).length >= settle.length);
  },
);

holdsRefused(
  "an answer that can't be kept is an error, and nothing of it is left",
  async (bench) => {
    const peer = await bench.join();
    const asked = await putAndClaim(bench, peer);
    const answer = asked.answer();
    await answer.write(new TextEncoder().encode("text"));
    bench.refuse("room");
    await assertRejects(() => answer.finish({ status: 200 }));
    bench.refuse(undefined);
    await answer.discard();
    assertEquals((await bench.see()).answers, []);
    assertEquals(await asked.defer(A, bench.nowMs), "done");
  },
);

holdsRefused("marks that are refused are told of, and hinder nobody", async (bench) => {
  const [peer, other] = await withWaiting(bench);
  bench.refuse("changes");
  await peer.store.markAfter(A, bench.nowMs + MINUTE_MS);
  await peer.store.markOpen(A, "down");
  await peer.store.markStruggling(A, 0.5, "it answered 502");
  await peer.store.markAway(A, bench.nowMs);
  assertEquals(troubles(peer), ["mark", "mark", "mark", "mark"]);
  bench.refuse("looks");
  await peer.store.refresh();
  assert(troubles(peer).length > 2);
  bench.refuse(undefined);
  await other.store.refresh();
  assertEquals(known(other, A).afterMs, 0);
});

holdsRefused("a destination that can't be looked at is held until it can be", async (bench) => {
  const [peer] = await withWaiting(bench);
  await bench.hold(A);
  bench.refuse("looks");
  assert((await peer.store.look(A))?.isHeld, "somebody may have said so");
  bench.refuse(undefined);
  assert((await peer.store.look(A))?.isHeld);
  await bench.resume(A);
  assertEquals((await peer.store.look(A))?.isHeld, false);
});
