/** A process without a file left, for real: `ulimit -n`. */

import { assert, assertEquals } from "@std/assert";
import type { Attempt } from "../../lib/http/sender.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { tempDir } from "../support/temp_dir.ts";

const PROGRAM = new URL("crowded_program.ts", import.meta.url).pathname;

async function attemptsOf(command: readonly string[], urls: readonly string[]): Promise<Attempt[]> {
  const script = 'ulimit -n 64; exec "$@"';
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", ...command, ...urls],
    env: { NO_COLOR: "1" },
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

const DENO = [Deno.execPath(), "run", "--quiet", "--frozen", "--allow-all"];

async function holds(command: readonly string[]): Promise<void> {
  const close = { connection: "close" }; // so that each request needs a new one
  await using endpoint = startEndpoint(() => new Response(null, { status: 204, headers: close }));
  const urls = [`${endpoint.url}/by-address`, `http://localhost:${endpoint.port}/by-name`];
  const attempts = await attemptsOf(command, urls);
  const told = attempts.map(({ outcome, reason }) => `${outcome} ${reason}`);
  const crowded = "crowded too many files are open to connect: EMFILE";
  assertEquals(told, [crowded, "delivered ", crowded, "delivered "]);
  assertEquals(endpoint.taken.map(({ path }) => path), ["/before", "/by-address", "/by-name"]);
}

Deno.test("on Deno, a request that finds no file left was not sent, and is not the endpoint's failure", async () => {
  await holds([...DENO, PROGRAM]);
});

Deno.test("on Node as well", async () => {
  await using dir = await tempDir();
  const bundle = `${dir.path}/program.mjs`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--frozen", `--output=${bundle}`, PROGRAM],
    cwd: new URL("../../", import.meta.url),
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  await holds(["node", bundle]);
});
