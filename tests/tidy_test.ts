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
import { APART, GROUPS } from "./groups/groups.ts";
import { circles } from "./tidy/circles.ts";
import { bigClasses, LONGEST_CONSTRUCTOR, MOST_COLLABORATORS } from "./tidy/collaborators.ts";
import {
  codeOf,
  commentLines,
  faultsOfHouse,
  importsOf,
  MODULES,
  PRODUCT,
  readOurs,
  roomOf,
  target,
} from "./tidy/source.ts";
import { wrongWords } from "./tidy/words.ts";

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
    "lanes",
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
  server: ["runtime", "wire"],
  sdk: ["event", "queue", "runtime"],
  testing: ["config", "consumer", "queue", "runtime", "telemetry"],
  queue: ["event", "runtime", "store", "telemetry"],
  store: ["runtime", "telemetry"],
  telemetry: ["runtime"],
  lanes: [],
  http: ["event", "runtime", "version.ts", "wire"],
  merge: ["event"],
  event: [],
  runtime: [],
  std: [],
  "version.ts": [],
  wire: [],
};

/** The only modules of the product that touch the world, besides the entry `cli.ts`. */
const ADAPTERS = new Set([
  "lib/runtime/deno.ts",
  "lib/runtime/deno_sockets.ts",
  "lib/runtime/node.ts",
  "lib/runtime/node_sockets.ts",
  "lib/runtime/temporary.ts",
  "lib/runtime/volume.ts",
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
const WIDEST_COMMENT = 100;

/** Marks of unfinished work. Put together here, so that this file has none. */
const UNFINISHED = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

/** Whether it is Node's own that the runtime on Node imports. */
function isOfNode(path: string, specifier: string): boolean {
  return /^lib\/runtime\/(?:node(?:_sockets)?|temporary|volume)\.ts$/.test(path) &&
    specifier.startsWith("node:");
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
      const isFront = room === "cli" && specifier.startsWith("@std/") ||
        path === "lib/cli/config_file.ts" && specifier === "smol-toml";
      const isNode = isOfNode(path, specifier);
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
  for (const [number, line] of commentLines(text)) {
    if ([...line].length <= WIDEST_COMMENT) continue;
    found.push(`${path}:${number} must have a comment of at most ${WIDEST_COMMENT} columns`);
  }
  return found;
}

/** What the core imports that isn't a file of its own; the core is what `mod.ts` reaches. */
function coreFaults(read: (path: string) => string): string[] {
  const found: string[] = [];
  const seen = new Set(["mod.ts"]);
  for (const path of seen) {
    for (const specifier of importsOf(read(path))) {
      if (isOfNode(path, specifier)) continue; // Node itself
      const file = target(path, specifier);
      const room = file === undefined ? undefined : roomOf(file);
      if (file === undefined || room === undefined || room === "cli" || room === "std") {
        found.push(`${path} must not import ${specifier}: the core has no dependencies`);
      } else seen.add(file);
    }
  }
  return found;
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
    ["lib/consumer/a.ts", `import { Queue } from "../queue/queue.ts";`],
    ["lib/consumer/a.ts", `import type { Claims } from "../queue/store/claims.ts";`],
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

Deno.test("no module imports another in a circle, not for a type either", () => {
  assertEquals(circles(PRODUCT, readOurs), []);
});

Deno.test("the circles' rule sees long ones, those of types, and each of several", () => {
  const circlesOf = (files: Record<string, string>) =>
    circles(Object.keys(files), (path) => files[path]!);
  const wrong: [files: Record<string, string>, circles: string[]][] = [
    [{ "lib/a.ts": `import "./a.ts";` }, ["lib/a.ts → lib/a.ts"]],
    [
      {
        "cli.ts": `import { a } from "./lib/a.ts";`,
        "lib/a.ts": `import { b } from "./q/b.ts";`,
        "lib/q/b.ts": `export type * from "./c.ts";`,
        "lib/q/c.ts": `import type {\n  A,\n} from "../a.ts";`,
      },
      ["lib/a.ts → lib/q/b.ts → lib/q/c.ts → lib/a.ts"],
    ],
    [
      {
        "lib/a.ts": `import { b } from "./b.ts";\nconst c = import("./c.ts");`,
        "lib/b.ts": `import type { A } from "./a.ts";`,
        "lib/c.ts": `export { a } from "./a.ts";`,
      },
      ["lib/a.ts → lib/b.ts → lib/a.ts", "lib/a.ts → lib/c.ts → lib/a.ts"],
    ],
  ];
  for (const [files, found] of wrong) assertEquals(circlesOf(files), found);
  const right = {
    "lib/a.ts": `import { b } from "./b.ts";\nimport { c } from "./c.ts";\nimport "npm:x";`,
    "lib/b.ts": `import { c } from "./c.ts";`,
    "lib/c.ts": `/**\n * import { a } from "./a.ts";\n */`,
  };
  assertEquals(circlesOf(right), []);
});

Deno.test("no class works with many others, and no constructor is longer than a screen", () => {
  assertEquals(bigClasses(PRODUCT, readOurs), []);
});

Deno.test("the rule of big classes counts fields, parameters and parts, each once", () => {
  const most = Array.from({ length: MOST_COLLABORATORS }, (_, n) => `C${n}`);
  const parameters = most.map((name) => `${name.toLowerCase()}: ${name}`).join(", ");
  const members = most.map((name) => `  readonly ${name.toLowerCase()}: ${name} | undefined;\n`);
  const others = [...most, "More"];
  const files: Record<string, string> = {
    "lib/c.ts": others.map((name) => `export class ${name} {\n}\n`).join("") +
      `export interface Clock {\n  now(): number;\n}\nexport type Told = (id: string) => void;\n`,
    "lib/parts.ts": `import { ${most} } from "./c.ts";\nexport interface TheParts {\n${
      members.join("")
    }}\n`,
  };
  const imports = `import type { ${others}, Clock, Told } from "./c.ts";\n` +
    `import type { TheParts as Those } from "./parts.ts";\n`;
  const faultsOf = (classes: string) =>
    bigClasses(["lib/a.ts"], (path) => files[path] ?? imports + classes);
  const wrong = [
    `class A {\n  constructor(${parameters}, more: readonly More[]) {}\n}\n`,
    `class A {\n  #more: Map<string, More> | undefined;\n\n  constructor(parts: Those) {}\n}\n`,
    `class A {\n  constructor({ c0, c1 }: Those,\n    more: More,\n  ) {}\n}\n`,
    `interface Two {\n  readonly c0: C0;\n  readonly more: More;\n}\n` +
    `class A {\n  constructor(${parameters}, two: Two) {}\n}\n`,
    `class A {\n${members.join("")}  readonly #more: More = made();\n}\n`,
  ];
  for (const text of wrong) {
    const [fault = "", ...rest] = faultsOf(text);
    assertEquals(rest, [], text);
    assert(fault.startsWith("lib/a.ts: A must work with at most"), `${fault}: ${text}`);
    for (const name of others) assert(fault.includes(name), `${fault}: ${text}`);
  }
  const right = [
    `class A {\n  constructor(${parameters}) {}\n}\n`,
    `class A {\n  readonly #more = new More();\n\n  constructor(${parameters}) {}\n}\n`,
    `class A {\n  #c0: C0;\n\n  constructor(parts: Those) {}\n}\n`,
    `class A {\n  constructor(parts: Those, clock: Clock, told: Told, stop: AbortSignal) {}\n}\n`,
    `class A {\n  constructor(parts: Those) {}\n\n  more(more: More): More {\n  }\n}\n`,
    `class A {\n  constructor(parts: Those) {}\n}\nclass B {\n  #more: More;\n}\n`,
  ];
  for (const text of right) assertEquals(faultsOf(text), [], text);
  const body = (lines: number) => "    this.a = 1;\n".repeat(lines - 2);
  const constructor = (lines: number) =>
    `class A {\n  constructor(c0: C0) {\n${body(lines)}  }\n\n  b() {\n${body(60)}  }\n}\n`;
  assertEquals(faultsOf(constructor(LONGEST_CONSTRUCTOR)), []);
  assertEquals(faultsOf(constructor(LONGEST_CONSTRUCTOR + 1)), [
    "lib/a.ts: the constructor of A must fit on a screen",
  ]);
});

Deno.test("names and comments of lib/ use the field's own words", () => {
  const faults = faultsOfHouse(wrongWords);
  assertEquals(faults, []);
});

Deno.test("the words' rule sees them in every form, and inside of no other word", () => {
  const wrong = [
    "const station = 1;",
    "import type { Station } from '../lanes/lanes.ts';",
    "readonly #inherited = new Map();",
    "get hasCompany(): boolean {",
    "const HUNG_MS = 1_000;",
    "/** Looks that bear fruit. */",
    "// the gathering of parts",
    "const theHeir = 1;",
  ];
  for (const text of wrong) assertEquals(wrongWords("lib/a.ts", text).length, 1, text);
  assertEquals(wrongWords("tests/a.ts", "const station = 1;"), []);
  const right = "// their schedule; Their own; accompany; unhung; a peer, gathers, an estation";
  assertEquals(wrongWords("lib/a.ts", right), []);
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
  assertEquals(untidy("tests/a_test.ts", `"${"é".repeat(LONGEST_LINE - 2)}"\n`), []);
  assertEquals(untidy("lib/std/a.ts", `// @ts-types="./a.d.ts"\n`), []);
});

Deno.test("the rule of looks sees a comment that is too wide, wherever it stands", () => {
  const wide = "é".repeat(WIDEST_COMMENT - 2);
  for (
    const text of [
      `// ${wide}\n`,
      `/** ${wide} */\n`,
      `/**\n * A table:\n *\n * ${wide}\n */\nconst a = 1;\n`,
      `const a = 1; // ${wide}\n`,
    ]
  ) assertEquals(untidy("tests/a_test.ts", text).length, 1, text);
  for (
    const text of [
      `// ${wide.slice(1)}\n`,
      `/**\n * ${wide.slice(1)}\n */\nconst a = "${wide}";\n`,
      `/** A. */\nconst a = "http://a.example/${wide}";\n`,
    ]
  ) assertEquals(untidy("tests/a_test.ts", text), [], text);
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

Deno.test("every file of tests is run: in a group, or by the name of its folder", () => {
  const { include } = JSON.parse(readOurs("deno.json")).test;
  for (const folder of APART) assert(include.includes(`tests/${folder.slice(0, -1)}`), folder);
  const groups = MODULES.filter((path) => /^tests\/groups\/.*_test\.ts$/.test(path));
  assertEquals(groups.length, GROUPS);
});

Deno.test("hooks are in files with a worker of their own", () => {
  const isApart = (path: string) => [...APART].some((folder) => path.startsWith(`tests/${folder}`));
  const hook = /\bDeno\.test\.(?:before|after)/;
  assertEquals(MODULES.filter((path) => hook.test(codeOf(readOurs(path))) && !isApart(path)), []);
});
