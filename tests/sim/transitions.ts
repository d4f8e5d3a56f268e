/**
 * The workload of the sweeps, a scenario for each group of transitions, together every transition
 * of the format: small, so that at each of their verbs every crash and every fault can be tried.
 *
 * A transition added to the product is added here in the same change; `crash_sweep_test.ts` lists
 * what the scenarios must do.
 *
 * @module
 */

import { optimizelyMerger } from "../../lib/merge/optimizely.ts";

import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { Mode } from "../../lib/consumer/consumer.ts";
import { settleActs, STATES_OF } from "../../lib/queue/acts.ts";
import { findNames } from "../../lib/queue/find/find.ts";
import { replayedMs } from "../../lib/queue/replay.ts";
import { sentFolder } from "../../lib/queue/sent.ts";
import type { SimProcess } from "./process.ts";
import { BASE, eventText, type Stage } from "./workload.ts";
import { START_MS, type WorldOptions } from "./world.ts";

/** Something that goes on in a world. */
export interface Scenario {
  /** What it is about. */
  readonly name: string;
  /** How its world is. */
  readonly world?: WorldOptions;
  /** Options of all its consumers, those that recover included. */
  readonly consumer?: ConsumerOptions;
  /** Whether several processes work at the same time. */
  readonly races?: boolean;
  /** Whether its consumer stays until nothing is left. */
  readonly drains?: boolean;
  /**
   * Whether it calls the sweep itself, outside of any consumer, which would go on after an error.
   */
  readonly sweepsAlone?: boolean;
  /** What is on the disk before it begins, and durable. */
  prepare?(stage: Stage): void;
  /** What happens. */
  run(stage: Stage): Promise<void>;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEASE_MS = 60_000;

async function consume(stage: Stage, { consumer }: Scenario, mode: Mode): Promise<void> {
  const queue = await stage.open({ create: true });
  await stage.consumer(queue, consumer).run(mode);
}

/** Sleep on behalf of the test. */
function pause(stage: Stage, ms: number): Promise<void> {
  return stage.world.time.sleep(ms, stage);
}

/** Run a consumer for so long, then stop it in good order. */
async function consumeFor(
  stage: Stage,
  { consumer }: Scenario,
  ms: number,
  host = "edge",
  pid?: number,
): Promise<void> {
  const stop = new AbortController();
  const process = stage.world.process({ host, ...(pid === undefined ? {} : { pid }) });
  const queue = await stage.open({ process });
  const running = stage.consumer(queue, consumer).run("forever", stop.signal);
  const stopping = pause(stage, ms).then(() => stop.abort());
  await Promise.all([running, stopping]);
}

/** Run a consumer that is to be killed, and a second later what goes on meanwhile. */
async function untilKilled(
  stage: Stage,
  { consumer }: Scenario,
  process: SimProcess,
  meanwhile: (kill: () => void) => Promise<void>,
): Promise<void> {
  const dying = stage.consumer(await stage.open({ process }), consumer).run("forever");
  let hasFailed = false; // then the run is over, and what comes after it is left alone
  dying.catch(() => hasFailed = true);
  const rest = pause(stage, SECOND_MS)
    .then(() => hasFailed ? undefined : meanwhile(() => process.kill()));
  await Promise.race([dying, rest]);
}

const firstEvent: Scenario = {
  name: "a first event, into a directory that is missing",
  async run(stage) {
    const queue = await stage.open({ create: true });
    const marker = "first";
    await queue.enqueue(stage.offer(marker, "ok"));
    stage.ledger.acknowledge(marker);
  },
};

const producing: Scenario = {
  name: "producers: one event, many, synchronously, with a chosen id, handed to the system only",
  prepare: (stage) => stage.plantQueue(),
  async run(stage) {
    const { ledger } = stage;
    const queue = await stage.open();
    queue.enqueueSync(stage.offer("sync", "ok"));
    ledger.acknowledge("sync");
    const many = ["many-1", "many-2", "many-3"];
    await queue.enqueueMany(many.map((marker) => stage.offer(marker, "ok")));
    for (const marker of many) ledger.acknowledge(marker);
    await queue.enqueue(stage.offer("chosen", "ok"), { id: "chosen" });
    ledger.acknowledge("chosen");
    try {
      await queue.enqueue(stage.offer("late", "ok"), { id: "chosen" });
      ledger.acknowledge("late");
    } catch (error) {
      if (!(error instanceof Error && error.name === "EventExistsError")) throw error;
    }
    ledger.fragile.set("os", "power");
    await queue.enqueue(stage.offer("os", "ok"), { durability: "os" });
    ledger.acknowledge("os", "os");
  },
};

const limiting: Scenario = {
  name: "limits of producers: one counts, one is refused; a consumer corrects what they know",
  consumer: { pollMs: 10_000 },
  prepare: (stage) => stage.plantQueue(),
  async run(stage) {
    const { ledger } = stage;
    const queue = await stage.open({ limits: { maxEvents: 2 } });
    const put = async (marker: string) => {
      await queue.enqueue(stage.offer(marker, "ok"));
      ledger.acknowledge(marker);
    };
    await put("limited-1");
    await put("limited-2");
    try {
      await put("refused");
    } catch (error) {
      if (!(error instanceof Error && error.name === "QueueFullError")) throw error;
    }
    await consumeFor(stage, this, 11_000);
    await put("limited-3");
  },
};

const dropping: Scenario = {
  name: "a producer that may only drop events, one and many",
  prepare(stage) {
    stage.plantQueue(["tmp", "new"]);
    for (const folder of ["tmp", "new"]) {
      stage.world.disk.plant(`${BASE}/${folder}`, { kind: "directory", mode: 0o1733 });
    }
  },
  async run(stage) {
    const { ledger } = stage;
    const queue = await stage.open();
    await queue.enqueue(stage.offer("one", "ok"));
    ledger.acknowledge("one");
    const many = ["drop-1", "drop-2"];
    await queue.enqueueMany(many.map((marker) => stage.offer(marker, "ok")));
    for (const marker of many) ledger.acknowledge(marker);
  },
};

const delivering: Scenario = {
  name:
    "events delivered: a POST, GETs with a short and a long response, a name that can't be an id",
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/post.json", eventText("post", "ok"));
    stage.plant("new/get", eventText("get", "keeps"));
    stage.plant("new/long", eventText("long", "keeps"));
    stage.plant("new/what a name", eventText("odd", "ok"));
  },
  async run(stage) {
    await consume(stage, this, "once");
  },
};

const deferring: Scenario = {
  name: "events deferred and delivered later, their folder removed",
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("again", "flaky"));
    stage.plant("new/b.json", eventText("once", "ok"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const postponing: Scenario = {
  name: "events that are due later, which two consumers find at once",
  races: true,
  prepare(stage) {
    stage.plantQueue();
    const inMs = (ms: number) => START_MS + ms;
    stage.plant(`new/soon+0@${inMs(30 * SECOND_MS)}.json`, eventText("soon", "ok"));
    stage.plant(`new/blamed+2@${inMs(70 * SECOND_MS)}~a-1-b-1x3`, eventText("blamed", "ok"));
  },
  async run(stage) {
    const queue = await stage.open();
    const notBefore = new Date(START_MS + 75 * SECOND_MS);
    await queue.enqueue(stage.offer("chosen", "ok"), { id: "chosen", notBefore });
    stage.ledger.acknowledge("chosen");
    await queue.enqueueMany([stage.offer("many", "ok")], { notBefore });
    stage.ledger.acknowledge("many");
    await Promise.all([consume(stage, this, "once"), consume(stage, this, "once")]);
    await pause(stage, 75 * SECOND_MS);
    await consume(stage, this, "once");
  },
};

const burying: Scenario = {
  name: "events that die: refused, broken, too large, after too many attempts",
  drains: true,
  consumer: { maxAttempts: 2, maxBytes: 200 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/refused.json", eventText("refused", "refuses"));
    stage.plant("new/broken.json", `{"url":"http://ok.test/broken",,}`);
    stage.plant("new/large.json", eventText("large", "ok") + " ".repeat(200));
    stage.plant("new/given-up.json", eventText("given-up", "down"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const ageing: Scenario = {
  name: "an event that dies of age at its third attempt",
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    stage.world.disk.plant(`${BASE}/defer/http_down.test_80`, { kind: "directory" });
    const name = `old+2@${START_MS}~edge-1-abcdefgh-9.json`;
    stage.plant(
      `defer/http_down.test_80/${name}`,
      eventText("aged", "down"),
      START_MS - 4 * DAY_MS,
    );
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const journalling: Scenario = {
  name: "a journal: lines written, its folder made, a day that is long over removed",
  consumer: { keepLogMs: DAY_MS },
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    stage.world.disk.plant(`${BASE}/log`, { kind: "directory" });
    const old = `${BASE}/log/20200101~edge-1-abcdefgh.jsonl`;
    stage.world.disk.plant(old, { text: "{}\n" });
    stage.plant("new/b.json", eventText("once", "ok"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
    stage.world.disk.rename(`${BASE}/log`, "/old-log", stage.world.nowMs);
    const queue = await stage.open();
    await queue.enqueue(stage.offer("later", "ok"));
    stage.ledger.acknowledge("later");
    await stage.consumer(queue, this.consumer).run("until-empty");
  },
};

/** Put what was kept since then on the disk: a delivered event, a dead letter, an answer. */
function plantKept(stage: Stage, name: string, atMs: number): void {
  const { world: { disk }, ledger } = stage;
  const state = `${name}+1@${atMs}~edge-1-abcdefgh-1`;
  const text = eventText(`kept-${name}`, "ok");
  const hour = `${BASE}/${sentFolder(atMs)}`;
  disk.plant(hour, { kind: "directory" });
  disk.plant(`${hour}/${state}`, { text: eventText(`sent-${name}`, "ok"), mtimeMs: atMs });
  ledger.offer(text);
  disk.plant(`${BASE}/doa/${state}`, { text, mtimeMs: atMs - DAY_MS }); // its event's
  disk.plant(`${BASE}/doa/${state}.why`, { text: "{}", mtimeMs: atMs });
  disk.plant(`${BASE}/res/${name}+1~edge-1-abcdefgh-1`, { text: "", mtimeMs: atMs });
  disk.plant(`${BASE}/res/${name}+1~edge-1-abcdefgh-1.meta`, { text: "{}", mtimeMs: atMs });
}

const keeping: Scenario = {
  name: "delivered events kept, dead letters and answers too, and those removed that are old",
  drains: true,
  consumer: { keepSentMs: 7 * DAY_MS, keepDeadMs: 7 * DAY_MS, keepResMs: 7 * DAY_MS },
  prepare(stage) {
    stage.plantQueue();
    stage.world.disk.plant(`${BASE}/sent`, { kind: "directory" });
    plantKept(stage, "old", START_MS - 8 * DAY_MS);
    plantKept(stage, "young", START_MS - 7 * DAY_MS + 1);
    stage.plant("new/a.json", eventText("a", "flaky"));
    stage.plant("new/b.json", eventText("b", "keeps"));
    stage.plant("new/c.json", eventText("c", "refuses"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const replaying: Scenario = {
  name: "delivered events replayed, and the same once more, which leaves them out",
  consumer: { keepSentMs: 7 * DAY_MS },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("a", "ok"));
    stage.plant("new/b", eventText("b", "flaky"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
    await replayAll(stage);
    await consume(stage, this, "until-empty");
    await replayAll(stage);
  },
};

/** As an operator does who runs the same command again. */
async function replayAll(stage: Stage): Promise<void> {
  const queue = await stage.open();
  const snapshot = await Array.fromAsync(findNames(queue, { states: ["sent"] }));
  const wanted = snapshot.filter(({ name }) => replayedMs(name) === undefined);
  for (const event of wanted) {
    if (stage.referee.replays.has(event.id) && !stage.referee.isDiskFaulty) {
      stage.referee.violations.push(`replays ${event.id} once more`);
    }
    const fate = await stage.product.actOn(queue, "replay", event);
    if (typeof fate === "object") stage.ledger.told.push(fate.refused);
  }
  await settleActs(queue, "replay", wanted);
}

const keepingTogether: Scenario = {
  name: "a pair of consumers that keep what they deliver, and both remove what is old",
  races: true,
  consumer: { keepSentMs: 7 * DAY_MS, keepDeadMs: 7 * DAY_MS, keepResMs: 7 * DAY_MS },
  prepare(stage) {
    stage.plantQueue();
    stage.world.disk.plant(`${BASE}/sent`, { kind: "directory" });
    plantKept(stage, "old", START_MS - 8 * DAY_MS);
    for (const name of ["a", "b"]) stage.plant(`new/${name}.json`, eventText(name, "ok"));
  },
  async run(stage) {
    await Promise.all([consume(stage, this, "once"), consume(stage, this, "once")]);
  },
};

const stopping: Scenario = {
  name: "a stop: one event in flight past the grace time, one not sent yet",
  world: { latencyMs: ({ verb, path }) => verb === "read" && path.includes("late") ? 3_000 : 0 },
  consumer: { graceMs: 2_000 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("in-flight", "slow"));
    stage.plant("new/late.json", eventText("unsent", "ok"));
  },
  async run(stage) {
    await consumeFor(stage, this, 2 * SECOND_MS);
  },
};

const copying: Scenario = {
  name: "a file that is copied into new/ instead of moved, slowly",
  drains: true,
  prepare: (stage) => stage.plantQueue(),
  async run(stage) {
    const { world, ledger } = stage;
    const text = eventText("copied", "ok");
    ledger.fragile.set(ledger.offer(text), "always");
    const copier = world.process();
    stage.referee.exempt(copier);
    const half = new TextEncoder().encode(text.slice(0, 30));
    await copier.runtime.disk.create(`${BASE}/new/copied`, half, { mode: 0o600, durable: false });
    const { ino } = world.disk.stat(`${BASE}/new/copied`);
    const writing = pause(stage, 2 * SECOND_MS)
      .then(() => world.disk.write(ino, new TextEncoder().encode(text)));
    await Promise.all([writing, consume(stage, this, "until-empty")]);
  },
};

const renewing: Scenario = {
  name: "a lease renewed, since reading the file took long",
  world: { latencyMs: ({ verb }) => verb === "read" ? 7_000 : 0 },
  consumer: { leaseMs: 40_000 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("late", "ok"));
  },
  async run(stage) {
    await consume(stage, this, "once");
  },
};

const inheriting: Scenario = {
  name: "a consumer that dies in the middle, and another on its host",
  races: true,
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("hangs", "hangs"));
    stage.plant("new/b.json", eventText("slow", "slow"));
  },
  async run(stage) {
    await untilKilled(stage, this, stage.world.process(), async (kill) => {
      const surviving = consume(stage, this, "until-empty");
      await Promise.all([surviving, pause(stage, SECOND_MS).then(kill)]);
    });
  },
};

const outliving: Scenario = {
  name: "a consumer that dies, and another on another host that waits for its lease",
  drains: true,
  consumer: { pollMs: 60_000 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("hangs", "hangs"));
  },
  async run(stage) {
    await untilKilled(stage, this, stage.world.process({ host: "far" }), async (kill) => {
      kill();
      await consume(stage, this, "until-empty");
    });
  },
};

const stranded: Scenario = {
  name: "claims found in cur/: in flight when the fourth died, of the original, of a dead owner",
  consumer: { pollMs: 10_000 },
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    const past = START_MS - HOUR_MS;
    stage.plant(`cur/killer+1@${past}~edge-1-abcdefgh-5x4s.json`, eventText("killer", "ok"));
    stage.plant("cur/left-by-the-original", eventText("original", "ok"), START_MS - DAY_MS);
  },
  async run(stage) {
    const queue = await stage.open({ create: true });
    const dead = `${queue.host}-77-abcdefgh`;
    const lease = START_MS + LEASE_MS;
    stage.plant(`cur/held+1@${lease}~${dead}-1`, eventText("held", "ok"));
    stage.world.disk.plant(`${BASE}/cur/.${dead}`, { mtimeMs: START_MS });
    await stage.consumer(queue, this.consumer).run("until-empty");
  },
};

const blaming: Scenario = {
  name: "three consumers that die, each with one event in flight and another in its memory",
  races: true,
  drains: true,
  consumer: { threads: 2, perDestination: 1 },
  prepare(stage) {
    stage.plantQueue();
    for (const name of ["a", "b"]) stage.plant(`new/${name}.json`, eventText(name, "slow"));
  },
  async run(stage) {
    for (let deaths = 0; deaths < 3; deaths++) {
      await untilKilled(stage, this, stage.world.process(), (kill) => Promise.resolve(kill()));
    }
    await consume(stage, this, "until-empty");
  },
};

const twins: Scenario = {
  name: "consumers with one host name and one number on two kernels",
  races: true,
  world: { latencyMs: () => 1, networkDisk: true },
  consumer: { pollMs: 5_000 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("a", "slow"));
    stage.plant("new/b.json", eventText("b", "slow"));
  },
  async run(stage) {
    stage.world.host("twin", { hostname: "edge" });
    await Promise.all([
      consumeFor(stage, this, 30 * SECOND_MS, "edge", 1),
      pause(stage, SECOND_MS)
        .then(() => consumeFor(stage, this, 31 * SECOND_MS, "twin", 1)),
    ]);
  },
};

const restarting: Scenario = {
  name: "a host that is restarted, and a consumer that waits for the leases of before",
  races: true,
  drains: true,
  consumer: { pollMs: 20_000 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("hangs", "hangs"));
  },
  async run(stage) {
    await untilKilled(stage, this, stage.world.process(), () => {
      stage.world.reboot("edge");
      return consume(stage, this, "until-empty");
    });
  },
};

const requeueing: Scenario = {
  name: "dead letters brought back",
  prepare(stage) {
    stage.plantQueue();
    for (const marker of ["one", "two"]) {
      const name = `${marker}+3@${
        START_MS - DAY_MS
      }~edge-1-abcdefgh-${marker.length}${marker}.json`;
      const path = `doa/${name.replace(marker + ".json", ".json")}`;
      stage.plant(path, eventText(marker, "ok"), START_MS - DAY_MS);
      stage.world.disk.plant(`${BASE}/${path}.why`, { text: "{}", mtimeMs: START_MS - DAY_MS });
    }
  },
  async run(stage) {
    const queue = await stage.open();
    for (const letters of [["one"], "all"] as const) {
      const { refused } = await stage.product.requeue(queue, letters);
      for (const { error } of refused) stage.ledger.told.push(error);
    }
  },
};

/** What an operator does to which events. */
const OPERATIONS = [["retry", ["late", "later"]], ["delete", ["ready", "waits", "died"]]] as const;

const operating: Scenario = {
  name: "waiting events let go, and others deleted",
  prepare(stage) {
    stage.plantQueue();
    const state = (n: number) => `+2@${START_MS + HOUR_MS}~edge-1-abcdefgh-${n}.json`;
    const folder = "defer/http_ok.test_80";
    const bucket = `${folder}/${START_MS.toString(36).padStart(9, "0")}-edge-0`;
    for (const path of [folder, bucket]) {
      stage.world.disk.plant(`${BASE}/${path}`, { kind: "directory" });
    }
    stage.plant(`${folder}/late${state(1)}`, eventText("late", "ok"));
    stage.plant(`${bucket}/later${state(2)}`, eventText("later", "ok"));
    stage.plantUnwanted("new/ready.json", eventText("ready", "ok"));
    stage.plantUnwanted(`${bucket}/waits${state(3)}`, eventText("waits", "ok"));
    const letter = `doa/died+1@${START_MS}~edge-1-abcdefgh-4.json`;
    stage.plantUnwanted(letter, eventText("died", "ok"));
    stage.world.disk.plant(`${BASE}/${letter}.why`, { text: "{}", mtimeMs: START_MS });
  },
  async run(stage) {
    const queue = await stage.open();
    for (const [act, ids] of OPERATIONS) {
      const filter = { states: STATES_OF[act], ids: new Set<string>(ids) };
      const snapshot = await Array.fromAsync(findNames(queue, filter));
      for (const event of snapshot) {
        const fate = await stage.product.actOn(queue, act, event);
        if (typeof fate === "object") stage.ledger.told.push(fate.refused);
      }
      await settleActs(queue, act, snapshot);
    }
  },
};

const sweeping: Scenario = {
  name: "both sweeps, 36 h after what was left over",
  sweepsAlone: true,
  prepare(stage) {
    stage.plantQueue();
    const { disk } = stage.world;
    const old = { mtimeMs: START_MS - 2 * DAY_MS };
    disk.plant(`${BASE}/tmp/draft`, { text: "{", ...old });
    for (const folder of ["tmp", "new", "defer", "doa", "res"]) {
      disk.plant(`${BASE}/${folder}/.edge-1-${folder}`, old);
    }
    disk.plant(`${BASE}/doa/stray+1@1~edge-1-abcdefgh-1.json.why`, { text: "{}", ...old });
    const letter = `letter+1@${START_MS - 2 * DAY_MS}~edge-1-abcdefgh-2.json`;
    stage.plant(`doa/${letter}`, eventText("letter", "ok"), old.mtimeMs);
    disk.plant(`${BASE}/doa/${letter}.why`, { text: "{}", ...old });
  },
  async run(stage) {
    await stage.product.sweep(await stage.open(), new AbortController().signal);
  },
};

const sharing: Scenario = {
  name: "two consumers, and a name dropped again while the first of it is in flight",
  races: true,
  consumer: { pollMs: 5_000 },
  world: { latencyMs: () => 1 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/old.json", eventText("old", "slow"), START_MS - 3 * HOUR_MS);
  },
  async run(stage) {
    const producing = async () => {
      await stage.drop("twice.json", eventText("twice-1", "slow"));
      await pause(stage, 5 * SECOND_MS);
      await stage.drop("twice.json", eventText("twice-2", "ok"));
    };
    await Promise.all([
      consumeFor(stage, this, 30 * SECOND_MS),
      consumeFor(stage, this, 31 * SECOND_MS, "far"),
      producing(),
      stage.drop("draft.json", eventText("draft", "ok"), 100),
    ]);
  },
};

const twice: Scenario = {
  name: "a name dropped twice within one millisecond",
  prepare: (stage) => stage.plantQueue(),
  async run(stage) {
    const queue = await stage.open();
    const texts = [eventText("first", "ok"), eventText("second", "ok")];
    for (const text of texts) {
      await stage.drop("same.json", text);
      await queue.claim("new", "same.json", LEASE_MS);
    }
  },
};

const mending: Scenario = {
  name: "folders that are missing when they are needed",
  prepare(stage) {
    stage.plantQueue(["tmp", "cur", "defer", "doa", "res"]);
    for (const name of ["a", "b", "c"]) stage.plant(`new/${name}`, eventText(name, "keeps"));
  },
  async run(stage) {
    const queue = await stage.open();
    const claim = (name: string) => queue.claim("new", name, LEASE_MS);
    const [a, b, c] = [await claim("a"), await claim("b"), await claim("c")];
    const due = START_MS + LEASE_MS;
    const settlements = [
      a && await queue.defer(a, "http_keeps.test_80", due),
      b && await queue.bury(b, { outcome: "refused", reason: "no" }, due),
    ];
    for (const settlement of settlements) stage.ledger.told.push(settlement?.error);
    if (c) await queue.storeResponse(c, { body: new Uint8Array(), meta: {} });
    await queue.enqueue(stage.offer("d", "ok"));
    stage.ledger.acknowledge("d");
  },
};

const parking: Scenario = {
  name:
    "a destination that is down for a while: marked, its events parked, probed, taken out again, unmarked",
  drains: true,
  consumer: { threads: 4 },
  prepare(stage) {
    stage.plantQueue();
    for (let n = 0; n < 5; n++) stage.plant(`new/p${n}.json`, eventText(`nap-${n}`, "naps"));
    stage.plant("new/other.json", eventText("other", "ok"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const returning: Scenario = {
  name: "a destination that was away, as somebody has left word, and a consumer that begins",
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    const folder = "defer/http_ok.test_80";
    stage.world.disk.plant(`${BASE}/${folder}`, { kind: "directory" });
    stage.world.disk.plant(`${BASE}/${folder}/.away@${START_MS - HOUR_MS}`, { text: "" });
    const bucket = `${folder}/${(START_MS - HOUR_MS).toString(36).padStart(9, "0")}-edge-0`;
    stage.world.disk.plant(`${BASE}/${bucket}`, { kind: "directory" });
    for (let n = 0; n < 10; n++) {
      const name = `s${n}+0@${START_MS - HOUR_MS}~edge-1-abcdefgh-${n}.json`;
      stage.plant(`${bucket}/${name}`, eventText(`s-${n}`, "ok"));
    }
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const believing: Scenario = {
  name: "a destination that another found struggling, long away and down, and which is well",
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("a", "flaky"));
    const folder = `${BASE}/defer/http_flaky.test_80`;
    stage.world.disk.plant(folder, { kind: "directory" });
    for (const mark of [".struggling~far-1-abcdefgh", ".open~far-1-abcdefgh"]) {
      stage.world.disk.plant(`${folder}/${mark}`, { text: '{"share":0.5}' });
    }
    for (const days of [1, 8]) {
      stage.world.disk.plant(`${folder}/.away@${START_MS - days * DAY_MS}`, { text: "" });
    }
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const throttling: Scenario = {
  name:
    "a destination that asks to be left alone, its events in two minutes' buckets, and a restart meanwhile",
  drains: true,
  // Fewer than its events; each look is a moment to fail in.
  consumer: { threads: 4, pollMs: 10_000 },
  prepare(stage) {
    stage.plantQueue();
    for (let n = 0; n < 6; n++) stage.plant(`new/t${n}.json`, eventText(`busy-${n}`, "busy"));
  },
  async run(stage) {
    await consumeFor(stage, this, 20 * SECOND_MS);
    await consume(stage, this, "until-empty");
  },
};

const holding: Scenario = {
  name: "a destination that is held, with what waits there, and resumed",
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    const folder = "defer/http_ok.test_80";
    stage.world.disk.plant(`${BASE}/${folder}`, { kind: "directory" });
    stage.world.disk.plant(`${BASE}/${folder}/.hold`, { text: "" });
    const bucket = `${folder}/${(START_MS - HOUR_MS).toString(36).padStart(9, "0")}-edge-0`;
    stage.world.disk.plant(`${BASE}/${bucket}`, { kind: "directory" });
    const name = `waits+1@${START_MS - HOUR_MS}~edge-1-abcdefgh-9.json`;
    stage.plant(`${bucket}/${name}`, eventText("waits", "ok"));
    stage.plant("new/comes.json", eventText("comes", "ok"));
    stage.plant("new/free.json", eventText("free", "flaky"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
    const resuming = pause(stage, 3 * SECOND_MS).then(() => stage.resumeAll());
    await Promise.all([consumeFor(stage, this, 6 * SECOND_MS), resuming]);
    await consume(stage, this, "until-empty");
  },
};

const expiring: Scenario = {
  name: "events that wait too long for a destination that is down",
  drains: true,
  consumer: { threads: 4, maxAgeMs: HOUR_MS, maxAttempts: 2 },
  prepare(stage) {
    stage.plantQueue();
    const folder = "defer/http_down.test_80";
    const oldMs = START_MS - 2 * HOUR_MS;
    const bucket = `${folder}/${oldMs.toString(36).padStart(9, "0")}-edge-0`;
    stage.world.disk.plant(`${BASE}/${folder}`, { kind: "directory" });
    stage.world.disk.plant(`${BASE}/${bucket}`, { kind: "directory" });
    for (let n = 0; n < 6; n++) {
      const name = `old-${n}+0@${oldMs}~edge-1-abcdefgh-${n}.json`;
      stage.plant(`${bucket}/${name}`, eventText(`old-${n}`, "down"), oldMs);
    }
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const mixing: Scenario = {
  name: "events of several destinations in one folder, and in none",
  drains: true,
  prepare(stage) {
    stage.plantQueue();
    const bucket = `defer/others/${(START_MS - HOUR_MS).toString(36).padStart(9, "0")}-edge-0`;
    stage.world.disk.plant(`${BASE}/defer/others`, { kind: "directory" });
    stage.world.disk.plant(`${BASE}/${bucket}`, { kind: "directory" });
    const state = (n: number) => `+1@${START_MS - HOUR_MS}~edge-1-abcdefgh-${n}.json`;
    stage.plant(`${bucket}/a${state(1)}`, eventText("shared-1", "ok"));
    stage.plant(`${bucket}/b${state(2)}`, eventText("shared-2", "flaky"));
    stage.plant(`defer/c${state(3)}`, eventText("loose", "ok"));
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const merging: Scenario = {
  name: "events in one request, whose consumer dies in the middle of it, and another on its host",
  races: true,
  drains: true,
  consumer: { merge: optimizelyMerger() },
  prepare(stage) {
    stage.plantQueue();
    for (const name of ["a", "b", "c"]) stage.plant(`new/${name}.json`, eventText(name, "merges"));
  },
  async run(stage) {
    const dying = stage.world.process();
    const running = stage.consumer(await stage.open({ process: dying }), this.consumer).run("once");
    await Promise.race([running, pause(stage, SECOND_MS / 2).then(() => dying.kill())]);
    await consume(stage, this, "until-empty");
  },
};

const splitting: Scenario = {
  name: "events in one request, which is refused for one of them; one deferred before",
  drains: true,
  consumer: { merge: optimizelyMerger(), maxAttempts: 3 },
  prepare(stage) {
    stage.plantQueue();
    const folder = "defer/http_merges.test_80";
    stage.world.disk.plant(`${BASE}/${folder}`, { kind: "directory" });
    stage.plant(`${folder}/old+1@${START_MS}~edge-1-abcdefgh-9`, eventText("old", "merges"));
    for (const name of ["a", "poison", "b"]) {
      stage.plant(`new/${name}.json`, eventText(name, "merges"));
    }
  },
  async run(stage) {
    await consume(stage, this, "until-empty");
  },
};

const vanishing: Scenario = {
  name: "a directory that is unmounted while an event is in flight, and mounted again",
  drains: true,
  consumer: { pollMs: 5_000 },
  prepare(stage) {
    stage.plantQueue();
    stage.plant("new/a.json", eventText("answered-meanwhile", "slow"));
  },
  async run(stage) {
    const producer = stage.world.process();
    stage.referee.exempt(producer); // its verbs must not fail: they do anyway
    const queue = await stage.open({ process: producer });
    let isOver = false;
    const consuming = consume(stage, this, "until-empty").finally(() => isOver = true);
    const away = async () => {
      await pause(stage, 8 * SECOND_MS);
      if (isOver) return;
      stage.unmount();
      try {
        await queue.enqueue(stage.offer("refused-meanwhile", "ok"));
        stage.ledger.acknowledge("refused-meanwhile");
      } catch (error) {
        stage.ledger.told.push(error);
      }
      await pause(stage, 16 * SECOND_MS);
      if (isOver) return;
      stage.mount();
      await stage.drop("b.json", eventText("later", "ok"));
    };
    await Promise.all([consuming, away()]);
  },
};

/** All of them. */
export const SCENARIOS: readonly Scenario[] = [
  firstEvent,
  producing,
  limiting,
  dropping,
  delivering,
  deferring,
  postponing,
  burying,
  ageing,
  journalling,
  keeping,
  keepingTogether,
  replaying,
  stopping,
  copying,
  renewing,
  inheriting,
  outliving,
  blaming,
  twins,
  restarting,
  stranded,
  requeueing,
  operating,
  sweeping,
  sharing,
  twice,
  mending,
  vanishing,
  parking,
  returning,
  believing,
  throttling,
  holding,
  expiring,
  mixing,
  merging,
  splitting,
];
