/** The real program, as child processes, against a real endpoint. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Io, Output } from "../../lib/cli/io.ts";
import { splitLines } from "../../lib/cli/lines.ts";
import { main } from "../../lib/cli/main.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { VERSION } from "../../lib/version.ts";
import { command, eventLine, linesOf, PROGRAM, resultOf, run } from "../support/program.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A directory that is removed with everything in it. */
async function temporaryDirectory() {
  const path = await Deno.makeTempDir({ prefix: "maildir-cli-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** The names in a folder of a queue, dot files left out. */
function names(base: string, folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(join(base, folder))].map(({ name }) => name)
      .filter((name) => !name.startsWith(".")).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A request as it arrived. */
interface Arrived {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** An endpoint on a free port that answers `answer`, by default 204 to everything. */
function endpoint(
  answer: (request: Arrived) => Response | Promise<Response> = () =>
    new Response(null, { status: 204 }),
) {
  const arrived: Arrived[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {}, onError: () => new Response(null) },
    async (request) => {
      const { method, headers } = request;
      const event = {
        method,
        headers,
        path: new URL(request.url).pathname,
        body: await request.text(),
      };
      arrived.push(event);
      return await answer(event);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    arrived,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A process around `main` that a test makes up. */
function fakeIo(terminal: boolean): { io: Io; stdout: string[]; stderr: string[] } {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const outputTo = (writes: string[]): Output => ({
    isTerminal: terminal,
    columns: () => 80,
    write: (text) => Promise.resolve(void writes.push(text)),
  });
  const io: Io = {
    stdin: { isTerminal: terminal, readable: new Blob([]).stream() },
    stdout: outputTo(stdout),
    stderr: outputTo(stderr),
    defaultBaseDir: ".",
    defaultConfig: undefined,
    credentialsDirectory: undefined,
    permissions: [],
    readFile: () => Promise.reject(new Error("no files here")),
    onSignal: () => () => {},
    cores: 1,
    startThread: () => {
      throw new Error("no threads here");
    },
  };
  return { io, stdout, stderr };
}

Deno.test("an event put on the queue by client is delivered by consume as it was written", async () => {
  await using directory = await temporaryDirectory();
  await using server = endpoint();
  const base = join(directory.path, "made", "on", "the", "way");
  const body = '{ "n": 12345678901234567890, "b": 1.0, "a": "\\u00e9é" }';
  const put = await run([
    ...["client", "--base-dir", base, "--url", `${server.url}/x`],
    ...["--body", body, "--header", "X-Source: shop"],
  ]);
  assertEquals([put.code, put.stderr], [0, ""]);
  const id = put.stdout.trimEnd();
  assertMatch(id, UUID);
  assertEquals(names(base, "new"), [`${id}.json`]);

  const consumed = await run([`-baseDir=${base}`, "-threads", "2", "--until-empty"]);
  assertEquals([consumed.code, consumed.stdout], [0, ""]);
  const [started, delivered, ended] = consumed.stderr.split("\n");
  assertMatch(started!, /Z started queue=".*" concurrency=2 transport="sockets"$/);
  assertMatch(
    delivered!,
    new RegExp(`Z delivered ${id} http_127\\.0\\.0\\.1_\\d+ 204 attempt=1 \\d+ms$`),
  );
  assertMatch(ended!, /Z ended delivered=1 deferred=0 dead=0 released=0$/);
  const [arrived] = server.arrived;
  assertEquals([arrived!.method, arrived!.path, arrived!.body], ["POST", "/x", body]);
  assertEquals(arrived!.headers.get("x-source"), "shop");
  assertEquals(arrived!.headers.get("idempotency-key"), id);
  assertEquals([names(base, "new"), names(base, "cur")], [[], []]);
});

Deno.test("client reads an event a line, skips blank lines and prints ids in order", async () => {
  await using directory = await temporaryDirectory();
  const lines = [1, 2, 3].map((n) => eventLine("http://h.example/", n));
  const { code, stdout, stderr } = await run(
    ["client", "--base-dir", directory.path, "-"],
    `${lines[0]}\n  \r\n${lines[1]}${lines[2]!.trimEnd()}`,
  );
  assertEquals([code, stderr], [0, ""]);
  const ids = stdout.trimEnd().split("\n");
  assertEquals(ids.length, 3);
  assertEquals(
    ids.map((id) => Deno.readTextFileSync(join(directory.path, "new", `${id}.json`)).trimEnd()),
    lines.map((line) => line.trimEnd()),
  );
});

Deno.test("splitLines() gives the same lines however the stream is cut into chunks", async () => {
  const bytes = new TextEncoder().encode("one\n\ntwo is long\nthrée\n\nend");
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, at) => bytes.subarray(at * size, (at + 1) * size),
    );
    const found: string[] = [];
    const { signal } = new AbortController();
    for await (const lines of splitLines(ReadableStream.from(chunks), 8, signal)) {
      for (const { number, bytes } of lines) {
        found.push(`${number} ${bytes ? new TextDecoder().decode(bytes) : "too long"}`);
      }
    }
    assertEquals(found, ["1 one\n", "2 \n", "3 too long", "4 thrée\n", "5 \n", "6 end"]);
  }
});

Deno.test("client puts nothing on the queue when a line is bad, and the good ones with --keep-going", async () => {
  await using directory = await temporaryDirectory();
  const encoder = new TextEncoder();
  const input = new Uint8Array([
    ...encoder.encode(eventLine("http://h.example/", 1)),
    ...encoder.encode('{"url": "ftp://h.example/"}\n[]\n{"url":'),
    ...[0xff, 0x0a],
    ...encoder.encode(eventLine("http://h.example/", "x".repeat(2_000))),
    ...encoder.encode(eventLine("http://h.example/", 2)),
  ]);
  const args = ["client", "--base-dir", directory.path, "--max-bytes", "1KiB"];
  const strict = await run(args, input);
  assertEquals([strict.code, strict.stdout], [65, ""]);
  assertEquals(
    strict.stderr.match(/(?<=optimizelyd-maildir: )(line \d|4 events are wrong; nothing was put)/g),
    ["line 2", "line 3", "line 4", "line 5", "4 events are wrong; nothing was put"],
  );
  assertStringIncludes(strict.stderr, "line 5: the event must be at most 1024 bytes long");
  assertEquals([names(directory.path, "new"), names(directory.path, "tmp")], [[], []]);

  const lenient = await run([...args, "--keep-going"], input);
  assertEquals(lenient.code, 65);
  assertStringIncludes(lenient.stderr, "4 events are wrong; 2 events are on the queue");
  assertEquals(lenient.stdout.trimEnd().split("\n").length, 2);
  assertEquals(names(directory.path, "new").length, 2);
});

Deno.test("client takes all or nothing of an input that is larger than it holds in memory", async () => {
  await using directory = await temporaryDirectory();
  const good = Array.from({ length: 1_100 }, (_, n) => eventLine("http://h.example/", n)).join("");
  const args = ["client", "--base-dir", directory.path, "-"];
  const refused = await run(args, `${good}broken\n`);
  assertEquals([refused.code, refused.stdout], [65, ""]);
  assertStringIncludes(refused.stderr, "line 1101: ");
  assertEquals([names(directory.path, "new"), names(directory.path, "tmp")], [[], []]);

  const taken = await run(args, good);
  assertEquals([taken.code, taken.stderr], [0, ""]);
  const ids = taken.stdout.trimEnd().split("\n");
  assertEquals(ids.map((id) => `${id}.json`).sort(), names(directory.path, "new"));
  for (const n of [0, 499, 500, 1_099]) {
    assertEquals(
      Deno.readTextFileSync(join(directory.path, "new", `${ids[n]}.json`)),
      eventLine("http://h.example/", n),
    );
  }
  assertEquals(names(directory.path, "tmp"), []);
});

/** A client that goes on reading, and has been given one event. */
async function clientWithOneEvent(baseDir: string) {
  const child = command(["client", "--base-dir", baseDir, "--keep-going"], { stdin: "piped" })
    .spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(eventLine("http://h.example/", 1)));
  return { child, stdin, stdout: linesOf(child.stdout) };
}

Deno.test("client --keep-going acknowledges an event before the next one comes", async () => {
  await using directory = await temporaryDirectory();
  const { child, stdin, stdout } = await clientWithOneEvent(directory.path);
  const id = (await stdout.until(/\n/)).trimEnd();
  assertEquals(names(directory.path, "new"), [`${id}.json`]);
  await stdin.close();
  assertEquals(await stdout.toEnd(), `${id}\n`);
  assertEquals((await child.status).code, 0);
  await child.stderr.cancel();
});

Deno.test("client reads an event a file, and names the bad ones", async () => {
  await using directory = await temporaryDirectory();
  const base = join(directory.path, "queue");
  const good = join(directory.path, "good.json");
  const bad = `${directory.path}/bad\u001b[2J.json`;
  await Deno.writeTextFile(good, '{\n  "url": "http://h.example/",\n  "requestBody": [1]\n}\n');
  await Deno.writeTextFile(bad, "{}");
  const args = ["client", "--base-dir", base];
  const [taken, refused] = [
    await run([...args, good, good]),
    await run([...args, good, bad, join(directory.path, "missing")]),
  ];
  assertEquals([taken.code, taken.stdout.trimEnd().split("\n").length], [0, 2]);
  assertEquals([refused.code, refused.stdout], [65, ""]);
  assertMatch(refused.stderr, /bad\\u001b\[2J\.json": the event's url must be/);
  assertMatch(refused.stderr, /missing: the file can't be read: /);
  assertEquals(names(base, "new").length, 2);
  assertEquals(
    await Deno.readTextFile(join(base, "new", names(base, "new")[0]!)),
    await Deno.readTextFile(good),
  );
});

Deno.test("a refused event is dead, seen by status, brought back by requeue, and then delivered", async () => {
  await using directory = await temporaryDirectory();
  let agrees = false;
  await using server = endpoint(() => new Response(null, { status: agrees ? 204 : 400 }));
  const base = ["--base-dir", directory.path];
  const id = (await run(["client", ...base, "--url", server.url])).stdout.trimEnd();
  const consumed = await run([...base, "--once", "--log-format=json"]);
  assertEquals(consumed.code, 0);
  const lines = consumed.stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ event }) => event), ["started", "dead", "ended"]);
  assertEquals([lines[1].id, lines[1].status, lines[1].attempt], [id, 400, 1]);
  assertEquals(server.arrived.length, 1);

  const [text, json, unknown] = await Promise.all([
    run(["status", ...base]),
    run(["status", ...base, "--json"]),
    run(["requeue", ...base, "nobody"]),
  ]);
  assertMatch(text.stdout, /^dead +1$/m);
  assertMatch(
    text.stdout,
    /^destination +waiting {2}in flight {2}dead {2}next attempt {2}state\nhttp_\S+ +0 +0 +1 {2}- +-\n$/m,
  );
  const { dead, destinations } = JSON.parse(json.stdout);
  assertEquals([dead, destinations[0].dead, destinations[0].nextAttempt], [1, 1, null]);
  assertEquals([unknown.code, unknown.stdout], [65, ""]);
  assertStringIncludes(unknown.stderr, 'there is no dead letter "nobody"');

  agrees = true;
  const requeued = await run(["requeue", ...base, id]);
  assertEquals([requeued.code, requeued.stdout], [0, `${id}\n`]);
  assertEquals((await run([...base, "--until-empty"])).code, 0);
  assertEquals(server.arrived.map(({ headers }) => headers.get("idempotency-key")), [id, id]);
  assertEquals(names(directory.path, "doa"), []);
});

Deno.test("consume --once ends with 75 when an event has to wait", async () => {
  await using directory = await temporaryDirectory();
  await using server = endpoint(() => new Response(null, { status: 503 }));
  const base = ["--base-dir", directory.path];
  await run(["client", ...base, "--url", server.url]);
  const { code, stderr } = await run([
    ...base,
    "--once",
    "--backoff-base",
    "1h",
    "--backoff-cap=1h",
  ]);
  assertEquals(code, 75);
  assertMatch(stderr, / deferred \S+ \S+ 503 attempt=1 \d+ms due=\S+Z reason="/);
  const status = JSON.parse((await run(["status", "--json", ...base])).stdout);
  assertEquals([status.deferred, status.destinations[0].waiting], [1, 1]);
  assert(Date.parse(status.destinations[0].nextAttempt) > Date.now() + 25 * 60_000);
});

Deno.test("a signal lets what is in flight end and then ends consume with 0", async () => {
  await using directory = await temporaryDirectory();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  await using server = endpoint(() => {
    asked.resolve();
    return answer.promise;
  });
  await run(["client", "--base-dir", directory.path, "--url", server.url]);
  const child = command(["--base-dir", directory.path]).spawn();
  const log = linesOf(child.stderr);
  await asked.promise;
  child.kill("SIGTERM");
  await log.until(/ stopping grace=10s\n/);
  answer.resolve(new Response(null, { status: 204 }));
  const { code } = await child.status;
  assertEquals(code, 0);
  assertMatch(
    await log.toEnd(),
    / delivered [^]* ended delivered=1 deferred=0 dead=0 released=0\n$/,
  );
  assertEquals([names(directory.path, "new"), names(directory.path, "cur")], [[], []]);
  await child.stdout.cancel();
});

Deno.test("a second signal ends consume at once with 75, and the next one takes the event over", async () => {
  await using directory = await temporaryDirectory();
  const asked = Promise.withResolvers<void>();
  const hangs = Promise.withResolvers<Response>();
  let requests = 0;
  await using server = endpoint(() => {
    asked.resolve();
    return ++requests === 1 ? hangs.promise : new Response(null, { status: 204 });
  });
  await run(["client", "--base-dir", directory.path, "--url", server.url]);
  const child = command(["--base-dir", directory.path, "--grace", "1h"]).spawn();
  const log = linesOf(child.stderr);
  await asked.promise;
  child.kill("SIGINT");
  await log.until(/ stopping grace=1h\n/);
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 75);
  await Promise.all([child.stdout.cancel(), log.toEnd()]);
  assertEquals(names(directory.path, "cur").length, 1);
  hangs.resolve(new Response(null));

  const next = await run(["--base-dir", directory.path, "--until-empty"]);
  assertEquals(next.code, 0);
  assertMatch(next.stderr, / taken-over \S+ owner=\S+ takeovers=1\n/);
  assertEquals(requests, 2);
});

Deno.test("consume goes on when nobody reads its log any more", async () => {
  await using directory = await temporaryDirectory();
  await using server = endpoint();
  const base = ["--base-dir", directory.path];
  const input = Array.from({ length: 20 }, (_, n) => eventLine(server.url, n)).join("");
  assertEquals((await run(["client", ...base, "-"], input)).code, 0);
  const child = command([...base, "--until-empty"]).spawn();
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
  assertEquals(server.arrived.length, 20);
  await child.stdout.cancel();
});

Deno.test("a signal ends client with 75, and what it has acknowledged stays", async () => {
  await using directory = await temporaryDirectory();
  const { child, stdin, stdout } = await clientWithOneEvent(directory.path);
  await stdout.until(/\n/);
  child.kill("SIGINT");
  assertEquals((await child.status).code, 75);
  assertEquals(
    await linesOf(child.stderr).toEnd(),
    "optimizelyd-maildir: stopped; 1 event is on the queue\n",
  );
  assertEquals(names(directory.path, "new").length, 1);
  await stdout.toEnd();
  await stdin.abort().catch(() => {});
});

Deno.test("client ends with 74 when it can't tell anybody the ids", async () => {
  await using directory = await temporaryDirectory();
  const child = command(["client", "--base-dir", directory.path, "-"], { stdin: "piped" }).spawn();
  await child.stdout.cancel();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(eventLine("http://h.example/", 1)));
  await stdin.close();
  assertEquals((await child.status).code, 74);
  assertMatch(await linesOf(child.stderr).toEnd(), /^optimizelyd-maildir: Broken pipe[^\n]*\n$/);
});

Deno.test("the base directory is the option's, else the environment's, else the current one", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  for (const name of ["option", "environment", "current"]) await Deno.mkdir(join(path, name));
  const args = ["client", "--url", "http://h.example/"];
  const inCurrent = { cwd: join(path, "current") };
  const env = { OPTIMIZELYD_BASE_DIR: join(path, "environment") };
  const results = await Promise.all([
    command([...args, "--base-dir", join(path, "option")], { ...inCurrent, env }),
    command(args, { ...inCurrent, env }),
    command(args, inCurrent),
  ].map((program) => resultOf(program.spawn())));
  assertEquals(results.map(({ code }) => code), [0, 0, 0]);
  for (const [at, name] of ["option", "environment", "current"].entries()) {
    assertEquals(names(join(path, name), "new"), [`${results[at]!.stdout.trimEnd()}.json`]);
  }
});

Deno.test("each kind of failure has its exit code and one line on standard error", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(join(path, "mine.txt"), "");
  await Deno.mkdir(join(path, "empty"));
  const missing = join(path, "missing");
  const withoutWrite = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--frozen", "--allow-read", PROGRAM, "--base-dir", missing],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const [usage, foreign, inFile, noQueue, emptyQueue, forbidden] = await Promise.all([
    run(["--treads", "5"]),
    run(["--base-dir", path]),
    run(["client", "--base-dir", join(path, "mine.txt", "x"), "--url", "http://h.example/"]),
    run(["status", "--base-dir", missing]),
    run(["requeue", "--all", "--base-dir", join(path, "empty")]),
    resultOf(withoutWrite.spawn()),
  ]);
  const all = [usage, foreign, inFile, noQueue, emptyQueue, forbidden];
  assertEquals(all.map(({ code }) => code), [64, 73, 73, 73, 73, 77]);
  for (const { stdout, stderr } of all) {
    assertEquals(stdout, "");
    assertMatch(stderr, /^optimizelyd-maildir: [^\n]+\n$/);
  }
  assertStringIncludes(usage.stderr, "unknown option --treads; did you mean --threads?");
  assertStringIncludes(foreign.stderr, '"mine.txt"');
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), ["empty", "mine.txt"]);
  assertEquals(names(path, "empty"), []);
});

Deno.test("help and version are results", async () => {
  const [help, version] = await Promise.all([run(["client", "--help"]), run(["--version"])]);
  assertEquals([help.code, help.stderr], [0, ""]);
  assertMatch(help.stdout, /^optimizelyd-maildir client \[options\]/);
  assertEquals([version.code, version.stdout], [0, `optimizelyd-maildir ${VERSION}\n`]);
});

Deno.test("client without any input on a terminal prints its help and ends with 64", async () => {
  const { io, stdout, stderr } = fakeIo(true);
  assertEquals(await main(["client"], denoRuntime(), io), 64);
  assertEquals(stdout, []);
  assertMatch(stderr.join(""), /^optimizelyd-maildir client \[options\]/);
});

Deno.test("on a terminal client and consume --until-empty show progress and a summary", async () => {
  await using directory = await temporaryDirectory();
  await using server = endpoint(({ path }) =>
    new Response(null, { status: path === "/no" ? 404 : 204 })
  );
  const base = ["--base-dir", directory.path];
  const client = fakeIo(true);
  const input = eventLine(server.url, 1) + eventLine(`${server.url}/no`, 2);
  const stdin = { isTerminal: false, readable: new Blob([input]).stream() };
  assertEquals(await main(["client", ...base, "-"], denoRuntime(), { ...client.io, stdin }), 0);
  assertEquals(client.stdout.join("").trimEnd().split("\n").length, 2);
  assertMatch(client.stderr.join(""), /\r2 events are on the queue *\n\r$/);

  const consumer = fakeIo(true);
  assertEquals(await main([...base, "--until-empty"], denoRuntime(), consumer.io), 0);
  const shown = consumer.stderr.join("");
  assertMatch(shown, /^\r0 done {2}0 failed {2}0\/s/);
  assertMatch(shown, /Z dead \S+ \S+ 404 attempt=1 [^\r\n]+\n/);
  assertMatch(shown, /1 delivered, 1 dead *\n\r$/);
});

Deno.test("on a terminal consume --until-empty says what keeps events from being delivered", async () => {
  await using directory = await temporaryDirectory();
  await using server = endpoint();
  const base = ["--base-dir", directory.path];
  const stdin = { isTerminal: false, readable: new Blob([eventLine(server.url, 1)]).stream() };
  const run = (args: readonly string[], io: Io) => main([...args, ...base], denoRuntime(), io);
  assertEquals(await run(["client", "-"], { ...fakeIo(true).io, stdin }), 0);
  assertEquals(await run(["hold", server.url], fakeIo(true).io), 0);
  const consumer = fakeIo(true);
  assertEquals(await run(["--until-empty"], consumer.io), 75);
  const shown = consumer.stderr.join("");
  assertMatch(shown, /Z lane http_127\.0\.0\.1_\d+ held *\n/);
  assertMatch(shown, /0 delivered, 0 dead; what is left waits for held destinations *\n\r$/);
  assertEquals(server.arrived.length, 0);
});

Deno.test("client lets events wait, and consume delivers them when it is time", async () => {
  await using directory = await temporaryDirectory();
  await using server = endpoint();
  const base = ["--base-dir", directory.path];
  const url = ["--url", server.url, "--body", "1"];
  const put = await run(["client", ...base, ...url, "--in", "1h"]);
  assertEquals(put.code, 0);
  assertMatch(
    names(directory.path, "new")[0]!,
    new RegExp(`^${put.stdout.trim()}\\+0@\\d{13}\\.json$`),
  );
  const { code } = await run(["consume", ...base, "--once"]);
  assertEquals([code, names(directory.path, "new")], [75, []]);
  const at = new Date(Date.now() + 300).toISOString();
  assertEquals((await run(["client", ...base, ...url, "--at", at])).code, 0);
  const startMs = Date.parse(at);
  const child = command(["consume", ...base], { stdout: "null" }).spawn();
  const log = linesOf(child.stderr);
  await log.until(/ delivered .*\n/);
  assert(Date.now() >= startMs);
  child.kill("SIGTERM");
  await child.status;
  await log.toEnd();
  const [parked] = names(directory.path, "defer");
  assertMatch(parked!, /^http_127\.0\.0\.1_\d+$/);
  for (
    const [option, value, why] of [
      ["--in", "8d", "--in must be a duration from 0s to 7d"],
      ["--at", "tomorrow", "--at must be a time with its zone, such as 2026-12-01T08:00Z"],
      ["--at", "2026-12-01T08:00", "--at must be a time with its zone"],
      ["--at", "2099-01-01T00:00Z", "--at must be at most 7d from now"],
    ] as const
  ) {
    const refused = await run(["client", ...base, ...url, option, value]);
    assertEquals(refused.code, 64);
    assertStringIncludes(refused.stderr, why);
  }
});
