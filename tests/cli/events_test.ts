/**
 * `list`, `show`, `retry`, `delete` and `requeue`: events found and acted upon, on a real disk.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { formatName } from "../../lib/queue/name.ts";
import { uuidv7 } from "../../lib/queue/uuid.ts";
import { runHere } from "../support/in_process.ts";
import { eventLine } from "../support/program.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const NOW_MS = Date.now();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The same chance for all: only the time tells them apart. */
const idAt = (agoMs: number) => uuidv7(NOW_MS - agoMs, () => 0.5);

const IDS = {
  died: idAt(3 * HOUR_MS),
  refused: idAt(2 * HOUR_MS),
  waits: idAt(HOUR_MS),
  later: idAt(50 * MINUTE_MS),
  ready: idAt(MINUTE_MS),
} as const;

const HOOKS = "https_hooks.example_443";
const SHOP = "https_shop.example_443";

/** A queue with an event in each state, and the journal of what became of them. */
function plant(base: string): void {
  const write = (path: string, text: string) => {
    Deno.mkdirSync(join(base, path, ".."), { recursive: true });
    Deno.writeTextFileSync(join(base, path), text);
  };
  for (const folder of ["tmp", "new", "cur", "doa", "res"]) {
    Deno.mkdirSync(join(base, folder), { recursive: true });
  }
  const named = (id: string, attempt: number, timeMs: number) =>
    formatName({ id, extension: ".json" }, attempt, timeMs, "edge-1-abcdefgh-1");
  const letter = (
    id: string,
    destination: string,
    agoMs: number,
    status: number,
    reason: string,
  ) => {
    const name = named(id, 1, NOW_MS - agoMs);
    write(`doa/${name}`, eventLine(`https://${destination.split("_")[1]}/x`, id));
    const why = { id, attempt: 1, destination, outcome: "refused", status, reason, answer: "no!" };
    write(`doa/${name}.why`, JSON.stringify(why));
  };
  letter(IDS.died, HOOKS, 2 * HOUR_MS, 422, "the endpoint answered 422: No such customer");
  letter(IDS.refused, SHOP, HOUR_MS, 404, "the endpoint answered 404");
  const bucket = (dueMs: number) => `${dueMs.toString(36).padStart(9, "0")}-abcdefgh-0`;
  const waits = named(IDS.waits, 2, NOW_MS + MINUTE_MS);
  const text = JSON.stringify({
    url: "https://hooks.example/busy?key=1",
    headers: { "x-token": "s3cret" },
    requestBody: { n: 1 },
  });
  write(`defer/${HOOKS}/${bucket(NOW_MS)}/${waits}`, text);
  const later = named(IDS.later, 1, NOW_MS + HOUR_MS);
  write(
    `defer/${SHOP}/${bucket(NOW_MS + HOUR_MS)}/${later}`,
    eventLine("https://shop.example/y", "later"),
  );
  write(`new/${IDS.ready}.json`, eventLine("https://shop.example/z", "needle"));
  const line = (id: string, agoMs: number, attempt: number, status: number, reason: string) =>
    JSON.stringify({
      time: new Date(NOW_MS - agoMs).toISOString(),
      event: "deferred",
      id,
      destination: HOOKS,
      attempt,
      status,
      ms: 12,
      reason,
    });
  const day = new Date(NOW_MS).toISOString().slice(0, 10).replaceAll("-", "");
  write(
    `log/${day}~edge-1-abcdefgh.jsonl`,
    [
      line(IDS.waits, 9_000, 1, 500, "the endpoint answered 500"),
      "{ torn",
      line(IDS.later, 8_000, 1, 502, "the endpoint answered 502"),
      line(IDS.waits, 7_000, 2, 503, "the endpoint answered 503"),
      "",
    ].join("\n"),
  );
}

/** A planted queue, and the program on it. */
async function begin() {
  const dir = await tempDir();
  const base = join(dir.path, "queue");
  plant(base);
  return {
    base,
    run: (...args: string[]) => runHere([...args, "--base-dir", base]),
    piped: (stdin: string, ...args: string[]) => runHere([...args, "--base-dir", base], { stdin }),
    async [Symbol.asyncDispose]() {
      await dir[Symbol.asyncDispose]();
    },
  };
}

const idsOf = (stdout: string): string[] =>
  stdout.trimEnd().split("\n").map((line) => JSON.parse(line).id);

Deno.test("list shows each event with its state, destination, age, attempts, next attempt and reason", async () => {
  await using queue = await begin();
  const { code, stdout, stderr } = await queue.run("list");
  assertEquals([code, stderr], [0, ""]);
  const rows = stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(rows[0], ["id", "state", "destination", "age", "attempts", "next", "why"]);
  assertEquals(
    rows.slice(1).map((
      [id, state, destination, , attempts, , why],
    ) => [id, state, destination, attempts, why]),
    [
      [IDS.refused, "dead", SHOP, "1", "the endpoint answered 404"],
      [IDS.died, "dead", HOOKS, "1", "the endpoint answered 422: No such customer"],
      [IDS.waits, "deferred", HOOKS, "2", "the endpoint answered 503"],
      [IDS.later, "deferred", SHOP, "1", "the endpoint answered 502"],
      [IDS.ready, "ready", SHOP, "0", "-"],
    ],
  );
});

const FILTERS: readonly (readonly [args: readonly string[], ids: readonly string[]])[] = [
  [["--state", "dead"], [IDS.refused, IDS.died]],
  [["--state", "ready,deferred"], [IDS.waits, IDS.later, IDS.ready]],
  [["--destination", "https://hooks.example/any"], [IDS.died, IDS.waits]],
  [["--destination", SHOP, "--state", "dead"], [IDS.refused]],
  [["--status", "4xx"], [IDS.refused, IDS.died]],
  [["--status", "422,503"], [IDS.died, IDS.waits]],
  [["--reason", "no such CUSTOMER"], [IDS.died]],
  [["--body", "needle"], [IDS.ready]],
  [["--since", "90m"], [IDS.refused, IDS.waits, IDS.later, IDS.ready]],
  [["--since", "90m", "--until", "55m"], [IDS.refused, IDS.waits]],
  [["--until", new Date(NOW_MS - 90 * MINUTE_MS).toISOString()], [IDS.died]],
  [["--limit", "2"], [IDS.refused, IDS.died]],
  [["--state", "dead", "--status", "500"], []],
];

for (const [args, ids] of FILTERS) {
  Deno.test(`list ${args.join(" ").replace(/\d{4}-\S+/, "TIME")}`, async () => {
    await using queue = await begin();
    const { stdout } = await queue.run("list", "--json", ...args);
    assertEquals(stdout === "" ? [] : idsOf(stdout), [...ids]);
    if (args.includes("--limit")) return;
    assertEquals((await queue.run("list", "--count", ...args)).stdout, `${ids.length}\n`);
  });
}

Deno.test("a filter that can't be read is refused in one line", async () => {
  await using queue = await begin();
  const said = async (...args: string[]) => {
    const { code, stderr } = await queue.run("list", ...args);
    assertEquals(code, 64);
    return stderr;
  };
  assertMatch(await said("--state", "broken"), /--state must be one of ready, claimed, deferred/);
  assertMatch(await said("--status", "9xx"), /--status must be statuses such as 503, 4xx/);
  assertMatch(await said("--since", "yesterday"), /--since must be how long ago, such as 2h/);
  assertMatch(await said("--destination", "hooks.example"), /--destination: .*did you mean/);
});

Deno.test("show tells the story of an event, by the beginning of its id", async () => {
  await using queue = await begin();
  const { code, stdout } = await queue.run("show", IDS.waits.slice(0, 13));
  assertEquals(code, 0);
  assertMatch(stdout, new RegExp(`^id +${IDS.waits}\n`));
  assertMatch(stdout, /\nstate +deferred, due in .*, 2 attempts so far\n/);
  assertMatch(stdout, /\nwhy +the endpoint answered 503\n/);
  assertMatch(stdout, /attempt 1 +500 +12 ms +the endpoint answered 500\n.*attempt 2 +503/);
  assertMatch(stdout, /\n {2}POST https:\/\/hooks.example\/busy\?key=1\n {2}x-token: …\n/);
  assertMatch(stdout, /\n {2}\{\n {4}"n": 1\n {2}\}\n/);
  assert(!stdout.includes("s3cret"), "no header value is shown");
});

Deno.test("show prints the exact body, a command that repeats the request, or JSON", async () => {
  await using queue = await begin();
  assertEquals((await queue.run("show", IDS.waits, "--exact")).stdout, '{"n":1}');
  const { stdout } = await queue.run("show", IDS.waits, "--curl");
  assertMatch(stdout, /--exact \|\n {2}curl -X 'POST' -H 'x-token: …' -H 'idempotency-key: /);
  assertMatch(stdout, / --data-binary @- 'https:\/\/hooks\.example\/busy\?key=1'\n$/);
  const story = JSON.parse((await queue.run("show", IDS.died, "--json")).stdout);
  assertEquals([story.state, story.status, story.answer], ["dead", 422, "no!"]);
});

Deno.test("show says when there is none, when several are meant, and what was delivered", async () => {
  await using queue = await begin();
  const none = await queue.run("show", "nobody");
  assertEquals([none.code, none.stdout], [65, ""]);
  assertMatch(none.stderr, /there is no event "nobody"/);
  const twin = uuidv7(NOW_MS - 3 * HOUR_MS, () => 0.6); // of the same millisecond
  Deno.writeTextFileSync(join(queue.base, "new", `${twin}.json`), "{}");
  const several = await queue.run("show", IDS.died.slice(0, 8));
  assertEquals(several.code, 65);
  assertMatch(several.stderr, /several ids begin with "[0-9a-f]{8}", such as /);
  const line = {
    time: "2026-11-27T10:00:00.000Z",
    event: "delivered",
    id: "a",
    attempt: 3,
    status: 204,
  };
  Deno.writeTextFileSync(
    join(queue.base, "log", "20261127~edge-1-zzzzzzzz.jsonl"),
    `${JSON.stringify(line)}\n`,
  );
  const delivered = await queue.run("show", "a");
  assertMatch(
    delivered.stderr,
    /"a" was delivered at 2026-11-27T10:00:00.000Z: attempt 3, status 204/,
  );
});

Deno.test("retry lets waiting events be due now, and their attempts stay", async () => {
  await using queue = await begin();
  const { code, stdout } = await queue.run("retry", "--status", "503");
  assertEquals([code, stdout], [0, `${IDS.waits}\n`]);
  const [name] = namesIn(join(queue.base, "new")).filter((name) => name.startsWith(IDS.waits));
  assertMatch(name!, /\+2@\d+~/);
  assertEquals(idsOf((await queue.run("list", "--state", "deferred", "--json")).stdout), [
    IDS.later,
  ]);
});

Deno.test("delete removes waiting and dead events, and the reasons of these", async () => {
  await using queue = await begin();
  const { code, stdout } = await queue.run("delete", IDS.died, IDS.later, IDS.ready);
  assertEquals(code, 0);
  assertEquals(stdout.trimEnd().split("\n").sort(), [IDS.died, IDS.later, IDS.ready].sort());
  assertEquals((await queue.run("list", "--count")).stdout, "2\n");
  assertEquals(namesIn(join(queue.base, "doa")).filter((name) => name.startsWith(IDS.died)), []);
});

Deno.test("requeue brings dead letters back that a filter chooses, and list's ids by a pipe", async () => {
  await using queue = await begin();
  assertEquals((await queue.run("requeue", "--status", "404")).stdout, `${IDS.refused}\n`);
  const { stdout } = await queue.run("list", "--state", "dead", "--json");
  const piped = await queue.piped(`${idsOf(stdout).join("\n")}\n`, "requeue", "-", "--json");
  assertEquals(JSON.parse(piped.stdout).id, IDS.died);
  assertEquals(namesIn(join(queue.base, "doa")), []);
});

Deno.test("what would be done is said by --dry-run, and done to several only with a yes", async () => {
  await using queue = await begin();
  const plan = await queue.run("delete", "--state", "dead", "--dry-run");
  assertEquals(plan.stdout, `${IDS.refused}\n${IDS.died}\n`);
  assertMatch(plan.stderr, /2 would be deleted/);
  const unsure = await queue.run("delete", "--state", "dead");
  assertEquals([unsure.code, unsure.stdout], [64, ""]);
  assertMatch(unsure.stderr, /2 unclaimed events would be deleted: --yes says that they may/);
  const base = ["--base-dir", queue.base];
  for (const [answer, left] of [["n\n", 2], ["y\n", 0]] as const) {
    await runHere(["delete", "--state", "dead", ...base], { stdin: answer, isTerminal: true });
    assertEquals((await queue.run("list", "--state", "dead", "--count")).stdout, `${left}\n`);
  }
});

Deno.test("an id that isn't there is named, and the others are done all the same", async () => {
  await using queue = await begin();
  const { code, stdout, stderr } = await queue.run("retry", "nobody", IDS.waits, IDS.died);
  assertEquals([code, stdout], [65, `${IDS.waits}\n`]);
  assertMatch(stderr, /there is no waiting event "nobody"\n/);
  assertMatch(stderr, new RegExp(`there is no waiting event "${IDS.died}"\n`));
});

Deno.test("a verb without ids and without a filter, or with both, is refused", async () => {
  await using queue = await begin();
  for (const command of ["requeue", "retry", "delete"]) {
    const nothing = await queue.run(command);
    assertEquals(nothing.code, 64);
    assertMatch(nothing.stderr, new RegExp(`${command} needs ids, - to read them, or a filter`));
    const both = await queue.run(command, "a", "--since", "1h");
    assertMatch(both.stderr, /takes ids or a filter such as --since, not both/);
  }
  const state = await queue.run("retry", "--state", "dead");
  assertMatch(state.stderr, /retry is for events that are deferred, not dead/);
});

Deno.test("a pace is kept: no more than so many a second", async () => {
  await using queue = await begin();
  const startMs = performance.now();
  await queue.run("delete", "--state", "dead,ready", "--yes", "--rate", "50/s");
  assert(performance.now() - startMs >= 40, "three at 50 a second take 40 ms");
});

Deno.test("requeue puts a dead letter back with another URL or body, as a new event", async () => {
  await using queue = await begin();
  const moved = await queue.run("requeue", IDS.refused, "--url", "https://new.example/hook");
  assertEquals(moved.code, 0);
  const id = moved.stdout.trimEnd();
  const { url, requestBody } = JSON.parse(
    Deno.readTextFileSync(join(queue.base, "new", `${id}.json`)),
  );
  assertEquals([url, requestBody], ["https://new.example/hook", IDS.refused]);
  assertEquals(namesIn(join(queue.base, "doa")).filter((name) => name.startsWith(IDS.refused)), []);

  const body = join(queue.base, "..", "body.json");
  Deno.writeTextFileSync(body, '{ "n": 12345678901234567890 }');
  const changed = (await queue.run("requeue", IDS.died, "--body", `@${body}`)).stdout.trimEnd();
  const text = Deno.readTextFileSync(join(queue.base, "new", `${changed}.json`));
  assertMatch(text, /"requestBody":\{ "n": 12345678901234567890 \}/);
  assertMatch(text, /"url":"https:\/\/hooks\.example\/x"/);
});

Deno.test("an amendment that makes no event, or for no single letter, changes nothing", async () => {
  await using queue = await begin();
  const before = namesIn(join(queue.base, "doa"));
  const wrong = await queue.run("requeue", IDS.died, "--body", "{ not JSON");
  assertEquals([wrong.code, wrong.stdout], [65, ""]);
  assertMatch(wrong.stderr, /stays a dead letter: the body must be JSON text\n$/);
  assertMatch((await queue.run("requeue", IDS.died, "--url", "ftp://a/")).stderr, /scheme/);
  assertEquals((await queue.run("requeue", "nobody", "--url", "http://a.example/")).code, 65);
  const usage = await queue.run("requeue", "--url", "http://a.example/");
  assertEquals(usage.code, 64);
  assertMatch(usage.stderr, /takes the id of one dead letter/);
  assertEquals(namesIn(join(queue.base, "doa")), before);
});
