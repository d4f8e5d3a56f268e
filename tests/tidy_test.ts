/**
 * The house rules that no compiler holds: who may import whom, who may touch the world, how a
 * module looks.
 *
 * The rules are functions of a path and a text, so that they can be shown to fail on wrong samples
 * before they pass on the house.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { VERSION } from "../lib/version.ts";
import { MEMORY_FLAG } from "../tools/compile/memory.ts";
import { permissionFlags } from "../tools/compile/permissions.ts";

const ROOT = new URL("../", import.meta.url);

/**
 * Where a room of `lib/` may import from, besides itself:
 * `cli → accept, consumer → lanes, http, store → event → runtime`, `accept → server → runtime`;
 * `queue` implements `store`.
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  cli: [
    "accept",
    "config",
    "consumer",
    "event",
    "http",
    "merge",
    "queue",
    "runtime",
    "std",
    "store",
    "telemetry",
    "version.ts",
  ],
  consumer: ["config", "event", "http", "lanes", "merge", "runtime", "store", "telemetry"],
  config: ["accept", "event", "http", "merge", "store", "telemetry"],
  accept: ["event", "queue", "runtime", "server", "store"],
  server: ["runtime"],
  sdk: ["event", "queue", "runtime"],
  queue: ["event", "runtime", "store", "telemetry"],
  store: ["runtime", "telemetry"],
  telemetry: ["runtime"],
  lanes: [],
  http: ["event", "runtime", "version.ts"],
  merge: ["event"],
  event: [],
  runtime: [],
  std: [],
  "version.ts": [],
};

/** The only modules of the product that touch the world, besides the entry `cli.ts`. */
const ADAPTERS = new Set([
  "lib/runtime/deno.ts",
  "lib/runtime/node.ts",
  "lib/runtime/web.ts",
]);

/** What of the runtime touches no world, so that others may import it. */
const WORLDLESS = new Set(["lib/runtime/runtime.ts", "lib/runtime/within.ts"]);

const WORLD: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["Deno.", /\bDeno\./],
  ["node:", /["']node:/],
  ["Date.now", /\bDate\.now\b/],
  ["the current date", /\bDate\(\s*\)|\bnew Date\b(?!\()/],
  ["performance.now", /\bperformance\b\s*\./],
  ["Math.random", /\bMath\.random\b/],
  ["crypto", /\bcrypto\b\s*\./],
  ["a timer", /\bset(?:Timeout|Interval)\b|\bAbortSignal\.timeout\b/],
  ["fetch", /(?<![.\w#])fetch\((?!\w+:)/],
];

const LONGEST_LINE = 150;

/** Marks of unfinished work. Put together here, so that this file has none. */
const UNFINISHED = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

/**
 * Without comments: the house writes a block comment at the start of a line, the other after a
 * blank.
 */
function codeOf(text: string): string {
  return text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** What a module imports, as written. */
function importsOf(text: string): string[] {
  const found = codeOf(text).matchAll(
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/gm,
  );
  return [...found].map(([, from, bare]) => from ?? bare!);
}

/** The path of what a module imports, when it is a file of ours. */
function target(path: string, specifier: string): string | undefined {
  if (!/^\.\.?\//.test(specifier)) return undefined;
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}

function roomOf(path: string): string | undefined {
  return /^lib\/([^/]+)/.exec(path)?.[1];
}

/** What is wrong with the imports of a module of `lib/`. */
function badImports(path: string, text: string): string[] {
  const room = roomOf(path);
  if (room === undefined) return [];
  const allowed = ARROWS[room];
  if (allowed === undefined) return [`${path}: the room ${room} is not on the plan`];
  return importsOf(text).flatMap((specifier) => {
    const file = target(path, specifier);
    const other = file === undefined ? undefined : roomOf(file);
    if (other === undefined) {
      const isStd = room === "std" && specifier.startsWith("deno-std/");
      const isFront = room === "cli" && specifier.startsWith("@std/");
      const isNode = path === "lib/runtime/node.ts" && specifier.startsWith("node:");
      return isStd || isFront || isNode ? [] : [`${path} must not import ${specifier}`];
    }
    if (other === "runtime" && room !== "runtime" && !WORLDLESS.has(file!)) {
      return [`${path} must not import ${specifier}: the runtime is handed to it`];
    }
    const may = other === room || allowed.includes(other);
    return may ? [] : [`${path} must not import ${specifier}: arrows point one way`];
  });
}

/** What a module of the product touches that only the runtime may. */
function worldly(path: string, text: string): string[] {
  if (!/^(?:lib\/|mod\.ts$)/.test(path) || ADAPTERS.has(path)) return [];
  const code = codeOf(text);
  return WORLD.filter(([, pattern]) => pattern.test(code))
    .map(([what]) => `${path} must not use ${what}: it is the runtime's`);
}

/** What is wrong with how a module looks. */
function untidy(path: string, text: string): string[] {
  const found: string[] = [];
  // A front of @std says what it is in its .d.ts.
  const isFront = path.startsWith("lib/std/") && text.startsWith("// @ts-types=");
  if (roomOf(path) !== undefined && !text.startsWith("/**") && !isFront) {
    found.push(`${path} must start with a comment that says what it is for`);
  }
  for (const [index, line] of text.split("\n").entries()) {
    if ([...line].length > LONGEST_LINE) {
      found.push(`${path}:${index + 1} must have at most ${LONGEST_LINE} characters`);
    }
    if (UNFINISHED.test(line)) found.push(`${path}:${index + 1} must be finished`);
  }
  return found;
}

/** What the core imports that isn't a file of its own; the core is what `mod.ts` reaches. */
function coreFaults(read: (path: string) => string): string[] {
  const found: string[] = [];
  const seen = new Set(["mod.ts"]);
  for (const path of seen) {
    for (const specifier of importsOf(read(path))) {
      if (path === "lib/runtime/node.ts" && specifier.startsWith("node:")) continue; // Node itself
      const file = target(path, specifier);
      const room = file === undefined ? undefined : roomOf(file);
      if (file === undefined || room === undefined || room === "cli" || room === "std") {
        found.push(`${path} must not import ${specifier}: the core has no dependencies`);
      } else seen.add(file);
    }
  }
  return found;
}

const readOurs = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

/** Paths of our modules below a folder. */
function* modules(folder: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (name.startsWith(".") || name === "node_modules" || name === "dist") continue;
    if (isDirectory) yield* modules(`${folder}${name}/`);
    else if (/\.[mc]?[jt]s$/.test(name)) yield `${folder}${name}`;
  }
}

function faultsOfHouse(rule: (path: string, text: string) => string[]): string[] {
  return [...modules("./")].map((path) => path.slice(2)).sort()
    .flatMap((path) => rule(path, readOurs(path)));
}

Deno.test("arrows point one way: cli → consumer → lanes, http, store → event", () => {
  assertEquals(faultsOfHouse(badImports), []);
});

Deno.test("the arrows' rule sees every form of a wrong import", () => {
  const wrong: [path: string, text: string][] = [
    ["lib/event/a.ts", `import { b } from "../queue/b.ts";`],
    ["lib/queue/a.ts", `import type {\n  B,\n} from "../http/b.ts";`],
    ["lib/http/a.ts", `export * from "../queue/b.ts";`],
    ["lib/consumer/a.ts", `import "../cli/b.ts";`],
    ["lib/consumer/a.ts", `import { denoRuntime } from "../runtime/deno.ts";`],
    ["lib/store/a.ts", `const b = await import("../consumer/b.ts");`],
    ["lib/queue/a.ts", `import { assert } from "@std/assert";`],
    ["lib/queue/a.ts", `import { open } from "node:fs";`],
    ["lib/queue/a.ts", `import { openQueue } from "../../mod.ts";`],
    ["lib/cli/a.ts", `import x from "npm:x";`],
    ["lib/runtime/runtime.ts", `import { open } from "node:fs";`],
    ["lib/utils/a.ts", ""],
  ];
  for (const [path, text] of wrong) assertEquals(badImports(path, text).length, 1, text);
  const right: [path: string, text: string][] = [
    ["lib/event/a.ts", `import { b } from "./b.ts";`],
    ["lib/queue/a.ts", `import type { Runtime } from "../runtime/runtime.ts";`],
    ["lib/queue/a.ts", `/**\n * import { b } from "../cli/b.ts";\n */\n// import "../cli/b.ts";`],
    ["lib/cli/a.ts", `import { parseArgs } from "@std/cli";`],
    ["lib/runtime/node.ts", `import { open } from "node:fs";`],
    ["tools/a.ts", `import { b } from "../lib/cli/b.ts";`],
  ];
  for (const [path, text] of right) assertEquals(badImports(path, text), [], text);
});

Deno.test("what mod.ts reaches imports nothing but its own files", () => {
  assertEquals(coreFaults(readOurs), []);
});

Deno.test("the core's rule follows imports to their end", () => {
  const files: Record<string, string> = {
    "mod.ts": `export { a } from "./lib/queue/a.ts";`,
    "lib/queue/a.ts": `import { b } from "./b.ts";\nimport { c } from "../cli/c.ts";`,
    "lib/queue/b.ts": `import { a } from "./a.ts";\nimport { x } from "npm:x";`,
  };
  assertEquals(coreFaults((path) => files[path]!), [
    "lib/queue/a.ts must not import ../cli/c.ts: the core has no dependencies",
    "lib/queue/b.ts must not import npm:x: the core has no dependencies",
  ]);
});

Deno.test("only the runtime touches the disk, the network, clocks and chance", () => {
  assertEquals(faultsOfHouse(worldly), []);
});

Deno.test("the world's rule sees what it forbids, and leaves comments and tests alone", () => {
  const wrong = [
    "Deno.renameSync(a, b);",
    `import { open } from "node:fs";`,
    "const now = Date.now();",
    "const now = new Date();",
    "const now = new Date;",
    "const start = performance.now();",
    "const jitter = Math.random();",
    "crypto.getRandomValues(words);",
    "setTimeout(done, 5);",
    "setInterval(done, 5);",
    "const signal = AbortSignal.timeout(5);",
    "const response = await fetch(url);",
  ];
  for (const text of wrong) {
    assertEquals(worldly("lib/queue/a.ts", text).length, 1, text);
    assertEquals(worldly("mod.ts", text).length, 1, text);
    for (const path of ["lib/runtime/deno.ts", "cli.ts", "tools/a.ts", "tests/a_test.ts"]) {
      assertEquals(worldly(path, text), [], path);
    }
  }
  const right = [
    "const at = new Date(nowMs).toISOString();",
    "await runtime.fetch(url, init);",
    "this.#fetch(url);",
    "fetch(url: string, init: RequestInit): Promise<Response>;",
    "/**\n * Deno.renameSync(a, b);\n */",
    "const a = 1; // as Date.now() would",
  ];
  for (const text of right) assertEquals(worldly("lib/queue/a.ts", text), [], text);
});

Deno.test("every module says what it is for, has no endless lines and nothing unfinished", () => {
  assertEquals(faultsOfHouse(untidy), []);
});

Deno.test("the rule of looks sees a missing comment, a long line and unfinished work", () => {
  assertEquals(untidy("lib/queue/a.ts", "export const a = 1;\n").length, 1);
  assertEquals(untidy("lib/queue/a.ts", `/** A. */\n${"é".repeat(LONGEST_LINE + 1)}`).length, 1);
  assertEquals(untidy("tests/a_test.ts", `// ${"TO" + "DO"}: more\n`).length, 1);
  assertEquals(untidy("tests/a_test.ts", `// ${"é".repeat(LONGEST_LINE - 3)}\n`), []);
  assertEquals(untidy("lib/std/a.ts", `// @ts-types="./a.d.ts"\n`), []);
});

Deno.test("the version is told once: lib/version.ts, deno.json and CHANGELOG.md agree", () => {
  assertEquals(JSON.parse(readOurs("deno.json")).version, VERSION);
  assert(readOurs("CHANGELOG.md").includes(`\n## ${VERSION}`));
});

Deno.test("tasks take their permissions from the sets of deno.json, or all", () => {
  const { permissions, tasks } = JSON.parse(readOurs("deno.json"));
  const commands = Object.values<string>(tasks);
  assertEquals(commands.filter((command) => /--(?:allow|deny)-(?!all\b)/.test(command)), []);
  const named = commands.flatMap((command) =>
    [...command.matchAll(/ -P=(\w+)/g)].map(([, n]) => n)
  );
  assertEquals([...new Set(named)].sort(), Object.keys(permissions).sort());
});

Deno.test("the consume task may do what executables may", () => {
  const { consume } = JSON.parse(readOurs("deno.json")).permissions;
  const flags = Object.entries<true | string[]>(consume).map(([kind, allowed]) =>
    `--allow-${kind}${allowed === true ? "" : `=${allowed.join()}`}`
  );
  assertEquals(["--no-prompt", ...flags], permissionFlags({ hosts: [] }));
});

Deno.test("the consume task has the memory that executables are made with", () => {
  const { consume } = JSON.parse(readOurs("deno.json")).tasks;
  assert(consume.includes(` ${MEMORY_FLAG} `), consume);
});
