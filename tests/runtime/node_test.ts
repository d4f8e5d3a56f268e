/**
 * The conformance suite on real Node: bundled, with the few calls of Deno that its benches make
 * done by Node.
 */

import { assert, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { run } from "../sdk/projects.ts";
import { tempDir } from "../support/temp_dir.ts";

const SUITE = fromFileUrl(new URL("runtime_test.ts", import.meta.url));
const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** Runs the sentences for Node's modules and leaves out the other runtimes'. */
const PRELUDE = `
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { resolve } from "node:path";
import { test } from "node:test";
globalThis.Deno = {
  build: { os: process.platform },
  test: (name, body) => name.endsWith("(Node's modules)") && test(name, body),
  makeTempDir: () => mkdtemp("conformance-"),
  remove: (path) => rm(path, { recursive: true }),
  symlink: (target, path) => symlink(resolve(target), path),
  Command: class {
    constructor(program, { args }) {
      this.output = () => Promise.resolve(spawnSync(program, args));
    }
  },
};
await import("./suite.mjs");
`;

Deno.test("every sentence of the conformance suite holds on Node", async () => {
  await using dir = await tempDir();
  const bundle = ["bundle", "--quiet", "--frozen", `--output=${dir.path}/suite.mjs`, SUITE];
  const bundled = await run(Deno.execPath(), bundle, ROOT);
  assert(bundled.code === 0, bundled.stderr);
  Deno.writeTextFileSync(join(dir.path, "main.mjs"), PRELUDE);
  const { code, stdout } = await run("node", ["--test-reporter=tap", "main.mjs"], dir.path);
  assert(code === 0, stdout);
  assertMatch(stdout, /^# pass (?:2[5-9]|[3-9]\d)$/m);
  assertMatch(stdout, /^# fail 0$/m);
});
