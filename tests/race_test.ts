/**
 * The race sweep: processes that meet on one queue, in every order of their disk verbs where that is feasible, else within a
 * bound that is printed with the counts.
 */

import { assert, assertEquals } from "@std/assert";
import { AbandonedClaims } from "../lib/consumer/recovery.ts";
import { EventExistsError } from "../lib/queue/enqueue.ts";
import { formatName } from "../lib/queue/name.ts";
import { acquireOwner, inheritOwner, releaseOwner } from "../lib/queue/owner.ts";
import type { Claim, Queue } from "../lib/queue/queue.ts";
import { requeue } from "../lib/queue/requeue.ts";
import { Arena, type ArenaOptions, BASE, bodyText, QUICK, rescue, tell } from "./sim/arena.ts";
import type { SimProcess } from "./sim/process.ts";
import { everyInterleaving, type InterleavingBounds } from "./sim/scheduler.ts";
import { START_MS } from "./sim/world.ts";

const LEASE_MS = QUICK.leaseMs!;
const URL = "http://a.test/";
const DESTINATION = "http_a.test_80";

/** One process's part. */
interface Actor {
  readonly process: SimProcess;
  readonly queue: Queue;
}

async function actor(arena: Arena, host = "edge"): Promise<Actor> {
  const process = arena.world.process({ host });
  return { process, queue: await arena.open(process) };
}

/** As a consumer does it, without its loop: send, and remove if nobody else has it by now. */
async function deliver(arena: Arena, { process, queue }: Actor, claim: Claim): Promise<void> {
  try {
    await process.runtime.disk.read(queue.path("cur", claim.name), 1_000);
  } catch {
    return arena.reportLost(process, claim.id);
  }
  await send(arena, process, claim);
  if (!await queue.complete(claim)) arena.reportLost(process, claim.id);
}

async function send(arena: Arena, process: SimProcess, claim: Claim): Promise<void> {
  await process.runtime.fetch(URL, {
    method: "POST",
    headers: { "Idempotency-Key": claim.id },
    body: arena.offered.get(claim.id)!,
  });
}

async function namesIn({ process }: Actor, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of process.runtime.disk.list(`${BASE}/${folder}`)) names.push(name);
  return names;
}

/** Run a scenario in every order; print how many there were. */
async function inEveryOrder(
  test: Deno.TestContext,
  bounds: InterleavingBounds & { limit?: number },
  options: ArenaOptions,
  scenario: (arena: Arena, choose: (n: number) => number) => Promise<void>,
): Promise<void> {
  const limit = bounds.limit ?? 20_000;
  const count = await everyInterleaving({ ...bounds, limit }, async (scheduler, choices) => {
    const arena = new Arena({ ...options, scheduler });
    await arena.world.run(scenario(arena, (n) => choices.choose(n)));
    await rescue(arena);
  });
  const bound = bounds.prune ? "" : `, at most ${bounds.preemptions} preemptions`;
  const jumps = bounds.timeJumps === undefined ? "" : `, ${bounds.timeJumps} jump of time`;
  tell(
    `${test.name}: ${count.runs} orders${bound}${jumps}, ${count.pruned} redundant ones left out${
      count.complete ? "" : `; stopped at the limit of ${limit}`
    }`,
  );
  assert(count.complete || bounds.limit !== undefined, "Not exhaustive");
}

Deno.test("two consumers and a producer share events without losing or doubling one", async (test) => {
  await inEveryOrder(test, { prune: true }, {}, async (arena) => {
    arena.plant("a", 1);
    const [one, other, producer] = [await actor(arena), await actor(arena), await actor(arena)];
    const consume = async (by: Actor) => {
      for (const name of await namesIn(by, "new")) {
        const claim = await by.queue.claim("new", name, LEASE_MS);
        if (claim) await deliver(arena, by, claim);
      }
    };
    await Promise.all([consume(one), consume(other), arena.enqueue(producer.queue, 2)]);
  });
});

const SETTLE: Record<string, (queue: Queue, claim: Claim, nowMs: number) => Promise<boolean>> = {
  complete: (queue, claim) => queue.complete(claim),
  defer: async (queue, claim, nowMs) =>
    (await queue.defer(claim, DESTINATION, nowMs + 1_000)).settled === "done",
  bury: async (queue, claim, nowMs) => {
    const reason = { outcome: "refused", reason: "no" } as const;
    return (await queue.bury(claim, reason, nowMs + 1_000)).settled === "done";
  },
  release: (queue, claim, nowMs) => queue.release(claim, nowMs, true),
  renew: async (queue, claim) => await queue.renew(claim, LEASE_MS) !== undefined,
};

for (const [verb, settle] of Object.entries(SETTLE)) {
  Deno.test(`of ${verb} and two take-overs of one claim exactly one comes first`, async (test) => {
    await inEveryOrder(test, { prune: true }, { allowTakeovers: true }, async (arena) => {
      arena.plant("a", 1);
      const [owner, heir, rival] = [await actor(arena), await actor(arena), await actor(arena)];
      const claim = (await owner.queue.claim("new", "a.json", LEASE_MS))!;
      if (verb === "complete") await send(arena, owner.process, claim);
      let winners = 0;
      const takeOver = async (by: Actor) => {
        const taken = await by.queue.takeOver(claim.name, LEASE_MS);
        if (!taken) return;
        winners++;
        await deliver(arena, by, taken);
      };
      const settled = async () => {
        if (await settle(owner.queue, claim, START_MS)) winners++;
        else arena.reportLost(owner.process, claim.id);
      };
      await Promise.all([settled(), takeOver(heir), takeOver(rival)]);
      assertEquals(winners, 1);
    });
  });
}

Deno.test("a destination folder that others remove is made again for the event that is deferred into it", async (test) => {
  await inEveryOrder(test, { prune: true }, {}, async (arena) => {
    arena.plant("a", 1);
    const [consumer, tidy] = [await actor(arena), await actor(arena)];
    const defer = async () => {
      const claim = (await consumer.queue.claim("new", "a.json", LEASE_MS))!;
      return await consumer.queue.defer(claim, DESTINATION, START_MS + 1_000);
    };
    const removeThrice = async () => {
      for (let times = 0; times < 3; times++) {
        await tidy.queue.removeFolder(`defer/${DESTINATION}`);
      }
    };
    const [{ settled }] = await Promise.all([defer(), removeThrice()]);
    assert(settled === "done" || settled === "returned", settled); // never taken for a lost lease
    assertEquals(await namesIn(tidy, "cur"), []);
  });
});

Deno.test("the same id dropped twice is refused while the first is in new/, else it is a second event", async (test) => {
  await inEveryOrder(test, { prune: true }, {}, async (arena) => {
    const [one, other, consumer] = [await actor(arena), await actor(arena), await actor(arena)];
    let accepted = 0;
    const drop = async ({ queue }: Actor) => {
      try {
        await arena.enqueue(queue, 1, { id: "a" });
        accepted++;
      } catch (error) {
        if (!(error instanceof EventExistsError)) throw error;
      }
    };
    const consume = async () => {
      const claim = await consumer.queue.claim("new", "a.json", LEASE_MS);
      if (claim) await deliver(arena, consumer, claim);
    };
    arena.times = () => accepted;
    await Promise.all([drop(one), drop(other), consume()]);
    assert(accepted === 1 || accepted === 2);
  });
});

Deno.test("two requeues of one dead letter and the consumer after them bring it back once", async (test) => {
  await inEveryOrder(test, { prune: true }, {}, async (arena) => {
    const name = formatName({ id: "a", extension: ".json" }, 3, START_MS, "edge-1-x-1");
    arena.plant("a", 1, { folder: "doa", name });
    arena.world.disk.plant(`${BASE}/doa/${name}.why`, { text: "{}" });
    const [one, other, consumer] = [await actor(arena), await actor(arena), await actor(arena)];
    const consume = async () => {
      for (const each of await namesIn(consumer, "new")) {
        const claim = await consumer.queue.claim("new", each, LEASE_MS);
        if (claim) await deliver(arena, consumer, claim);
      }
    };
    const [first, second] = await Promise.all([
      requeue(one.queue, "all"),
      requeue(other.queue, ["a"]),
      consume(),
    ]);
    assertEquals(first.requeued.length + second.requeued.length, 1);
  });
});

Deno.test("nobody gets the lock of an owner who is making, moving or removing its owner file", async (test) => {
  await inEveryOrder(test, { preemptions: 4 }, {}, async (arena) => {
    const [owner, other] = [await actor(arena), await actor(arena)];
    let isAlive = true;
    const live = async () => {
      const held = await acquireOwner(owner.queue);
      assert(held);
      const releasing = releaseOwner(owner.queue, held);
      isAlive = false; // from here on it has no claims
      await releasing;
    };
    const pry = async () => {
      for (let tries = 0; tries < 2; tries++) {
        for (const name of await namesIn(other, "cur")) {
          const heir = await inheritOwner(other.queue, name);
          assert(!isAlive || typeof heir === "string", "The lock of the living is free");
          if (typeof heir !== "string") await releaseOwner(other.queue, heir);
        }
      }
    };
    await Promise.all([live(), pry()]);
    assertEquals(arena.files(), []);
  });
});

/** What is left of a consumer on this host that died with two claims. */
function plantDead(arena: Arena): void {
  arena.world.disk.plant(`${BASE}/cur/.edge-50-dead`);
  for (const [index, id] of ["a", "b"].entries()) {
    const tag = `edge-50-dead-${index}`;
    const name = formatName({ id, extension: ".json" }, 1, START_MS + LEASE_MS, tag);
    arena.plant(id, index, { folder: "cur", name });
  }
}

Deno.test("two heirs of one dead owner take over each of its claims once, and its owner file goes last", async (test) => {
  await inEveryOrder(test, { preemptions: 3 }, {}, async (arena) => {
    plantDead(arena);
    const heirs = [await actor(arena), await actor(arena)];
    let taken = 0;
    const inherit = async (by: Actor) => {
      const claims = new AbandonedClaims(by.queue, LEASE_MS, () => false, () => {});
      for (const { name } of await claims.next()) {
        const claim = await by.queue.takeOver(name, LEASE_MS);
        if (!claim) continue;
        taken++;
        await deliver(arena, by, claim);
      }
      await claims.close();
    };
    await Promise.all(heirs.map(inherit));
    assertEquals(taken, 2);
    assertEquals(arena.files(), []);
  });
});

Deno.test("an owner lock obtained too early costs a second delivery at most, which is reported", async (test) => {
  // Two hosts whose names are cut to one label share a network file system whose locks are each host's own.
  const options = { networkDisk: true, allowTakeovers: true };
  await inEveryOrder(test, { preemptions: 3 }, options, async (arena) => {
    arena.plant("a", 1);
    const [owner, heir] = [await actor(arena, "edge.north"), await actor(arena, "edge.south")];
    const held = await acquireOwner(owner.queue);
    assert(held);
    const claim = (await owner.queue.claim("new", "a.json", LEASE_MS))!;
    const inherit = async () => {
      const claims = new AbandonedClaims(heir.queue, LEASE_MS, () => false, () => {});
      for (const { name } of await claims.next()) {
        const taken = await heir.queue.takeOver(name, LEASE_MS);
        if (taken) await deliver(arena, heir, taken);
      }
      await claims.close();
    };
    await Promise.all([
      deliver(arena, owner, claim).then(() => releaseOwner(owner.queue, held)),
      inherit(),
    ]);
  });
});

Deno.test("two whole consumers and a producer end with everything delivered once", async (test) => {
  await inEveryOrder(test, { preemptions: 2, limit: 3_000 }, {}, async (arena) => {
    arena.plant("a", 1);
    const producer = await actor(arena);
    const [one, other] = [arena.world.process(), arena.world.process()];
    await arena.enqueue(producer.queue, 2);
    await Promise.all([arena.consume(one, "until-empty"), arena.consume(other, "until-empty")]);
    arena.judge();
    assertEquals(arena.duplicates, 0);
  });
});

/** Two consumers; `stop` is called before each verb of the first, numbered. */
async function withInterference(
  stop: (verb: number, sleeper: SimProcess) => void,
  options: ArenaOptions & { hosts?: readonly [string, string]; status?: number },
): Promise<{ arena: Arena; verbs: number }> {
  const [host, otherHost] = options.hosts ?? ["edge", "edge"];
  const arena = new Arena(options);
  const { world } = arena;
  arena.plant("a", 1);
  arena.plant("b", 2);
  world.network.script = ({ nth }) => ({
    delayMs: 1_000,
    status: nth > 0 ? 200 : options.status ?? 200,
  });
  const sleeper = world.process({ host });
  const other = world.process({ host: otherHost });
  let verbs = 0;
  world.onVerb = (call) => {
    if (call.process === sleeper) stop(verbs++, sleeper);
    return undefined;
  };
  await world.run(Promise.all([
    arena.consume(sleeper, "until-empty"),
    world.time.sleep(1, undefined).then(() => arena.consume(other, "until-empty")),
  ]));
  arena.judge();
  return { arena, verbs };
}

for (
  const [where, hosts] of [["one host", ["edge", "edge"]], ["two hosts", ["edge", "fog"]]] as const
) {
  for (const status of [200, 503, 400]) {
    Deno.test(`a consumer that sleeps through its lease anywhere, on ${where} and with answer ${status}, does no harm`, async (test) => {
      let runs = 0;
      let duplicates = 0;
      for (const pauseMs of [LEASE_MS - 1, LEASE_MS + 1, 60 * 60_000]) {
        for (let at = 0, verbs = 1; at < verbs; at++) {
          const stop = (verb: number, sleeper: SimProcess) => {
            if (verb === at) sleeper.pause(pauseMs);
          };
          const run = await withInterference(stop, { hosts, status });
          verbs = run.verbs;
          duplicates += run.arena.duplicates;
          runs++;
        }
      }
      tell(`${test.name}: ${runs} pauses, ${duplicates} second deliveries, each reported`);
    });
  }
}

Deno.test("the bytes of an event are compared to the digit", () => {
  assertEquals(bodyText(1), '{"n":1,"big":90071992547409931}');
});
