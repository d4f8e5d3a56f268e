/**
 * Symlinks in the place of a queue's folders and files: refused at the start, skipped while
 * running, never a way out of the queue.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Consumer } from "../../mod.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { requeue } from "../../lib/queue/requeue.ts";
import { sweep } from "../../lib/queue/sweep.ts";
import { blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { workerDisk } from "../../lib/runtime/disk_thread/client.ts";
import type { Disk } from "../../lib/runtime/runtime.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { HANG, startEndpoint } from "../support/endpoint.ts";
import { run } from "../support/program.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";
import { plantCanary, surveyCanary } from "./neighbour.ts";

const QUICK = { backoffBaseMs: 1, pollMs: 10, graceMs: 1_000 };

/** A shared queue, and a canary that symlinks lead to. */
async function stage(disk: Disk = blockingDisk) {
  const dir = await tempDir();
  const [base, canary] = [`${dir.path}/q`, `${dir.path}/canary`];
  plantCanary(canary);
  const before = surveyCanary(canary);
  const queue = await Queue.open(base, denoRuntime(disk), { create: true, group: true });
  return {
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
    base,
    canary,
    queue,
    /** A symlink to the canary's folder of that name, or to a file of it. */
    exchange(path: string, target: string) {
      try {
        Deno.renameSync(`${base}/${path}`, `${dir.path}/${path.replaceAll("/", "-")}`);
      } catch {
        // there was nothing in its place
      }
      Deno.symlinkSync(`${canary}/${target}`, `${base}/${path}`);
    },
    assertUntouched: () => assertEquals(surveyCanary(canary), before),
  };
}

for (const folder of ["tmp", "new", "cur", "defer", "doa", "res"]) {
  Deno.test(`every command refuses a queue whose ${folder}/ is a symlink, and says which`, async () => {
    await using at = await stage();
    at.exchange(folder, folder);
    const url = "http://a.invalid/";
    const commands = [["consume", "--once"], ["client", "--url", url], ["status"]];
    const said = await Promise.all(
      [...commands, ["requeue", "--all"], ["hold", url]].map((args) =>
        run([...args, "--base-dir", at.base])
      ),
    );
    for (const { code, stderr } of said) {
      assertEquals([code, stderr.trimEnd().split("\n").length], [73, 1], stderr);
      assert(stderr.includes(`${at.base}/${folder} must be a folder, it is a symlink`), stderr);
    }
    at.assertUntouched();
  });
}

for (const folder of ["defer/http_a.invalid_80", "defer/http_b.invalid_80/0mwyo4leo-ab-0"]) {
  Deno.test(`consume refuses to start where ${folder} is a symlink, and says so`, async () => {
    await using at = await stage();
    Deno.mkdirSync(`${at.base}/defer/http_b.invalid_80`);
    at.exchange(folder, "deep");
    const { code, stderr } = await run(["consume", "--once", "--base-dir", at.base]);
    assertEquals(code, 73);
    assertMatch(stderr, /must be a folder, it is a symlink, which is not followed\n$/);
    assert(stderr.includes(`${at.base}/${folder} `), stderr);
    at.assertUntouched();
  });
}

const DISKS: Record<string, () => Disk & { close?: () => void }> = {
  "blocking": () => blockingDisk,
  "with a thread": () => workerDisk({ leastBurst: 1 }),
};

for (const [name, make] of Object.entries(DISKS)) {
  Deno.test(`an event whose folder in defer/ becomes a symlink stays in the queue, in new/ (${name})`, async () => {
    const disk = make();
    await using at = await stage(disk);
    let destination = "";
    await using endpoint = startEndpoint(() => {
      at.exchange(`defer/${destination}`, "deep");
      return new Response(null, { status: 503 });
    });
    destination = `http_127.0.0.1_${endpoint.port}`;
    const id = await at.queue.enqueue({ url: endpoint.url, requestBody: {} });
    const told: TraceEvent[] = [];
    const options = {
      ...QUICK,
      backoffBaseMs: 60_000,
      trace: (event: TraceEvent) => told.push(event),
    };
    await new Consumer(at.queue, options).run("once");
    disk.close?.();
    at.assertUntouched();
    const [event] = namesIn(`${at.base}/new`);
    const { id: kept, timeMs, attempt } = parseName(event!);
    assertEquals([kept, attempt], [id, 1]);
    assert(timeMs! > Date.now() + 10_000, "it has its due time");
    const troubles = told.filter(({ type }) => type === "disk-trouble");
    assertEquals(troubles.map((trouble) => "code" in trouble && trouble.code), ["ENOTDIR"]);
  });

  Deno.test(`a consumer that runs tells once of a symlink below defer/, and sends the rest (${name})`, async () => {
    const disk = make();
    await using at = await stage(disk);
    await using endpoint = startEndpoint();
    const told: TraceEvent[] = [];
    const stop = new AbortController();
    const trace = (event: TraceEvent) => told.push(event);
    const consuming = new Consumer(at.queue, { ...QUICK, trace }).run("forever", stop.signal);
    await at.queue.enqueue({ url: endpoint.url, requestBody: 1 });
    await endpoint.arrived(1);
    at.exchange("defer/http_a.invalid_80", "defer/http_a.invalid_80");
    while (!told.some(({ type }) => type === "skipped")) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await at.queue.enqueue({ url: endpoint.url, requestBody: 2 });
    await endpoint.arrived(2);
    stop.abort();
    await consuming;
    disk.close?.();
    const skipped = told.filter(({ type }) => type === "skipped");
    assertEquals(skipped.map((event) => "path" in event && event.path), [
      "defer/http_a.invalid_80",
    ]);
    at.assertUntouched();
  });

  Deno.test(`nothing is claimed into a cur/ or out of a new/ that is a symlink (${name})`, async () => {
    for (const folder of ["cur", "new"]) {
      const disk = make();
      await using at = await stage(disk);
      await at.queue.enqueue({ url: "http://a.invalid/", requestBody: {} });
      const events = filesBelow(at.base);
      at.exchange(folder, folder);
      const name = folder === "cur" ? events[0]! : "event.json";
      const candidates = [{ folder: "new", name }, { folder, name: "event.json" }];
      const claimed = await at.queue.claimMany(candidates, 60_000, 1_000);
      for (const { claim, error } of claimed) {
        assertEquals(claim, undefined);
        assertEquals((error as { code?: string }).code, "ENOTDIR");
      }
      disk.close?.();
      at.assertUntouched();
    }
  });

  Deno.test(`an answer isn't put into a res/ that is a symlink: its event waits (${name})`, async () => {
    const disk = make();
    await using at = await stage(disk);
    await using endpoint = startEndpoint(() => {
      at.exchange("res", "res");
      return new Response("the endpoint's bytes");
    });
    const id = await at.queue.enqueue({ url: endpoint.url });
    await new Consumer(at.queue, { ...QUICK, backoffBaseMs: 60_000 }).run("once");
    disk.close?.();
    at.assertUntouched();
    assertEquals(filesBelow(`${at.base}/defer`).map((name) => parseName(name).id), [id]);
  });
}

Deno.test("the sweep removes nothing by a folder that is a symlink, and sweeps the others", async () => {
  for (const folder of ["tmp", "doa", "new"]) {
    await using at = await stage();
    const other = folder === "tmp" ? "doa/stray+1@1~edge-1-abcdefgh-1.why" : "tmp/draft";
    // swept 36 h after its last change, which a test can't make old; so the clock is ahead
    Deno.writeTextFileSync(`${at.base}/${other}`, "");
    at.exchange(folder, folder);
    const { runtime } = at.queue.place;
    const later = { ...runtime.clock, now: () => Date.now() + 40 * 3_600_000 };
    const queue = Object.assign(Object.create(at.queue), {
      place: { ...at.queue.place, runtime: { ...runtime, clock: later } },
    });
    const swept = await sweep(queue, new AbortController().signal).catch(({ code }) => code);
    assertEquals([folder, swept], [folder, "ENOTDIR"]);
    assertEquals(namesIn(`${at.base}/${other.split("/")[0]}`), []);
    at.assertUntouched();
  }
});

Deno.test("dead letters are not brought back by a doa/ that is a symlink", async () => {
  await using at = await stage();
  at.exchange("doa", "doa");
  const code = await requeue(at.queue, "all").then(() => "done", ({ code }) => code);
  assertEquals(code, "ENOTDIR");
  at.assertUntouched();
});

Deno.test("an owner file that is a symlink is neither opened, locked nor removed", async () => {
  await using at = await stage();
  await using endpoint = startEndpoint(HANG);
  const host = at.queue.owner.split("-").slice(0, -2).join("-");
  const owner = `${host}-1-abcdefgh`;
  at.exchange(`cur/.${owner}`, "secret");
  await at.queue.enqueue({ url: endpoint.url, requestBody: {} });
  const stop = new AbortController();
  const consuming = new Consumer(at.queue, QUICK).run("forever", stop.signal);
  await endpoint.arrived(1);
  using secret = Deno.openSync(`${at.canary}/secret`, { read: true, write: true });
  assert(secret.tryLockSync(true), "somebody has locked it");
  stop.abort();
  await consuming;
  assert(Deno.lstatSync(`${at.base}/cur/.${owner}`).isSymlink);
  at.assertUntouched();
});

Deno.test("a reason or an answer exchanged for a symlink gives nobody's file another mode", async () => {
  const replaced: string[] = [];
  let canary = "";
  const disk: Disk = {
    ...blockingDisk,
    create(path, bytes, options) {
      blockingDisk.create(path, bytes, options);
      if (!/\/(?:doa|res)\//.test(path)) return;
      Deno.removeSync(path);
      Deno.symlinkSync(`${canary}/secret`, path);
      replaced.push(path);
    },
  };
  await using at = await stage(disk);
  canary = at.canary;
  await using endpoint = startEndpoint(({ path }) =>
    new Response("no", { status: path === "/dies" ? 400 : 200 })
  );
  await at.queue.enqueue({ url: `${endpoint.url}/dies`, requestBody: {} });
  await at.queue.enqueue({ url: `${endpoint.url}/answers` });
  await new Consumer(at.queue, QUICK).run("once");
  assertEquals(replaced.length, 2);
  at.assertUntouched();
});
