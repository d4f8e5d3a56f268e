import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Claim } from "../../../lib/queue/queue.ts";
import { type ClaimsOf, MaildirClaim } from "../../../lib/queue/store/claim.ts";
import { uuidv7 } from "../../../lib/queue/uuid.ts";
import type { Content } from "../../../lib/store/store.ts";
import { A, type Ground, grounded } from "./ground.ts";

/** A destination whose folder can't be looked at. */
const HIDDEN = "http_hidden.test_80";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** What the claims of one consumer share, and where it noted that events wait. */
function shared(ground: Ground): ClaimsOf & { readonly noted: (readonly [string, number])[] } {
  const noted: (readonly [string, number])[] = [];
  const { queue, reporter, limits } = ground;
  return {
    queue,
    reporter,
    limits,
    held: new Set(),
    delivered: new Set(),
    labelOf: (destination) => destination === HIDDEN ? "others" : destination,
    added: (folder, dueMs) => void noted.push([folder, dueMs]),
    noted,
  };
}

/** The one claim there is now of a file that is put into `new/`. */
async function claimed(ground: Ground, name = "event"): Promise<Claim> {
  const claim = await ground.queue.claim("new", name, 30_000);
  assert(claim !== undefined);
  return claim;
}

async function contentOf(
  ground: Ground,
  put: () => void,
  before: (claim: Claim) => unknown = () => {},
): Promise<Content> {
  put();
  const claim = await claimed(ground);
  await before(claim);
  return await new MaildirClaim(shared(ground), claim, undefined).read();
}

Deno.test("what was read with the claim is given at once, and read anew after that", () =>
  grounded(async (ground) => {
    ground.put("new/event", "text");
    const claim = await claimed(ground);
    const { disk } = ground.process.runtime;
    const content = await disk.read(ground.queue.path("cur", claim.name), 100);
    const one = new MaildirClaim(shared(ground), claim, { content });
    const asked = await ground.asks(() => {
      const read = one.read();
      assert(!(read instanceof Promise) && read.kind === "bytes");
      assertEquals(new TextDecoder().decode(read.bytes), "text");
      return Promise.resolve();
    });
    assertEquals(asked, []);
    assertEquals(await ground.asks(async () => void await one.read()), [`read cur/${claim.name}`]);
  }));

Deno.test("a file may still be being written for a minute, or when its time can't be true", () =>
  grounded(async (ground) => {
    const ages = [
      [0, true],
      [59 * SECOND_MS, true],
      [60 * SECOND_MS, false],
      [-14 * MINUTE_MS, true],
      [-15 * MINUTE_MS, false],
    ] as const;
    for (const [ageMs, mayBe] of ages) {
      const content = await contentOf(ground, () => ground.put("new/event", "half", ageMs));
      assert(content.kind === "bytes");
      assertEquals(content.mayBeUnfinished, mayBe, `${ageMs}`);
    }
  }));

Deno.test("a file that is too large is refused, with the option to change", () =>
  grounded(async (ground) => {
    const content = await contentOf(ground, () => ground.put("new/event", "x".repeat(1_001)));
    assertEquals(content, {
      kind: "refused",
      reason: "the file must be at most 1000 bytes (--max-bytes), it has 1001",
    });
    ground.limits.current = { ...ground.limits.current, maxBytes: 2_000 };
    const larger = await contentOf(ground, () => ground.put("new/event", "x".repeat(1_001)));
    assertEquals(larger.kind, "bytes", "it may change");
  }));

Deno.test("what turns out to be no file goes back", () =>
  grounded(async (ground) => {
    for (const kind of ["directory", "symlink", "other"] as const) {
      const content = await contentOf(ground, () => ground.plant("new/event", kind));
      assertEquals(content, { kind: "released", reason: `not a file but a ${kind}`, pauseMs: 0 });
    }
  }));

Deno.test("what the disk says when a file is read is what becomes of its event", () =>
  grounded(async (ground) => {
    const answers = [
      ["ENOENT", "lost"],
      ["EMFILE", "crowded"],
      ["ENFILE", "crowded"],
      ["EIO", "deferred"],
      ["ESTALE", "deferred"],
      ["EACCES", "refused"],
      ["EPERM", "refused"],
    ] as const;
    for (const [code, kind] of answers) {
      const put = () => ground.put("new/event");
      const content = await contentOf(ground, put, () => ground.refuse("read", code));
      ground.refuse(undefined);
      assertEquals(content.kind, kind, code);
      if (content.kind === "crowded") assertEquals(content.pauseMs, SECOND_MS);
      if (content.kind === "refused") {
        assertMatch(content.reason, /belongs to user \d+ and has mode 0600: E/);
      }
    }
  }));

Deno.test("an event is as old as its file, or its id, whichever is younger", () =>
  grounded(async (ground) => {
    const { nowMs } = ground;
    const random = () => 0.5;
    const rows = [
      ["event", 5 * MINUTE_MS, nowMs - 5 * MINUTE_MS],
      [uuidv7(nowMs - MINUTE_MS, random), 5 * MINUTE_MS, nowMs - MINUTE_MS],
      [uuidv7(nowMs - 9 * MINUTE_MS, random), 5 * MINUTE_MS, nowMs - 5 * MINUTE_MS],
    ] as const;
    for (const [id, ageMs, enqueuedMs] of rows) {
      ground.put(`new/${id}`, "{}", ageMs);
      const one = new MaildirClaim(shared(ground), await claimed(ground, id), undefined);
      await one.read();
      assertEquals(one.enqueuedMs, enqueuedMs);
    }
  }));

Deno.test("the names of claims in flight are known, from the claim to its end", () =>
  grounded(async (ground) => {
    const of = shared(ground);
    const { nowMs } = ground;
    const ends: ((claim: MaildirClaim) => Promise<unknown>)[] = [
      (claim) => claim.complete(),
      (claim) => claim.defer(A, nowMs),
      (claim) => claim.park(A, 0),
      (claim) => claim.bury({ outcome: "refused", reason: "" }, nowMs),
      (claim) => claim.release(nowMs, true),
    ];
    for (const end of ends) {
      ground.put("new/event");
      const one = new MaildirClaim(of, await claimed(ground), undefined);
      const before = [...of.held];
      assertEquals(before.length, 1);
      await ground.pass(1);
      await one.renew();
      assertEquals(ground.files("cur"), [...of.held]);
      assert(!of.held.has(before[0]!));
      await end(one);
      assertEquals([...of.held], []);
    }
  }));

Deno.test("a claim that is lost, or given up, is not in flight any more", () =>
  grounded(async (ground) => {
    const of = shared(ground);
    const other = await ground.another();
    ground.put("new/event");
    const lost = await claimed(ground);
    const one = new MaildirClaim(of, lost, undefined);
    await other.queue.takeOver(lost.name, 30_000);
    assertEquals([await one.release(ground.nowMs, false), of.held.size], ["lost", 0]);
    ground.put("new/event");
    const kept = new MaildirClaim(of, await claimed(ground), undefined);
    ground.refuse("rename");
    assertEquals([await kept.renew(), of.held.size], ["kept", 0]);
    assertEquals(ground.reasons, ["sent only once its lease has ended and a claim succeeds"]);
  }));

Deno.test("a delivered event that can't be removed stays in flight here until it can", () =>
  grounded(async (ground) => {
    const of = shared(ground);
    ground.put("new/event");
    const one = new MaildirClaim(of, await claimed(ground), undefined);
    ground.refuse("remove", "EROFS");
    assertEquals(await one.complete(), "kept");
    assertEquals([of.delivered.has(one), of.held.size], [true, 1]);
    ground.refuse(undefined);
    assertEquals(await one.complete(), "done");
    assertEquals([of.delivered.size, of.held.size, ground.files("cur")], [0, 0, []]);
  }));

Deno.test("where an event waits is noted, with when it is due", () =>
  grounded(async (ground) => {
    const of = shared(ground);
    const dueMs = ground.nowMs + MINUTE_MS;
    for (const destination of [A, undefined]) {
      ground.put("new/event");
      await new MaildirClaim(of, await claimed(ground), undefined).defer(destination, dueMs);
    }
    assertEquals(of.noted.map(([folder]) => folder.split("/").slice(0, 2).join("/")), [
      `defer/${A}`,
      "defer/others",
    ]);
    assert(of.noted.every(([_, at]) => at === dueMs));
  }));

Deno.test("parked in a folder of its own an event is due at once, in a shared one after a while", () =>
  grounded(async (ground) => {
    const parked = async (destination: string, pauseMs: number) => {
      const of = shared(ground);
      ground.put("new/event");
      await new MaildirClaim(of, await claimed(ground), undefined).park(destination, pauseMs);
      return of.noted[0]![1] - ground.nowMs;
    };
    assertEquals(await parked(A, MINUTE_MS), 0);
    for (const [pauseMs, waitMs] of [[0, 1_000], [5_000, 5_000], [3_600_000, 60_000]] as const) {
      assertEquals(await parked("others", pauseMs), waitMs);
    }
    assertEquals(await parked("others", Infinity), 60_000);
    assertEquals(await parked(HIDDEN, Infinity), 60_000);
  }));

Deno.test("what the disk refuses is told with what it means for the event", () =>
  grounded(async (ground) => {
    const of = shared(ground);
    const told = async (act: (claim: MaildirClaim) => Promise<unknown>, start: string) => {
      ground.put("new/event");
      const one = new MaildirClaim(of, await claimed(ground), undefined);
      ground.refuse(start);
      const fate = await act(one);
      ground.refuse(undefined);
      const event = ground.trace.at(-1);
      assert(event?.type === "disk-trouble");
      assertEquals([event.id, event.code], ["event", "EIO"]);
      return `${event.verb}: ${fate}, ${event.reason}`;
    };
    const { nowMs } = ground;
    assertEquals(
      await told((claim) => claim.defer(A, nowMs), "makeDir"),
      "defer: returned, it is back in new/ and due later",
    );
    assertEquals(
      await told((claim) => claim.release(nowMs, true), "rename"),
      "release: kept, it stays claimed until its lease ends",
    );
    assertEquals(
      await told((claim) => claim.complete(), "remove"),
      "complete: kept, it is delivered; its file is removed as soon as the disk allows",
    );
    const reason = { outcome: "refused", reason: "bad" } as const;
    assertEquals(
      await told((claim) => claim.bury(reason, nowMs), "create doa/"),
      "bury: done, its reason could not be written",
    );
  }));
