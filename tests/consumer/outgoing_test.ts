import { assertEquals } from "@std/assert";
import { Leases } from "../../lib/consumer/leases.ts";
import { Outgoing, type Sent } from "../../lib/consumer/outgoing.ts";
import type { Prepared } from "../../lib/consumer/prepare.ts";
import type { Reply } from "../sim/network.ts";
import { START_MS } from "../sim/world.ts";
import { A, ARRAY_MERGER, type Parts, withMemory } from "../support/consumer_parts.ts";
import { type Script, ScriptedClaim } from "../support/scripted_claim.ts";

/** Enough for an attempt of 30 s and 5 s beyond it. */
const ENOUGH = START_MS + 35_000;

/** What came of sending events. */
interface Seen {
  readonly sent: Sent;
  /** What was asked of each claim. */
  readonly asked: readonly string[][];
  /** The bodies that arrived. */
  readonly bodies: readonly string[];
  readonly told: readonly string[];
  readonly parts: Parts;
}

/** Send events on claims of that kind in one request, at {@linkcode START_MS}. */
async function send(
  scripts: readonly Script[],
  reply: Reply = {},
  before: (parts: Parts) => void = () => {},
  method = "POST",
): Promise<Seen> {
  let seen: Seen | undefined;
  await withMemory({ timeoutMs: 30_000, merge: ARRAY_MERGER }, async (parts) => {
    parts.world.network.script = () => reply;
    const claims = scripts.map((script) => new ScriptedClaim({ enqueuedMs: START_MS, ...script }));
    const { settings, stop, storage, sender, settler, batcher } = parts;
    before(parts);
    const leases = new Leases(settings, storage.world, settler);
    const outgoing = new Outgoing({ sender, leases, settler, batcher }, stop.signal);
    const sent = await outgoing.send(claims.map((claim, n) => event(claim, method, `${n}`)));
    outgoing.close();
    seen = {
      sent,
      asked: claims.map(({ asked }) => asked.map(([verb]) => verb)),
      bodies: parts.world.network.taken.map(({ body }) => body),
      told: parts.told,
      parts,
    };
  });
  return seen!;
}

function event(claim: ScriptedClaim, method: string, text: string): Prepared {
  const url = new URL("http://a.test/");
  const body = method === "GET" ? undefined : text;
  const part = { key: "", text, bytes: 2, frameBytes: 1 };
  const merging = { part, group: "", sinceMs: 0 };
  return { claim, request: { url, method, headers: [], body }, destination: A, bytes: 1, merging };
}

Deno.test("an event whose lease outlives an attempt is sent and settled, and nothing else", async () => {
  const { sent, asked, bodies } = await send([{ leaseEndMs: ENOUGH }]);
  assertEquals([bodies, asked], [["0"], [["complete"]]]);
  assertEquals([sent.attempt?.outcome, sent.undecided], ["delivered", []]);
});

Deno.test("events whose leases were lost, or can't be renewed, are told of and not sent", async () => {
  const { asked, bodies, told } = await send([
    { renews: "lost" },
    { renews: "kept" },
    { leaseEndMs: ENOUGH },
  ]);
  assertEquals([bodies, asked], [["2"], [["renew"], ["renew"], ["complete"]]]);
  assertEquals(told, ["lease-lost", "kept", "delivered"]);
});

Deno.test("when none is left nothing is sent", async () => {
  const { sent, bodies } = await send([{ renews: "lost" }]);
  assertEquals([bodies, sent], [[], { attempt: undefined, undecided: [] }]);
});

Deno.test("who is to stop sends nothing more: what it has goes back", async () => {
  const { asked, bodies, sent } = await send(
    [{ leaseEndMs: ENOUGH }, { leaseEndMs: ENOUGH }],
    {},
    ({ stop }) => stop.abort(),
  );
  assertEquals([bodies, asked, sent.attempt], [[], [["release"], ["release"]], undefined]);
});

Deno.test("a refusal of several settles none of them, any other answer all", async () => {
  const two = [{ leaseEndMs: ENOUGH }, { leaseEndMs: ENOUGH }];
  const refused = await send(two, { status: 422 });
  assertEquals([refused.sent.undecided.length, refused.asked], [2, [[], []]]);
  const deferred = await send(two, { status: 503 });
  assertEquals([deferred.sent.undecided, deferred.asked], [[], [["defer"], ["defer"]]]);
  const [alone] = (await send([{ leaseEndMs: ENOUGH }], { status: 422 })).asked;
  assertEquals(alone, ["bury"]);
});

Deno.test("the answer to a GET is kept, one to a POST is not", async () => {
  const get = await send([{ leaseEndMs: ENOUGH }], { body: "hello" }, () => {}, "GET");
  assertEquals(get.asked, [["write", "finish", "complete"]]);
  const post = await send([{ leaseEndMs: ENOUGH }], { body: "hello" });
  assertEquals(post.asked, [["complete"]]);
});
