/**
 * The README and the pages in `docs/` are true: what they show is run, what they name is there.
 * Their TypeScript is run by `deno test --doc`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { checkEvent, openQueue, type TraceEvent } from "@optimizelyd/maildir";
import { EXIT } from "../lib/cli/exit_code.ts";
import { help } from "../lib/cli/help.ts";
import { formatTrace } from "../lib/cli/log.ts";
import { statusText } from "../lib/cli/status.ts";
import { COMMANDS as NAMES } from "../lib/config/option.ts";
import { outcomeOfStatus } from "../lib/http/outcome.ts";
import { retryTableMarkdown } from "../lib/http/schedule.ts";
import {
  anchorsOf,
  blocksOf,
  brokenLinks,
  linksOf,
  pagesBelow,
  tablesOf,
} from "./support/markdown.ts";
import { namesIn, tempDir } from "./support/temp_dir.ts";

const ROOT = new URL("../", import.meta.url);
const DIRECTORY = fromFileUrl(ROOT);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
/** All that a reader finds. */
const EVERYTHING = pagesBelow(DIRECTORY);
/** The documentation itself. */
const PAGES: ReadonlyMap<string, string> = new Map(
  EVERYTHING.filter((path) => path === "README.md" || path.startsWith("docs/"))
    .map((path) => [path, read(path)]),
);
const README = PAGES.get("README.md")!;
const COMMANDS = PAGES.get("docs/commands.md")!;
const DELIVERY = PAGES.get("docs/delivery.md")!;
const TASKS: Readonly<Record<string, string>> = JSON.parse(read("deno.json")).tasks;
const HELP = [undefined, ...NAMES];

/** The table of a page whose first head is `head`, without its head. */
function table(page: string, head: string): string[][] {
  const found = tablesOf(page).find(([heads]) => heads?.[0] === head);
  assert(found, `there must be a table of ${head}`);
  return found.slice(1);
}

const isOfCheckout = (block: string) => block.startsWith("npx ");

/** Names of options in a text, such as `--base-dir`. */
const optionsIn = (text: string) => new Set(text.match(/(?<![\w-])--?[a-z][\w-]+/g) ?? []);

/** Names of one option; the help may have either. */
const CONCURRENCY = ["--concurrency", "--threads"];

Deno.test("the README has at most 200 lines", () => {
  assert(README.trimEnd().split("\n").length <= 200);
});

Deno.test("the README leads to every page, and each begins with whom it is for", () => {
  const links = new Set(linksOf(README).map((target) => target.replace(/#.*/, "")));
  for (const [path, page] of PAGES) {
    if (path === "README.md") continue;
    assert(links.has(path), `${path} must be in the README`);
    assert(/^# .+\n\nFor whoever /.test(page), path);
  }
});

Deno.test("every link of every page leads somewhere", () => {
  assert(EVERYTHING.length > PAGES.size);
  assertEquals(brokenLinks(DIRECTORY, EVERYTHING), []);
});

Deno.test("a link that leads nowhere is found", async () => {
  await using dir = await tempDir();
  const links = ["a.md", "a.md#what-if-", "b.md", "a.md#what", "#b", "../a.md", "/etc/passwd"];
  const text = `# What if …\n\n${links.map((link) => `[text](${link})`).join(" ")} \`[a](b)\`\n`;
  await Deno.writeTextFile(join(dir.path, "a.md"), text);
  assertEquals([...anchorsOf(text)], ["what-if-"]);
  const broken = ["b.md", "a.md#what", "#b", "../a.md", "/etc/passwd"];
  assertEquals(brokenLinks(dir.path, ["a.md"]), broken.map((link) => `a.md: ${link}`));
});

Deno.test("no two pages say the same in the same words", () => {
  const seen = new Map<string, string>();
  for (const [path, page] of PAGES) {
    const text = page.replace(/^```[\s\S]*?^```$/gm, "");
    for (const paragraph of text.split(/\n\n+|\n(?=[|-])/)) {
      const words = paragraph.replace(/\s+/g, " ").trim();
      if (words.length < 60 || /^[| -]*$/.test(words)) continue;
      assertEquals(seen.get(words), undefined, `${path}: ${words}`);
      seen.set(words, path);
    }
  }
});

Deno.test("the table of retries is the schedule", () => {
  const [expected] = tablesOf(retryTableMarkdown({ baseMs: 1_000, capMs: 600_000 }));
  assertEquals(table(DELIVERY, "attempt"), expected!.slice(1));
});

Deno.test("the exit codes are the program's", () => {
  const named = table(COMMANDS, "exit code").map(([code, meaning]) => [Number(code), meaning]);
  assertEquals(named.map(([code]) => code), Object.values(EXIT).sort((a, b) => a - b));
  const overview = help(undefined);
  for (const [code, meaning] of named) {
    assertStringIncludes(overview.replace(/ +/g, " "), ` ${code} ${meaning}\n`);
  }
});

Deno.test("the README's commands are the help's", () => {
  const shown = table(README, "command").map(([usage]) => usage!.replace(/[`\\]/g, ""));
  const overview = help(undefined);
  for (const usage of shown) assertStringIncludes(overview, `\n  ${usage} `);
  assertEquals(shown.length, HELP.length - 1);
});

Deno.test("the page of commands and the help name the same options", () => {
  const helped = optionsIn(HELP.map((topic) => help(topic)).join(""));
  const shown = optionsIn(COMMANDS);
  const originals = optionsIn(PAGES.get("docs/optimizely.md")!);
  for (const option of ["-baseDir", "-threads"]) {
    assert(originals.has(option), `${option} must be where the original is told of`);
    helped.delete(option);
  }
  assert(CONCURRENCY.every((name) => shown.has(name)));
  assert(CONCURRENCY.some((name) => helped.has(name)));
  for (const name of CONCURRENCY) {
    shown.delete(name);
    helped.delete(name);
  }
  assertEquals([...shown].sort(), [...helped].sort());
});

Deno.test("no page names an option that isn't one", () => {
  const helped = optionsIn(HELP.map((topic) => help(topic)).join(""));
  const tools = [read("tools/compile/options.ts"), read("tools/sim.ts"), read("tools/torture.ts")];
  const known = new Set([
    ...helped,
    ...CONCURRENCY,
    ...optionsIn(tools.join("")),
    "--parallel", // Deno's
  ]);
  for (const [path, page] of PAGES) {
    const text = page.replace(/^```ts[\s\S]*?^```$/gm, "");
    const unknown = [...optionsIn(text)].filter((name) =>
      name.startsWith("--") && !known.has(name) && !name.startsWith("--allow-")
    );
    assertEquals(unknown, [], path);
  }
});

Deno.test("the defaults are the help's", () => {
  const text = help("consume").replace(/\s+/g, " ");
  for (const [options, , value] of table(COMMANDS, "option of `consume`")) {
    const names = [...optionsIn(options!)];
    const values = value!.split(", ");
    if (value === "" || names.includes("--group")) continue;
    for (const [at, name] of names.entries()) {
      const helped = CONCURRENCY.includes(name)
        ? CONCURRENCY.find((each) => text.includes(` ${each} N `))!
        : name;
      const entry = text.slice(text.indexOf(` ${helped} `)).split(/(?<=\)) --/)[0]!;
      const stated = /default: ([^;)]*)/.exec(entry)?.[1]?.replace("--timeout", "timeout");
      assertEquals(stated, values[at], name);
    }
  }
});

Deno.test("the table of answers is the program's", () => {
  const rows = table(DELIVERY, "answer");
  const statuses = (cell: string) =>
    [...cell.matchAll(/\b(\d)(\d\d|xx)\b/g)].map(([text, first]) =>
      text.endsWith("xx") ? Number(`${first}00`) : Number(text)
    );
  const seen = new Set<number>();
  for (const [answer, outcome] of rows.slice(0, -1)) {
    for (const status of statuses(answer!)) {
      assertEquals(outcomeOfStatus(status), outcome, `${status}`);
      seen.add(status);
    }
  }
  assertStringIncludes(rows.at(-1)![0]!, "other 4xx");
  for (let status = 400; status < 500; status++) {
    if (!seen.has(status)) assertEquals(outcomeOfStatus(status), "refused", `${status}`);
  }
});

/** Whether each has a line, so that a new one doesn't compile before it is here. */
const TRACED: Readonly<Record<TraceEvent["type"], boolean>> = {
  "delivered": true,
  "deferred": true,
  "dead": true,
  "released": true,
  "taken-over": true,
  "lease-lost": true,
  "id-replaced": true,
  "skipped": true,
  "disk-trouble": true,
  "lane": true,
  "parked": true,
  "kept": true,
  "trace-failed": false, // of a program's own trace
};

Deno.test("the table of log lines has each of them", () => {
  const shown = table(COMMANDS, "log line").map(([name]) => name!.replaceAll("`", ""));
  const own = ["started", "accepting", "summary", "stopping", "ended", "failed"];
  const rare = ["reloaded", "not-reloaded", "worker-died"];
  const logged = Object.entries(TRACED).flatMap(([type, isLogged]) => isLogged ? [type] : []);
  assertEquals(shown.sort(), [...logged, ...own, ...rare].sort());
});

Deno.test("the lines of the log are the program's", () => {
  const events: [time: string, event: TraceEvent][] = [
    ["2026-11-21T20:48:24.123Z", {
      type: "delivered",
      id: "order-1002",
      destination: "https_example.com_443",
      status: 204,
      attempt: 1,
      ms: 35,
    }],
    ["2026-11-21T20:51:02.871Z", {
      type: "lane",
      destination: "https_example.com_443",
      change: "opened",
      reason: "the endpoint answered 503 Service Unavailable",
    }],
  ];
  const lines = events.map(([time, event]) => `${formatTrace(event, Date.parse(time), "text")}\n`);
  assert(blocksOf(COMMANDS, "text").includes(lines.join("")), lines.join(""));
});

Deno.test("the status shown is what status prints", () => {
  const quiet = {
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
  const text = statusText({
    writing: 0,
    ready: 0,
    claimed: 4,
    claimedUnread: 0,
    deferred: 1_272,
    dead: 3,
    responses: 0,
    unreachable: 0,
    destinations: [
      {
        ...quiet,
        destination: "https_example.com_443",
        waiting: 1_204,
        dead: 3,
        downSinceMs: Date.parse("2026-11-21T20:51:02Z"),
        lastError: "the endpoint answered 503 Service Unavailable",
        nextAttemptMs: 0,
      },
      {
        ...quiet,
        destination: "https_slow.example_443",
        waiting: 16,
        inFlight: 4,
        throttledUntilMs: Date.parse("2026-11-21T20:57:45Z"),
        nextAttemptMs: Date.parse("2026-11-21T20:57:45Z"),
      },
      {
        ...quiet,
        destination: "https_half.example_443",
        waiting: 310,
        inFlight: 16,
        strugglingShare: 0.67,
        strugglingSinceMs: Date.parse("2026-11-21T20:40:11Z"),
        lastError: "the endpoint answered 502",
        nextAttemptMs: 0,
      },
      { ...quiet, destination: "https_new.example_443", waiting: 52, isHeld: true },
    ],
  }, Date.parse("2026-11-21T20:56:05Z"));
  assert(blocksOf(COMMANDS, "text").includes(text), text);
});

Deno.test("every task that is named is one", () => {
  for (const [path, page] of PAGES) {
    for (const [, task] of page.matchAll(/\b(?:npx -y deno@2\.9\.6|deno) task ([\w:]+)/g)) {
      assert(task! in TASKS, `${path}: ${task} must be a task`);
    }
  }
});

Deno.test("the README's first commands are tasks, and CI runs the tests by one of them", () => {
  const [checkout] = blocksOf(README, "sh").filter(isOfCheckout);
  assertEquals([...checkout!.matchAll(/ task (\w+)/g)].map(([, task]) => task), ["demo", "test"]);
  const testCommand = /^npx \S+ deno@2\.9\.6 task test/m.exec(checkout!)?.[0];
  assertStringIncludes(read(".ci/run"), testCommand!);
});

Deno.test("the demo prints what the README shows of it", async () => {
  const { args, command } = taskOf("demo");
  assertEquals(command, "deno");
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0);
  const lines = new TextDecoder().decode(stdout).split("\n");
  const [shown] = blocksOf(README, "text").filter((block) => block.startsWith("BEFORE"));
  for (const line of shown!.trimEnd().split("\n")) assert(lines.includes(line), line);
});

function taskOf(name: string): { readonly command: string; readonly args: string[] } {
  const [command, ...args] = TASKS[name]!.split(" ");
  return { command: command!, args };
}

Deno.test("every room of lib has its row", () => {
  const rows = new Set(table(PAGES.get("docs/develop.md")!, "room").map(([room]) => room));
  for (const { name, isDirectory } of Deno.readDirSync(new URL("lib/", ROOT))) {
    if (isDirectory) assert(rows.has(`\`lib/${name}/\``), `lib/${name}/ must have a row`);
  }
});

Deno.test("every example of an event is one", () => {
  for (const [path, page] of PAGES) {
    for (const event of blocksOf(page, "json")) {
      assertEquals(checkEvent(new TextEncoder().encode(event)), undefined, path);
    }
  }
});

/** A directory in which `optimizelyd-maildir` is a command; the README begins without a queue. */
async function shellIn(dir: string, path: string): Promise<(script: string) => Promise<string>> {
  const program = new URL("cli.ts", ROOT).href;
  await Deno.mkdir(join(dir, "bin"));
  await Deno.writeTextFile(
    join(dir, "bin", "optimizelyd-maildir"),
    `#!/bin/sh\nexec "${Deno.execPath()}" run --no-prompt --quiet --allow-all "${program}" "$@"\n`,
    { mode: 0o755 },
  );
  if (path !== "README.md") await openQueue(join(dir, "queue"), { create: true });
  return async (script) => {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-euc", script],
      cwd: dir,
      env: { PATH: `${dir}/bin:${Deno.env.get("PATH")}` },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    assertEquals(code, 0, `${script}${decoder.decode(stdout)}${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  };
}

/** What the blocks of a page must have done. */
const EFFECTS: Readonly<
  Record<
    string,
    (printed: readonly string[], dir: string, run: (script: string) => Promise<string>) => unknown
  >
> = {
  "README.md": ([printed], dir) => {
    assertStringIncludes(printed!, '"requestBody":{"order": 1001}');
    const names = namesIn(join(dir, "queue", "new"));
    assertEquals([names.length, names.at(-1)], [2, "order-1002.json"]);
    assertEquals(namesIn(join(dir, "queue", "tmp")), []);
  },
  "docs/commands.md": ([printed], dir) => {
    assertEquals(namesIn(join(dir, "queue", "new")), [`${printed!.trim()}.json`]);
  },
  "docs/configuration.md": ([printed]) => {
    const [shown] = blocksOf(PAGES.get("docs/configuration.md")!, "text");
    assertEquals(printed!.trim(), shown!.trim());
  },
  "docs/operate.md": async (printed, dir, run) => {
    const folder = (name: string) => namesIn(join(dir, "queue", name));
    assertStringIncludes(printed[0]!, "https_example.com_443 is resumed");
    assertStringIncludes(printed[1]!, `"reason": "the URL's scheme must be http or https`);
    assertMatch(printed[2]!, /\nwrong +dead .*scheme must be http or https/);
    assertMatch(printed[2]!, /\nstate +dead for .*, after attempt 1\n/);
    assertEquals(printed[3], "wrong\nwrong\n");
    for (const name of ["a+1@1~t", "a+1@1~t.why", "b+1~t", "b+1~t.meta", ".keep"]) {
      const each = name.startsWith("a") ? ["doa"] : name.startsWith("b") ? ["res"] : ["doa", "res"];
      for (const one of each) await Deno.writeTextFile(join(dir, "queue", one, name), "");
    }
    const clearing = blocksOf(PAGES.get("docs/operate.md")!, "sh").at(-1)!;
    assertEquals(await run(clearing), "nothing would be removed\nnothing removed\n");
    // Found is what is there, once it is old enough; dot files are left alone.
    assertEquals(
      await run(clearing.replaceAll("30d", "0s")),
      "1 dead letter, 1 answer would be removed\n1 answer removed\n",
    );
    assertEquals([folder("doa").length, folder("res")], [3, [".keep"]]);
  },
};

for (const [path, page] of PAGES) {
  const shown = blocksOf(page, "sh").filter((block) => !isOfCheckout(block));
  if (shown.length === 0) continue;
  Deno.test(`the commands of ${path} work, one after the other`, async () => {
    await using dir = await tempDir();
    const run = await shellIn(dir.path, path);
    const printed: string[] = [];
    for (const block of shown) printed.push(await run(block));
    await EFFECTS[path]!(printed, dir.path, run);
  });
}
