import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path";
import type { Mode, Summary } from "../../lib/consumer/consumer.ts";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { LaneChanged } from "../../lib/telemetry/trace.ts";
import { MOST_DESTINATION_FOLDERS } from "../../lib/queue/constants.ts";
import { parseName } from "../../lib/queue/name.ts";
import { uuidv7 } from "../../lib/queue/uuid.ts";
import { Arena, BASE } from "../sim/arena.ts";
import { seeded } from "../sim/choices.ts";
import type { Reply, SimRequest } from "../sim/network.ts";
import type { SimProcess } from "../sim/process.ts";
import type { World, WorldOptions } from "../sim/world.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A request that an endpoint saw, taken or not, and its reply. */
interface Seen {
  readonly atMs: number;
  readonly host: string;
  readonly key: string;
  readonly status: number | "none";
}

/** A consumer at work. */
interface Working {
  readonly process: SimProcess;
  readonly ended: Promise<Summary>;
  stop(): Promise<Summary>;
}

/** Endpoints with a schedule of their own, by host; everybody else answers 200 after 20 ms. */
type Endpoints = Readonly<Record<string, (request: SimRequest) => Reply | undefined>>;

const DEAD: Reply = { fails: "hang before" };
const REFUSED: Reply = { fails: "refused" };
const WELL: Reply = { delayMs: 20 };

/**
 * A queue, endpoints that record what they see, and how much the consumers have claimed and done.
 */
class Yard {
  readonly arena: Arena;
  readonly world: World;
  readonly seen: Seen[] = [];
  /** When an event was put on the queue, by id. */
  readonly putMs = new Map<string, number>();
  /** Verbs so far. */
  verbs = 0;
  renames = 0;
  /** The most claims of one consumer at once. */
  mostClaims = 0;
  readonly #claims = new Map<SimProcess, number>();
  readonly #random = seeded(7);
  #made = 0;
  #ended = 0;

  constructor(endpoints: Endpoints = {}, options: WorldOptions = {}) {
    this.arena = new Arena({
      maxCalls: 10_000_000,
      maxTurns: 10_000_000,
      listChunk: 1_024,
      leaseMs: 60_000,
      ...options,
    });
    this.world = this.arena.world;
    this.world.network.script = (request) => {
      const host = new URL(request.url).hostname;
      const reply = endpoints[host]?.(request) ?? WELL;
      const { atMs, key = "" } = request;
      const status = reply.fails === undefined ? reply.status ?? 200 : "none";
      // over a connection that was there before, what fails is sent once more at once
      const last = this.seen.findLast((each) => each.atMs < atMs || each.key === key);
      const isAgain = status === "none" && last?.key === key && last.atMs === atMs;
      if (!isAgain) this.seen.push({ atMs, host, key, status });
      return reply;
    };
    this.world.onPoint(({ verb, path, to, process }, phase) => {
      if (phase !== "after") return;
      this.verbs++;
      if (verb === "rename") this.renames++;
      const name = basename(path);
      if (name.startsWith(".")) return;
      const [from, target] = [path, to ?? ""].map((each) => each.startsWith(`${BASE}/cur/`));
      const change = Number(target) - Number(from && (verb === "rename" || verb === "remove"));
      if (change === 0) return;
      if (verb === "remove" || to!.startsWith(`${BASE}/doa/`)) this.#ended++;
      const claims = (this.#claims.get(process) ?? 0) + change;
      this.#claims.set(process, claims);
      this.mostClaims = Math.max(this.mostClaims, claims);
    });
  }

  /** Put events for a host into `new/`, made just now, and tell whoever watches. */
  put(host: string, count = 1, folder = "new"): string[] {
    const ids: string[] = [];
    const nowMs = this.world.nowMs;
    for (let n = 0; n < count; n++) {
      const id = uuidv7(Math.floor(nowMs) - count + n, this.#random);
      ids.push(id);
      this.arena.plant(id, ++this.#made, { url: `http://${host}/${this.#made}`, folder });
      this.putMs.set(id, this.world.time.nowMs);
    }
    for (const process of this.arena.processes) this.world.announce(`${BASE}/${folder}`, process);
    return ids;
  }

  /** Put `count` events there, evenly over `ms`. */
  async stream(host: string, count: number, ms: number): Promise<string[]> {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) {
      ids.push(...this.put(host));
      await this.world.time.sleep(ms / count * (0.5 + this.#random()), this);
    }
    return ids;
  }

  /** Start a consumer. */
  consume(options: ConsumerOptions = {}, mode: Mode = "forever", host = "edge"): Working {
    const process = this.world.process({ host });
    const stop = new AbortController();
    const ended = this.arena.consume(process, mode, options, stop.signal);
    return {
      process,
      ended,
      stop: () => {
        stop.abort();
        return this.world.run(ended);
      },
    };
  }

  /** How many events wait or are in flight. */
  get left(): number {
    return this.putMs.size - this.#ended;
  }

  /** Dead letters. */
  get dead(): string[] {
    return this.arena.files().filter((path) => path.startsWith("doa/") && !path.endsWith(".why"));
  }

  /** Changes of lanes that consumers reported. */
  get changes(): LaneChanged["change"][] {
    return this.arena.reports.flatMap(({ event }) => event.type === "lane" ? [event.change] : []);
  }

  /** Let time go on until the queue is empty, `mostMs` at most. */
  async drain(mostMs: number): Promise<void> {
    for (const endMs = this.world.time.nowMs + mostMs; this.left > 0;) {
      assert(this.world.time.nowMs < endMs, `${this.left} left after ${mostMs} ms`);
      await this.world.advance(5 * SECOND_MS);
    }
  }

  /** How long events waited for their first request, ms, ascending. */
  waits(ids: readonly string[]): number[] {
    const first = new Map<string, number>();
    for (const { key, atMs } of this.seen) if (!first.has(key)) first.set(key, atMs);
    return ids.map((id) => (first.get(id) ?? Infinity) - this.putMs.get(id)!).sort((a, b) => a - b);
  }

  /** Requests that a host saw within a time. */
  between(host: string, fromMs: number, toMs: number): Seen[] {
    return this.seen.filter((each) =>
      each.host === host && each.atMs >= fromMs && each.atMs < toMs
    );
  }

  /** Stop everybody, and let the arena's judge look at all that happened. */
  async close(...working: Working[]): Promise<void> {
    for (const each of working) await each.stop();
    this.arena.judge();
  }
}

function p99(ascending: readonly number[]): number {
  return ascending[Math.ceil(ascending.length * 0.99) - 1]!;
}

/** `down` for so long, then well. */
function downFor(ms: number, reply: Reply): (request: SimRequest) => Reply {
  return ({ atMs }) => atMs < ms ? reply : WELL;
}

/** What a disk costs, so that waiting is measurable. */
const SLOW_DISK: WorldOptions = { latencyMs: () => 0.25 };

/** One that isn't always as slow, so that consumers that race win in turn. */
function unevenDisk(): WorldOptions {
  const random = seeded(3);
  return { latencyMs: () => 0.5 * random() };
}

/**
 * How long 1,000 events for a healthy destination wait that come over 50 s, beside what else goes
 * on.
 */
async function healthyWait(dead: number): Promise<{ p99: number; yard: Yard }> {
  const yard = new Yard({ "dead.test": downFor(10 * MINUTE_MS, DEAD) }, SLOW_DISK);
  const working = yard.consume();
  const streams = Promise.all([
    yard.stream("well.test", 1_000, 50 * SECOND_MS),
    yard.stream("dead.test", dead, 50 * SECOND_MS),
  ]);
  const [ids] = await yard.world.run(streams);
  await yard.world.advance(10 * SECOND_MS);
  const result = p99(yard.waits(ids));
  if (dead > 0) {
    const { length } = yard.between("dead.test", 0, MINUTE_MS);
    assert(length < 100, `the dead one saw ${length} requests in its first minute`);
    assert(yard.mostClaims <= 128, `${yard.mostClaims} claims at once`);
    await yard.world.advance(10 * MINUTE_MS);
    await yard.drain(HOUR_MS);
    assertEquals(yard.dead, []);
  }
  await yard.close(working);
  return { p99: result, yard };
}

Deno.test("10,000 events for a destination that never answers, and 1,000 for a healthy one, which wait no longer for it", async () => {
  const alone = await healthyWait(0);
  const mixed = await healthyWait(10_000);
  assert(mixed.p99 <= 2 * alone.p99, `p99 ${mixed.p99} ms beside the dead one, ${alone.p99} alone`);
});

Deno.test("a destination that answers 403 for ten minutes gets all its events afterwards, and one probe a minute meanwhile", async () => {
  const yard = new Yard({ "shy.test": downFor(10 * MINUTE_MS, { status: 403 }) });
  const working = yard.consume();
  yard.put("shy.test", 1_000);
  await yard.world.advance(10 * MINUTE_MS);
  for (let minute = 6; minute < 10; minute++) {
    const probes = yard.between("shy.test", minute * MINUTE_MS, (minute + 1) * MINUTE_MS);
    assert(probes.length <= 1, `${probes.length} probes in minute ${minute}`);
  }
  const asked = new Set(yard.seen.map(({ key }) => key));
  assert(asked.size > yard.seen.length / 2, "probes are not always the same event");
  await yard.drain(20 * MINUTE_MS);
  assertEquals(yard.dead, []);
  await yard.close(working);
});

Deno.test("400 for one event among a thousand is one request, one dead letter and no open breaker", async () => {
  let bad = "";
  const yard = new Yard({
    "well.test": ({ key }) => key === bad ? { status: 400 } : undefined,
  });
  bad = yard.put("well.test", 1_000)[500]!;
  const working = yard.consume();
  await yard.world.advance(10 * SECOND_MS);
  assertEquals(yard.left, 0);
  assertEquals(yard.seen.filter(({ key }) => key === bad).length, 1);
  assertEquals(yard.seen.length, 1_000);
  assertEquals(yard.dead.map((path) => parseName(path.slice("doa/".length)).id), [bad]);
  assertEquals(yard.changes, []);
  await yard.close(working);
});

for (const status of [500, 403]) {
  Deno.test(`${status} for one event for ever among a thousand good ones: they are delivered at full speed`, async () => {
    const times: number[] = [];
    for (const isSpoiled of [false, true]) {
      let bad = "";
      const yard = new Yard({
        "well.test": ({ key, atMs }) =>
          key === bad && atMs < HOUR_MS ? { status, delayMs: 20 } : WELL,
      });
      const ids = yard.put("well.test", 1_001);
      if (isSpoiled) bad = ids[0]!;
      const working = yard.consume();
      await yard.world.advance(10 * SECOND_MS);
      const good = yard.seen.filter((each) => each.key !== bad && each.status === 200);
      times.push(good.at(-1)!.atMs);
      assertEquals(new Set(good.map(({ key }) => key)).size, isSpoiled ? 1_000 : 1_001);
      await yard.world.advance(30 * MINUTE_MS);
      yard.put("well.test", 100);
      await yard.world.advance(MINUTE_MS);
      assert(yard.left <= 1, `${yard.left} left`);
      assertEquals(yard.changes, []);
      await yard.world.advance(HOUR_MS);
      await yard.close(working);
    }
    const [alone, spoiled] = times;
    assert(spoiled! <= 1.1 * alone!, `${spoiled} ms beside the bad one, ${alone} ms without`);
  });
}

Deno.test("10,000 events due after an hour's outage follow the ramp", async () => {
  const yard = new Yard({ "back.test": downFor(HOUR_MS, REFUSED) });
  const working = yard.consume();
  yard.put("back.test", 10_000);
  await yard.world.advance(HOUR_MS);
  await yard.drain(20 * MINUTE_MS);
  const good = yard.seen.filter(({ status }) => status === 200);
  const startMs = good[0]!.atMs;
  const perSecond: number[] = new Array(60).fill(0);
  for (const { atMs } of good) {
    const second = Math.floor((atMs - startMs) / SECOND_MS);
    if (second < 60) perSecond[second]!++;
  }
  const sent = perSecond.reduce((sum, each) => sum + each);
  assert(sent >= 9_900, `${sent} in the first minute`);
  for (let second = 0; second < 60; second++) {
    const share = 10 * 2 ** ((second + 0.5) / 5);
    assert(perSecond[second]! <= 2 * share, `second ${second}: ${perSecond[second]} of ${share}`);
    if (second > 0 && second < 30) {
      assert(perSecond[second]! >= share / 2, `second ${second}: ${perSecond[second]} of ${share}`);
    }
  }
  await yard.close(working);
});

/** How long another consumer may take to see what was said: a quarter of a second, and its disk. */
const SEEN_WITHIN_MS = 260;

Deno.test("Retry-After: 120 keeps two consumers away for 120 s, once both have had time to see it, also across a restart", async () => {
  const throttledMs = 10 * SECOND_MS;
  const yard = new Yard({
    "busy.test": ({ atMs }) =>
      atMs < throttledMs || atMs >= throttledMs + 100 * SECOND_MS
        ? WELL
        : { status: 429, headers: { "Retry-After": "120" } },
  }, unevenDisk());
  const first = yard.consume();
  const second = yard.consume({}, "forever", "far");
  const stream = yard.stream("busy.test", 3_000, 60 * SECOND_MS);
  await yard.world.advance(30 * SECOND_MS);
  const by = new Set(yard.world.network.taken.map(({ process }) => process.name));
  assertEquals(by.size, 2, "both have sent");
  await first.stop();
  second.process.kill();
  const third = yard.consume();
  const fourth = yard.consume({}, "forever", "far");
  await yard.world.run(stream);
  await yard.drain(20 * MINUTE_MS);
  const answeredMs = yard.seen.find(({ status }) => status === 429)!.atMs;
  const meanwhile = yard.seen.filter(({ atMs }) =>
    atMs > answeredMs + SEEN_WITHIN_MS && atMs < answeredMs + 120 * SECOND_MS
  );
  assertEquals(meanwhile.slice(0, 3), []);
  await yard.close(third, fourth);
});

Deno.test("an HTTP date in Retry-After is heeded as well, and one further ahead than 2 h is not", async () => {
  for (const [aheadMs, mostMs] of [[HOUR_MS, HOUR_MS], [24 * HOUR_MS, 2 * HOUR_MS]] as const) {
    const yard: Yard = new Yard({
      "busy.test": ({ atMs }): Reply =>
        atMs > SECOND_MS ? WELL : {
          status: 503,
          headers: {
            "Retry-After": new Date(yard.world.nowMs + aheadMs).toUTCString(),
          },
        },
    });
    yard.put("busy.test", 20);
    const working = yard.consume();
    await yard.world.advance(3 * HOUR_MS);
    assertEquals(yard.left, 0);
    const later = yard.seen.filter(({ atMs }) => atMs > 0).map(({ atMs }) => atMs);
    assert(later[0]! >= mostMs - SECOND_MS && later[0]! <= mostMs + 10 * MINUTE_MS, `${later[0]}`);
    await yard.close(working);
  }
});

/**
 * Every event's attempts are at least the schedule's pauses apart: base 1 s, doubling, half of it
 * at least, 10 min at most.
 */
function assertSchedule(seen: readonly Seen[]): void {
  const byEvent = new Map<string, number[]>();
  for (const { key, atMs } of seen) byEvent.set(key, [...(byEvent.get(key) ?? []), atMs]);
  for (const times of byEvent.values()) {
    for (let n = 1; n < times.length; n++) {
      const leastMs = 0.5 * Math.min(600_000, 1_000 * 2 ** (n - 1));
      assert(
        times[n]! - times[n - 1]! >= leastMs - 1,
        `attempt ${n + 1} after ${times[n]! - times[n - 1]!} ms`,
      );
    }
  }
}

Deno.test("two outages in a row, and all is delivered within the schedule", async () => {
  const isDown = (atMs: number) =>
    atMs < 20 * MINUTE_MS || (atMs > 21 * MINUTE_MS && atMs < 40 * MINUTE_MS);
  const yard = new Yard({ "shaky.test": ({ atMs }) => isDown(atMs) ? { status: 502 } : WELL });
  const working = yard.consume();
  const stream = yard.stream("shaky.test", 2_000, 45 * MINUTE_MS);
  yard.put("shaky.test", 2_000);
  await yard.world.run(stream);
  await yard.drain(30 * MINUTE_MS);
  assertSchedule(yard.seen);
  assertEquals(yard.dead, []);
  await yard.close(working);
});

Deno.test("a destination that flaps every few seconds for an hour gets everything, within the schedule", async () => {
  const yard = new Yard({
    "flaps.test": ({ atMs }) => {
      if (atMs > HOUR_MS) return WELL;
      const phase = atMs % (7 * SECOND_MS);
      return phase < 3 * SECOND_MS ? WELL : phase < 5 * SECOND_MS ? { status: 503 } : REFUSED;
    },
  });
  const working = yard.consume();
  await yard.world.run(yard.stream("flaps.test", 3_000, HOUR_MS));
  await yard.drain(20 * MINUTE_MS);
  assertSchedule(yard.seen);
  assertEquals(yard.dead, []);
  await yard.close(working);
});

Deno.test("fifty dead destinations don't delay a healthy one, nor one that comes later", async () => {
  const waits: number[] = [];
  for (const dead of [0, 50]) {
    const endpoints: Record<string, () => Reply> = {};
    for (let n = 0; n < dead; n++) endpoints[`dead-${n}.test`] = () => DEAD;
    const yard = new Yard(endpoints, SLOW_DISK);
    const working = yard.consume();
    const well = yard.stream("well.test", 1_000, 100 * SECOND_MS);
    await yard.world.advance(SECOND_MS);
    const streams: Promise<string[]>[] = [];
    for (let n = 0; n < dead; n++) streams.push(yard.stream(`dead-${n}.test`, 20, 50 * SECOND_MS));
    await yard.world.advance(70 * SECOND_MS);
    const late = yard.stream("late.test", 100, 25 * SECOND_MS);
    await yard.world.run(Promise.all(streams));
    await yard.world.advance(35 * SECOND_MS);
    for (const ids of [await well, await late]) waits.push(p99(yard.waits(ids)));
    assert(yard.mostClaims <= 128, `${yard.mostClaims} claims at once`);
    await working.stop();
  }
  const [well, late, wellBeside, lateBeside] = waits;
  assert(well! < 2 && late! < 2);
  assert(wellBeside! <= 20, `p99 ${wellBeside} ms beside the dead, ${well} ms alone`);
  assert(lateBeside! <= 20, `p99 ${lateBeside} ms beside the dead, ${late} ms alone`);
});

Deno.test("a rate limit holds for each destination alone and doesn't delay another", async () => {
  const yard = new Yard();
  const working = yard.consume({ ratePerSecond: 10 });
  yard.put("many.test", 1_000);
  await yard.world.advance(10 * SECOND_MS);
  const ids = await yard.world.run(yard.stream("few.test", 50, 25 * SECOND_MS));
  await yard.world.advance(5 * SECOND_MS);
  const waits = yard.waits(ids);
  assert(waits.at(-1)! <= SECOND_MS, `the last of the few waited ${waits.at(-1)} ms`);
  for (let second = 0; second < 40; second++) {
    const { length } = yard.between("many.test", second * SECOND_MS, (second + 1) * SECOND_MS);
    assert(length <= 11 && (length >= 9 || second === 0), `${length} in second ${second}`);
  }
  await yard.drain(2 * MINUTE_MS);
  await yard.close(working);
});

Deno.test("endpoints that answered, and then take requests and never end them, don't delay the others", async () => {
  const endpoint = ({ atMs }: SimRequest) => atMs < 10 * SECOND_MS ? WELL : DEAD;
  const names = ["one.test", "two.test", "three.test"];
  const yard = new Yard(Object.fromEntries(names.map((name) => [name, endpoint])), SLOW_DISK);
  const working = yard.consume();
  const hanging = names.map((name) => yard.stream(name, 300, 30 * SECOND_MS));
  const well = yard.stream("well.test", 1_200, 40 * SECOND_MS);
  await yard.world.advance(20 * SECOND_MS);
  const late = yard.stream("late.test", 200, 20 * SECOND_MS);
  await yard.world.run(Promise.all(hanging));
  for (const ids of [await yard.world.run(well), await yard.world.run(late)]) {
    const waits = yard.waits(ids);
    assert(p99(waits) <= 20, `p99 ${p99(waits)} ms`);
    assert(waits.at(-1)! <= SECOND_MS, `the last one waited ${waits.at(-1)} ms`);
  }
  await working.stop();
});

const FOLDER = `${BASE}/defer/http_held.test_80`;

function hold(yard: Yard, folder = FOLDER): void {
  yard.world.disk.plant(folder, { kind: "directory", mtimeMs: yard.world.nowMs });
  yard.world.disk.plant(`${folder}/.hold`, { text: "", mtimeMs: yard.world.nowMs });
}

async function resume(yard: Yard): Promise<void> {
  const operator = yard.world.process({ host: "console" });
  await yard.world.run(async () => await operator.runtime.disk.remove(`${FOLDER}/.hold`));
}

Deno.test("a hold is seen by running consumers within seconds, survives restarts, and ends as fast", async () => {
  const yard = new Yard();
  let working = [yard.consume(), yard.consume({}, "forever", "far")];
  const stream = yard.stream("held.test", 1_000, 100 * SECOND_MS);
  await yard.world.advance(10 * SECOND_MS);
  assert(yard.seen.length > 50);
  hold(yard);
  const heldMs = yard.world.time.nowMs;
  await yard.world.advance(20 * SECOND_MS);
  for (const each of working) await each.stop();
  working = [yard.consume(), yard.consume({}, "forever", "far")];
  await yard.world.run(stream);
  assertEquals(yard.between("held.test", heldMs + 3 * SECOND_MS, Infinity), []);
  assert(yard.left > 800);
  const other = yard.put("free.test", 10);
  await yard.world.advance(10 * SECOND_MS);
  assertEquals(yard.waits(other).length, 10);
  await resume(yard);
  const resumedMs = yard.world.time.nowMs;
  await yard.world.advance(3 * SECOND_MS);
  assert(yard.between("held.test", resumedMs, Infinity).length > 0, "it goes on within seconds");
  await yard.drain(MINUTE_MS);
  assertEquals(new Set(yard.changes), new Set(["held", "resumed"]));
  assert(yard.changes.length <= 6, `${yard.changes}`);
  await yard.close(...working);
});

Deno.test("of 2,200 destinations that are held none is sent to, however many others come", async () => {
  const yard = new Yard();
  const count = 2_200;
  for (let n = 0; n < count; n++) hold(yard, `${BASE}/defer/http_held${n}.test_80`);
  const working = yard.consume();
  await yard.world.advance(SECOND_MS);
  for (let n = 0; n < count; n++) {
    yard.put(`held${n}.test`);
    if (n % 5 === 0) yard.put(`free${n}.test`);
  }
  await yard.world.advance(20 * SECOND_MS);
  const sent = yard.seen.filter(({ host }) => host.startsWith("held"));
  assertEquals(sent.slice(0, 3), []);
  assertEquals(yard.left, count);
  await working.stop();
});

Deno.test("until-empty ends when only held destinations have events left, and says that it isn't empty", async () => {
  const yard = new Yard();
  hold(yard);
  yard.put("held.test", 20);
  yard.put("free.test", 20);
  const { empty, delivered } = await yard.world.run(yard.consume({}, "until-empty").ended);
  assertEquals([empty, delivered, yard.left], [false, 20, 20]);
  await resume(yard);
  const again = await yard.world.run(yard.consume({}, "until-empty").ended);
  assertEquals([again.empty, again.delivered, yard.left], [true, 20, 0]);
  yard.arena.judge();
});

Deno.test("what has waited longer than the longest age for a destination that is down dies with that reason; what is held doesn't", async () => {
  const yard = new Yard({ "dead.test": () => REFUSED });
  hold(yard);
  yard.world.network.connects = (host) => host === "dead.test" ? { fails: "refused" } : undefined;
  const working = yard.consume({ maxAgeMs: HOUR_MS });
  yard.put("dead.test", 200);
  yard.put("held.test", 200);
  await yard.world.advance(50 * MINUTE_MS);
  assertEquals(yard.dead, []);
  await yard.world.advance(4 * HOUR_MS);
  assertEquals([yard.dead.length, yard.left], [200, 200]);
  const files = yard.world.disk.image().files();
  const reasons = yard.dead.map((path) => JSON.parse(files[`${BASE}/${path}.why`]!).reason);
  const waited = reasons.filter((reason) => reason.startsWith("it has waited for 1 h"));
  assert(waited.length > 100, `${waited.length} have died waiting`);
  assertStringIncludes(waited[0], "connection refused by 10.0.0.1:80");
  await working.stop();
});

Deno.test("of 1,100 hostile destinations 1,000 have folders, the others share one, and little is renamed in vain", async () => {
  const endpoints: Record<string, () => Reply> = {};
  const count = 1_100;
  for (let n = 0; n < count; n++) endpoints[`h${n}.test`] = () => REFUSED;
  const yard = new Yard(endpoints);
  for (let n = 0; n < count; n++) yard.put(`h${n}.test`, 2);
  const working = yard.consume();
  await yard.world.advance(10 * SECOND_MS);
  const folders = new Set<string>();
  for (const path of yard.arena.files()) {
    const [root, folder] = path.split("/");
    if (root === "defer") folders.add(folder!);
  }
  assert(folders.has("others"));
  assert(folders.size <= MOST_DESTINATION_FOLDERS + 1, `${folders.size} folders`);
  assert(yard.renames <= 4 * yard.seen.length, `${yard.renames} for ${yard.seen.length} requests`);
  assertEquals(yard.left, 2 * count);
  const well = await yard.world.run(yard.stream("well.test", 50, 5 * SECOND_MS));
  await yard.world.advance(SECOND_MS);
  assert(p99(yard.waits(well)) < SECOND_MS, `${p99(yard.waits(well))} ms`);
  assert(yard.mostClaims <= 128, `${yard.mostClaims} claims at once`);
  await working.stop();
});

Deno.test("parked events cost nothing while their lane is closed", async () => {
  const costs: number[] = [];
  for (const parked of [50, 5_000]) {
    const yard = new Yard({ "dead.test": () => REFUSED });
    yard.put("dead.test", parked);
    const working = yard.consume();
    await yard.world.advance(30 * MINUTE_MS);
    assertEquals(yard.left, parked);
    const [verbs, renames] = [yard.verbs, yard.renames];
    await yard.world.advance(10 * MINUTE_MS);
    costs.push((yard.verbs - verbs) / 10, (yard.renames - renames) / 10);
    await working.stop();
  }
  const [fewVerbs, fewRenames, verbs, renames] = costs;
  assert(renames! <= 12 && fewRenames! <= 12, `${renames} renames a minute`);
  assert(
    verbs! <= fewVerbs! + 60,
    `${verbs} verbs a minute with 5,000 parked, ${fewVerbs} with 50`,
  );
});

Deno.test("the order within a destination outlasts an outage, but for what was tried", async () => {
  const yard = new Yard({ "back.test": downFor(10 * MINUTE_MS, REFUSED) });
  const working = yard.consume();
  const ids = await yard.world.run(yard.stream("back.test", 1_000, 10 * MINUTE_MS));
  await yard.drain(20 * MINUTE_MS);
  const tried = new Set(yard.seen.filter(({ status }) => status === "none").map(({ key }) => key));
  const order = new Map(ids.map((id, at) => [id, at]));
  const sent = yard.seen.filter(({ key, status }) => status === 200 && !tried.has(key));
  const positions = sent.map(({ key }) => order.get(key)!);
  const backwards = positions.filter((at, n) => n > 0 && at < positions[n - 1]!);
  assert(backwards.length <= 0.05 * sent.length, `${backwards.length} of ${sent.length} too late`);
  await yard.close(working);
});

for (const percent of [30, 70]) {
  Deno.test(`an endpoint that fails ${percent} % of the requests delays nobody more than each event's own schedule`, async () => {
    const random = seeded(5);
    const half = () => random() * 100 < percent ? { status: 502, delayMs: 2 } : { delayMs: 2 };
    const yard = new Yard({ "half.test": half });
    yard.put("half.test", 500);
    const well = yard.put("well.test", 500);
    const working = yard.consume();
    await yard.world.advance(2 * SECOND_MS);
    const delivered = () => yard.seen.filter(({ status }) => status === 200).length;
    assert(yard.waits(well).at(-1)! < SECOND_MS, "those beside it don't wait");
    assert(delivered() >= 500 + 250, `${delivered() - 500} of 500 within 2 s`);
    await yard.drain(4 * HOUR_MS);
    assertSchedule(yard.seen);
    assertEquals(yard.changes[0], "struggling");
    assert(!yard.changes.includes("opened"), `${yard.changes}`);
    await yard.close(working);
  });
}

Deno.test("who begins after an outage begins slowly, although the one before was killed in the middle of it", async () => {
  const yard = new Yard({ "back.test": downFor(10 * MINUTE_MS, REFUSED) });
  const first = yard.consume();
  yard.put("back.test", 2_000);
  await yard.world.advance(9 * MINUTE_MS);
  first.process.kill();
  await yard.world.advance(MINUTE_MS);
  const workers = [yard.consume(), yard.consume()];
  await yard.world.advance(5 * SECOND_MS);
  const startMs = yard.seen.find(({ status }) => status === 200)!.atMs;
  for (let second = 0; second < 4; second++) {
    const [fromMs, toMs] = [startMs + second * SECOND_MS, startMs + (second + 1) * SECOND_MS];
    const { length } = yard.between("back.test", fromMs, toMs);
    const share = workers.length * 10 * 2 ** ((second + 0.5) / 5);
    assert(length > 0 && length <= 2 * share, `${length} in second ${second}`);
  }
  await yard.drain(2 * MINUTE_MS);
  await yard.close(...workers);
});

Deno.test("an outage leaves word of itself until it is made good for", async () => {
  const yard = new Yard({ "back.test": downFor(5 * MINUTE_MS, REFUSED) });
  const working = yard.consume();
  yard.put("back.test", 3_000);
  const marks = () => yard.arena.files().filter((path) => path.includes("/.away@"));
  await yard.world.advance(4 * SECOND_MS);
  assertEquals(marks(), []);
  await yard.world.advance(5 * MINUTE_MS);
  assertEquals(marks().length, 1);
  await yard.drain(3 * MINUTE_MS);
  await yard.world.advance(2 * MINUTE_MS);
  assertEquals(marks(), []);
  await yard.close(working);
});

Deno.test("more destinations than are kept in memory, which never answer, don't delay one that does", async () => {
  const count = 2_500;
  const endpoints: Record<string, () => Reply> = {};
  for (let n = 0; n < count; n++) endpoints[`h${n}.test`] = () => DEAD;
  const yard = new Yard(endpoints);
  const working = yard.consume();
  const stream = yard.stream("well.test", 100, 10 * SECOND_MS);
  await yard.world.advance(2 * SECOND_MS);
  for (let n = 0; n < count; n++) yard.put(`h${n}.test`);
  const well = await yard.world.run(stream);
  await yard.world.advance(SECOND_MS);
  assert(p99(yard.waits(well)) < SECOND_MS, `${p99(yard.waits(well))} ms`);
  assert(yard.mostClaims <= 128, `${yard.mostClaims} claims at once`);
  await working.stop();
});

Deno.test("one that is started every minute while a destination answers 500 sends it little but the first time", async () => {
  const yard = new Yard({ "bad.test": () => ({ status: 500, delayMs: 1 }) });
  yard.put("bad.test", 500);
  const counts: number[] = [];
  for (let run = 0; run < 4; run++) {
    const { length } = yard.seen;
    await yard.world.run(yard.consume({}, "once").ended);
    counts.push(yard.seen.length - length);
    await yard.world.advance(MINUTE_MS);
  }
  assert(counts[0]! < 150 && Math.max(...counts.slice(1)) <= 10, `${counts}`);
});
