/**
 * Hosts that look the same and aren't, and hosts that look different and are the same: consumers
 * that share a directory over a network file system whose locks are each kernel's own.
 */

import { assert, assertEquals } from "@std/assert";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { Arena, BASE, QUICK } from "../sim/arena.ts";
import type { SimProcess } from "../sim/process.ts";

const EVENTS = 8;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const LEASE_MS = QUICK.leaseMs!;

/** Looks often, and is answered late: whoever takes the living for dead does so again and again. */
const OPTIONS: ConsumerOptions = { ...QUICK, pollMs: SECOND_MS };

function arenaOf(delayMs = 4 * SECOND_MS): Arena {
  const arena = new Arena({ networkDisk: true, allowTakeovers: true });
  for (let n = 1; n <= EVENTS; n++) arena.plant(`e${n}`, n);
  arena.world.network.script = () => ({ delayMs });
  return arena;
}

/** Let several processes drain the queue together; the first begins a second earlier. */
async function drain(arena: Arena, processes: readonly SimProcess[]): Promise<void> {
  const { world } = arena;
  await world.run(Promise.all(processes.map(async (process, n) => {
    await world.time.sleep(n * SECOND_MS, undefined);
    await arena.consume(process, "until-empty", OPTIONS);
  })));
  arena.judge();
  assertEquals(world.network.taken.length, EVENTS);
  assertEquals(arena.files(), []);
}

/** Hosts by their names in the world, and what they are called. */
const ALIKE: Record<string, readonly (readonly [host: string, hostname: string])[]> = {
  "that differ behind the first dot": [["a", "app.eu.example"], ["b", "app.us.example"]],
  "that differ in the middle": [
    ["a", "prod-eu-west-1a-worker-01"],
    ["b", "prod-eu-west-1b-worker-01"],
  ],
  "that are one": [["a", "edge"], ["b", "edge"]],
};

for (const [how, hosts] of Object.entries(ALIKE)) {
  Deno.test(`consumers on two kernels with host names ${how} leave each other's events alone`, async () => {
    const arena = arenaOf();
    for (const [host, hostname] of hosts) arena.world.host(host, { hostname });
    await drain(arena, hosts.map(([host]) => arena.world.process({ host, pid: 1 })));
  });
}

Deno.test("two containers with one host name and one number on one kernel leave each other's events alone", async () => {
  const arena = arenaOf();
  for (const host of ["a", "b"]) arena.world.host(host, { hostname: "worker", kernel: "node" });
  await drain(arena, ["a", "b"].map((host) => arena.world.process({ host, pid: 1 })));
});

/** Kill a consumer in the middle, start another, and say how long it took to deliver all, ms. */
async function afterDeath(
  arena: Arena,
  dying: SimProcess,
  next: () => SimProcess,
  consume = (process: SimProcess) => arena.consume(process, "until-empty", OPTIONS),
): Promise<number> {
  const { world } = arena;
  let diedMs = 0;
  await world.run(async () => {
    const died = world.time.sleep(SECOND_MS, undefined).then(() => dying.kill());
    await Promise.race([arena.consume(dying, "forever", OPTIONS), died]);
    diedMs = world.time.nowMs;
    await consume(next());
  });
  arena.judge();
  const claimed = world.network.taken.filter(({ process }) => process === dying).length;
  assert(claimed > 0);
  return world.time.nowMs - diedMs;
}

Deno.test("a container that comes back under another host name takes over at once what it had claimed", async () => {
  const arena = arenaOf();
  const { world } = arena;
  for (const host of ["0fae31", "77bc02"]) world.host(host, { kernel: "node" });
  const tookMs = await afterDeath(
    arena,
    world.process({ host: "0fae31", pid: 1 }),
    () => world.process({ host: "77bc02", pid: 1 }),
  );
  assert(tookMs < 10 * SECOND_MS, `${tookMs}`);
  assertEquals(arena.files(), []);
});

Deno.test("after a restart of its host a consumer waits for the leases of before, and not 15 minutes more", async () => {
  const arena = arenaOf();
  const { world } = arena;
  const tookMs = await afterDeath(arena, world.process({ host: "edge" }), () => {
    world.reboot("edge");
    return world.process({ host: "edge" });
  });
  assert(tookMs >= LEASE_MS - SECOND_MS && tookMs < 2 * LEASE_MS, `${tookMs}`);
});

Deno.test("on another host it waits 15 minutes more, for the clocks may differ", async () => {
  const arena = arenaOf();
  const { world } = arena;
  world.host("b", { hostname: "edge" });
  const tookMs = await afterDeath(
    arena,
    world.process({ host: "edge" }),
    () => world.process({ host: "b" }),
  );
  assert(tookMs >= 15 * MINUTE_MS, `${tookMs}`);
});

Deno.test("under its owner's name a consumer that comes back anywhere is known again", async () => {
  const arena = arenaOf();
  const { world } = arena;
  const open = arena.open.bind(arena);
  arena.open = async (process) => {
    await open(process);
    return await Queue.open(BASE, process.runtime, { ownerName: "billing" });
  };
  const tookMs = await afterDeath(
    arena,
    world.process({ host: "0fae31" }),
    () => world.process({ host: "77bc02" }),
  );
  assert(tookMs >= LEASE_MS - SECOND_MS && tookMs < 2 * LEASE_MS, `${tookMs}`);
});

Deno.test("the owner file of one that vanished on another kernel is swept, that of a living one stays", async () => {
  const arena = new Arena({ networkDisk: true });
  const { world } = arena;
  const [vanished, living] = [world.process({ host: "a" }), world.process({ host: "b" })];
  const stop = new AbortController();
  const later = { ...QUICK, pollMs: MINUTE_MS };
  await world.run(async () => {
    void arena.consume(vanished, "forever", later);
    const staying = arena.consume(living, "forever", later, stop.signal);
    await world.time.sleep(MINUTE_MS, undefined);
    vanished.kill();
    await world.time.sleep(3 * 60 * MINUTE_MS, undefined);
    assertEquals(arena.files().length, 2);
    await arena.consume(world.process({ host: "c" }), "once", QUICK);
    assertEquals(arena.files().map((path) => path.replace(/-.*/, "")), ["cur/.b"]);
    stop.abort();
    await staying;
  });
});
