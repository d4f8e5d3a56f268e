import { assert, assertEquals } from "@std/assert";
import { Leases } from "../../lib/consumer/leases.ts";
import type { Prepared } from "../../lib/consumer/prepare.ts";
import { START_MS } from "../sim/world.ts";
import { A, type Parts, withMemory } from "../support/consumer_parts.ts";
import { type Script, ScriptedClaim } from "../support/scripted_claim.ts";

/** Enough for an attempt of 30 s and 5 s beyond it. */
const ENOUGH = START_MS + 35_000;

type Ready = readonly Prepared[] | Promise<readonly Prepared[]>;

/** Ask for the leases of claims of that kind, at {@linkcode START_MS}. */
async function ready(
  scripts: readonly Script[],
  check: (ready: Ready, claims: ScriptedClaim[], parts: Parts) => Promise<void>,
): Promise<void> {
  await withMemory({ timeoutMs: 30_000 }, async (parts) => {
    const claims = scripts.map((script) => new ScriptedClaim(script));
    const request = { url: new URL("http://a.test/"), method: "GET", headers: [], body: undefined };
    const events = claims.map((claim) => ({ claim, request, destination: A, bytes: 1 }));
    const leases = new Leases(parts.settings, parts.storage.world, parts.settler);
    await check(leases.ready(events), claims, parts);
  });
}

Deno.test("leases that outlive an attempt are left alone, and not waited for", () =>
  ready([{ leaseEndMs: ENOUGH }, { leaseEndMs: ENOUGH + 1 }], (events, claims) => {
    assert(!(events instanceof Promise));
    assertEquals([events.length, claims[0]!.asked, claims[1]!.asked], [2, [], []]);
    return Promise.resolve();
  }));

Deno.test("of several only the leases that end too early are renewed", () =>
  ready(
    [{ leaseEndMs: ENOUGH }, { leaseEndMs: ENOUGH - 1, renewsByMs: 1 }],
    async (events, claims, { trace }) => {
      assertEquals((await events).map(({ claim }) => claim), claims);
      assertEquals(claims.map(({ asked }) => asked.length), [0, 1]);
      assertEquals(trace, []);
    },
  ));

Deno.test("events whose leases were lost, or can't be renewed, are told of and not sent", () =>
  ready(
    [{ renews: "lost" }, { renews: "kept" }, { leaseEndMs: ENOUGH }],
    async (events, claims, parts) => {
      assertEquals((await events).map(({ claim }) => claim), [claims[2]!]);
      assertEquals(claims.map(({ asked }) => asked.map(([verb]) => verb)), [
        ["renew"],
        ["renew"],
        [],
      ]);
      assertEquals(parts.told, ["lease-lost", "kept"]);
    },
  ));

Deno.test("an event whose renewed lease is too short again and again goes back unsent", () =>
  ready([{ renewsByMs: 1 }, { leaseEndMs: ENOUGH }], async (events, claims, { trace }) => {
    assertEquals((await events).map(({ claim }) => claim), [claims[1]!]);
    assertEquals(claims[0]!.asked.map(([verb]) => verb), ["renew", "renew", "renew", "release"]);
    assertEquals(claims[0]!.asked.at(-1), ["release", START_MS, false]);
    assert(trace[0]?.type === "released");
    assertEquals(trace[0].reason, "its lease can't be renewed in time");
  }));

Deno.test("an event that was taken over says that it is being sent, once its lease is long enough", () =>
  ready(
    [{ takeovers: 1, leaseEndMs: ENOUGH }, { takeovers: 1, renewsByMs: ENOUGH }, {
      leaseEndMs: ENOUGH,
    }],
    async (events, claims) => {
      assertEquals((await events).map(({ claim }) => claim), claims);
      assertEquals(claims.map(({ asked }) => asked.map(([verb]) => verb)), [
        ["begin"],
        ["renew", "begin"],
        [],
      ]);
    },
  ));

Deno.test("one that can't say so is told of and not sent", () =>
  ready(
    [{ takeovers: 1, leaseEndMs: ENOUGH, begins: "lost" }, {
      takeovers: 1,
      leaseEndMs: ENOUGH,
      begins: "kept",
    }],
    async (events, _, parts) => {
      assertEquals([await events, parts.told], [[], ["lease-lost", "kept"]]);
    },
  ));
