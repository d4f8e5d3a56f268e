/** What an examination finds, on disks that can be made ill. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { examine, type Finding } from "../../lib/queue/doctor/doctor.ts";
import { volumeFindings } from "../../lib/queue/doctor/volume.ts";
import { hold } from "../../lib/queue/hold.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { acquireOwner } from "../../lib/queue/store/owner.ts";
import { mountHolding, readMounts } from "../../lib/runtime/volume.ts";
import { START_MS, World, type WorldOptions } from "../sim/world.ts";

const BASE = "/q";
const HOUR_MS = 3_600_000;
const EVENT = '{"url":"http://ok.test/a"}';

/** A world with a queue, and what an examination of it finds. */
async function found(
  prepare: (world: World) => void | Promise<void>,
  options: WorldOptions = {},
): Promise<readonly Finding[]> {
  const world = new World(options);
  for (const folder of ["", "/tmp", "/new", "/cur", "/defer", "/doa", "/res"]) {
    world.disk.plant(`${BASE}${folder}`, { kind: "directory", mode: 0o700 });
  }
  return await world.run(async () => {
    await prepare(world);
    const queue = await Queue.open(BASE, world.process({ pid: 900 }).runtime);
    return await Array.fromAsync(examine(queue));
  });
}

const bad = (findings: readonly Finding[]) => findings.filter(({ severity }) => severity !== "ok");
const of = (findings: readonly Finding[], topic: string) =>
  findings.filter((each) => each.topic === topic);

Deno.test("of a queue that is fit everything is ok, but that nobody consumes, and nothing is changed", async () => {
  let before: unknown;
  let world: World | undefined;
  const findings = await found((each) => {
    world = each;
    world.disk.plant(`${BASE}/new/a.json`, { text: EVENT });
    before = world.disk.image().files();
  });
  assertEquals(bad(findings).map(({ topic }) => topic), ["file system", "consumers"]);
  assertEquals(world!.disk.image().files(), before);
});

Deno.test("things that are no events, events that can't be read and old drafts are named", async () => {
  const findings = await found((world) => {
    const { disk } = world;
    disk.plant(`${BASE}/new/folder`, { kind: "directory" });
    disk.symlink("/etc/passwd", `${BASE}/doa/link`, START_MS);
    disk.plant(`${BASE}/defer/http_a.test_80`, { kind: "directory" });
    disk.plant(`${BASE}/defer/http_a.test_80/My notes`, { kind: "directory" });
    for (const name of ["a", "b"]) disk.plant(`${BASE}/new/${name}`, { text: EVENT });
    disk.plant(`${BASE}/tmp/draft`, { text: "{", mtimeMs: START_MS - 3 * HOUR_MS });
    world.onVerb = ({ verb, path }) =>
      verb === "read" && path.endsWith("/new/b") ? { code: "EACCES" } : undefined;
  });
  const text = (topic: string) => of(findings, topic)[0]!.text;
  for (const stray of ["new/folder (a folder)", "doa/link (a symlink)", "My notes (a folder)"]) {
    assertStringIncludes(text("strays"), stray);
  }
  assertEquals(text("reading"), "1 event can't be read: new/b (EACCES)");
  assertEquals(of(findings, "reading")[0]!.severity, "warning");
  assertStringIncludes(
    text("drafts"),
    "1 file in tmp/ that nobody has published, the oldest 3 h old",
  );
});

Deno.test("why a consumer can't work here is told, and what to do about it", async () => {
  for (const [code, advice] of [["EXDEV", "one file system"], ["EROFS", "writable"]] as const) {
    const findings = await found((world) => {
      world.onVerb = ({ verb }) => verb === "rename" ? { code } : undefined;
    });
    const [access] = of(findings, "access");
    assertEquals(access!.severity, "failure");
    assertStringIncludes(access!.text, code);
    assertStringIncludes(access!.advice!, advice);
  }
});

Deno.test("a clock that is away from the file system's, and locks that there aren't, are told", async () => {
  const findings = await found((world) => {
    world.host("edge", { offsetMs: -10 * 60_000 });
    world.onVerb = ({ verb }) => verb === "tryLock" ? { code: "ENOTSUP" } : undefined;
  }, { networkDisk: true });
  assertStringIncludes(of(findings, "locks")[0]!.text, "there are none here");
  const other = await found((world) => void world.host("edge", { offsetMs: -10 * 60_000 }), {
    networkDisk: true,
  });
  assertEquals(
    of(other, "clock")[0]?.text,
    "this machine's and the file system's are 10 min apart",
  );
});

Deno.test("consumers at work are counted; owner files and claims of those that are gone are told", async () => {
  const findings = await found(async (world) => {
    const alive = await Queue.open(BASE, world.process({ pid: 1 }).runtime);
    await acquireOwner(alive);
    const dying = world.process({ pid: 2 });
    const dead = await Queue.open(BASE, dying.runtime);
    await acquireOwner(dead);
    dying.kill();
    world.disk.plant(`${BASE}/cur/a+1@${START_MS}~${dead.owner}-1`, { text: EVENT });
    world.disk.plant(`${BASE}/cur/.far-7-abcdefgh`, { mtimeMs: START_MS - 5 * HOUR_MS });
    world.disk.plant(`${BASE}/cur/b+1@${START_MS}~gone-8-abcdefgh-1`, { text: EVENT });
  });
  assertEquals(of(findings, "consumers")[0]!.text, "1 at work, on this machine");
  const [one, other] = of(findings, "owner file");
  const texts = [one!.text, other!.text].sort();
  assertStringIncludes(texts[0]!, "is that of a consumer that died; it has 1 claim");
  assertStringIncludes(texts[1]!, "was last touched 5 h ago; it has no claims");
  assertStringIncludes([one!, other!].map(({ advice }) => advice).join(), "rm cur/.far-7-abcdefgh");
  assertStringIncludes(of(findings, "claims")[0]!.text, "1 claim of gone-8-abcdefgh");
});

Deno.test("destinations that are held or down are named, with how to go on", async () => {
  const findings = await found(async (world) => {
    const queue = await Queue.open(BASE, world.process().runtime);
    await hold(queue, "http://held.test");
    world.disk.plant(`${BASE}/defer/http_down.test_80`, { kind: "directory" });
    world.disk.plant(`${BASE}/defer/http_down.test_80/.open~edge-1-abcdefgh`, {
      text: "{}",
      mtimeMs: START_MS - HOUR_MS,
    });
  });
  assertEquals(of(findings, "held")[0]!.advice, "start sending again: resume http_held.test_80");
  assertEquals(of(findings, "down")[0]!.text, "http_down.test_80, for 60 min");
});

Deno.test("folders of other modes and owners are told", async () => {
  const findings = await found((world) => {
    world.disk.chmod(`${BASE}/doa`, 0o755, world.nowMs);
  });
  assertStringIncludes(of(findings, "modes")[0]!.text, "private, but doa/ 0755 instead of 0700");
});

Deno.test("what a file system is, how it is mounted and how much is left means something", () => {
  const severities = (volume: Parameters<typeof volumeFindings>[0]) =>
    Array.from(volumeFindings(volume), ({ severity }) => severity);
  assertEquals(severities({ kind: "ext4", options: ["rw", "relatime"] }), ["ok"]);
  assertEquals(severities({ kind: "tmpfs" }), ["warning"]);
  assertEquals(severities({ kind: "nfs4" }), ["note"]);
  assertEquals(severities({ kind: "bcachefs" }), ["note"]);
  assertEquals(severities({}), ["note"]);
  assertEquals(severities({ kind: "xfs", options: ["ro", "discard"] }), ["ok", "failure", "note"]);
  const room = (free: number) => ({ total: 100, free });
  assertEquals(severities({ kind: "xfs", bytes: room(50), files: room(4) }), [
    "ok",
    "ok",
    "warning",
  ]);
  assertEquals(severities({ kind: "xfs", bytes: room(0) }), ["ok", "failure"]);
});

Deno.test("a path is on the mount whose place is the longest beginning of it", () => {
  const mounts = readMounts(
    "26 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n" +
      "30 26 0:26 / /var/my\\040spool rw,nosuid shared:1 - tmpfs none rw,size=1k\n" +
      "31 26 0:27 / /var rw - xfs /dev/vdb ro\n\n",
  );
  const at = (path: string) => mountHolding(path, mounts);
  assertEquals(at("/variable")?.kind, "ext4");
  assertEquals(at("/var/my spool/q")?.kind, "tmpfs");
  assertEquals([at("/var")?.kind, at("/var")?.options], ["xfs", ["rw", "ro"]]);
  assertEquals(at("/")?.options, ["rw", "relatime", "discard"]);
  assert(mountHolding("/x", []) === undefined);
});
