/**
 * What a queue goes through when its consumers are killed, stopped, or several: real programs, a
 * real endpoint, and what must hold afterwards. The tests go through it with few events, `deno task
 * bench:chaos` with many.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parseName } from "../../lib/queue/name.ts";
import { FOLDERS } from "../../lib/queue/layout.ts";
import { type Endpoint, HANG, startEndpoint } from "./endpoint.ts";
import { filesBelow, namesIn, type TempDir, tempDir } from "./temp_dir.ts";

const PROGRAM = new URL("../../cli.ts", import.meta.url).href;

/** A consumer, killed at the end of the scope if it still runs. */
interface Program extends AsyncDisposable {
  readonly ended: Promise<{ readonly code: number; readonly log: readonly LogLine[] }>;
  kill(signal: Deno.Signal): void;
}

interface LogLine {
  readonly time: string;
  readonly event: string;
  readonly delivered: number;
}

function consume(base: string, ...options: readonly string[]): Program {
  const run = ["run", "--no-prompt", "--quiet", "--frozen", "--allow-all", PROGRAM];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...run, "--base-dir", base, "--log-format=json", ...options],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let runs = true;
  const ended = child.output().then(({ code, stderr }) => {
    runs = false;
    // what was killed may have been cut off in the middle of a line
    const lines = new TextDecoder().decode(stderr).split("\n").slice(0, -1);
    return { code, log: lines.map((line) => JSON.parse(line)) };
  });
  const kill = (signal: Deno.Signal) => {
    if (runs) child.kill(signal);
  };
  return {
    ended,
    kill,
    async [Symbol.asyncDispose]() {
      kill("SIGKILL");
      await ended;
    },
  };
}

/** A queue with so many events, `event-0.json` and so on. */
async function queueOf(events: number, url: string): Promise<TempDir> {
  const dir = await tempDir();
  for (const folder of FOLDERS) Deno.mkdirSync(join(dir.path, folder));
  for (let n = 0; n < events; n++) {
    const text = JSON.stringify({ url, requestBody: { n } });
    Deno.writeTextFileSync(join(dir.path, "new", `event-${n}.json`), text);
  }
  return dir;
}

/** How often each event has arrived, by id. */
function arrivals({ taken }: Endpoint): Map<string, number> {
  const times = new Map<string, number>();
  for (const { headers } of taken) {
    const id = headers.get("idempotency-key")!;
    times.set(id, (times.get(id) ?? 0) + 1);
  }
  return times;
}

function assertDrained(base: string): void {
  for (const folder of ["new", "cur", "defer", "doa"]) {
    assertEquals(namesIn(join(base, folder)), [], `left in ${folder}/`);
  }
}

/** What {@linkcode killAndRestart} saw. */
export interface Restarted {
  /** Claims the dead consumer left. */
  readonly claimed: number;
  /** Events that arrived twice. */
  readonly twice: number;
  /** From the start of the next consumer until the last of the claims was sent again. */
  readonly resentMs: number;
}

/**
 * Kill a consumer in the middle and start another: all arrives, and what was claimed goes out again
 * at once.
 */
export async function killAndRestart(events: number, threads: number): Promise<Restarted> {
  await using server = startEndpoint();
  await using queue = await queueOf(events, server.url);
  const options = ["--threads", String(threads), "--until-empty"];
  await using first = consume(queue.path, ...options);
  await server.arrived(Math.floor(events / 2));
  first.kill("SIGKILL");
  await first.ended;
  const claimed = namesIn(join(queue.path, "cur")).filter((name) => !name.startsWith("."))
    .map(parseName);
  const most = 2 * threads; // in flight, and as many in memory
  assert(claimed.length > 0 && claimed.length <= most, `${claimed.length} were claimed`);
  const before = server.taken.length;

  await using second = consume(queue.path, ...options);
  const { code, log } = await second.ended;
  assertEquals(code, 0);
  const resent = new Map(
    server.taken.slice(before).map(({ headers, atMs }) => [headers.get("idempotency-key"), atMs]),
  );
  const lastMs = Math.max(...claimed.map(({ id }) => resent.get(id) ?? Infinity));
  const resentMs = lastMs - Date.parse(log[0]!.time);
  assert(resentMs <= 2_000, `the last claim was sent again after ${resentMs} ms`);
  for (const { timeMs } of claimed) assert(timeMs! > lastMs, "a lease had ended");

  const times = arrivals(server);
  assertEquals(times.size, events);
  const twice = server.taken.length - events;
  assert(twice <= threads, `${twice} arrived twice`);
  assertDrained(queue.path);
  return { claimed: claimed.length, twice, resentMs };
}

/** What {@linkcode stopInTheMiddle} saw. */
export interface Stopped {
  /** Events that were not delivered. */
  readonly left: number;
  /** From the signal to the end. */
  readonly stopMs: number;
}

/**
 * End a consumer in the middle with SIGTERM: nothing stays claimed, and what was not sent keeps its
 * attempts.
 *
 * @param hangs Whether what is in flight then is never answered, rather than at once.
 */
export async function stopInTheMiddle(
  events: number,
  threads: number,
  hangs: boolean,
): Promise<Stopped> {
  const half = Math.floor(events / 2);
  await using server = startEndpoint((request, taken) =>
    hangs && taken.length > half ? HANG(request, taken) : new Response(null, { status: 204 })
  );
  await using queue = await queueOf(events, server.url);
  const graceMs = hangs ? 100 : 10_000;
  await using consumer = consume(
    queue.path,
    ...["--threads", String(threads), "--grace", `${graceMs}ms`],
  );
  await server.arrived(hangs ? half + threads : half);
  const signalledMs = performance.now();
  consumer.kill("SIGTERM");
  const { code } = await consumer.ended;
  const stopMs = performance.now() - signalledMs;
  assertEquals(code, 0);
  // aborting and releasing take a moment after the grace time
  assert(stopMs < graceMs + 2_000, `it ended after ${stopMs} ms`);

  const times = arrivals(server);
  assertEquals(namesIn(join(queue.path, "cur")), []);
  // what a full lane had no room for is parked
  const left = [...namesIn(join(queue.path, "new")), ...filesBelow(join(queue.path, "defer"))].map(
    parseName,
  );
  for (const { id, attempt } of left) assertEquals(attempt, times.get(id) ?? 0, id);
  const unanswered = left.filter(({ id }) => times.has(id)).length;
  assertEquals(unanswered, hangs ? threads : 0);
  assertEquals(times.size + left.length - unanswered, events);
  assertEquals(server.taken.length, times.size);
  return { left: left.length, stopMs };
}

/**
 * Drain a queue with so many consumers at the same time: each event arrives exactly once. Returns
 * how many each delivered.
 */
export async function exactlyOnce(events: number, consumers: number): Promise<number[]> {
  await using server = startEndpoint();
  await using queue = await queueOf(events, server.url);
  const programs = Array.from({ length: consumers }, () => consume(queue.path, "--until-empty"));
  await using stack = new AsyncDisposableStack();
  for (const program of programs) stack.use(program);
  const results = await Promise.all(programs.map(({ ended }) => ended));
  assertEquals(results.map(({ code }) => code), programs.map(() => 0));
  assertEquals([server.taken.length, arrivals(server).size], [events, events]);
  const delivered = results.map(({ log }) => log.at(-1)!.delivered);
  assertEquals(delivered.reduce((sum, count) => sum + count), events);
  assertDrained(queue.path);
  return delivered;
}
