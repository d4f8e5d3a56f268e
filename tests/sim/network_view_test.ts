import { assert, assertEquals } from "@std/assert";
import { errorCode, type Runtime } from "../../lib/runtime/runtime.ts";
import type { Choices } from "./choices.ts";
import { lostReply } from "./faults.ts";
import { STALE_MS } from "./network_view.ts";
import { World } from "./world.ts";

const stalest: Choices = { choose: (n) => n - 1 };
const DURABLE = { mode: 0o600, durable: true };

function sharedWorld(choices: Choices = stalest) {
  const world = new World({ networkDisk: choices });
  const near = world.process({ host: "near" }).runtime;
  const far = world.process({ host: "far" }).runtime;
  return { world, near, far };
}

async function sees({ disk }: Runtime, path: string): Promise<boolean> {
  try {
    await disk.lstat(path);
    return true;
  } catch (error) {
    assertEquals(errorCode(error), "ENOENT");
    return false;
  }
}

async function names({ disk }: Runtime): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of disk.list("/")) found.push(name);
  return found;
}

Deno.test("another host may miss a new name for 30 s, though it is listed", async () => {
  const { world, near, far } = sharedWorld();
  await near.disk.create("/a", new Uint8Array(3), DURABLE);
  assertEquals([await sees(near, "/a"), await sees(far, "/a")], [true, false]);
  assertEquals(await names(far), ["a"]);
  await world.advance(STALE_MS);
  assert(await sees(far, "/a"));
});

Deno.test("another host may still see a removed name for 30 s, but not read it", async () => {
  const { world, near, far } = sharedWorld();
  world.disk.plant("/a", { text: "x" });
  await near.disk.rename("/a", "/b");
  assertEquals([await sees(far, "/a"), await sees(far, "/b")], [true, false]);
  let code;
  try {
    await far.disk.read("/a", 9);
  } catch (error) {
    code = errorCode(error);
  }
  assertEquals(code, "ENOENT");
  assertEquals(await names(far), ["b"]);
  await far.disk.rename("/b", "/c"); // the rename itself asks the server
  assert(await sees(far, "/c"));
});

Deno.test("a host may not see its own change when the reply got lost", async () => {
  const { world, near } = sharedWorld();
  world.disk.plant("/a", { text: "x" });
  world.onVerb = lostReply;
  let code;
  try {
    await near.disk.rename("/a", "/b");
  } catch (error) {
    code = errorCode(error);
  }
  assertEquals([code, await sees(near, "/a"), await sees(near, "/b")], ["ENOENT", true, false]);
  assertEquals(await names(near), ["b"]);
});

Deno.test("how stale an answer is, is a choice", async () => {
  const { near, far } = sharedWorld({ choose: () => 0 });
  await near.disk.create("/a", new Uint8Array(3), DURABLE);
  assert(await sees(far, "/a"));
});

Deno.test("locks are local to a host", async () => {
  const { world, near, far } = sharedWorld();
  world.disk.plant("/lock");
  assert(await near.disk.tryLock("/lock") !== undefined);
  assert(await far.disk.tryLock("/lock") !== undefined);
  assertEquals(await world.process({ host: "near" }).runtime.disk.tryLock("/lock"), undefined);
});

Deno.test("a file removed while its host has it locked stays as .nfs until it is closed", async () => {
  const { world, near } = sharedWorld();
  world.disk.plant("/lock");
  const holder = world.process({ host: "near" });
  const lock = await holder.runtime.disk.tryLock("/lock");
  await near.disk.remove("/lock");
  assertEquals((await names(near)).map((name) => name.slice(0, 5)), [".nfs0"]);
  lock!.release();
  assertEquals(await names(near), []);
});

Deno.test("a file that stays as .nfs goes when its holder is killed", async () => {
  const { world, near } = sharedWorld();
  world.disk.plant("/lock");
  const holder = world.process({ host: "near" });
  await holder.runtime.disk.tryLock("/lock");
  await near.disk.remove("/lock");
  holder.kill();
  assertEquals(await names(near), []);
});
