import { assert, assertEquals } from "@std/assert";
import { actOn, settleActs, STATES_OF } from "../../lib/queue/acts.ts";
import { findNames } from "../../lib/queue/find/find.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { seeded } from "../sim/choices.ts";
import { World } from "../sim/world.ts";

const BASE = "/q";
const LEASE_MS = 60_000;

/** A queue in a world in which every verb takes another while. */
async function begin(seed: number) {
  const random = seeded(seed);
  const world = new World({ seed, latencyMs: () => random() * 3 });
  const open = async (create = false) =>
    await Queue.open(BASE, world.process().runtime, { create });
  return { world, open, queue: await world.run(() => open(true)) };
}

const event = (n: number) => ({ url: "http://a.test/", requestBody: n });

Deno.test("delete hits what was there when it was decided, whatever producers and consumers do meanwhile, in 1,000 orders", async () => {
  let [races, kept] = [0, 0];
  for (let seed = 1; seed <= 1_000; seed++) {
    const { world, open, queue } = await begin(seed);
    const fates = new Map<string, string>();
    const [claimed, added]: [string[], string[]] = [[], []];
    await world.run(async () => {
      const before = [await queue.enqueue(event(1)), await queue.enqueue(event(2))];
      const [operator, producer, consumer] = [await open(), await open(), await open()];
      const snapshot = await Array.fromAsync(findNames(operator, { states: STATES_OF.delete }));
      assertEquals(snapshot.map(({ id }) => id).sort(), before.sort());
      await Promise.all([
        (async () => {
          for (const each of snapshot) {
            fates.set(each.id, String(await actOn(operator, "delete", each)));
          }
          await settleActs(operator, "delete", snapshot);
        })(),
        (async () => {
          for (let n = 3; n < 6; n++) added.push(await producer.enqueue(event(n)));
        })(),
        (async () => {
          const name = `${before[0]}.json`;
          const claim = await consumer.claim("new", name, LEASE_MS);
          if (claim) claimed.push(claim.id);
        })(),
      ]);
    });
    const files = Object.keys(world.disk.image().files());
    const idsIn = (folder: string) =>
      files.filter((path) => path.startsWith(`${BASE}/${folder}/`) && !path.endsWith("/"))
        .map((path) => parseName(path.split("/").at(-1)!).id).sort();
    assertEquals(idsIn("new"), added.sort(), `seed ${seed}: what came later stays`);
    assertEquals(idsIn("cur"), claimed, `seed ${seed}: what a consumer has stays`);
    for (const [id, fate] of fates) {
      assertEquals(fate, claimed.includes(id) ? "gone" : "done", `seed ${seed}`);
    }
    if (claimed.length > 0) races++;
    else kept++;
  }
  assert(races > 100 && kept > 100, `${races} were claimed first, ${kept} deleted first`);
});

Deno.test("retry and a consumer: each event is due once, with its attempts, its age and who is to blame", async () => {
  const { world, open, queue } = await begin(7);
  const fates = await world.run(async () => {
    const id = await queue.enqueue(event(1));
    const claim = await queue.claim("new", `${id}.json`, LEASE_MS);
    await queue.defer(claim!, "http_a.test_80", world.nowMs + 3_600_000);
    const snapshot = await Array.fromAsync(findNames(queue, { states: ["deferred"] }));
    const other = await open();
    return await Promise.all([queue, other].map((each) => actOn(each, "retry", snapshot[0]!)));
  });
  assertEquals(fates.map(String).sort(), ["done", "gone"]);
  const [path, ...more] = Object.keys(world.disk.image().files())
    .filter((path) => path.startsWith(`${BASE}/new/`) && !path.endsWith("/"));
  assertEquals(more, []);
  const { attempt, timeMs } = parseName(path!.split("/").at(-1)!);
  assertEquals(attempt, 1);
  assert(timeMs! <= world.nowMs, "it is due");
});
