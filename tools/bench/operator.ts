/**
 * `deno task bench:operator`: what looking costs on a large queue.
 *
 * `--waiting` events wait in the buckets of `--destinations` destinations, `--dead` ones are in
 * `doa/`, each with its reason; the journal knows of half of those that wait. Each command runs
 * `--rounds` times as a process of its own: the time from its start to its end, and the most memory
 * it took, as the system counts it (Linux only).
 *
 * Files are hard links to one event, on the tmpfs where there is one: it is names that are looked
 * at.
 *
 * @module
 */

import { join } from "@std/path";
import { BUCKET_SIZE } from "../../lib/queue/buckets.ts";
import { uuidv7 } from "../../lib/queue/uuid.ts";
import { readSettings, runTool } from "../options.ts";
import { list, median, print, printTable, progress, verdict } from "../report.ts";
import { hasTmpfs, makeQueue } from "./fill.ts";

const CLI = new URL("../../cli.ts", import.meta.url).href;
const MINUTE_MS = 60_000;
const TARGET_MB = 150;

/** Commands, and within how many ms each is to be done. */
const COMMANDS: readonly (readonly [args: readonly string[], targetMs: number])[] = [
  [["list", "--limit", "50"], 1_000],
  [["list", "--limit", "50", "--state", "deferred"], 1_000],
  [["show"], 1_000],
  [["status", "--json"], 3_000],
];

/** A journal in which an event is the last but so many that were deferred. */
function writeJournal(base: string, id: string, destination: string, dueMs: number, after: number) {
  const line = (id: string) =>
    `${
      JSON.stringify({
        time: new Date().toISOString(),
        event: "deferred",
        id,
        destination,
        outcome: "deferred",
        status: 503,
        attempt: 2,
        ms: 12,
        due: new Date(dueMs).toISOString(),
        reason: "the endpoint answered 503 Service Unavailable",
      })
    }\n`;
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  const path = join(base, "log", `${day}~edge-1-abcdefgh.jsonl`);
  Deno.mkdirSync(join(base, "log"), { recursive: true });
  Deno.writeTextFileSync(path, line(id));
  const some = line(id.replace(/.$/, "x")).repeat(1_000);
  for (let n = 0; n < after; n += 1_000) Deno.writeTextFileSync(path, some, { append: true });
}

/** Fill a queue; the id of an event in the middle of it. */
function fillAll(base: string, waiting: number, destinations: number, dead: number): string {
  const event = join(base, "tmp", ".event");
  Deno.writeTextFileSync(event, '{"url":"https://d0.example/","requestBody":1}');
  const why = join(base, "tmp", ".why");
  const reason = { destination: "https_d0.example_443", status: 503, reason: "answered 503" };
  Deno.writeTextFileSync(why, JSON.stringify(reason));
  const nowMs = Date.now();
  let [made, middle] = [0, ""];
  const idAt = () => uuidv7(nowMs - 60 * MINUTE_MS + Math.floor(made++ / 1_000), Math.random);
  for (let d = 0; d < destinations; d++) {
    const own = Math.floor(waiting * (d + 1) / destinations) -
      Math.floor(waiting * d / destinations);
    for (let n = 0; n < own; n += BUCKET_SIZE) {
      const dueMs = nowMs + (1 + n / BUCKET_SIZE) * MINUTE_MS;
      const bucket = `${Math.floor(dueMs).toString(36).padStart(9, "0")}-bench-${d.toString(36)}`;
      const folder = join(base, "defer", `https_d${d}.example_443`, bucket);
      Deno.mkdirSync(folder, { recursive: true });
      for (let k = n; k < Math.min(own, n + BUCKET_SIZE); k++) {
        const id = idAt();
        if (made === Math.floor(waiting / 2)) {
          middle = id;
          const due = Math.floor(dueMs);
          writeJournal(base, id, `https_d${d}.example_443`, due, waiting / 2);
        }
        Deno.linkSync(event, join(folder, `${id}+2@${Math.floor(dueMs)}~edge-1-abcdefgh-1.json`));
      }
    }
    progress(`${made.toLocaleString("en")} events`);
  }
  for (let n = 0; n < dead; n++) {
    const name = `${idAt()}+3@${nowMs - n}~edge-1-abcdefgh-1.json`;
    Deno.linkSync(event, join(base, "doa", name));
    Deno.linkSync(why, join(base, "doa", `${name}.why`));
  }
  return middle;
}

/** Run a command: how long it took in ms, and its memory in MB. */
async function run(args: readonly string[]): Promise<{ readonly ms: number; readonly mb: number }> {
  const startMs = performance.now();
  const { code, stderr } = await new Deno.Command("/usr/bin/time", {
    args: ["-f", "%M", Deno.execPath(), "run", "--quiet", "-A", CLI, ...args],
    stdout: "null",
    stderr: "piped",
  }).output();
  const ms = performance.now() - startMs;
  const said = new TextDecoder().decode(stderr).trimEnd().split("\n");
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${said.join("; ")}`);
  return { ms, mb: Number(said.at(-1)) / 1_024 };
}

async function bench(args: readonly string[]): Promise<void> {
  const { numbers } = readSettings(args, {
    waiting: 1_000_000,
    destinations: 200,
    dead: 100_000,
    rounds: 3,
  }, { parts: [], flags: [] });
  const { waiting, destinations, dead, rounds } = numbers;
  await using queue = await makeQueue(hasTmpfs() ? "tmpfs" : "disk");
  const middle = fillAll(queue.path, waiting, destinations, dead);
  const rows = [["", "time", "(rounds)", "target", "", "memory", "target", ""]];
  for (const [command, targetMs] of COMMANDS) {
    const whole = [...command, ...command[0] === "show" ? [middle] : [], "--base-dir", queue.path];
    const runs: { readonly ms: number; readonly mb: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      progress(command.join(" "));
      runs.push(await run(whole));
    }
    const [ms, mb] = [median(runs.map(({ ms }) => ms)), median(runs.map(({ mb }) => mb))];
    rows.push([
      command.join(" "),
      `${ms.toFixed(0)} ms`,
      `(${list(runs.map(({ ms }) => ms), 0)})`,
      `<= ${targetMs} ms`,
      verdict(ms <= targetMs),
      `${mb.toFixed(0)} MB`,
      `<= ${TARGET_MB} MB`,
      verdict(mb <= TARGET_MB),
    ]);
  }
  print(`${waiting.toLocaleString("en")} waiting for ${destinations}, ${dead} dead`);
  printTable(rows);
}

if (import.meta.main) await runTool(() => bench(Deno.args));
