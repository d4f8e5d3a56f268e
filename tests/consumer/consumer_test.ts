import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  Consumer,
  type ConsumerOptions,
  openQueue,
  Queue,
  requeue,
  type TraceEvent,
} from "../../mod.ts";
import { parseName } from "../../lib/queue/name.ts";
import { acquireOwner } from "../../lib/queue/store/owner.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { HANG, startEndpoint } from "../support/endpoint.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

const NO_CONTENT = () => new Response(null, { status: 204 });

/** Options that make retries quick. */
const QUICK: ConsumerOptions = { backoffBaseMs: 5, backoffCapMs: 10, pollMs: 20 };

/** A queue in a temporary directory, with what its consumers report. */
async function setUp(options: ConsumerOptions = QUICK) {
  const dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  const trace: TraceEvent[] = [];
  return {
    base: dir.path,
    queue,
    trace,
    consumer: (more: ConsumerOptions = {}) =>
      new Consumer(queue, { trace: (event) => trace.push(event), ...options, ...more }),
    /** Drop a file into `new/` as an old file: whoever wrote it has finished. */
    drop(name: string, text: string | Uint8Array) {
      const path = `${dir.path}/new/${name}`;
      if (typeof text === "string") Deno.writeTextFileSync(path, text);
      else Deno.writeFileSync(path, text);
      Deno.utimeSync(path, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000));
    },
    dead: () => namesIn(`${dir.path}/doa`).filter((name) => !name.endsWith(".why")),
    why: (letter: string) => JSON.parse(Deno.readTextFileSync(`${dir.path}/doa/${letter}.why`)),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("an event is POSTed as it is in the file, then its file is gone", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const body = '{ "n": 12345678901234567890, "t":"\\u00e9\\ud800", "n": 1.0 }';
  q.drop("order-17.json", `{"url":"${endpoint.url}/v1/events", "requestBody": ${body} }`);
  assertEquals((await q.consumer().run("until-empty")).delivered, 1);
  const [request] = endpoint.taken;
  assertEquals([request!.method, request!.path, request!.body], ["POST", "/v1/events", body]);
  assertEquals(request!.headers.get("content-type"), "application/json");
  assertEquals(request!.headers.get("idempotency-key"), "order-17");
  assertEquals(request!.headers.get("accept-encoding"), "identity");
  assertMatch(request!.headers.get("user-agent")!, /^optimizelyd-maildir\/\d/);
  for (const folder of ["new", "cur", "defer", "doa", "res"]) {
    assertEquals(namesIn(`${q.base}/${folder}`), []);
  }
});

Deno.test("an event's own headers and method win; user info becomes a header and shows nowhere", async () => {
  await using endpoint = startEndpoint(() => new Response("no", { status: 400 }));
  await using q = await setUp();
  await q.queue.enqueue({
    url: `http://me:secret@127.0.0.1:${endpoint.port}/`,
    method: "put",
    headers: { "Content-Type": "text/plain", "Idempotency-Key": "mine" },
    requestBody: 1,
  });
  await q.consumer().run("until-empty");
  const [request] = endpoint.taken;
  assertEquals(request!.method, "PUT");
  assertEquals(request!.headers.get("authorization"), `Basic ${btoa("me:secret")}`);
  assertEquals(request!.headers.get("content-type"), "text/plain");
  assertEquals(request!.headers.get("idempotency-key"), "mine");
  const told = JSON.stringify(q.trace) + Deno.readTextFileSync(`${q.base}/doa/${q.dead()[0]}.why`);
  assertEquals(told.includes("secret") || told.includes(btoa("me:secret")), false);
});

Deno.test("the answer to a GET is in res/, with what it was the answer to", async () => {
  await using endpoint = startEndpoint(() => new Response("hello", { headers: { "x-a": "b" } }));
  await using q = await setUp();
  await q.queue.enqueue({ url: `${endpoint.url}/data` }, { id: "fetch-1" });
  await q.consumer().run("until-empty");
  const [body, meta] = namesIn(`${q.base}/res`);
  assertMatch(body!, /^fetch-1\+1~/);
  assertEquals(Deno.readTextFileSync(`${q.base}/res/${body}`), "hello");
  const { url, status, headers, time, truncated } = JSON.parse(
    Deno.readTextFileSync(`${q.base}/res/${meta}`),
  );
  assertEquals([url, status, headers["x-a"], truncated], [`${endpoint.url}/data`, 200, "b", false]);
  assert(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

Deno.test("a huge answer to a GET is cut, one to a POST is not kept at all", async () => {
  const chunk = new Uint8Array(1024 * 1024);
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
  await using endpoint = startEndpoint(endless);
  await using q = await setUp();
  await q.queue.enqueueMany([{ url: endpoint.url }, { url: endpoint.url, requestBody: 1 }]);
  assertEquals((await q.consumer().run("until-empty")).delivered, 2);
  const [body, meta, ...more] = namesIn(`${q.base}/res`);
  assertEquals([Deno.statSync(`${q.base}/res/${body}`).size, more.length], [16 * 1024 * 1024, 0]);
  assertEquals(JSON.parse(Deno.readTextFileSync(`${q.base}/res/${meta}`)).truncated, true);
});

Deno.test("an endpoint that answers 400 gets exactly one request, and the dead letter says why", async () => {
  await using endpoint = startEndpoint(() =>
    new Response("account_id is missing", { status: 400 })
  );
  await using q = await setUp();
  const id = await q.queue.enqueue({ url: endpoint.url, requestBody: {} });
  assertEquals((await q.consumer().run("until-empty")).dead, 1);
  assertEquals(endpoint.taken.length, 1);
  const [letter] = q.dead();
  const { at, ...why } = q.why(letter!);
  assertEquals(why, {
    id,
    attempt: 1,
    outcome: "refused",
    status: 400,
    reason: "the endpoint answered 400 Bad Request",
    destination: `http_127.0.0.1_${endpoint.port}`,
    answer: "account_id is missing",
  });
  assertEquals(Date.parse(at), parseName(letter!).timeMs);
});

Deno.test("a dead letter that is requeued is delivered once the endpoint agrees", async () => {
  let agrees = false;
  await using endpoint = startEndpoint(() => new Response(null, { status: agrees ? 204 : 400 }));
  await using q = await setUp();
  const id = await q.queue.enqueue({ url: endpoint.url, requestBody: {} });
  await q.consumer().run("until-empty");
  agrees = true;
  await requeue(q.queue, [id]);
  assertEquals((await q.consumer().run("until-empty")).delivered, 1);
  assertEquals([endpoint.taken.length, namesIn(`${q.base}/doa`).length], [2, 0]);
});

Deno.test("an endpoint that fails twice gets the event a third time, at the times the schedule says", async () => {
  await using endpoint = startEndpoint((_, taken) =>
    new Response(null, { status: taken.length < 3 ? 500 : 204 })
  );
  await using q = await setUp();
  const id = await q.queue.enqueue({ url: endpoint.url, requestBody: {} });
  const { delivered, deferred } = await q.consumer({ backoffBaseMs: 100, backoffCapMs: 1_000 }).run(
    "until-empty",
  );
  assertEquals([delivered, deferred], [1, 2]);
  const waits = endpoint.taken.map(({ atMs }) => atMs).map((at, n, all) => at - (all[n - 1] ?? at))
    .slice(1);
  assert(waits[0]! >= 50 && waits[1]! >= 100, `waited ${waits}`);
  const due = q.trace.filter((event) => event.type === "deferred").map(({ dueMs }) => dueMs);
  assert(
    due.every((ms, n) => endpoint.taken[n + 1]!.atMs >= ms - 1),
    "nothing is sent before it is due",
  );
  assertEquals(q.trace.at(-1), {
    type: "delivered",
    id,
    destination: `http_127.0.0.1_${endpoint.port}`,
    status: 204,
    attempt: 3,
    ms: (q.trace.at(-1) as { ms: number }).ms,
  });
});

Deno.test("Retry-After is waited for, in seconds and as a date", async () => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  await using endpoint = startEndpoint(({ path }) =>
    new Response(null, { status: 429, headers: { "retry-after": path === "/s" ? "120" : date } })
  );
  await using q = await setUp();
  await q.queue.enqueueMany([{ url: `${endpoint.url}/s` }, { url: `${endpoint.url}/d` }]);
  const before = Date.now();
  await q.consumer().run("once");
  const folder = `${q.base}/defer/http_127.0.0.1_${endpoint.port}`;
  const due = filesBelow(folder).map((name) => parseName(name).timeMs!).sort();
  assert(due[0]! >= before + 120_000 && due[0]! <= Date.now() + 120_000);
  assert(Math.abs(due[1]! - Date.parse(date)) < 1_000);
});

Deno.test("a redirect is not followed: the operator mends the URL, the event waits", async () => {
  await using elsewhere = startEndpoint();
  await using endpoint = startEndpoint(() =>
    new Response(null, { status: 302, headers: { location: `${elsewhere.url}/x?token=1` } })
  );
  await using q = await setUp();
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  assertEquals((await q.consumer().run("once")).deferred, 1);
  assertEquals(elsewhere.taken.length, 0);
  const [deferred] = q.trace.filter((event) => event.type === "deferred");
  assertStringIncludes(deferred!.reason, `redirects are not followed (to ${elsewhere.url})`);
});

Deno.test("exceptions from the status table are honoured", async () => {
  await using endpoint = startEndpoint(({ path }) =>
    new Response(null, { status: Number(path.slice(1)) })
  );
  await using q = await setUp();
  for (const status of [404, 409]) {
    await q.queue.enqueue({ url: `${endpoint.url}/${status}`, requestBody: 1 });
  }
  const onStatus = new Map([[404, "deferred"], [409, "delivered"]] as const);
  const { deferred, delivered, dead } = await q.consumer({ onStatus }).run("once");
  assertEquals([deferred, delivered, dead], [1, 1, 0]);
});

Deno.test("what can't be reached is tried again: nobody listens, nobody answers in time", async () => {
  await using hanging = startEndpoint(HANG);
  let closedPort = 0;
  {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    closedPort = (listener.addr as Deno.NetAddr).port;
  }
  await using q = await setUp();
  await q.queue.enqueueMany([
    { url: `http://127.0.0.1:${closedPort}/`, requestBody: 1 },
    { url: hanging.url, requestBody: 1 },
  ]);
  assertEquals((await q.consumer({ timeoutMs: 100, leaseMs: 30_000 }).run("once")).deferred, 2);
  const reasons = q.trace.map((event) => "reason" in event ? event.reason : "").join("\n");
  assertStringIncludes(reasons, "no answer within 100 ms");
  assertMatch(reasons, /refused/i);
  assertEquals(reasons.includes("for url"), false);
});

Deno.test("an event that has failed too often is dead, and says after how many attempts", async () => {
  await using endpoint = startEndpoint(() => new Response("busy", { status: 503 }));
  await using q = await setUp();
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  assertEquals((await q.consumer({ maxAttempts: 2 }).run("until-empty")).dead, 1);
  assertEquals(endpoint.taken.length, 2);
  const { attempt, outcome, status, answer, reason } = q.why(q.dead()[0]!);
  assertEquals([attempt, outcome, status, answer], [2, "deferred", 503, "busy"]);
  assertStringIncludes(reason, "2");
});

/** Files as they come in, and what becomes of them: a reason to match. */
const BROKEN: readonly [
  name: string,
  text: (url: string) => string | Uint8Array,
  reason: RegExp,
][] = [
  ["empty", () => "", /empty/],
  ["truncated", (url) => `{"url":"${url}","requestBody":{"a":`, /end/],
  ["not-utf8", () => new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), /UTF-8/],
  ["array", (url) => `[{"url":"${url}"}]`, /object/],
  ["no-url", () => `{"requestBody":1}`, /url/],
  ["ftp", () => `{"url":"ftp://127.0.0.1/"}`, /http/],
  ["file", () => `{"url":"file:///etc/passwd"}`, /http/],
  ["data", () => `{"url":"data:text/plain,hello"}`, /http/],
  ["blocked-port", () => `{"url":"http://127.0.0.1:25/"}`, /port/],
  ["dots", () => `{"url":"http://../"}`, /host|URL/],
  ["long-url", (url) => `{"url":"${url}/${"x".repeat(100_000)}"}`, /65,?000/],
  ["line-break", (url) => `{"url":"${url}","headers":{"x":"a\\r\\nb"}}`, /header/],
  [
    "framing",
    (url) => `{"url":"${url}","headers":{"Transfer-Encoding":"chunked"},"requestBody":1}`,
    /header/,
  ],
  ["get-body", (url) => `{"url":"${url}","method":"GET","requestBody":1}`, /body/],
  ["large", (url) => `{"url":"${url}","requestBody":"${"x".repeat(5 * 1024 * 1024)}"}`, /4194304/],
  ["a name with spaces and 'quotes\"", () => "not JSON", /JSON/],
  ["x".repeat(255), () => "not JSON", /JSON/],
  ["reason.why", () => "not JSON", /JSON/],
  ["looks+3@1~claimed-1-a-1", () => "not JSON", /JSON/],
];

Deno.test("every broken file is dead with its own reason, at once, and its neighbours are delivered", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  await q.queue.enqueueMany(
    Array.from({ length: 20 }, (_, n) => ({ url: endpoint.url, requestBody: n })),
  );
  for (const [name, text] of BROKEN) q.drop(name, text(endpoint.url));
  const { delivered, dead } = await q.consumer().run("until-empty");
  assertEquals([delivered, dead], [20, BROKEN.length]);
  assertEquals(endpoint.taken.length, 20);
  const reasons = q.dead().map((letter) => String(q.why(letter).reason));
  for (const [name, _, reason] of BROKEN) {
    assert(reasons.some((text) => reason.test(text)), `${name}: ${reasons}`);
  }
  for (const reason of reasons) assert(reason.length < 400 && !/[\r\n]/.test(reason), reason);
});

Deno.test("what isn't a file stays where it is, is told once, and delays nobody", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const secret = `${q.base}/.secret`;
  Deno.writeTextFileSync(secret, JSON.stringify({ url: endpoint.url, requestBody: "secret" }));
  Deno.mkdirSync(`${q.base}/new/folder`);
  Deno.symlinkSync(secret, `${q.base}/new/link`);
  Deno.symlinkSync("/nowhere", `${q.base}/new/dangling`);
  Deno.writeTextFileSync(`${q.base}/new/.dot`, "");
  assert((await new Deno.Command("mkfifo", { args: [`${q.base}/new/fifo`] }).output()).success);
  await q.queue.enqueue({ url: endpoint.url, requestBody: "fine" });
  await q.consumer().run("until-empty");
  assertEquals(endpoint.taken.map(({ body }) => body), ['"fine"']);
  assertEquals(namesIn(`${q.base}/new`), [".dot", "dangling", "fifo", "folder", "link"]);
  const told = q.trace.filter((event) => event.type === "skipped").map(({ path }) => path).sort();
  assertEquals(told, ["new/dangling", "new/fifo", "new/folder", "new/link"]);
});

Deno.test("a name that isn't UTF-8 is told once, not waited for, and delays nobody", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const make = `: > "$(printf 'bad\\377name')"`;
  assert(
    (await new Deno.Command("sh", { args: ["-c", make], cwd: `${q.base}/new` }).output()).success,
  );
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const { delivered, empty } = await q.consumer().run("until-empty");
  assertEquals([delivered, empty], [1, true]);
  const [skipped, ...more] = q.trace.filter((event) => event.type === "skipped");
  assertEquals(more, []);
  assertStringIncludes(skipped!.reason, "not UTF-8");
});

Deno.test({
  name: "a file that can't be read is dead, and its reason names owner and mode",
  ignore: Deno.uid() === 0, // root reads everything
  async fn() {
    await using q = await setUp();
    q.drop("locked", "{}");
    Deno.chmodSync(`${q.base}/new/locked`, 0o000);
    await q.consumer().run("until-empty");
    assertMatch(
      q.why(q.dead()[0]!).reason,
      new RegExp(`user ${Deno.uid()} and has mode 0000: EACCES`),
    );
  },
});

Deno.test("a file that is still being written is left alone for 5 s, and delivered once it is whole", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const text = JSON.stringify({ url: endpoint.url, requestBody: "whole" });
  using file = Deno.openSync(`${q.base}/new/copied`, { write: true, createNew: true });
  file.writeSync(new TextEncoder().encode(text.slice(0, 30)));
  const before = Date.now();
  assertEquals((await q.consumer().run("once")).released, 1);
  const [name] = namesIn(`${q.base}/new`);
  const { id, attempt, timeMs } = parseName(name!);
  assertEquals([id, attempt], ["copied", 0]);
  assert(timeMs! >= before + 5_000 && timeMs! <= Date.now() + 5_000);
  file.writeSync(new TextEncoder().encode(text.slice(30)));
  const runtime = denoRuntime();
  const clock = { ...runtime.clock, now: () => Date.now() + 6_000 };
  const later = await Queue.open(q.base, { ...runtime, clock });
  assertEquals((await new Consumer(later).run("once")).delivered, 1);
  assertEquals(endpoint.taken[0]!.body, '"whole"');
});

Deno.test("the same name dropped again while the first is claimed, deferred or dead is another event", async () => {
  let status = 500;
  await using endpoint = startEndpoint(() => new Response(null, { status }));
  await using q = await setUp({ ...QUICK, backoffBaseMs: 60_000, backoffCapMs: 60_000 });
  const drop = () => q.drop("same", JSON.stringify({ url: endpoint.url, requestBody: 1 }));
  drop();
  await q.consumer().run("once");
  drop();
  status = 400;
  await q.consumer().run("once");
  drop();
  status = 204;
  assertEquals((await q.consumer().run("once")).delivered, 1);
  assertEquals(endpoint.taken.map(({ headers }) => headers.get("idempotency-key")), [
    "same",
    "same",
    "same",
  ]);
  assertEquals(
    [q.dead().length, filesBelow(`${q.base}/defer/http_127.0.0.1_${endpoint.port}`).length],
    [1, 1],
  );
});

Deno.test("a stop waits for what is in flight, and gives back the attempt of what was not sent", async () => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  await using endpoint = startEndpoint(() => opened.then(NO_CONTENT));
  await using q = await setUp();
  const ids = await q.queue.enqueueMany(
    Array.from({ length: 10 }, (_, n) => ({ url: endpoint.url, requestBody: n })),
  );
  const stop = new AbortController();
  const running = q.consumer({ threads: 4 }).run("forever", stop.signal);
  await endpoint.arrived(4);
  stop.abort();
  open();
  assertEquals((await running).delivered, 4);
  assertEquals(namesIn(`${q.base}/cur`), []);
  const left = namesIn(`${q.base}/new`);
  assertEquals(left.length, 6);
  assert(left.every((name) => ids.includes(parseName(name).id) && parseName(name).attempt === 0));
});

Deno.test("a stop calls off what takes longer than the grace time; such an attempt stays counted", async () => {
  await using endpoint = startEndpoint(HANG);
  await using q = await setUp();
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const stop = new AbortController();
  const running = q.consumer({ graceMs: 50 }).run("forever", stop.signal);
  await endpoint.arrived(1);
  stop.abort();
  assertEquals((await running).released, 1);
  const [name] = namesIn(`${q.base}/new`);
  assertEquals(parseName(name!).attempt, 1);
  assertEquals(namesIn(`${q.base}/cur`), []);
});

Deno.test("three consumers on one queue deliver each event exactly once", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const ids = await q.queue.enqueueMany(
    Array.from({ length: 600 }, (_, n) => ({ url: endpoint.url, requestBody: n })),
  );
  const consumers = await Promise.all([1, 2, 3].map(() => openQueue(q.base)));
  await Promise.all(
    consumers.map((queue) => new Consumer(queue, { ...QUICK, threads: 8 }).run("until-empty")),
  );
  assertEquals(
    endpoint.taken.map(({ headers }) => headers.get("idempotency-key")!).sort(),
    [...ids].sort(),
  );
});

Deno.test("a queue as the original left it is drained, what it stranded in cur/ included", async () => {
  await using endpoint = startEndpoint();
  const dir = await tempDir();
  await using _ = dir;
  for (const folder of ["tmp", "new", "cur", "doa", "res"]) Deno.mkdirSync(`${dir.path}/${folder}`);
  const put = (path: string, ageHours: number) => {
    Deno.writeTextFileSync(
      `${dir.path}/${path}`,
      JSON.stringify({ url: endpoint.url, requestBody: { path } }),
    );
    Deno.utimeSync(
      `${dir.path}/${path}`,
      Date.now() / 1000 - ageHours * 3600,
      Date.now() / 1000 - ageHours * 3600,
    );
  };
  put("new/550e8400-e29b-41d4-a716-446655440000", 1000);
  put("new/550e8400-e29b-41d4-a716-446655440001count2", 1000);
  put("new/SystemTime { tv_sec: 1500509066, tv_nsec: 875000000 }count1", 1000);
  put("cur/550e8400-e29b-41d4-a716-446655440002", 1000);
  put("cur/550e8400-e29b-41d4-a716-446655440003count1", 2);
  const attempts: number[] = [];
  const queue = await openQueue(dir.path, { create: true });
  const trace = (event: TraceEvent) => event.type === "delivered" && attempts.push(event.attempt);
  const summary = await new Consumer(queue, { ...QUICK, trace }).run("until-empty");
  assertEquals([summary.delivered, endpoint.taken.length], [5, 5]);
  assertEquals(attempts.sort(), [1, 1, 2, 2, 3]);
});

Deno.test("a claim whose owner is dead is sent again at once, one whose owner lives is not", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const [first, second] = await q.queue.enqueueMany([
    { url: endpoint.url, requestBody: 1 },
    { url: endpoint.url, requestBody: 2 },
  ]);
  const [dead, living] = [await openQueue(q.base), await openQueue(q.base)];
  const [deadOwner, livingOwner] = [await acquireOwner(dead), await acquireOwner(living)];
  await dead.claim("new", `${first}.json`, 60_000);
  await living.claim("new", `${second}.json`, 60_000);
  deadOwner!.lock.release();
  const { delivered, empty } = await q.consumer().run("once");
  assertEquals([delivered, empty, endpoint.taken[0]!.body], [1, false, "1"]);
  assertEquals(q.trace[0], {
    type: "taken-over",
    id: first!,
    owner: dead.owner,
    takeovers: 1,
  });
  livingOwner!.lock.release();
  assertEquals((await q.consumer().run("until-empty")).delivered, 1);
  assertEquals(namesIn(`${q.base}/cur`), []);
});

Deno.test("an event whose consumers die again and again is dead after five", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const name = namesIn(`${q.base}/new`)[0]!;
  let claim = await (await openQueue(q.base)).claim("new", name, 1);
  for (let times = 0; times < 4; times++) {
    const next = await openQueue(q.base);
    (await acquireOwner(next))!.lock.release(); // as its death does
    claim = await next.begin((await next.takeOver(claim!.name, 1))!, 1);
  }
  await q.consumer().run("until-empty");
  assertEquals(endpoint.taken.length, 0);
  const reason = "its consumer died 5 times while it was being sent";
  assertEquals(q.why(q.dead()[0]!).reason, reason);
});

Deno.test("until-empty waits for what is due later and for other consumers' claims", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp({ pollMs: 20 });
  await q.queue.enqueueMany([{ url: endpoint.url, requestBody: 1 }, {
    url: endpoint.url,
    requestBody: 2,
  }]);
  const [first, second] = namesIn(`${q.base}/new`);
  const other = await openQueue(q.base);
  const { acquireOwner } = await import("../../lib/queue/store/owner.ts");
  const owner = await acquireOwner(other);
  await other.claim("new", first!, 60_000);
  const parked = await other.claim("new", second!, 60_000);
  await other.defer(parked!, "http_127.0.0.1_1", Date.now() + 100, true);
  const running = q.consumer().run("until-empty");
  await endpoint.arrived(1);
  owner!.lock.release(); // as its death does
  const { delivered, empty } = await running;
  assertEquals([delivered, empty], [2, true]);
});

Deno.test("buckets below a destination's folder are found, lane files are kept, empty folders go", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const folder = `${q.base}/defer/http_a_80`;
  Deno.mkdirSync(`${folder}/0001`, { recursive: true });
  Deno.mkdirSync(`${q.base}/defer/http_b_80`);
  Deno.writeTextFileSync(`${folder}/.keep`, "");
  Deno.writeTextFileSync(
    `${folder}/0001/x+1@5~t`,
    JSON.stringify({ url: endpoint.url, requestBody: 1 }),
  );
  assertEquals((await q.consumer().run("until-empty")).delivered, 1);
  assertEquals(namesIn(`${q.base}/defer`), ["http_a_80"]);
  assertEquals(namesIn(folder), [".keep"]);
});

Deno.test("an event dropped while the consumer is idle is sent without waiting for the poll", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp({ pollMs: 3_600_000 });
  const stop = new AbortController();
  const running = q.consumer().run("forever", stop.signal);
  for (let n = 1; n <= 3; n++) {
    await q.queue.enqueue({ url: endpoint.url, requestBody: n });
    await endpoint.arrived(n);
  }
  stop.abort();
  assertEquals((await running).delivered, 3);
});

Deno.test("an event dropped between the last look and the start of the watch is not left to the poll", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  const event = `{"url":"${endpoint.url}","requestBody":1}`;
  const runtime = denoRuntime();
  const disk = {
    ...runtime.disk,
    watch(dir: string, onChange: () => void) {
      q.drop("in-between", event);
      return runtime.disk.watch(dir, onChange);
    },
  };
  const stop = new AbortController();
  const queue = await Queue.open(q.base, { ...runtime, disk });
  const running = new Consumer(queue, { pollMs: 3_600_000 }).run("forever", stop.signal);
  await endpoint.arrived(1);
  stop.abort();
  assertEquals((await running).delivered, 1);
});

Deno.test("an address this program may not reach is refused before anything is sent", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const locked = await Queue.open(q.base, { ...denoRuntime(), mayReach: () => false });
  assertEquals((await new Consumer(locked).run("until-empty")).dead, 1);
  assertStringIncludes(q.why(q.dead()[0]!).reason, `may not reach 127.0.0.1:${endpoint.port}`);
  assertEquals(endpoint.taken.length, 0);
});

Deno.test("a consumer runs once, in a mode that there is, and what is wrong disturbs nobody", async () => {
  await using endpoint = startEndpoint();
  await using q = await setUp();
  await q.queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const consumer = q.consumer();
  const why = "mode must be forever or once or until-empty, current value is onse";
  await assertRejects(() => consumer.run("onse" as "once"), TypeError, why);
  const running = consumer.run("until-empty");
  await assertRejects(() => consumer.run("once"), TypeError, "run() may be called once");
  assertEquals((await running).delivered, 1);
  await assertRejects(() => consumer.run("once"), TypeError, "run() may be called once");
});
