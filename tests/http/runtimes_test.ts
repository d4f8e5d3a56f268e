/** What `fetch` of real Deno and real Node does that no standard says. */

import { assert, assertEquals } from "@std/assert";
import type { Attempt } from "../../lib/http/sender.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { tempDir } from "../support/temp_dir.ts";

const PROGRAM = new URL("runtimes_program.ts", import.meta.url).pathname;
const DENO = [Deno.execPath(), "run", "--quiet", "--frozen", "--allow-all", PROGRAM];

/** The program bundled for Node. */
async function nodeIn(dir: string): Promise<string[]> {
  const bundle = `${dir}/program.mjs`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--frozen", `--output=${bundle}`, PROGRAM],
    cwd: new URL("../../", import.meta.url),
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  return ["node", bundle];
}

async function attemptsOf(command: readonly string[]): Promise<(Attempt & { body: string })[]> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 64; exec "$@"', "sh", ...command],
    env: { NO_COLOR: "1" },
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

async function isCrowded(program: readonly string[]): Promise<void> {
  const close = { connection: "close" }; // so that each request needs a new one
  await using endpoint = startEndpoint(() => new Response(null, { status: 204, headers: close }));
  const urls = [`${endpoint.url}/by-address`, `http://localhost:${endpoint.port}/by-name`];
  const attempts = await attemptsOf([...program, "crowded", ...urls]);
  const told = attempts.map(({ outcome, reason }) => `${outcome} ${reason}`);
  const crowded = "crowded too many files are open to connect: EMFILE";
  assertEquals(told, [crowded, "delivered ", crowded, "delivered "]);
  assertEquals(endpoint.taken.map(({ path }) => path), ["/before", "/by-address", "/by-name"]);
}

Deno.test("on Deno, a request that finds no file left is not sent, and not the endpoint's failure", async () => {
  await isCrowded(DENO);
});

Deno.test("on Node, a request that finds no file left is not sent, and not the endpoint's failure", async () => {
  await using dir = await tempDir();
  await isCrowded(await nodeIn(dir.path));
});

Deno.test("on Deno, a lack of files closes the connections that nobody uses, and the next request is sent", async () => {
  await using endpoint = startEndpoint(({ path }) => {
    const headers = path === "/idle" ? {} : { connection: "close" };
    return new Response(null, { status: 204, headers });
  });
  const urls = [`${endpoint.url}/idle`, `http://localhost:${endpoint.port}/other`];
  const attempts = await attemptsOf([...DENO, "idle", ...urls]);
  assertEquals(attempts.map(({ outcome }) => outcome), ["crowded", "delivered"]);
});

Deno.test("a .meta says of a compressed answer what its body is: as it came, on Deno and on Node", async () => {
  await using dir = await tempDir();
  const zipping = new Blob(["hello"]).stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(zipping).arrayBuffer());
  const headers = { "content-encoding": "gzip" };
  await using endpoint = startEndpoint(() => new Response(bytes, { headers }));
  const [onDeno] = await attemptsOf([...DENO, "get", endpoint.url]);
  const [onNode] = await attemptsOf([...await nodeIn(dir.path), "get", endpoint.url]);
  const raw = String.fromCharCode(...bytes);
  assertEquals([onDeno!.response!.meta.encoding, onDeno!.body], ["gzip", raw]);
  assertEquals([onNode!.response!.meta.encoding, onNode!.body], ["gzip", raw]);
  assertEquals(endpoint.taken.map(({ headers }) => headers.get("accept-encoding")), [
    "identity",
    "identity",
  ]);
});
