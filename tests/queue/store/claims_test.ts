import { assert, assertEquals } from "@std/assert";
import { ClaimBackoff } from "../../../lib/queue/store/claim_backoff.ts";
import { Claims } from "../../../lib/queue/store/claims.ts";
import { DiskFailure } from "../../../lib/store/failure.ts";
import type { Claimed } from "../../../lib/store/store.ts";
import { type Ground, grounded } from "./ground.ts";

function claimsOf(ground: Ground): Claims {
  const { queue, reporter, limits, trace, clock } = ground;
  const of = {
    queue,
    reporter,
    limits,
    held: new Set<string>(),
    delivered: new Set<never>(),
    labelOf: (destination: string) => destination,
    added: () => {},
  };
  return new Claims(of, new ClaimBackoff(clock), (event) => void trace.push(event));
}

const inNew = (...names: string[]) => names.map((name) => ({ folder: "new", name }));

/** What came of candidates, claims by their ids. */
function outcomes(claimed: readonly Claimed[]): string[] {
  return claimed.map((one) => typeof one === "object" ? one.id : one);
}

async function claim(claims: Claims, ...names: string[]): Promise<string[]> {
  return outcomes((await claims.claim(inNew(...names))).claimed);
}

Deno.test("what came of each candidate is told in order: claimed, gone, resists", () =>
  grounded(async (ground) => {
    for (const name of ["a", "c", "d"]) ground.put(`new/${name}`);
    ground.refuse("rename new/c", "EACCES");
    const claims = claimsOf(ground);
    assertEquals(await claim(claims, "a", "b", "c", "d"), ["a", "gone", "resists", "d"]);
    assertEquals(ground.trace, [
      { type: "skipped", path: "new/c", reason: "can't be claimed: EACCES; tried again later" },
    ]);
  }));

Deno.test("a claim is read along, as far as it is not too large", () =>
  grounded(async (ground) => {
    ground.put("new/a", "text");
    const { claimed: [one] } = await claimsOf(ground).claim(inNew("a"));
    assert(typeof one === "object");
    const content = one.read();
    assert(!(content instanceof Promise) && content.kind === "bytes");
    assertEquals(new TextDecoder().decode(content.bytes), "text");
  }));

Deno.test("a file that resists is told once and left alone for longer and longer, the others are claimed", () =>
  grounded(async (ground) => {
    ground.put("new/a");
    ground.refuse("rename new/a", "EACCES");
    const claims = claimsOf(ground);
    let tries = 0;
    for (let n = 0; n < 60; n++) {
      ground.put(`new/event-${n}`);
      const asked = await ground.asks(async () => {
        assertEquals(await claim(claims, "a", `event-${n}`), ["resists", `event-${n}`]);
      });
      if (asked.includes("rename new/a")) tries++;
      await ground.pass(1_000);
    }
    assertEquals(tries, 6, "after 0, 1, 3, 7, 15 and 31 s");
    assertEquals(ground.trace.length, 1);
    ground.refuse(undefined);
    await ground.pass(60_000);
    assertEquals(await claim(claims, "a"), ["a"]);
  }));

Deno.test("a full disk is told once, until a claim goes through again", () =>
  grounded(async (ground) => {
    for (const name of ["a", "b", "c"]) ground.put(`new/${name}`);
    const claims = claimsOf(ground);
    for (const code of ["ENOSPC", "EDQUOT"]) {
      ground.refuse("rename", code);
      assertEquals(await claim(claims, "a", "b"), ["no room", "no room"]);
    }
    assertEquals(ground.trace.map((event) => event.type === "disk-trouble" && event.code), [
      "ENOSPC",
    ]);
    ground.refuse(undefined);
    assertEquals(await claim(claims, "a", "b"), ["a", "b"], "and they are not left alone");
    ground.refuse("rename", "ENOSPC");
    assertEquals(await claim(claims, "c"), ["no room"]);
    assertEquals(ground.trace.length, 2);
  }));

Deno.test("when every claim has been refused for half a minute, that is a failure", () =>
  grounded(async (ground) => {
    for (const name of ["a", "b", "c"]) ground.put(`new/${name}`);
    ground.refuse("rename");
    const claims = claimsOf(ground);
    for (let n = 0; n < 100; n++) {
      const { claimed, failure } = await claims.claim(inNew("a", "b", "c"));
      assertEquals(outcomes(claimed), ["resists", "resists", "resists"]);
      if (failure) {
        assert(failure instanceof DiskFailure && ground.clock.monotonic() >= 30_000);
        return;
      }
      await ground.pass(1_000);
    }
    throw new Error("It never fails");
  }));

Deno.test("a full disk is no failure, however long it lasts", () =>
  grounded(async (ground) => {
    for (const name of ["a", "b", "c"]) ground.put(`new/${name}`);
    ground.refuse("rename", "ENOSPC");
    const claims = claimsOf(ground);
    for (let n = 0; n < 100; n++) {
      const { failure } = await claims.claim(inNew("a", "b", "c"));
      assertEquals(failure, undefined);
      await ground.pass(60_000);
    }
  }));

Deno.test("a name that can't be an id is replaced, and both are told", () =>
  grounded(async (ground) => {
    ground.put("new/bad name");
    const [id] = await claim(claimsOf(ground), "bad name");
    assertEquals(ground.trace, [{ type: "id-replaced", id: id!, name: "bad name" }]);
    assert(/^x-[0-9a-f]{32}$/.test(id!));
  }));

Deno.test("a claim that is taken over is told, with whose it was", () =>
  grounded(async (ground) => {
    ground.put("new/a");
    const other = await ground.another();
    const { name } = (await other.queue.claim("new", "a", 30_000))!;
    const { claimed: [one] } = await claimsOf(ground).claim([{ folder: "cur", name }]);
    assert(typeof one === "object");
    assertEquals([one.id, one.attempt, one.takeovers], ["a", 1, 1]);
    const { owner } = other.queue;
    assertEquals(ground.trace, [{ type: "taken-over", id: "a", owner, takeovers: 1 }]);
  }));

Deno.test("a lease is as long as it is to be at that moment", () =>
  grounded(async (ground) => {
    const claims = claimsOf(ground);
    for (const leaseMs of [30_000, 60_000]) {
      ground.limits.current = { ...ground.limits.current, leaseMs };
      ground.put("new/a");
      const { claimed: [one] } = await claims.claim(inNew("a"));
      assert(typeof one === "object");
      assertEquals(one.leaseEndMs - ground.nowMs, leaseMs);
    }
  }));
