import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import {
  Consumer,
  type ConsumerOptions,
  type EventRequest,
  type Merger,
  openQueue,
  optimizelyMerger,
  type Part,
  scopeOf,
  type TraceEvent,
  utf8Bytes,
} from "../../mod.ts";
import { memberSpan } from "../../lib/event/json.ts";
import { canonicalJson } from "../../lib/merge/canonical.ts";
import { type Answer, startEndpoint, type Taken } from "../support/endpoint.ts";
import { runOnce } from "../sim/crash_sweep.ts";
import { SCENARIOS } from "../sim/transitions.ts";
import { eventText, judge, markersOf, PRODUCT, Stage } from "../sim/workload.ts";
import { START_MS } from "../sim/world.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

const NO_CONTENT: Answer = () => new Response(null, { status: 204 });

/** Options that merge, and make retries quick. */
const MERGE: ConsumerOptions = {
  merge: optimizelyMerger(),
  backoffBaseMs: 5,
  backoffCapMs: 10,
  pollMs: 20,
};

/** A queue, an endpoint, and what its consumers report. */
async function setUp(answer: Answer = NO_CONTENT) {
  const dir = await tempDir();
  const endpoint = startEndpoint(answer);
  const queue = await openQueue(dir.path, { create: true });
  const trace: TraceEvent[] = [];
  return {
    base: dir.path,
    queue,
    endpoint,
    trace,
    consumer: (more: ConsumerOptions = {}) =>
      new Consumer(queue, { ...MERGE, trace: (event) => trace.push(event), ...more }),
    /** Put an event on the queue, its body as written. */
    put(name: string, body: string, members = "") {
      Deno.writeTextFileSync(
        `${dir.path}/new/${name}`,
        `{"url":"${endpoint.url}/v1/events"${members},"requestBody":${body}}`,
      );
    },
    dead: () => namesIn(`${dir.path}/doa`).filter((name) => !name.endsWith(".why")),
    left: () => ["new", "cur", "defer"].flatMap((folder) => filesBelow(`${dir.path}/${folder}`)),
    async [Symbol.asyncDispose]() {
      await endpoint[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The exact text of an object's member. */
function textOf(object: string, key: string): string {
  return object.slice(...memberSpan(object, key)!);
}

/**
 * Bodies captured from the SDKs: of each of three versions, a decision, a conversion, and a batch
 * of the SDK's own.
 */
const CAPTURED = [4, 5, 6].map((version) =>
  ["impression", "conversion", "batch10"].map((kind) => {
    const text = Deno.readTextFileSync(`tests/fixtures/events/v${version}-node-${kind}.json`);
    return textOf(text, "params");
  })
);

/** A captured body of another visitor: every event of it has a uuid of its own. */
function bodyOf(captured: string, n: number): string {
  let at = 0;
  return captured
    .replaceAll(/"uuid":(\s*)"[^"]*"/g, (_, blank) => `"uuid":${blank}"${n}-${at++}"`)
    .replace(/"visitor_id":(\s*)"[^"]*"/, (_, blank) => `"visitor_id":${blank}"user-ünï-${n}"`);
}

/** The exact text of each visitor. */
function visitorsIn(body: string): string[] {
  const array = textOf(body, "visitors");
  // each as the only member of an object, whose value memberSpan finds
  const texts: string[] = [];
  for (let rest = array.slice(1, -1); rest.trim() !== "";) {
    const text = textOf(`{"v":${rest.replace(/^\s*,/, "")}}`, "v");
    texts.push(text);
    rest = rest.slice(rest.indexOf(text) + text.length);
  }
  return texts;
}

const uuidsIn = (text: string) => [...text.matchAll(/"uuid":\s*"([^"]*)"/g)].map(([, id]) => id!);

/**
 * 300 events in six contexts: three versions of the SDK, two revisions of the datafile; and their
 * bodies.
 */
function sixContexts(q: Awaited<ReturnType<typeof setUp>>): string[] {
  return Array.from({ length: 300 }, (_, n) => {
    const captured = CAPTURED[n % 3]![Math.floor(n / 6) % 3]!;
    const revision = `"revision": "${Math.floor(n / 3) % 2}"`;
    const body = bodyOf(captured, n).replace(/"revision":\s*"\d+"/, revision);
    q.put(`event-${n}.json`, body);
    return body;
  });
}

const sorted = (texts: readonly string[]) => [...texts].sort();

Deno.test("300 events in six contexts that wait in the queue become six requests, none altered", async () => {
  await using q = await setUp();
  const bodies = sixContexts(q);
  const { delivered } = await q.consumer().run("until-empty");
  const arrived = q.endpoint.taken.map(({ body }) => body);
  assertEquals([delivered, arrived.length], [300, 6]);
  assertEquals(sorted(arrived.flatMap(visitorsIn)), sorted(bodies.flatMap(visitorsIn)));
  assertEquals(sorted(arrived.flatMap(uuidsIn)), sorted(bodies.flatMap(uuidsIn)));
  for (const body of arrived) {
    const { visitors: _, ...envelope } = JSON.parse(body);
    const same = bodies.map((text) => JSON.parse(text)).filter((event) =>
      canonicalJson(JSON.stringify({ ...event, visitors: 0 })) ===
        canonicalJson(JSON.stringify({ ...envelope, visitors: 0 }))
    );
    assertEquals(same.length, 50);
  }
});

Deno.test("a large event is merged like any other, and nothing of the others is lost", async () => {
  await using q = await setUp();
  const bodies = [0, 1, 2].map((n) => bodyOf(CAPTURED[0]![0]!, n));
  const long = `{"long":"${"x".repeat(100_000)}",`;
  const large = bodies.map((body) => body.replace(/("visitors":\s*\[\s*)\{/, `$1${long}`));
  const texts = [large[0]!, bodies[1]!, large[2]!];
  texts.forEach((text, n) => q.put(`event-${n}.json`, text));
  assertEquals((await q.consumer().run("until-empty")).delivered, 3);
  const arrived = q.endpoint.taken.map(({ body }) => body);
  assertEquals(arrived.length, 1);
  assertEquals(sorted(arrived.flatMap(visitorsIn)), sorted(texts.flatMap(visitorsIn)));
});

Deno.test("300 events in six contexts that come while others are sent become at most 30 requests", async () => {
  for (const threads of [1, 8]) {
    const stop = new AbortController();
    const uuids = new Set<string>();
    await using q = await setUp(({ body }) => {
      for (const uuid of uuidsIn(body)) uuids.add(uuid);
      return new Response(null, { status: 204 });
    });
    let delivered = 0;
    const trace = ({ type }: TraceEvent) => {
      if (type === "delivered" && ++delivered === 300) stop.abort();
    };
    const running = q.consumer({ threads, mergeWaitMs: 20, trace }).run("forever", stop.signal);
    const bodies = sixContexts(q);
    await running;
    assertEquals(uuids.size, bodies.flatMap(uuidsIn).length);
    assert(q.endpoint.taken.length <= 30, `${q.endpoint.taken.length} requests`);
  }
});

Deno.test("one poisoned visitor among 300: exactly that file is dead, the other 299 are delivered", async () => {
  for (const status of [400, 413]) {
    const uuids: string[] = [];
    await using q = await setUp(({ body }) => {
      if (body.includes('"user-ünï-217"')) return new Response("bad visitor", { status });
      uuids.push(...uuidsIn(body));
      return new Response(null, { status: 204 });
    });
    const bodies = sixContexts(q);
    const { delivered, dead } = await q.consumer().run("until-empty");
    assertEquals([delivered, dead], [299, 1]);
    assertEquals(q.dead().length, 1);
    assertMatch(q.dead()[0]!, /^event-217\+1@/);
    const why = JSON.parse(Deno.readTextFileSync(`${q.base}/doa/${q.dead()[0]}.why`));
    assertEquals([why.status, why.attempt, why.answer], [status, 1, "bad visitor"]);
    const expected = bodies.filter((_, n) => n !== 217).flatMap(uuidsIn);
    assertEquals(sorted(uuids), sorted(expected));
    assert(q.endpoint.taken.length <= 6 + 12, `${q.endpoint.taken.length} requests`);
    assert(
      !q.trace.some(({ type }) => type === "lane"),
      "a refusal says nothing of the destination",
    );
  }
});

Deno.test("an endpoint that refuses everything gets each event alone at last, and all are dead", async () => {
  await using q = await setUp(() => new Response(null, { status: 404 }));
  for (let n = 0; n < 7; n++) q.put(`${n}`, `{"visitors":[${n}]}`);
  assertEquals((await q.consumer().run("until-empty")).dead, 7);
  const alone = q.endpoint.taken.filter(({ body }) => visitorsIn(body).length === 1);
  assertEquals([alone.length, q.endpoint.taken.length], [7, 13]);
});

Deno.test("a deferral defers all, each with its own count of attempts and its own schedule", async () => {
  await using q = await setUp((_, taken) =>
    new Response(null, { status: taken.length === 1 ? 503 : 204 })
  );
  q.put("a", `{"visitors":[1]}`);
  q.put("b+4@1~edge-1-abcdefgh-1", `{"visitors":[2]}`);
  q.put("c", `{"visitors":[3]}`);
  const options = { backoffBaseMs: 40, backoffCapMs: 10_000 };
  assertEquals((await q.consumer(options).run("once")).deferred, 3);
  const deferred = q.trace.filter((event) => event.type === "deferred");
  assertEquals(
    sorted(
      deferred.map(({ id, attempt, merged, status }) => `${id} ${attempt} ${merged} ${status}`),
    ),
    ["a 1 3 503", "b 5 3 503", "c 1 3 503"],
  );
  const dueOf = (id: string) => deferred.find((event) => event.id === id)!.dueMs;
  assert(dueOf("b") - dueOf("a") > 200);
  assertEquals((await q.consumer(options).run("until-empty")).delivered, 3);
});

Deno.test("a merged request has a key of its own, the same for the same events", async () => {
  await using q = await setUp((_, taken) =>
    new Response(null, { status: taken.length === 1 ? 503 : 204 })
  );
  for (const id of ["b", "a"]) q.put(id, `{"visitors":["${id}"]}`);
  await q.consumer({ mergeWaitMs: 50 }).run("until-empty");
  const keys = q.endpoint.taken.map(({ headers }) => headers.get("idempotency-key"));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("a\nb"));
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  assertEquals(keys, [hex, hex]);
  const delivered = q.trace.filter((event) => event.type === "delivered");
  assertEquals(delivered.map(({ merged, attempt }) => [merged, attempt]), [[2, 2], [2, 2]]);
  assertEquals(new Set(delivered.map(({ ms }) => ms)).size, 1);
});

Deno.test("a batch has at most as many events and bytes as it may; a larger event goes alone", async () => {
  await using q = await setUp();
  for (let n = 0; n < 20; n++) q.put(`${n}`, `{"pad":"é","visitors":["${"ü".repeat(100)}"]}`);
  q.put("large", `{"pad":"é","visitors":["${"x".repeat(2_000)}"]}`);
  await q.consumer({ mergeCount: 7 }).run("once");
  const counts = () => q.endpoint.taken.map(({ body }) => visitorsIn(body).length);
  assertEquals(counts(), [7, 7, 7]);
  for (let n = 0; n < 20; n++) q.put(`${n}`, `{"pad":"é","visitors":["${"ü".repeat(100)}"]}`);
  q.put("large", `{"pad":"é","visitors":["${"x".repeat(2_000)}"]}`);
  await q.consumer({ mergeBytes: 1_000 }).run("once");
  const later = q.endpoint.taken.slice(3).map(({ body }) => utf8Bytes(body));
  assert(later.length === 6 || later.length === 7); // the large one may end a batch early
  assertEquals(later.filter((bytes) => bytes > 1_000).length, 1);
});

Deno.test("what isn't of the shape goes alone, and as it is written", async () => {
  await using q = await setUp();
  const bodies = [
    `[{"visitors":[1]}]`,
    `"visitors"`,
    `{"visitors":{"a":1}}`,
    `{"visitors":[ ]}`,
    `{"visitors":[1],"visitors":[2]}`,
    `{"visitors":[1],"\\u0076isitors":[2]}`,
    `{"a":{"b":1,"b":1},"visitors":[1]}`,
    `{"a":${"[".repeat(5_000)}${"]".repeat(5_000)},"visitors":[1]}`,
    `{"Visitors":[1]}`,
  ];
  for (const [n, body] of bodies.entries()) {
    q.put(`${n}-a`, body);
    q.put(`${n}-b`, body);
  }
  q.put("get", "null");
  q.put("key-a", `{"visitors":[7]}`, `,"headers":{"Idempotency-Key":"mine"}`);
  q.put("key-b", `{"visitors":[7]}`, `,"headers":{"Idempotency-Key":"mine"}`);
  assertEquals((await q.consumer().run("until-empty")).delivered, 2 * bodies.length + 3);
  assertEquals(
    sorted(q.endpoint.taken.map(({ body }) => body)),
    sorted([...bodies, ...bodies, "", `{"visitors":[7]}`, `{"visitors":[7]}`]),
  );
});

Deno.test("events merge only when URL, method and headers are equal", async () => {
  await using q = await setUp();
  const url = `${q.endpoint.url}/v1/events`;
  const kinds = [
    { url },
    { url: `${url}?a` },
    { url, method: "PUT" },
    { url, headers: { "X-Optimizely-Strict": "true", "x-b": "1" } },
    { url, headers: { "X-Optimizely-Strict": "false", "x-b": "1" } },
  ];
  for (const kind of [...kinds, ...kinds]) {
    await q.queue.enqueue({ ...kind, requestBody: { visitors: [1] } });
  }
  await q.queue.enqueue({
    url: `${url}#part`,
    headers: { "X-B": "1", "x-optimizely-STRICT": "true" },
    requestBody: { visitors: [1] },
  });
  await q.consumer().run("until-empty");
  const sizes = q.endpoint.taken.map(({ body }) => visitorsIn(body).length);
  assertEquals(sorted(sizes.map(String)), ["2", "2", "2", "2", "3"]);
});

Deno.test("a queue that is short is not waited for, unless told to", async () => {
  await using q = await setUp();
  const stop = new AbortController();
  const running = q.consumer().run("forever", stop.signal);
  q.put("a", `{"visitors":[1]}`);
  await q.endpoint.arrived(1);
  stop.abort();
  await running;

  const waiting = new AbortController();
  const later = q.consumer({ mergeWaitMs: 60_000, mergeCount: 3 }).run("forever", waiting.signal);
  for (const n of [1, 2, 3]) q.put(`late-${n}`, `{"visitors":[${n}]}`);
  await q.endpoint.arrived(2); // the third makes it full
  waiting.abort();
  await later;
  assertEquals(visitorsIn(q.endpoint.taken[1]!.body).length, 3);
});

Deno.test("a stop gives back what waits for others, without counting an attempt", async () => {
  await using q = await setUp();
  q.put("a", `{"visitors":[1]}`);
  const stop = new AbortController();
  const running = q.consumer({ mergeWaitMs: 60_000 }).run("forever", stop.signal);
  while (namesIn(`${q.base}/cur`).filter((name) => name.startsWith("a")).length === 0) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  stop.abort();
  assertEquals((await running).released, 1);
  assertMatch(namesIn(`${q.base}/new`)[0]!, /^a\+0@/);
});

Deno.test("a stop waits for a merged request in flight, and after the grace time gives its events back as tried", async () => {
  const answers: ((response: Response) => void)[] = [];
  await using q = await setUp(() => new Promise((resolve) => answers.push(resolve)));
  for (const graceMs of [10_000, 0]) {
    for (const n of [1, 2, 3]) q.put(`${n}-${graceMs}`, `{"visitors":[${n}]}`);
    const stop = new AbortController();
    const running = q.consumer({ graceMs }).run("forever", stop.signal);
    await q.endpoint.arrived(graceMs === 0 ? 2 : 1);
    stop.abort();
    if (graceMs > 0) answers[0]!(new Response(null, { status: 204 }));
    const { delivered, released } = await running;
    assertEquals([delivered, released], graceMs > 0 ? [3, 0] : [0, 3]);
  }
  for (const name of namesIn(`${q.base}/new`)) assertMatch(name, /^\d-0\+1@/);
  for (const answer of answers) answer(new Response(null, { status: 204 }));
});

Deno.test("a trace that throws is told so once, and changes nothing", async () => {
  await using q = await setUp();
  for (let n = 0; n < 5; n++) q.put(`e${n}.json`, `{"visitors":[${n}]}`);
  const bug = new Error("a bug elsewhere");
  const told: unknown[] = [];
  const trace = (event: TraceEvent) => {
    if (event.type === "trace-failed") told.push(event.of, event.error);
    throw bug;
  };
  const summary = await q.consumer({ trace }).run("until-empty");
  assertEquals([summary.delivered, summary.empty], [5, true]);
  assertEquals(summary.traceFailure, { error: bug });
  assertEquals(told, ["delivered", bug]);
  assertEquals([q.endpoint.taken.length, q.left().length], [1, 0]);
});

Deno.test("events that wait in defer/ merge with each other and with new ones", async () => {
  await using q = await setUp();
  const folder = `${q.base}/defer/http_127.0.0.1_${q.endpoint.port}`;
  Deno.mkdirSync(folder);
  for (let n = 0; n < 40; n++) {
    q.put(`old-${n}`, `{"visitors":[${n}]}`);
    Deno.renameSync(`${q.base}/new/old-${n}`, `${folder}/old-${n}+1@1~edge-1-abcdefgh-${n}`);
  }
  for (let n = 0; n < 10; n++) q.put(`new-${n}`, `{"visitors":[${n}]}`);
  assertEquals((await q.consumer().run("until-empty")).delivered, 50);
  assertEquals(q.endpoint.taken.map(({ body }) => visitorsIn(body).length), [50]);
});

Deno.test("a consumer killed in the middle of a merged request loses nothing, and the next one merges again", async () => {
  const scenario = SCENARIOS.find(({ name }) => name.startsWith("events in one request, whose"))!;
  const stage = await runOnce(PRODUCT, scenario); // crash_sweep_test.ts strikes at its every verb
  const { taken } = stage.world.network;
  const sent = taken.map((request) => [request.answered, ...markersOf(request).sort()]);
  assertEquals(sent, [[false, "a", "b", "c"], [true, "a", "b", "c"]]);
  assertEquals(taken[0]!.key, taken[1]!.key);
  assertEquals(judge(stage), []);
  assertEquals(stage.undelivered(), []);
});

Deno.test("a merged request starts only while every lease outlives it; one that was lost is left out", async () => {
  const stage = new Stage(PRODUCT, { latencyMs: ({ verb }) => verb === "read" ? 7_000 : 0 });
  stage.plantQueue();
  for (const name of ["a", "b", "c"]) stage.plant(`new/${name}.json`, eventText(name, "merges"));
  const { world } = stage;
  const leases: number[] = [];
  await world.run(async () => {
    const queue = await stage.open();
    const answer = world.network.script;
    world.network.script = (request) => {
      for (const path of Object.keys(world.disk.image().files())) {
        const [, endMs] = /\/cur\/.*@(\d+)~/.exec(path) ?? [];
        if (endMs !== undefined) leases.push(Number(endMs) - START_MS - request.atMs);
      }
      return answer(request);
    };
    // somebody with a clock far ahead takes one over while they are read
    const other = await stage.open({ process: world.process({ host: "far" }) });
    const stealing = world.time.sleep(3_000, stage).then(async () => {
      const names = Object.keys(world.disk.image().files()).map((path) => path.slice("/q/".length));
      const first = names.find((path) => /^cur\/a\+/.test(path))!;
      await other.takeOver(first.slice("cur/".length), 600_000);
    });
    const options = { merge: optimizelyMerger(), leaseMs: 40_000 };
    await Promise.all([stage.consumer(queue, options).run("once"), stealing]);
  });
  assertEquals(world.network.taken.map((request) => markersOf(request).sort()), [["b", "c"]]);
  assertEquals(stage.ledger.trace.filter(({ type }) => type === "lease-lost").length, 1);
  for (const leftMs of leases) assert(leftMs >= 35_000, `${leftMs}`);
});

Deno.test("a destination that is down is probed with single events, and gets merged requests once it works", async () => {
  const stage = new Stage(PRODUCT);
  stage.plantQueue();
  for (let n = 0; n < 60; n++) stage.plant(`new/${n}.json`, eventText(`e${n}`, "merges"));
  const { world } = stage;
  const sizes: { readonly atMs: number; readonly size: number }[] = [];
  await world.run(async () => {
    const queue = await stage.open();
    world.network.script = (request) => {
      sizes.push({ atMs: request.atMs, size: markersOf(request).length });
      return request.atMs < 20_000 ? { fails: "refused" } : {};
    };
    const options = { merge: optimizelyMerger(), mergeCount: 10, backoffCapMs: 2_000 };
    await stage.consumer(queue, options).run("until-empty");
  });
  const opened = stage.ledger.trace.findIndex(({ type }) => type === "lane");
  assert(opened > 0);
  const probes = sizes.filter(({ atMs }) => atMs > 3_000 && atMs < 20_000);
  assert(probes.length > 1 && probes.every(({ size }) => size === 1), JSON.stringify(sizes));
  const after = sizes.filter(({ atMs }) => atMs >= 20_000).map(({ size }) => size);
  assertEquals([after[0], after.reduce((sum, size) => sum + size)], [1, 60]);
  assert(after.slice(1).every((size) => size >= 9), `${after}`);
  const unlucky = stage.ledger.trace.filter((event) =>
    event.type === "delivered" && event.attempt > 4
  );
  assert(
    unlucky.length <= probes.length,
    "who waits for a destination that is down uses up no attempts",
  );
});

/** Another format, in a few lines: one JSON value a line. */
const ndjson: Merger = {
  name: "ndjson",
  partOf(request: EventRequest): Part | undefined {
    const key = scopeOf(request);
    const text = request.body?.replaceAll("\n", " ") ?? "";
    return key === undefined ? undefined : { key, text, bytes: utf8Bytes(text) + 1, frameBytes: 0 };
  },
  merge: (first, parts) => ({
    ...first,
    headers: [...first.headers, ["content-type", "application/x-ndjson"]],
    body: parts.map(({ text }) => `${text}\n`).join(""),
  }),
};

/** And another: a JSON array. */
const array: Merger = {
  ...ndjson,
  name: "array",
  merge: (first, parts) => ({ ...first, body: `[${parts.map(({ text }) => text).join(",")}]` }),
};

Deno.test("another format of merged requests is one more merger", async () => {
  for (const merge of [ndjson, array]) {
    await using q = await setUp();
    for (let n = 0; n < 3; n++) q.put(`${n}`, `{"n":\n${n}}`);
    await q.consumer({ merge }).run("until-empty");
    const [{ body, headers }] = q.endpoint.taken as [Taken];
    const type = headers.get("content-type");
    const values = type === "application/json"
      ? JSON.parse(body)
      : body.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(values.length, 3);
    assertEquals(type, merge === array ? "application/json" : "application/x-ndjson");
  }
});

const request = (body: string): EventRequest => ({
  url: new URL("https://a.example/"),
  method: "POST",
  headers: [],
  body,
});

const keyOf = (body: string) => optimizelyMerger().partOf(request(body))?.key;

/** JSON as a tree whose numbers are their source text. */
type Tree = { readonly number: string } | string | boolean | null | Tree[] | Map<string, Tree>;

const NUMBERS = [
  "0",
  "-0",
  "1",
  "1.0",
  "1e0",
  "1E0",
  "9007199254740993",
  "9007199254740992",
  "0.1",
];

const { tree } = fc.letrec<{ tree: Tree; object: Map<string, Tree> }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(...NUMBERS).map((number) => ({ number })),
    fc.string({ unit: "grapheme" }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("tree"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.uniqueArray(fc.tuple(fc.string({ unit: "grapheme", maxLength: 3 }), tie("tree")), {
    selector: ([key]) => key,
    maxLength: 3,
  }).map((members) => new Map(members)),
}));

/** Print a tree: in this order of keys, with these blanks, and letters escaped now and then. */
function print(value: Tree, next: () => number): string {
  const blank = () => [" ", "\n", "", "\t\r", ""][next() % 5]!;
  const text = (value: string) =>
    next() % 2 === 0
      ? JSON.stringify(value)
      : `"${
        Array.from(value, (letter) =>
          [...Array(letter.length)].map((_, at) =>
            `\\u${letter.charCodeAt(at).toString(16).padStart(4, "0")}`
          ).join("")).join("")
      }"`;
  const inner = () => {
    if (typeof value === "string") return text(value);
    if (value === null || typeof value === "boolean") return String(value);
    if (Array.isArray(value)) {
      return `[${value.map((one) => print(one, next)).join(",")}${blank()}]`;
    }
    if (!(value instanceof Map)) return value.number;
    const members = [...value].sort(() => next() % 2 === 0 ? 1 : -1)
      .map(([key, one]) => `${blank()}${text(key)}${blank()}:${print(one, next)}`);
    return `{${members.join(",")}${blank()}}`;
  };
  return `${blank()}${inner()}${blank()}`;
}

/** Deep equality, told independently: sorted, and as JSON. */
function plain(value: Tree): unknown {
  if (Array.isArray(value)) return ["array", ...value.map(plain)];
  if (value instanceof Map) {
    const members = [...value].map(([key, one]) => [key, plain(one)] as const);
    return ["object", ...members.sort(([a], [b]) => a < b ? -1 : 1)];
  }
  return value;
}

Deno.test("the key is the same for what is deeply equal, however it is written, and for nothing else", () => {
  const bodies = fc.uniqueArray(fc.tuple(fc.constantFrom("a", "b", "", "é"), tree), {
    selector: ([key]) => key,
  });
  fc.assert(
    fc.property(
      bodies,
      bodies,
      fc.array(fc.nat(), { minLength: 1 }),
      (one, other, dice) => {
        let at = 0;
        const next = () => dice[at++ % dice.length]! + at;
        const withVisitors = (members: readonly (readonly [string, Tree])[], visitor: string) =>
          print(new Map<string, Tree>([...members, ["visitors", [visitor]]]), next).trim();
        const key = keyOf(withVisitors(one, "x"));
        assert(key !== undefined);
        assertEquals(keyOf(withVisitors([...one].reverse(), "y")), key);
        const isEqual =
          JSON.stringify(plain(new Map(one))) === JSON.stringify(plain(new Map(other)));
        assertEquals(keyOf(withVisitors(other, "z")) === key, isEqual);
      },
    ),
    { numRuns: 1_000 },
  );
});

Deno.test("absent, false and null differ; numbers compare by their text; unknown members count", () => {
  const keys = [
    `{"visitors":[1]}`,
    ...["false", "null", "0", "-0", "0.0", "1e2", "100", `""`, "[]", "{}"].map((value) =>
      `{"anonymize_ip":${value},"visitors":[1]}`
    ),
    `{"visitors":[1],"unknown":1}`,
  ].map(keyOf);
  assertEquals(new Set(keys).size, keys.length);
  assert(!keys.includes(undefined));
});

Deno.test("merged visitors are the texts of all, one after the other, in the body of the first", () => {
  const merger = optimizelyMerger();
  const bodies = [
    `{ "a" : 1.0, "visitors" : [ {"v":1E2} ] }`,
    `{"visitors":["\\u00e9", 2 ],"a":1.0}`,
  ];
  const parts = bodies.map((body) => merger.partOf(request(body))!);
  assertEquals(parts[0]!.key, parts[1]!.key);
  const merged = merger.merge(request(bodies[0]!), parts);
  assertEquals(merged.body, `{ "a" : 1.0, "visitors" : [ {"v":1E2} ,"\\u00e9", 2 ] }`);
  const bytes = parts[0]!.frameBytes + parts.reduce((sum, part) => sum + part.bytes, 0);
  assert(utf8Bytes(merged.body!) <= bytes && bytes - utf8Bytes(merged.body!) < 2);
});

Deno.test("the size of a text is that of its UTF-8", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const whole = text.toWellFormed();
    assertEquals(utf8Bytes(whole), new TextEncoder().encode(whole).length);
  }));
});

Deno.test("an envelope longer than any SDK's is not looked into: it goes alone", () => {
  const bodyWith = (length: number) => `{"a":"${"x".repeat(length)}","visitors":[{}]}`;
  assert(keyOf(bodyWith(60_000)) !== undefined);
  assertEquals(keyOf(bodyWith(70_000)), undefined);
  // what is long about the visitors doesn't count
  assert(keyOf(`{"visitors":[{"a":"${"x".repeat(70_000)}"}]}`) !== undefined);
});
