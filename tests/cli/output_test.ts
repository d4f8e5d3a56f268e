import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { help } from "../../lib/cli/help.ts";
import type { Output } from "../../lib/cli/io.ts";
import { LineWriter } from "../../lib/cli/line_writer.ts";
import { Lengthy } from "../../lib/cli/lengthy.ts";
import { formatEnd, formatTrace } from "../../lib/cli/log.ts";
import { COMMANDS } from "../../lib/config/option.ts";
import { OPTIONS } from "../../lib/config/schema.ts";
import { formatCount, formatEstimate, Progress, renderProgress } from "../../lib/cli/progress.ts";
import { statusText } from "../../lib/cli/status.ts";
import type { DestinationStatus, QueueStatus } from "../../lib/queue/status.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { runHere } from "../support/in_process.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 21, 48, 24, 123);
const DUE_MS = NOW_MS + 1_000;

/** What could end a line, move a cursor, hide text or turn it around. */
const HOSTILE =
  '\n\r\u001b[2J\u0007\u0000\u007f\u009b2J\u0085\u2028\u2029\u202e\u2066\ufeff\ud800"\\ é';

/** One of each variant, with the same text wherever a stranger chooses it. */
function oneOfEach(text: string): readonly TraceEvent[] {
  const sent = { id: text, destination: text, status: 503, attempt: 2, ms: 34.6 };
  return [
    { type: "delivered", ...sent },
    { type: "deferred", ...sent, reason: text, dueMs: DUE_MS },
    { type: "dead", ...sent, reason: text },
    { type: "released", id: text, reason: text, dueMs: DUE_MS },
    { type: "taken-over", id: text, owner: text, takeovers: 1 },
    { type: "lease-lost", id: text, verb: "complete" },
    { type: "id-replaced", id: text, name: text },
    { type: "skipped", path: text, reason: text },
    { type: "disk-trouble", verb: text, code: text, reason: text, id: text },
    { type: "lane", destination: text, change: "struggling", reason: text, share: 0.37 },
    { type: "lane", destination: text, change: "opened", reason: text, untilMs: DUE_MS },
  ];
}

/** Time that passes only when told to: sleepers wake in `advance`, or when their signal aborts. */
class ManualClock {
  #nowMs = 0;
  #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
    this.#sleepers.add(sleeper);
    signal?.addEventListener("abort", () => resolve(), { once: true });
    return promise;
  }

  async advance(ms: number): Promise<void> {
    await settled();
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await settled();
  }
}

/** Lets everything run that doesn't wait for time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}

/** A stream that remembers each write. */
class Recorder implements Output {
  readonly isTerminal: boolean;
  readonly writes: string[] = [];
  width = 80;

  constructor(isTerminal = true) {
    this.isTerminal = isTerminal;
  }

  columns(): number {
    return this.width;
  }

  write(text: string): Promise<void> {
    this.writes.push(text);
    return Promise.resolve();
  }

  /** What a terminal would show, line by line. */
  screen(): readonly string[] {
    return this.writes.join("").split("\n").map((line) => {
      let shown = "";
      for (const part of line.split("\r")) shown = part + shown.slice(part.length);
      return shown.trimEnd();
    });
  }
}

Deno.test("formatTrace() writes each variant as one text line", () => {
  assertEquals(oneOfEach("x").map((event) => formatTrace(event, NOW_MS, "text")), [
    "2026-11-21T21:48:24.123Z delivered x x 503 attempt=2 35ms",
    '2026-11-21T21:48:24.123Z deferred x x 503 attempt=2 35ms due=2026-11-21T21:48:25.123Z reason="x"',
    '2026-11-21T21:48:24.123Z dead x x 503 attempt=2 35ms reason="x"',
    '2026-11-21T21:48:24.123Z released x due=2026-11-21T21:48:25.123Z reason="x"',
    "2026-11-21T21:48:24.123Z taken-over x owner=x takeovers=1",
    "2026-11-21T21:48:24.123Z lease-lost x verb=complete",
    '2026-11-21T21:48:24.123Z id-replaced x name="x"',
    '2026-11-21T21:48:24.123Z skipped x reason="x"',
    '2026-11-21T21:48:24.123Z disk-trouble x verb="x" code=x reason="x"',
    '2026-11-21T21:48:24.123Z lane x struggling share=37% reason="x"',
    '2026-11-21T21:48:24.123Z lane x opened until=2026-11-21T21:48:25.123Z reason="x"',
  ]);
});

Deno.test("formatTrace() writes - for what is missing in text and leaves it out in JSON", () => {
  const event: TraceEvent = { type: "dead", id: "a", attempt: 1, ms: 0, reason: "empty file" };
  assertEquals(
    formatTrace(event, NOW_MS, "text"),
    '2026-11-21T21:48:24.123Z dead a - - attempt=1 0ms reason="empty file"',
  );
  assertEquals(JSON.parse(formatTrace(event, NOW_MS, "json")), {
    time: "2026-11-21T21:48:24.123Z",
    event: "dead",
    level: "warn",
    id: "a",
    outcome: "dead",
    attempt: 1,
    ms: 0,
    reason: "empty file",
  });
});

Deno.test("formatTrace() writes each change of a lane with what is known of it", () => {
  const changes = [
    "opened",
    "probing",
    "recovered",
    "struggling",
    "healthy",
    "throttled",
    "held",
    "resumed",
    "uncompressed",
  ] as const;
  for (const change of changes) {
    const event: TraceEvent = { type: "lane", destination: "http_h_80", change };
    assertEquals(
      formatTrace(event, NOW_MS, "text"),
      `2026-11-21T21:48:24.123Z lane http_h_80 ${change}`,
    );
    const { level, ...others } = JSON.parse(formatTrace(event, NOW_MS, "json"));
    assertEquals(level, ["opened", "struggling", "throttled"].includes(change) ? "warn" : "info");
    assertEquals(others, {
      time: "2026-11-21T21:48:24.123Z",
      event: "lane",
      destination: "http_h_80",
      change,
    });
  }
  const event: TraceEvent = {
    type: "lane",
    destination: "http_h_80",
    change: "healthy",
    share: 0.9142,
  };
  assertEquals(JSON.parse(formatTrace(event, NOW_MS, "json")).share, 0.91);
});

Deno.test("formatEnd() says when only events of held destinations are left", () => {
  const counts = { delivered: 5, deferred: 1, dead: 0, released: 0 };
  const summary = { ...counts, parked: 2, lost: 0, kept: 0, crowded: 0, empty: false };
  assertEquals(
    formatEnd(summary, true, NOW_MS, "text"),
    "2026-11-21T21:48:24.123Z ended delivered=5 deferred=1 dead=0 released=0 left=held",
  );
  assertMatch(formatEnd(summary, false, NOW_MS, "text"), / released=0$/);
  const time = "2026-11-21T21:48:24.123Z";
  assertEquals(
    JSON.parse(formatEnd(summary, true, NOW_MS, "json")),
    { time, event: "ended", level: "info", ...counts, left: "held" },
  );
  assertEquals("left" in JSON.parse(formatEnd(summary, false, NOW_MS, "json")), false);
});

Deno.test("formatTrace() writes JSON lines whose members come back as they were", () => {
  for (const event of oneOfEach(HOSTILE)) {
    const parsed = JSON.parse(formatTrace(event, NOW_MS, "json"));
    assertEquals(parsed.time, "2026-11-21T21:48:24.123Z");
    assertEquals(parsed.event, event.type);
    for (const [key, value] of Object.entries(event)) {
      if (key === "dueMs") assertEquals(parsed.due, "2026-11-21T21:48:25.123Z");
      else if (key === "untilMs") assertEquals(parsed.until, "2026-11-21T21:48:25.123Z");
      else if (key === "ms") assertEquals(parsed.ms, 35);
      else if (key !== "type") assertEquals(parsed[key], value);
    }
  }
});

Deno.test("formatTrace() lets no name or reason break the line or reach the terminal", () => {
  for (const format of ["text", "json"] as const) {
    for (const event of oneOfEach(HOSTILE)) {
      const line = formatTrace(event, NOW_MS, format);
      assertMatch(line, /^[\u0020-\u007eé]+$/);
    }
  }
});

Deno.test("formatTrace() keeps a name with spaces or quotes apart from the next column", () => {
  const event: TraceEvent = {
    type: "delivered",
    id: 'a 200 "b"',
    destination: "http_h_80",
    status: 204,
    attempt: 1,
    ms: 1,
  };
  assertStringIncludes(formatTrace(event, NOW_MS, "text"), ' "a 200 \\"b\\"" http_h_80 204 ');
});

Deno.test("LineWriter writes lines of one turn together, and later ones after a pause", async () => {
  const [output, clock] = [new Recorder(), new ManualClock()];
  const writer = new LineWriter(output, clock);
  writer.line("1");
  writer.line("2");
  await settled();
  assertEquals(output.writes, ["1\n2\n"]);
  writer.line("3");
  await clock.advance(99);
  writer.line("4");
  assertEquals(output.writes.length, 1);
  await clock.advance(1);
  assertEquals(output.writes, ["1\n2\n", "3\n4\n"]);
  await clock.advance(100);
  writer.line("5");
  await settled();
  assertEquals(output.writes, ["1\n2\n", "3\n4\n", "5\n"]);
});

Deno.test("LineWriter.flush() waits for no pause and loses nothing", async () => {
  const [output, clock] = [new Recorder(), new ManualClock()];
  const writer = new LineWriter(output, clock);
  await writer.flush();
  for (let round = 0; round < 3; round++) {
    writer.line(`${round}a`);
    await settled();
    writer.line(`${round}b`);
    await writer.flush();
  }
  assertEquals(output.writes.join(""), "0a\n0b\n1a\n1b\n2a\n2b\n");
});

Deno.test("LineWriter goes silent when its reader has gone", async () => {
  let writes = 0;
  const write = () => {
    writes++;
    return Promise.reject(Object.assign(new Error("broken pipe"), { code: "EPIPE" }));
  };
  const writer = new LineWriter({ write }, new ManualClock());
  writer.line("1");
  await writer.flush();
  writer.line("2");
  await writer.flush();
  assertEquals(writes, 1);
});

Deno.test("LineWriter drops lines and says how many when its reader stalls", async () => {
  const written: string[] = [];
  const stall = Promise.withResolvers<void>();
  const write = (text: string) => {
    written.push(text);
    return stall.promise;
  };
  const writer = new LineWriter({ write }, new ManualClock());
  writer.line("first");
  await settled();
  const longLine = "x".repeat(2 ** 20);
  for (let count = 0; count < 20; count++) writer.line(longLine);
  stall.resolve();
  await writer.flush();
  const lines = written.join("").split("\n");
  assertEquals(lines.filter((line) => line === longLine).length, 16);
  assertEquals(lines.at(-2), "4 lines were dropped here");
});

Deno.test("renderProgress() shows what is known and is never wider than the terminal", () => {
  const known = { done: 12_345, failed: 3, remaining: 87_655 };
  assertEquals(
    renderProgress(known, 1_890.4, 80),
    "12,345 done  3 failed  1,890/s  87,655 remaining (about 47s)",
  );
  assertEquals(
    renderProgress({ ...known, remaining: undefined }, 0, 80),
    "12,345 done  3 failed  0/s",
  );
  assertEquals(renderProgress(known, 0, 80), "12,345 done  3 failed  0/s  87,655 remaining");
  assertEquals(
    renderProgress({ ...known, trouble: "1 destination down, 2 held" }, 1_890, 100),
    "12,345 done  3 failed  1,890/s  87,655 remaining  1 destination down, 2 held",
  );
  for (const columns of [0, 1, 20, 40]) {
    assert(renderProgress(known, 1_890, columns).length <= Math.max(0, columns - 1));
  }
});

Deno.test("counts and estimates are written for people", () => {
  assertEquals([0, 999, 1_000, 1_234_567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
  assertEquals([0.2, 59.5, 125, 11_220, 442_800].map(formatEstimate), [
    "1s",
    "1m 00s",
    "2m 05s",
    "3h 07m",
    "5d 03h",
  ]);
});

Deno.test("Progress redraws one line at most ten times a second and ends with the summary", async () => {
  const [output, clock] = [new Recorder(), new ManualClock()];
  const progress = new Progress(output, clock);
  for (let done = 1; done <= 100; done++) {
    progress.update({ done: done * 10, failed: 0, remaining: 1_990 - done * 10 });
    await clock.advance(10);
  }
  assert(output.writes.length <= 12, `${output.writes.length} writes in a second`);
  assertMatch(
    output.screen()[0]!,
    /^[\d,]+ done {2}0 failed {2}1,\d{3}\/s {2}\d+ remaining \(about 1s\)$/,
  );
  await progress.finish("1,000 delivered");
  assertEquals(output.screen(), ["1,000 delivered", ""]);
});

Deno.test("Progress prints lines above itself and doesn't redraw what hasn't changed", async () => {
  const [output, clock] = [new Recorder(), new ManualClock()];
  const progress = new Progress(output, clock);
  progress.update({ done: 1, failed: 0, remaining: undefined });
  await clock.advance(100);
  progress.line("short");
  progress.line("a second line");
  await clock.advance(100);
  assertEquals(output.screen().slice(0, 2), ["short", "a second line"]);
  assertMatch(output.screen()[2]!, /^1 done {2}0 failed {2}\d+\/s$/);
  await clock.advance(10_000);
  const writes = output.writes.length;
  await clock.advance(10_000);
  await clock.advance(10_000);
  assertEquals(output.writes.length, writes);
  await progress.finish("done");
  assertEquals(output.screen(), ["short", "a second line", "done", ""]);
});

Deno.test("Lengthy is silent for a second, shows a count, and leaves nothing behind", async () => {
  const [output, clock] = [new Recorder(), new ManualClock()];
  const lengthy = new Lengthy(output, clock, "names counted");
  await lengthy.report(1);
  await clock.advance(900);
  await lengthy.report(1_000);
  assertEquals(output.writes, []);
  await clock.advance(200);
  const turn = lengthy.report(5_000);
  await clock.advance(100);
  await turn;
  assertMatch(output.screen()[0]!, /^5,000 names counted {2}4,\d{3}\/s$/);
  await lengthy.end();
  assertEquals(output.screen(), [""]);
});

Deno.test("Lengthy never shows anything where there is no terminal", async () => {
  const [output, clock] = [new Recorder(false), new ManualClock()];
  const lengthy = new Lengthy(output, clock, "requeued");
  await clock.advance(5_000);
  await lengthy.report(5_000);
  await lengthy.end();
  assertEquals(output.writes, []);
});

/** Of a destination about which there is nothing to say. */
const QUIET: DestinationStatus = {
  destination: "http_a_80",
  waiting: 0,
  inFlight: 0,
  dead: 0,
  isHeld: false,
  throttledUntilMs: undefined,
  downSinceMs: undefined,
  strugglingShare: undefined,
  strugglingSinceMs: undefined,
  lastError: undefined,
  nextAttemptMs: undefined,
};

const TOTALS: Omit<QueueStatus, "destinations"> = {
  writing: 0,
  ready: 1,
  claimed: 5,
  claimedUnread: 0,
  deferred: 1_204,
  dead: 3,
  responses: 0,
  unreachable: 0,
};

Deno.test("the table of destinations says who is in trouble, since when and why", () => {
  const text = statusText({
    ...TOTALS,
    claimedUnread: 2,
    destinations: [
      { ...QUIET, inFlight: 3, dead: 1 },
      {
        ...QUIET,
        destination: "https_down.example_443",
        waiting: 1_204,
        isHeld: true,
        downSinceMs: NOW_MS - 303_000,
        lastError: "the endpoint answered 503\u001b[2J",
      },
      {
        ...QUIET,
        destination: "https_half.example_443",
        waiting: 31,
        strugglingShare: 0.666,
        strugglingSinceMs: NOW_MS - 63_000,
        lastError: "the endpoint answered 502",
        nextAttemptMs: NOW_MS - 1,
      },
      {
        ...QUIET,
        destination: "https_busy.example_443",
        waiting: 1,
        throttledUntilMs: NOW_MS + 100_000,
        nextAttemptMs: NOW_MS + 100_000,
      },
    ],
  }, NOW_MS);
  assertEquals(text.slice(text.indexOf("destination")).split("\n"), [
    "destination             waiting  in flight  dead  next attempt  state",
    "http_a_80                     0          3     1  -             -",
    "https_down.example_443    1,204          0     0  -             held, down",
    "  down since 2026-11-21T21:43:21Z (5m 03s): the endpoint answered 503\\u001b[2J",
    "https_half.example_443       31          0     0  now           struggling",
    "  struggling since 2026-11-21T21:47:21Z (1m 03s), 67 % succeed: the endpoint answered 502",
    "https_busy.example_443        1          0     0  in 1m 40s     throttled",
    "  throttled by its Retry-After until 2026-11-21T21:50:04Z (1m 40s more)",
    "",
    "in flight leaves out 2 claimed events not looked into",
    "",
  ]);
});

Deno.test("status stays within 100 columns but for the names of destinations", () => {
  const name = `https_${"long-".repeat(18)}_443_0123456789ab`;
  const text = statusText({
    ...TOTALS,
    destinations: [name, "http_a_80"].map((destination) => ({
      ...QUIET,
      destination,
      waiting: 1_000_000,
      inFlight: 10_000,
      dead: 1_000_000,
      isHeld: true,
      downSinceMs: NOW_MS,
      strugglingShare: 0.01,
      strugglingSinceMs: NOW_MS,
      throttledUntilMs: NOW_MS + 1,
      lastError: "x".repeat(1_000),
      nextAttemptMs: NOW_MS - 1,
    })),
  }, NOW_MS);
  for (const line of text.split("\n")) assert(line === name || line.length <= 100, line);
  assertStringIncludes(text, `\n${name}\n `);
  assertMatch(text, / next probe {4}held, down, struggling, throttled\n/);
});

Deno.test("the help names every option of its command and no other, in at most 80 columns", () => {
  const aliases = OPTIONS.flatMap(({ aliases = [] }) => aliases);
  for (const topic of [undefined, ...COMMANDS]) {
    const text = help(topic);
    for (const line of text.split("\n")) assert(line.length <= 80, line);
    const named = new Set(text.match(/(?<![\w-])--[a-z][a-z-]+/g));
    const known = [...OPTIONS.map(({ name }) => `--${name}`), ...aliases];
    for (const name of named) assert(known.includes(name), `${name} is no option`);
    if (topic === undefined) continue;
    for (const { name } of OPTIONS) {
      if (name === "help" || name === "version") continue;
      // several commands may each have one of the name
      const isOfTopic = OPTIONS.some((each) => each.name === name && each.commands.includes(topic));
      assertEquals(named.has(`--${name}`), isOfTopic, `--${name} in the help of ${topic}`);
    }
  }
});

Deno.test("the help tells each option's other names and its default", () => {
  const text = help("consume").replace(/\s+/g, " ");
  assertStringIncludes(text, "in flight at most; --threads is the same (default: 64) --per-dest");
  assertStringIncludes(text, "how long a stop waits for requests in flight (default: 10s) --max-");
  assertStringIncludes(text, " at most 1h (default: timeout + 30s) --max-attempts");
  for (const alias of ["-baseDir", "-threads"]) assertStringIncludes(help(undefined), alias);
});

Deno.test("the overall help names every command and exit code", () => {
  const text = help(undefined);
  for (const command of COMMANDS) assertStringIncludes(text, command);
  for (const code of [64, 65, 73, 74, 75, 77]) assertMatch(text, new RegExp(`^  ${code}  `, "m"));
});

Deno.test("the permissions of the build end the help", () => {
  assert(
    help("client", ["net", "read=."]).endsWith("\nPermissions of this build:\n  net\n  read=.\n"),
  );
});

Deno.test({
  name:
    "what goes wrong at the start is JSON where the log is, and a queue where none can be is one",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const args = ["consume", "--base-dir", "/proc/queue/inner"];
    const text = await runHere(args);
    const line = "optimizelyd-maildir: Cannot create the queue: /proc/queue can't be made there\n";
    assertEquals([text.code, text.stderr], [73, line]);
    const json = await runHere([...args, "--log-format", "json"]);
    const { event, code, message } = JSON.parse(json.stderr);
    assertEquals([event, code], ["failed", 73]);
    assertEquals(message, "Cannot create the queue: /proc/queue can't be made there");
  },
});
