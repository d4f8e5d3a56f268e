import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openQueue } from "../../mod.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { runHere } from "../support/in_process.ts";
import { tempDir } from "../support/temp_dir.ts";

Deno.test("doctor tells what is fit and what isn't, with the version, and ends with 0 or 75", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  const volume = (kind: string) => ({ ...denoRuntime(), volume: () => ({ kind }) });
  const good = await runHere(["doctor", "--base-dir", dir.path], { runtime: volume("ext4") });
  assertEquals([good.code, good.stderr], [0, ""]);
  assertMatch(good.stdout, /^optimizelyd-maildir \d+\.\d+\.\d+, requests by /);
  assertMatch(good.stdout, /^ok {7}access {8}all folders are writable/m);
  assertMatch(good.stdout, /^ok {7}clock {9}this machine's/m);
  const bad = await runHere(["doctor", "--base-dir", dir.path], { runtime: volume("tmpfs") });
  assertEquals(bad.code, 75);
  assertStringIncludes(bad.stdout, "→ move the queue to a disk\n");
  assertMatch(bad.stdout, /\n1 warning, \d notes?\n$/);
  const narrow = { runtime: volume("tmpfs"), isTerminal: true, columns: 60 };
  const { stdout } = await runHere(["doctor", "--base-dir", dir.path], narrow);
  for (const line of stdout.split("\n").slice(2)) assert(line.length < 60, line);
  const json = await runHere(["doctor", "--json", "--base-dir", dir.path]);
  const { findings, version } = JSON.parse(json.stdout);
  assert(typeof version === "string" && findings.length > 5);
});

Deno.test("doctor examines no directory that isn't a queue", async () => {
  await using dir = await tempDir();
  const { code, stdout } = await runHere(["doctor", "--base-dir", dir.path]);
  assertEquals([code, stdout, [...Deno.readDirSync(dir.path)]], [73, "", []]);
});

Deno.test("the kind of a real file system is told where the system tells it", () => {
  const { kind, bytes } = denoRuntime().volume!(Deno.cwd());
  if (Deno.build.os !== "linux") return;
  assertMatch(kind!, /^[a-z0-9._-]+$/);
  assert(bytes!.free <= bytes!.total);
});
