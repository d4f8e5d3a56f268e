/**
 * The README is true: what it shows is run, what it names is there. Its TypeScript is run by `deno
 * test --doc`.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT } from "../lib/cli/exit_code.ts";
import { help } from "../lib/cli/help.ts";
import { retryTableMarkdown } from "../lib/http/schedule.ts";
import { outcomeOfStatus } from "../lib/http/outcome.ts";

const ROOT = new URL("../", import.meta.url);
const README = await Deno.readTextFile(new URL("README.md", ROOT));
const TASKS: Readonly<Record<string, string>> =
  JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))).tasks;

/** The rows of each table, below its head, as cells. */
function tables(markdown: string): string[][][] {
  const cellsOf = (line: string) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
  return [...markdown.matchAll(/(?:^\|.*\|\n)+/gm)]
    .map(([table]) => table.trimEnd().split("\n").filter((_, at) => at !== 1).map(cellsOf));
}

/** The table whose first head is `head`, without its head. */
function table(head: string): string[][] {
  const found = tables(README).find(([heads]) => heads?.[0] === head);
  assert(found, `there must be a table of ${head}`);
  return found.slice(1);
}

/** The code blocks of a language. */
function blocks(language: string): string[] {
  return [...README.matchAll(/^```(\S*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language).map(([, , text]) => text!);
}

const isOfCheckout = (block: string) => block.startsWith("npx ");

Deno.test("the README's retry table is the schedule", () => {
  const [expected] = tables(retryTableMarkdown({ baseMs: 1_000, capMs: 600_000 }));
  assertEquals(table("attempt"), expected!.slice(1));
});

Deno.test("the README's exit codes are the program's", () => {
  const named = table("exit code").map(([code, meaning]) => [Number(code), meaning]);
  assertEquals(named.map(([code]) => code), Object.values(EXIT).sort((a, b) => a - b));
  const overview = help(undefined);
  for (const [code, meaning] of named) {
    assertStringIncludes(overview.replace(/ +/g, " "), ` ${code} ${meaning}\n`);
  }
});

Deno.test("the README's table of answers is the program's", () => {
  const rows = table("answer");
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

Deno.test("the README's commands of the checkout are tasks", () => {
  const [checkout] = blocks("sh").filter(isOfCheckout);
  const named = README.matchAll(/\b(?:npx -y deno@2\.9\.6|deno) task (\w+)/g);
  const tasks = new Set([...named].map(([, task]) => task!));
  for (const task of tasks) assert(task in TASKS, `${task} must be a task`);
  assert(tasks.has("demo") && tasks.has("consume"));
  const testCommand = /^npx \S+ deno@2\.9\.6 task test/m.exec(checkout!)?.[0];
  assert(testCommand);
  assertStringIncludes(Deno.readTextFileSync(new URL(".ci/run", ROOT)), testCommand);
});

Deno.test("the README's other commands work, one after the other", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const program = new URL("cli.ts", ROOT).href;
    await Deno.mkdir(`${dir}/bin`);
    await Deno.writeTextFile(
      `${dir}/bin/optimizelyd-maildir`,
      `#!/bin/sh\nexec "${Deno.execPath()}" run --no-prompt --quiet --allow-all "${program}" "$@"\n`,
      { mode: 0o755 },
    );
    const run = async (script: string) => {
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
    const shown = blocks("sh").filter((block) => !isOfCheckout(block));
    const results = [];
    for (const block of shown) results.push(await run(block));

    assertStringIncludes(results[0]!, '"requestBody":{"order": 1001}');
    const names = (folder: string) =>
      [...Deno.readDirSync(`${dir}/queue/${folder}`)].map(({ name }) => name).sort();
    assertEquals(names("new").length, 2);
    assertEquals(names("new").at(-1), "order-1002.json");
    assertEquals(names("tmp"), []);

    // The same commands for "not older than" instead of "older than" find what is there, and leave
    // dot files alone.
    const clearing = shown.find((block) => block.includes("find "))!;
    for (const folder of ["doa", "res"]) {
      for (const name of ["a+1@1~t", "a+1@1~t.why", ".keep"]) {
        await Deno.writeTextFile(`${dir}/queue/${folder}/${name}`, "");
      }
    }
    await run(clearing);
    assertEquals([names("doa").length, names("res").length], [3, 3], "nothing is that old");
    await run(clearing.replaceAll("-ctime +30", "-ctime -30"));
    assertEquals([names("doa"), names("res")], [[".keep"], [".keep"]]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("the README's links lead somewhere", async () => {
  const anchors = new Set(
    [...README.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      `#${title!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")}`
    ),
  );
  for (const [, target] of README.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (target!.startsWith("https:")) continue;
    if (target!.startsWith("#")) assert(anchors.has(target!), `${target} must be a heading`);
    else await Deno.stat(new URL(target!.replace(/#.*/, ""), ROOT));
  }
});

Deno.test("the README's example of an event is one", async () => {
  const { checkEvent } = await import("@optimizelyd/maildir");
  const [event] = blocks("json");
  assertEquals(checkEvent(new TextEncoder().encode(event)), undefined);
});
