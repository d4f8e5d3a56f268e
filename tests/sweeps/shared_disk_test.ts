/**
 * A directory that two hosts share over a network file system: replies that get lost, answers as
 * stale as they may be, locks that are each host's own, and faults; at every verb of whole
 * consumers.
 */

import { assert, assertEquals } from "@std/assert";
import { EventExistsError } from "../../lib/queue/enqueue.ts";
import { requeue } from "../../lib/queue/requeue.ts";
import { Arena, eventText, QUICK, tell } from "../sim/arena.ts";
import { type Choices, firstChoice, randomChoices } from "../sim/choices.ts";
import { lostReply } from "../sim/faults.ts";
import type { SimProcess } from "../sim/process.ts";
import type { Call, Fault } from "../sim/process_disk.ts";

const stalest: Choices = { choose: (n) => n - 1 };

/** What the hosts believe: only the truth, the oldest that is possible, or anything. */
const VIEWS: Record<string, () => Choices> = {
  "fresh": () => firstChoice,
  "the stalest": () => stalest,
  "random": () => randomChoices(7),
};

const LONG_MS = 3 * 60 * 60_000;

interface Run {
  readonly arena: Arena;
  readonly verbs: number;
  readonly restarts: number;
}

/**
 * Two hosts with a consumer each and one with a producer: five events, of which some fail at first,
 * one for good, and one is a GET.
 */
async function run(choices: Choices, faultOf: (call: Call) => Fault | undefined): Promise<Run> {
  const arena = new Arena({ networkDisk: choices });
  const { world } = arena;
  arena.plant("e1", 1, { url: "http://h1.test/" });
  arena.plant("e2", 2, { url: "http://h2.test/" });
  arena.plant("e3", 3, { url: "http://h3.test/" });
  world.network.script = ({ url, nth }) => {
    const delayMs = 1_500;
    if (url.includes("h2") && nth < 2) return { status: 503, delayMs };
    return { status: url.includes("h3") ? 400 : 200, delayMs };
  };
  world.onVerb = faultOf;
  let restarts = 0;
  const supervised = async (process: SimProcess) => {
    for (let tries = 0;; tries++) {
      try {
        return await arena.consume(process, "until-empty", { ...QUICK, pollMs: 10_000 });
      } catch (error) {
        if (tries > 2) throw error;
        restarts++;
        await process.runtime.clock.sleep(1_000);
      }
    }
  };
  const opened = async (process: SimProcess) => {
    try {
      return await arena.open(process);
    } catch {
      return await arena.open(process);
    }
  };
  const produce = async (process: SimProcess) => {
    const queue = await opened(process);
    for (const n of [4, 5]) {
      try {
        await arena.enqueue(queue, n, n === 5 ? { id: "e5" } : {});
      } catch (error) {
        if (!("code" in (error as Error)) && !(error instanceof EventExistsError)) throw error;
      }
    }
  };
  world.host("fog", { hostname: "edge" }); // two kernels under one name
  const [edge, fog, mist] = [
    world.process({ host: "edge" }),
    world.process({ host: "fog" }),
    world.process({ host: "mist" }),
  ];
  await world.run(Promise.race([
    Promise.all([produce(mist), supervised(edge), supervised(fog)]),
    world.time.sleep(LONG_MS, undefined).then(() => {
      throw new Error(`Not done after ${LONG_MS} ms: ${arena.files()}`);
    }),
  ]));
  arena.judge();
  return { arena, verbs: world.calls, restarts };
}

const FAULTS: Record<string, (call: Call) => Fault | undefined> = {
  "a lost reply": lostReply,
  "ESTALE": () => ({ code: "ESTALE" }),
  "EACCES": () => ({ code: "EACCES" }),
  "a full disk": ({ verb }) =>
    verb === "create" || verb === "rename" || verb === "makeDir" || verb === "link"
      ? { code: "ENOSPC", applied: "partly" }
      : undefined,
};

for (const [view, choices] of Object.entries(VIEWS)) {
  for (const [what, fault] of Object.entries(FAULTS)) {
    if (view === "fresh" && fault !== lostReply) continue; // as on a local disk: the fault sweep's
    Deno.test(`${what} at any verb, with ${view} answers, loses nothing on a shared directory`, async (test) => {
      let [runs, restarts, duplicates, longestMs] = [0, 0, 0, 0];
      for (let at = 0, verbs = 1; at < verbs; at++) {
        let where = "";
        try {
          const result = await run(choices(), (call) => {
            if (call.index !== at) return undefined;
            where = `${call.process.name} ${call.verb} ${call.path} ${call.to ?? ""}`;
            return fault(call);
          });
          verbs = result.verbs;
          runs++;
          restarts += result.restarts;
          duplicates += result.arena.duplicates;
          longestMs = Math.max(longestMs, result.arena.world.time.nowMs);
        } catch (error) {
          throw new Error(`At verb ${at}: ${where}: ${(error as Error).message}`, { cause: error });
        }
      }
      tell(
        `${test.name}: ${runs} verbs, ${restarts} restarts, ${duplicates} second deliveries, each with a cause, at most ${
          Math.round(longestMs / 1_000)
        } s`,
      );
      assert(runs > 100);
      if (fault === lostReply) assert(restarts === 0, "A consumer did not start");
    });
  }
}

Deno.test("a claim whose reply got lost is not tried again over it, when the same name is dropped anew", async () => {
  const arena = new Arena({ networkDisk: true });
  const { world } = arena;
  arena.plant("a", 1);
  const process = world.process({ host: "edge" });
  const queue = await arena.open(process);
  world.onVerb = (call) => {
    if (call.verb === "lstat") {
      world.onVerb = () => undefined;
      arena.plant("a", 2);
    }
    return lostReply(call);
  };
  const claim = await world.run(queue.claim("new", "a.json", QUICK.leaseMs!));
  assert(claim);
  const left = Object.entries(world.disk.image().files())
    .flatMap(([path, text]) => path.startsWith("/q/cur/") && text ? [text] : []);
  assertEquals(left.sort(), [eventText(1), eventText(2)]);
});

Deno.test("a requeue and an enqueue whose replies got lost are reported as done", async () => {
  const arena = new Arena({ networkDisk: stalest });
  const { world } = arena;
  arena.plant("dead", 1, { folder: "doa", name: "dead+3@5~edge-1-x-1.json" });
  world.disk.plant("/q/doa/dead+3@5~edge-1-x-1.json.why", { text: "{}" });
  const queue = await arena.open(world.process({ host: "edge" }));
  world.onVerb = (call) => call.verb === "rename" ? lostReply(call) : undefined;
  assertEquals((await requeue(queue, "all")).requeued, ["dead"]);
  world.onVerb = (call) => call.verb === "link" ? lostReply(call) : undefined;
  await arena.enqueue(queue, 2);
  await arena.enqueue(queue, 3, { id: "chosen" });
  world.onVerb = () => undefined;
  assertEquals(arena.files().filter((path) => !path.startsWith("new/")), []);
  assertEquals(arena.files().length, 3);
});
