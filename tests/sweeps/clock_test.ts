/**
 * Wall clocks that jump, and hosts that don't agree on the time: everything ends delivered or dead
 * within the budget, and nobody takes over what somebody living is working on.
 */

import { assert } from "@std/assert";
import { Arena, type ArenaOptions, QUICK, tell } from "../sim/arena.ts";
import type { SimProcess } from "../sim/process.ts";
import type { Call } from "../sim/process_disk.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;

/**
 * Longest time until everything is settled: an hour that is repeated, a lease, the skew between
 * hosts, and the waits of the schedule.
 */
const BUDGET_MS = HOUR_MS + 30 * MINUTE_MS;

const JUMPS = [["1 hour ahead", HOUR_MS], ["1 hour back", -HOUR_MS], ["1 year ahead", YEAR_MS], [
  "1 year back",
  -YEAR_MS,
]] as const;

interface Run {
  readonly arena: Arena;
  readonly processes: readonly SimProcess[];
  readonly verbs: number;
}

/**
 * Two consumers that send three events, one of which fails at first and one for good; `disturb` is
 * asked before each verb.
 */
async function run(
  hosts: readonly (readonly [name: string, offsetMs: number, hostname?: string])[],
  disturb: (call: Call, processes: readonly SimProcess[], arena: Arena) => void,
  options: ArenaOptions & { pollMs?: number } = {},
): Promise<Run> {
  const { pollMs = 1_000 } = options;
  const arena = new Arena(options);
  const { world } = arena;
  for (const [name, offsetMs, hostname] of hosts) world.host(name, { offsetMs, hostname });
  const processes = hosts.map(([host]) => world.process({ host }));
  for (const n of [1, 2, 3]) arena.plant(`e${n}`, n, { url: `http://h${n}.test/` });
  world.network.script = ({ url, nth }) => {
    const delayMs = 2_000;
    if (url.includes("h2") && nth < 2) return { status: 503, delayMs };
    return { status: url.includes("h3") ? 400 : 200, delayMs };
  };
  world.onVerb = (call) => {
    disturb(call, processes, arena);
    return undefined;
  };
  const consuming = processes.map((process) =>
    Promise.race([
      arena.consume(process, "until-empty", { ...QUICK, pollMs }),
      dead(process, arena),
    ])
  );
  await world.run(Promise.race([
    Promise.all(consuming),
    world.time.sleep(BUDGET_MS, undefined).then(() => {
      throw new Error(`Not done after ${BUDGET_MS} ms: ${arena.files()}`);
    }),
  ]));
  arena.judge();
  return { arena, processes, verbs: world.calls };
}

/** Resolves some time after the death of a process; its work never does. */
async function dead(process: SimProcess, arena: Arena): Promise<void> {
  while (process.alive) await arena.world.time.sleep(10_000, undefined);
}

for (const [what, jumpMs] of JUMPS) {
  for (
    const [where, hosts, networkDisk] of [
      ["one host", [["edge", 0], ["edge", 0]], false],
      ["one of two hosts", [["edge", 0], ["fog", 0]], false],
      ["one of two kernels under one host name", [["edge", 0], ["fog", 0, "edge"]], true],
    ] as const
  ) {
    Deno.test(`a clock that jumps ${what} on ${where} at any verb ends no living claim and holds nothing up`, async (test) => {
      let [runs, duplicates, longestMs] = [0, 0, 0];
      for (let at = 0, verbs = 1; at < verbs; at++) {
        let now: Arena | undefined;
        try {
          const result = await run(hosts, (call, _processes, arena) => {
            now = arena;
            if (call.index === at) arena.world.host("edge").jump(jumpMs);
          }, { pollMs: jumpMs === -HOUR_MS ? 10_000 : 1_000, networkDisk }); // an hour is long
          verbs = result.verbs;
          duplicates += result.arena.duplicates;
          longestMs = Math.max(longestMs, result.arena.world.time.nowMs);
          runs++;
        } catch (error) {
          throw new Error(`Jump at verb ${at} (${now?.files()})`, { cause: error });
        }
      }
      tell(
        `${test.name}: ${runs} moments, ${duplicates} second deliveries, at most ${
          Math.round(longestMs / 1_000)
        } s`,
      );
      assert(duplicates === 0);
    });
  }
}

for (const offsetMs of [10 * MINUTE_MS, -10 * MINUTE_MS]) {
  const hosts = [["edge", 0], ["fog", offsetMs]] as const;
  const how = `${offsetMs > 0 ? "ahead" : "behind"}`;

  Deno.test(`a host whose clock is ten minutes ${how} takes nothing from the living`, async () => {
    const { arena } = await run(hosts, () => {});
    assert(arena.duplicates === 0);
    assert(arena.world.time.nowMs < MINUTE_MS, `${arena.world.time.nowMs}`);
  });

  Deno.test(`a host whose clock is ten minutes ${how} takes over from one that dies at any verb`, async (test) => {
    let [runs, duplicates, longestMs] = [0, 0, 0];
    for (let at = 0, verbs = 1; at < verbs; at++) {
      const disturb = (call: Call, [dying]: readonly SimProcess[]) => {
        if (call.index === at) dying!.kill();
      };
      const result = await run(hosts, disturb, { pollMs: 15_000 });
      verbs = result.verbs;
      duplicates += result.arena.duplicates;
      longestMs = Math.max(longestMs, result.arena.world.time.nowMs);
      runs++;
    }
    tell(
      `${test.name}: ${runs} deaths, ${duplicates} second deliveries, each of a dead sender's, at most ${
        Math.round(longestMs / 1_000)
      } s`,
    );
  });

  for (const [what, jumpMs] of JUMPS) {
    Deno.test(`hosts ten minutes apart, one ${how}, whose clock jumps ${what} at any verb, take nothing from the living`, async (test) => {
      let [runs, longestMs] = [0, 0];
      for (let at = 0, verbs = 1; at < verbs; at++) {
        const disturb = (call: Call, _processes: readonly SimProcess[], arena: Arena) => {
          if (call.index === at) arena.world.host("fog").jump(jumpMs);
        };
        const result = await run(hosts, disturb, { pollMs: 10_000 });
        verbs = result.verbs;
        longestMs = Math.max(longestMs, result.arena.world.time.nowMs);
        assert(result.arena.duplicates === 0);
        runs++;
      }
      tell(`${test.name}: ${runs} moments, at most ${Math.round(longestMs / 1_000)} s`);
    });
  }
}

Deno.test("a clock that jumps an hour between claim and take-over of a dead consumer only changes when", async (test) => {
  let [runs, longestMs] = [0, 0];
  for (const [, jumpMs] of JUMPS) {
    for (let at = 0, verbs = 1; at < verbs; at++) {
      const disturb = (call: Call, [dying]: readonly SimProcess[], arena: Arena) => {
        if (call.index !== at) return;
        dying!.kill();
        arena.world.host("edge").jump(jumpMs);
        arena.world.host("fog").jump(jumpMs);
      };
      const result = await run([["edge", 0], ["fog", 0]], disturb, { pollMs: 30_000 });
      verbs = result.verbs;
      longestMs = Math.max(longestMs, result.arena.world.time.nowMs);
      runs++;
    }
  }
  tell(`${test.name}: ${runs} deaths, at most ${Math.round(longestMs / 1_000)} s`);
});
