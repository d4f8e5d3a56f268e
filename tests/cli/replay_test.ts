/** `replay` and `purge`, as an operator uses them. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openQueue } from "../../mod.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { runHere } from "../support/in_process.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

const DAY_MS = 24 * 60 * 60_000;

/** Deliver events to some URLs, and keep them; gives the ids. */
async function delivered(base: string, urls: readonly string[]): Promise<readonly string[]> {
  const queue = await openQueue(base, { create: true });
  const ids = await queue.enqueueMany(urls.map((url) => ({ url, requestBody: 1 })));
  await consume(base);
  return ids;
}

async function consume(base: string): Promise<void> {
  const args = ["consume", "--until-empty", "--keep-sent", "3d", "--keep-log", "0s"];
  const { code, stderr } = await runHere([...args, "--base-dir", base]);
  assertEquals(code, 0, stderr);
}

Deno.test("replay sends what was delivered once more; run again it leaves that out", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const ids = await delivered(dir.path, [`${endpoint.url}/a`, `${endpoint.url}/b`]);
  const replay = (...args: string[]) =>
    runHere(["replay", "--base-dir", dir.path, "--since", "1h", ...args]);
  const dry = await replay("--dry-run");
  assertEquals([dry.code, dry.stdout.trim().split("\n")], [0, ids]);
  assertStringIncludes(dry.stderr, "2 would be replayed");
  assertEquals(namesIn(join(dir.path, "new")), []);
  const first = await replay("--yes");
  assertEquals([first.code, first.stdout.trim().split("\n")], [0, ids]);
  await consume(dir.path);
  const again = await replay("--yes");
  assertEquals([again.code, again.stdout], [0, ""]);
  assertStringIncludes(again.stderr, "2 had been replayed since then and are left out");
  const paths = endpoint.taken.map(({ path }) => path).sort();
  assertEquals(paths, ["/a", "/a", "/b", "/b"]);
  const keys = new Set(endpoint.taken.map(({ headers }) => headers.get("idempotency-key")));
  assertEquals(keys.size, 2);
});

Deno.test("replay takes the filter of all commands, ids, and --new-id", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  await using other = startEndpoint();
  const urls = [`${endpoint.url}/a`, `${other.url}/b`, `${endpoint.url}/c`];
  const ids = await delivered(dir.path, urls);
  const replay = async (...args: string[]) => {
    const told = ["replay", "--base-dir", dir.path, "--yes", ...args];
    const { code, stdout } = await runHere(told);
    assertEquals(code, 0);
    return stdout.trim().split("\n");
  };
  const [first] = await replay("--since", "1h", "--destination", endpoint.url, "--limit", "1");
  const last = first === ids[0] ? ids[2]! : ids[0]!; // they were delivered side by side
  assert(ids.includes(first!));
  assertEquals(await replay("--since", "1h", "--destination", other.url, "--new-id"), [ids[1]!]);
  assertEquals(await replay(last), [last]);
  await consume(dir.path);
  const keysOf = ({ taken }: typeof other) =>
    new Set(taken.map(({ headers }) => headers.get("idempotency-key"))).size;
  assertEquals([keysOf(other), keysOf(endpoint)], [2, 2]);
  assertEquals([other.taken.length, endpoint.taken.length], [2, 4]);
});

Deno.test("replay and purge ask on a terminal, and want --yes elsewhere", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  await delivered(dir.path, [`${endpoint.url}/a`, `${endpoint.url}/b`]);
  const old = join(dir.path, "sent", "20200101T00");
  await Deno.mkdir(old);
  await Deno.writeTextFile(join(old, "x+1@1577836800000~edge-1-abcdefgh-1"), "{}");
  for (const args of [["replay", "--since", "1h"], ["purge", "--older-than", "1d"]]) {
    const before = filesBelow(dir.path);
    const told = [...args, "--base-dir", dir.path];
    const unasked = await runHere(told);
    assertEquals([unasked.code, unasked.stdout], [64, ""]);
    assertStringIncludes(unasked.stderr, "--yes");
    const refused = await runHere(told, { isTerminal: true, stdin: "n\n" });
    assertEquals([refused.code, refused.stdout], [64, ""]);
    const question = args[0] === "replay"
      ? "2 delivered events will be replayed. Go on?"
      : "1 delivered event will be removed. Go on?";
    assertStringIncludes(refused.stderr, question);
    assertEquals(filesBelow(dir.path), before);
    assertEquals((await runHere(told, { isTerminal: true, stdin: "y\n" })).code, 0);
  }
  assertEquals(namesIn(join(dir.path, "new")).length, 2);
  assertEquals(namesIn(join(dir.path, "sent")).includes("20200101T00"), false);
});

Deno.test("what makes no sense is refused", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  const refusals = [
    [["replay", "--yes"], "replay needs ids, - to read them, or a filter"],
    [["replay", "--yes", "--destination", "http://a.test"], "replay needs --since TIME"],
    [["replay", "--yes", "--since", "1h", "--state", "dead"], "replay is for events that are sent"],
    [["purge", "--yes"], "purge needs --older-than DURATION"],
    [
      ["purge", "--yes", "--older-than", "1d", "--state", "new"],
      "--state must be dead or sent or res",
    ],
  ] as const;
  for (const [args, why] of refusals) {
    const { code, stderr } = await runHere([...args, "--base-dir", dir.path]);
    assertEquals(code, 64);
    assertStringIncludes(stderr, why);
  }
});

Deno.test("purge removes what is old of one kind or of all, and nothing that waits", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  const oldMs = Date.now() - 40 * DAY_MS;
  const write = async (path: string) => {
    await Deno.writeTextFile(join(dir.path, path), "{}");
    await Deno.utime(join(dir.path, path), new Date(oldMs), new Date(oldMs));
  };
  await Deno.mkdir(join(dir.path, "sent", "20200101T00"), { recursive: true });
  await write("sent/20200101T00/a+1@1577836800000~edge-1-abcdefgh-1");
  await write(`new/waits+1@${oldMs}~edge-1-abcdefgh-1`);
  await write(`doa/dead+1@${oldMs}~edge-1-abcdefgh-1`); // its file has just come there
  const purge = async (...args: string[]) => {
    const told = ["purge", "--base-dir", dir.path, "--older-than", "30d", "--yes", ...args];
    const { code, stdout } = await runHere(told);
    assertEquals(code, 0);
    return stdout;
  };
  assertEquals(await purge("--state", "res"), "nothing removed\n");
  assertEquals(await purge("--dry-run"), "1 delivered event would be removed\n");
  const json = JSON.parse(await purge("--json"));
  assertEquals(json, { dead: 0, sent: 1, res: 0, dryRun: false });
  assertEquals([namesIn(join(dir.path, "new")).length, namesIn(join(dir.path, "doa")).length], [
    1,
    1,
  ]);
});
