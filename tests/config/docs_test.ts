/**
 * The docs name the options there are: in README.md and docs/ alike, wherever a table of options
 * stands.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { DESTINATION_OPTIONS } from "../../lib/config/destination_options.ts";
import { type AnyOption, COMMANDS } from "../../lib/config/option.ts";
import { defaultOf, OPTIONS, usageOf } from "../../lib/config/schema.ts";

const ROOT = new URL("../../", import.meta.url);

interface Page {
  readonly path: string;
  readonly text: string;
}

/** README.md and the pages of docs/, where there are any. */
function pages(): Page[] {
  const paths = [...Deno.readDirSync(ROOT)].some(({ name }) => name === "docs")
    ? [...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => `docs/${name}`)
    : [];
  return ["README.md", ...paths.filter((path) => path.endsWith(".md"))]
    .map((path) => ({ path, text: Deno.readTextFileSync(new URL(path, ROOT)) }));
}

/** A table whose first head is "option of `COMMAND`". */
interface Table {
  readonly command: string;
  /** Cells of each row, as people read them. */
  readonly rows: readonly (readonly string[])[];
  /** The section it stands in. */
  readonly section: string;
}

function tablesOf({ text }: Page): Table[] {
  const cellsOf = (line: string) =>
    line.split(/(?<!\\)\|/).slice(1, -1)
      .map((cell) => cell.replaceAll("\\|", "|").replaceAll("`", "").trim());
  return text.split(/^(?=## )/m).flatMap((section) =>
    [...section.matchAll(/(?:^\|.*\|\n)+/gm)].flatMap(([table]) => {
      const [head, , ...rows] = table.trimEnd().split("\n").map(cellsOf);
      const [, command] = /^option of (\S+)$/.exec(head?.[0] ?? "") ?? [];
      return command === undefined ? [] : [{ command, rows, section }];
    })
  );
}

/** The options a table of a command has rows for: all but those of every command. */
function optionsFor(command: string): AnyOption[] {
  return OPTIONS.filter(({ commands }) =>
    commands.length < COMMANDS.length && commands.some((known) => known === command)
  );
}

/** What is wrong with a table, a line each that says what would be right. */
function faultsOf({ command, rows }: Table): string[] {
  const options = optionsFor(command);
  const found = new Map(rows.map((cells) => [cells[0], cells.at(-1)]));
  const missing = options.filter((option) => !found.has(usageOf(option))).map((option) => {
    const usage = usageOf(option).replaceAll("|", "\\|");
    return `a row is missing: | \`${usage}\` | ${option.help} | ${defaultOf(option)} |`;
  });
  const unknown = [...found.keys()].filter((usage) => !options.map(usageOf).includes(usage!))
    .map((usage) => `no option of ${command} is written like this: ${usage}`);
  const different = options.filter((option) => {
    const stated = found.get(usageOf(option));
    return stated !== undefined && stated !== defaultOf(option);
  }).map((option) =>
    `${usageOf(option)}: the default must be "${defaultOf(option)}", ` +
    `but the table says "${found.get(usageOf(option))}"`
  );
  return [...missing, ...unknown, ...different];
}

Deno.test("each table of options in the docs is the schema's", () => {
  const faults = pages().flatMap((page) =>
    tablesOf(page).flatMap(faultsOf).map((fault) => `${page.path}: ${fault}`)
  );
  assert(faults.length === 0, `\n${faults.join("\n")}`);
});

Deno.test("the docs have a table of the options of consume", () => {
  assert(pages().flatMap(tablesOf).some(({ command }) => command === "consume"));
});

Deno.test("every option and every other way to write one is in the docs", () => {
  const text = pages().map(({ text }) => text).join("");
  const written = OPTIONS.flatMap(({ name, aliases = [] }) => [`--${name}`, ...aliases]);
  assertEquals(
    written.filter((name) => !new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(text)),
    [],
  );
});

Deno.test("a section with a table of options names no option that isn't one", () => {
  const known = new Set(OPTIONS.flatMap(({ name, aliases = [] }) => [`--${name}`, ...aliases]));
  for (const page of pages()) {
    for (const { section } of tablesOf(page)) {
      const named = section.match(/(?<![\w-])--[a-z][\w-]+/g) ?? [];
      const isDenos = (name: string) => name.startsWith("--allow-");
      const wrong = named.filter((name) => !known.has(name) && !isDenos(name));
      assertEquals(wrong, [], page.path);
    }
  }
});

Deno.test("every key of a destination and of sections other than [consume] is in the page of configuration", () => {
  const page = Deno.readTextFileSync(new URL("docs/configuration.md", ROOT));
  const keys = [
    ...Object.values<AnyOption>(DESTINATION_OPTIONS).map(({ destinationName }) => destinationName),
    ...OPTIONS.map(({ destinationName }) => destinationName),
    ...OPTIONS.filter(({ section }) => section !== undefined && section !== "consume")
      .map(({ name, fileName = name }) => fileName),
  ].filter((key) => key !== undefined);
  const inTables = [...page.matchAll(/^\| `.*?` +\|/gm)].flatMap(([cell]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, key]) => key!)
  );
  const inExamples = [...page.matchAll(/^([a-z-]+) = /gm)].map(([, key]) => key!);
  const known = new Set([...inTables, ...inExamples]);
  assertEquals(keys.filter((key) => !known.has(key)), []);
});

Deno.test("a wrong table is told row by row, with what would be right", () => {
  const [table] = tablesOf({
    path: "README.md",
    text: "## A\n\n| option of `status` | meaning | default |\n| - | - | - |\n" +
      "| `--xyzzy N` | magic | 3 |\n",
  });
  assertEquals(faultsOf(table!), [
    "a row is missing: | `--json` | as JSON |  |",
    "no option of status is written like this: --xyzzy N",
  ]);
  assertEquals(faultsOf({ command: "status", rows: [["--json", "", "yes"]], section: "" }), [
    '--json: the default must be "", but the table says "yes"',
  ]);
});
