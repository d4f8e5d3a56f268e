/** The queue's directory is moved or unmounted while somebody works on it, and may come back. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Consumer, DiskFailure, hold, openQueue, Queue, type TraceEvent } from "../../mod.ts";
import { blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { Arena, BASE, FOLDERS, QUICK } from "../sim/arena.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

const SECOND_MS = 1_000;

/** What may be where the queue was. */
const INSTEAD: Record<string, (arena: Arena) => void> = {
  "is moved": () => {},
  "is unmounted": ({ world }) => world.disk.plant(BASE, { kind: "directory" }),
  "is replaced by an empty queue": ({ world }) => {
    world.disk.plant(BASE, { kind: "directory" });
    for (const name of FOLDERS) world.disk.plant(`${BASE}/${name}`, { kind: "directory" });
  },
};

for (const [what, put] of Object.entries(INSTEAD)) {
  for (const mode of ["forever", "until-empty", "once"] as const) {
    Deno.test(`a consumer (${mode}) whose directory ${what} tells it and doesn't take it for empty`, async () => {
      const arena = new Arena();
      const { world, reports } = arena;
      arena.plant("a", 1);
      arena.plant("b", 2, { url: "http://b.test/" });
      world.network.script = ({ url }) => url.includes("b.test") ? { delayMs: 2_500 } : {};
      const process = world.process();
      let end: unknown;
      const consuming = arena.consume(process, mode, QUICK)
        .then((summary) => end = summary, (error) => end = error);
      await world.advance(2 * SECOND_MS);
      world.disk.rename(BASE, "/away", world.nowMs);
      put(arena);
      await world.advance(mode === "once" ? 2 * SECOND_MS : 28 * SECOND_MS);
      const troubles = reports.flatMap(({ event }) => event.type === "disk-trouble" ? event : []);
      const isTold = troubles.some(({ reason }) => reason.startsWith("the base directory is not"));
      assert(isTold, JSON.stringify(troubles));
      assert(!reports.some(({ event }) => event.type === "lease-lost"));
      if (mode !== "once") assertEquals(end, undefined);
      await world.advance(40 * SECOND_MS);
      await world.run(consuming);
      if (mode === "once") {
        assert(!(end as { empty: boolean }).empty);
      } else {
        assert(end instanceof DiskFailure, String(end));
        assertStringIncludes(end.message, `${BASE} was moved, unmounted or replaced`);
      }
      const left = Object.keys(world.disk.image().files()).filter((path) =>
        path.includes("cur/b+")
      );
      assertEquals(left.map((path) => path.split("/")[1]), ["away"]);
      const made = arena.files();
      assertEquals(made, []);
    });
  }
}

Deno.test("a hold outlasts the absence of the directory, for a consumer that goes on", async () => {
  const arena = new Arena();
  const { world } = arena;
  const url = "http://held.test/";
  await world.run(async () => void await hold(await arena.open(world.process()), url));
  const stop = new AbortController();
  const running = [world.process(), world.process({ host: "other" })]
    .map((process) => arena.consume(process, "forever", { ...QUICK, pollMs: 1_000 }, stop.signal));
  arena.plant("a", 1, { url });
  await world.advance(10 * SECOND_MS);
  world.disk.rename(BASE, "/away", world.nowMs);
  await world.advance(10 * SECOND_MS);
  world.disk.rename("/away", BASE, world.nowMs);
  arena.plant("b", 2, { url });
  arena.plant("c", 3);
  await world.advance(20 * SECOND_MS);
  assertEquals(world.network.keys, ["c"]);
  assertEquals(arena.reports.filter(({ event }) => JSON.stringify(event).includes("resumed")), []);
  stop.abort();
  await world.run(Promise.all(running));
});

Deno.test("a directory that is moved away and back costs nothing, not even a second delivery", async () => {
  await using dir = await tempDir();
  const base = `${dir.path}/queue`;
  const queue = await openQueue(base, { create: true });
  const answers: (() => void)[] = [];
  await using endpoint = startEndpoint(({ path }) => {
    if (path !== "/slow") return new Response(null, { status: 204 });
    return new Promise((resolve) => {
      answers.push(() => resolve(new Response(null, { status: 204 })));
    });
  });
  const put = (path: string) =>
    queue.enqueue({ url: `${endpoint.url}/${path}`, requestBody: path });
  const told: TraceEvent[] = [];
  let heard = () => {};
  const trace = (event: TraceEvent) => {
    told.push(event);
    heard();
  };
  const until = async (is: (event: TraceEvent) => boolean) => {
    while (!told.some(is)) await new Promise<void>((resolve) => heard = resolve);
  };
  const stop = new AbortController();
  const running = new Consumer(queue, { pollMs: 20, keepLogMs: 0, trace })
    .run("forever", stop.signal);
  await put("slow");
  await endpoint.arrived(1);
  Deno.renameSync(base, `${dir.path}/away`);
  await until((event) => event.type === "disk-trouble" && event.verb === "list");
  answers[0]!();
  await until((event) => event.type === "disk-trouble" && event.verb === "complete");
  await assertRejects(() => put("refused"), Error, "was moved, unmounted or replaced");
  assertEquals(namesIn(dir.path), ["away"]);
  Deno.renameSync(`${dir.path}/away`, base);
  await put("after");
  await endpoint.arrived(2);
  stop.abort();
  assertEquals((await running).delivered, 2);
  assertEquals(filesBelow(base), []);
  assertEquals(endpoint.taken.map(({ path }) => path), ["/slow", "/after"]);
});

Deno.test("a file system that numbers its files anew is no other directory", async () => {
  await using dir = await tempDir();
  await openQueue(dir.path, { create: true });
  let number = 0;
  const disk = {
    ...blockingDisk,
    lstat(path: string) {
      const stat = Deno.lstatSync(path);
      return { ...blockingDisk.lstat(path) as object, ino: stat.isFile ? stat.ino : ++number };
    },
  } as typeof blockingDisk;
  const queue = await Queue.open(dir.path, denoRuntime(disk));
  await using endpoint = startEndpoint();
  await queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const troubles: TraceEvent[] = [];
  const trace = (event: TraceEvent) => {
    if (event.type === "disk-trouble") troubles.push(event);
  };
  assert((await new Consumer(queue, { trace }).run("until-empty")).empty);
  assertEquals(troubles, []);
});
