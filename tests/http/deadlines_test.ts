import { assert, assertEquals } from "@std/assert";
import { Deadlines } from "../../lib/http/deadlines.ts";
import { Sender } from "../../lib/http/sender.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { World } from "../sim/world.ts";

Deno.test("each attempt ends when its time is over, in the order in which they began", async () => {
  const world = new World();
  const { clock } = world.process().runtime;
  const deadlines = new Deadlines(clock, 100);
  const ended: string[] = [];
  const start = (name: string) => {
    const deadline = deadlines.start(clock.monotonic());
    deadline.signal.addEventListener("abort", () => {
      ended.push(`${name} ${world.time.nowMs} ${deadline.expired}`);
    });
    return deadline;
  };
  start("a");
  await world.advance(40);
  const cleared = start("b");
  start("c");
  await world.advance(30);
  cleared.clear();
  start("d");
  await world.advance(200);
  assertEquals(ended, ["a 100 true", "c 140 true", "d 170 true"]);
  start("e");
  deadlines.abortAll();
  assertEquals(ended.at(-1), "e 270 false");
  deadlines.close();
});

/** An endpoint on a thread of its own, which answers although this one stands still. */
const ENDPOINT = `
let taken = 0;
Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: (address) => postMessage(address.port) },
  async (request) => {
    await request.text();
    if (++taken === 10) postMessage("taken");
    await new Promise((resolve) => setTimeout(resolve, 20));
    return new Response("x".repeat(100_000));
  });
`;

Deno.test("after a stall an answer that is there wins over a deadline that has passed", async () => {
  const url = `data:application/javascript,${encodeURIComponent(ENDPOINT)}`;
  const worker = new Worker(url, { type: "module" });
  const message = () =>
    new Promise<MessageEvent>((resolve) => {
      worker.addEventListener("message", resolve, { once: true });
    });
  const { data: port } = await message();
  const sender = new Sender(denoRuntime(), { of: () => ({ timeoutMs: 600, onStatus: new Map() }) });
  const allTaken = message();
  const request = { url: new URL(`http://127.0.0.1:${port}/`), headers: [] };
  let bytes = 0;
  const attempts = Array.from(
    { length: 10 },
    (_, n) =>
      n % 2 === 0
        ? sender.send({ ...request, method: "POST", body: "{}" }, `${n}`)
        : sender.send({ ...request, method: "GET", body: undefined }, `${n}`, {
          write: (chunk) => void (bytes += chunk.length),
        }),
  );
  await allTaken;
  const untilMs = performance.now() + 800;
  while (performance.now() < untilMs); // stands still
  const outcomes = (await Promise.all(attempts)).map(({ outcome, reason }) => outcome + reason);
  assertEquals(outcomes, new Array(10).fill("delivered"));
  assertEquals(bytes, 5 * 100_000);
  sender.close();
  worker.terminate();
});

Deno.test("after a stall what has no answer ends all the same", async () => {
  const world = new World();
  const process = world.process();
  world.network.script = () => ({ fails: "hang" });
  const sender = new Sender(process.runtime, {
    of: () => ({ timeoutMs: 100, onStatus: new Map() }),
  });
  const request = { url: new URL("http://a/"), method: "GET", headers: [], body: undefined };
  const sending = sender.send(request, "id");
  process.pause(45_000);
  const { outcome, isTimeout, ms } = await world.run(sending);
  assertEquals([outcome, isTimeout], ["deferred", true]);
  assert(ms >= 45_000);
  sender.close();
});
