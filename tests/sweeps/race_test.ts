/**
 * The race sweep: processes that meet on one queue, in every order of their disk verbs where that
 * is feasible, else within a bound that is printed with the counts.
 */

import { assert, assertEquals } from "@std/assert";
import { AbandonedClaims } from "../../lib/queue/store/recovery.ts";
import { EventExistsError } from "../../lib/queue/enqueue.ts";
import { formatName } from "../../lib/queue/name.ts";
import { acquireOwner, lockDeadOwner, releaseOwner } from "../../lib/queue/store/owner.ts";
import type { Claim, Queue } from "../../lib/queue/queue.ts";
import { Parts } from "../../lib/queue/store/parts.ts";
import { requeue } from "../../lib/queue/requeue.ts";
import { sweep } from "../../lib/queue/sweep.ts";
import { randomChoices } from "../sim/choices.ts";
import { lostReply } from "../sim/faults.ts";
import { Arena, type ArenaOptions, BASE, eventText, QUICK, rescue, tell } from "../sim/arena.ts";
import type { SimProcess } from "../sim/process.ts";
import { everyInterleaving, interleaving, type InterleavingBounds } from "../sim/scheduler.ts";
import { START_MS } from "../sim/world.ts";

const LEASE_MS = QUICK.leaseMs!;
const URL = "http://a.test/";
const DESTINATION = "http_a.test_80";

/** Orders tried where there are too many to try all. */
const LOSSY_RUNS = 150;

/** One process's part. */
interface Actor {
  readonly process: SimProcess;
  readonly queue: Queue;
}

async function actor(arena: Arena, host = "edge", pid?: number): Promise<Actor> {
  const process = arena.world.process({ host, ...(pid === undefined ? {} : { pid }) });
  return { process, queue: await arena.open(process) };
}

/** As a consumer does it, without its loop: send, and remove if nobody else has it by now. */
async function deliver(arena: Arena, { process, queue }: Actor, claim: Claim): Promise<void> {
  let text: string;
  try {
    const { bytes } = await process.runtime.disk.read(queue.path("cur", claim.name), 1_000);
    text = new TextDecoder().decode(bytes);
  } catch {
    return arena.reportLost(process, claim.id);
  }
  await send(process, claim, text);
  if (!await queue.complete(claim)) arena.reportLost(process, claim.id);
}

async function send(process: SimProcess, claim: Claim, text: string): Promise<void> {
  await process.runtime.fetch(URL, {
    method: "POST",
    headers: { "Idempotency-Key": claim.id },
    body: /"requestBody":(.*)}$/.exec(text)![1]!,
  });
}

/** An actor on a kernel that has its boot's id in common with others. */
async function clone(arena: Arena, host: string): Promise<Actor> {
  const process = arena.world.process({ host });
  Object.assign(process, { runtime: { ...process.runtime, bootId: "cloned" } });
  return { process, queue: await arena.open(process) };
}

/** What an actor may take over. */
function abandonedFor({ queue }: Actor): AbandonedClaims {
  return new AbandonedClaims(queue, LEASE_MS, () => false, () => {}, new Parts(queue.owner));
}

async function namesIn({ process }: Actor, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of process.runtime.disk.list(`${BASE}/${folder}`)) names.push(name);
  return names;
}

/** Where a race takes place. */
interface Course {
  readonly arena: Arena;
  /** A process; on a network file system each on a host of its own. */
  actor(): Promise<Actor>;
  /** Whether every order is tried, so that few must do. */
  readonly exhaustive: boolean;
  /** Whether a reply got lost: what was done may then be reported as not done. */
  readonly lost: () => boolean;
}

/** Run a scenario in every order; print how many there were. */
async function inEveryOrder(
  test: Deno.TestContext,
  bounds: InterleavingBounds,
  options: ArenaOptions,
  scenario: (course: Course) => Promise<void>,
  disk: "local" | "shared" = "local",
): Promise<void> {
  const count = await everyInterleaving(
    { ...bounds, limit: 20_000 },
    async (scheduler, choices) => {
      const networkDisk = disk === "local" ? {} : { networkDisk: choices };
      const arena = new Arena({ ...networkDisk, ...options, scheduler });
      let hosts = 0;
      await arena.world.run(scenario({
        arena,
        exhaustive: true,
        actor: () => actor(arena, disk === "local" ? "edge" : `edge${++hosts}`),
        lost: () => false,
      }));
      await rescue(arena);
    },
  );
  const bound = bounds.prune ? "" : `, at most ${bounds.preemptions} preemptions`;
  const pruned = count.pruned > 0 ? `, ${count.pruned} redundant ones left out` : "";
  tell(`${test.name}: ${count.runs} orders${bound}${pruned}`);
  assert(count.complete, "Not exhaustive");
}

/**
 * Run a scenario in random orders between hosts on a network file system, with random staleness and
 * one reply that gets lost anywhere.
 */
async function inLossyOrders(
  test: Deno.TestContext,
  options: ArenaOptions,
  scenario: (course: Course) => Promise<void>,
): Promise<void> {
  for (let seed = 1; seed <= LOSSY_RUNS; seed++) {
    const choices = randomChoices(seed);
    const scheduler = interleaving(choices);
    const arena = new Arena({ networkDisk: choices, ...options, scheduler });
    let verbsLeft = choices.choose(30); // until the one that gets lost
    let lost = false;
    arena.world.onVerb = (call) => {
      const fault = lost ? undefined : lostReply(call);
      if (fault === undefined || verbsLeft-- > 0) return undefined;
      lost = true;
      return fault;
    };
    let hosts = 0;
    try {
      await arena.world.run(scenario({
        arena,
        exhaustive: false,
        actor: () => actor(arena, `edge${++hosts}`),
        lost: () => lost,
      }));
      arena.world.onVerb = () => undefined;
      await rescue(arena);
    } catch (error) {
      throw new Error(`With seed ${seed}`, { cause: error });
    }
  }
  tell(`${test.name}: ${LOSSY_RUNS} random orders`);
}

/**
 * A race on a local disk, and between hosts on a network file system: with answers as stale as may
 * be, and with one reply that gets lost.
 */
function race(
  name: string,
  options: ArenaOptions,
  scenario: (course: Course) => Promise<void>,
): void {
  Deno.test(name, async (test) => {
    await inEveryOrder(test, { prune: true }, options, scenario);
  });
  Deno.test(`on a network file system, ${name}`, async (test) => {
    await inEveryOrder(test, { prune: true }, options, scenario, "shared");
  });
  Deno.test(`on a network file system that loses a reply, ${name}`, async (test) => {
    await inLossyOrders(test, options, scenario);
  });
}

race(
  "two consumers and a producer share events without losing or doubling one",
  {},
  async (course) => {
    const { arena } = course;
    arena.plant("a", 1);
    const [one, other, producer] = [
      await course.actor(),
      await course.actor(),
      await course.actor(),
    ];
    const consume = async (by: Actor) => {
      for (const name of await namesIn(by, "new")) {
        const claim = await by.queue.claim("new", name, LEASE_MS);
        if (claim) await deliver(arena, by, claim);
      }
    };
    const produce = async () => {
      try {
        await arena.enqueue(producer.queue, 2);
      } catch (error) {
        if (!course.lost()) throw error; // refused, so not acknowledged
      }
    };
    await Promise.all([consume(one), consume(other), produce()]);
  },
);

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
  begin: async (queue, claim) => await queue.begin(claim, LEASE_MS) !== undefined,
};

for (const [verb, settle] of Object.entries(SETTLE)) {
  race(
    `of ${verb} and two take-overs of one claim exactly one comes first`,
    { allowTakeovers: true },
    async (course) => {
      const { arena } = course;
      arena.plant("a", 1);
      const [owner, found, rival] = [
        await course.actor(),
        await course.actor(),
        await course.actor(),
      ];
      let claim = (await owner.queue.claim("new", "a.json", LEASE_MS))!;
      if (verb === "begin") claim = { ...claim, takeovers: 1 }; // as if it had been taken over
      if (verb === "complete") await send(owner.process, claim, eventText(1));
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
      // A third makes too many orders.
      const withoutRival = course.exhaustive && arena.world.view !== undefined;
      await Promise.all([settled(), takeOver(found), withoutRival ? undefined : takeOver(rival)]);
      assert(winners === 1 || winners === 0 && course.lost(), `${winners} came first`);
    },
  );
}

race(
  "a destination folder that others remove is made again for the event that is deferred into it",
  {},
  async (course) => {
    const { arena } = course;
    arena.plant("a", 1);
    const [consumer, tidy] = [await course.actor(), await course.actor()];
    const claim = (await consumer.queue.claim("new", "a.json", LEASE_MS))!;
    const removeThrice = async () => {
      for (let times = 0; times < 3; times++) {
        await tidy.queue.removeFolder(`defer/${DESTINATION}`);
      }
    };
    const [{ settled }] = await Promise.all([
      consumer.queue.defer(claim, DESTINATION, START_MS + 1_000),
      removeThrice(),
    ]);
    assert(settled === "done" || settled === "returned", settled); // never taken for a lost lease
    assertEquals(await namesIn(tidy, "cur"), []);
  },
);

race(
  "the same id dropped twice is refused while the first is in new/, else it is a second event",
  {},
  async (course) => {
    const { arena } = course;
    const [one, other, consumer] = [
      await course.actor(),
      await course.actor(),
      await course.actor(),
    ];
    let accepted = 0;
    const drop = async ({ queue }: Actor) => {
      try {
        await arena.enqueue(queue, 1, { id: "a" });
        accepted++;
      } catch (error) {
        if (!(error instanceof EventExistsError) && !course.lost()) throw error;
      }
    };
    const consume = async () => {
      const claim = await consumer.queue.claim("new", "a.json", LEASE_MS);
      if (claim) await deliver(arena, consumer, claim);
    };
    arena.times = () => course.lost() ? 2 : accepted; // who is told that it exists may have made it
    await Promise.all([drop(one), drop(other), consume()]);
    assert(accepted === 1 || accepted === 2 || course.lost());
  },
);

race(
  "two requeues of one dead letter and the consumer after them bring it back once",
  {},
  async (course) => {
    const { arena } = course;
    const name = formatName({ id: "a", extension: ".json" }, 3, START_MS, "edge-1-x-1");
    arena.plant("a", 1, { folder: "doa", name });
    arena.world.disk.plant(`${BASE}/doa/${name}.why`, { text: "{}" });
    const [one, other, consumer] = [
      await course.actor(),
      await course.actor(),
      await course.actor(),
    ];
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
    const reported = first.requeued.length + second.requeued.length;
    assert(reported === 1 || reported === 0 && course.lost(), `${reported} reported`);
  },
);

race(
  "a sweep by a clock that is a year ahead leaves the reason of a letter that is on its way",
  { allowTakeovers: true },
  async (course) => {
    const { arena } = course;
    arena.plant("a", 1);
    const [one, sweeper] = [await course.actor(), await course.actor()];
    const claim = (await one.queue.claim("new", "a.json", LEASE_MS))!;
    sweeper.process.host.jump(365 * 24 * 60 * 60_000);
    const reason = { outcome: "refused", reason: "no" } as const;
    const [{ settled, error }] = await Promise.all([
      one.queue.bury(claim, reason, START_MS),
      sweep(sweeper.queue, new AbortController().signal),
    ]);
    assert(settled === "done");
    const files = arena.files().filter((path) => path.startsWith("doa/"));
    assert(files.length === 2 || error !== undefined && course.lost(), `${files}`);
  },
);

Deno.test("nobody gets the lock of an owner who is making, moving or removing its owner file", async (test) => {
  await inEveryOrder(test, { preemptions: 4 }, {}, async ({ arena }) => {
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
          const found = await lockDeadOwner(other.queue, name);
          assert(!isAlive || typeof found === "string", "The lock of the living is free");
          if (typeof found !== "string") await releaseOwner(other.queue, found);
        }
      }
    };
    await Promise.all([live(), pry()]);
    assertEquals(arena.files(), []);
  });
});

/** What is left of a consumer on the host of another that died with two claims. */
function plantDead(arena: Arena, { queue: { host } }: Actor): void {
  arena.world.disk.plant(`${BASE}/cur/.${host}-50-dead`);
  for (const [index, id] of ["a", "b"].entries()) {
    const tag = `${host}-50-dead-${index}`;
    const name = formatName({ id, extension: ".json" }, 1, START_MS + LEASE_MS, tag);
    arena.plant(id, index, { folder: "cur", name });
  }
}

Deno.test("two heirs of one dead owner take over each of its claims once, and its owner file goes last", async (test) => {
  await inEveryOrder(test, { preemptions: 3 }, {}, async ({ arena }) => {
    const heirs = [await actor(arena), await actor(arena)];
    plantDead(arena, heirs[0]!);
    let taken = 0;
    const inherit = async (by: Actor) => {
      const claims = abandonedFor(by);
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
  // Two clones of a running machine, which have its boot's id, share a network file system whose
  // locks are each one's own.
  const options = { networkDisk: true, allowTakeovers: true };
  await inEveryOrder(test, { preemptions: 3 }, options, async ({ arena }) => {
    arena.plant("a", 1);
    const [owner, found] = [await clone(arena, "north"), await clone(arena, "south")];
    const held = await acquireOwner(owner.queue);
    assert(held);
    const claim = (await owner.queue.claim("new", "a.json", LEASE_MS))!;
    const inherit = async () => {
      const claims = abandonedFor(found);
      for (const { name } of await claims.next()) {
        const taken = await found.queue.takeOver(name, LEASE_MS);
        if (taken) await deliver(arena, found, taken);
      }
      await claims.close();
    };
    await Promise.all([
      deliver(arena, owner, claim).then(() => releaseOwner(owner.queue, held)),
      inherit(),
    ]);
  });
});

Deno.test("nobody takes anything from a living owner with its host name and number on another kernel", async (test) => {
  const options = { networkDisk: true };
  await inEveryOrder(test, { preemptions: 3 }, options, async ({ arena }) => {
    arena.plant("a", 1);
    arena.world.host("twin", { hostname: "edge" });
    const [owner, twin] = [await actor(arena, "edge", 1), await actor(arena, "twin", 1)];
    const held = await acquireOwner(owner.queue);
    const live = async () => {
      const claim = (await owner.queue.claim("new", "a.json", LEASE_MS))!;
      await deliver(arena, owner, claim);
      await releaseOwner(owner.queue, held!);
    };
    const look = async () => {
      const claims = abandonedFor(twin);
      claims.looksOnce = true; // as `--once`, which doesn't watch first
      for (let times = 0; times < 2; times++) assertEquals(await claims.next(), []);
      await claims.close();
    };
    await Promise.all([live(), look()]);
    arena.judge();
    assertEquals(arena.duplicates, 0);
  });
});

Deno.test("two whole consumers and a producer end with everything delivered once", async (test) => {
  await inEveryOrder(test, { preemptions: 2 }, {}, async ({ arena }) => {
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
