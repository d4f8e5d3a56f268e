import { assertEquals, assertRejects } from "@std/assert";
import type { Reply } from "./network.ts";
import { World } from "./world.ts";

function send(world: World, reply: Reply, signal?: AbortSignal): Promise<Response> {
  world.network.script = () => reply;
  const headers = { "Idempotency-Key": "id-1" };
  const init: RequestInit = { method: "POST", headers, body: "{}" };
  return world.process().runtime.fetch("http://a/e", signal ? { ...init, signal } : init);
}

Deno.test("fetch() answers as scripted, after the delay", async () => {
  const world = new World();
  const reply = { status: 503, headers: { "Retry-After": "7" }, body: "busy", delayMs: 40 };
  const response = await world.run(send(world, reply));
  assertEquals([response.status, response.headers.get("Retry-After")], [503, "7"]);
  assertEquals(await world.run(response.text()), "busy");
  assertEquals(world.time.nowMs, 40);
});

Deno.test("the endpoint keeps what it took, whether or not its answer arrived", async () => {
  const taken: Record<string, unknown> = {};
  const fails = [
    "refused",
    "crowded",
    "reset before",
    "reset after",
    "hang",
    "hang before",
  ] as const;
  for (const failure of fails) {
    const world = new World();
    const controller = new AbortController();
    const sending = send(world, { fails: failure, delayMs: 5 }, controller.signal);
    const { name } = await (async () => {
      const failing = assertRejects(() => sending) as Promise<Error>;
      await world.advance(10);
      controller.abort();
      return await world.run(failing);
    })();
    taken[failure] = [
      name,
      ...world.network.taken.map(({ key, answered }) => `${key} ${answered}`),
    ];
  }
  assertEquals(taken, {
    refused: ["TypeError"],
    crowded: ["TypeError"],
    "reset before": ["TypeError"],
    "reset after": ["TypeError", "id-1 false"],
    hang: ["AbortError", "id-1 false"],
    "hang before": ["AbortError"],
  });
});

Deno.test("a body that never ends ends when the signal aborts", async () => {
  const world = new World();
  const controller = new AbortController();
  const response = await world.run(
    send(world, { fails: "hang body", body: "begin" }, controller.signal),
  );
  const reading = assertRejects(() => response.text());
  controller.abort();
  assertEquals((await world.run(reading) as Error).name, "AbortError");
  assertEquals(world.network.taken[0]!.answered, true);
});

Deno.test("the script sees each request and how many there were of it", async () => {
  const world = new World();
  const seen: string[] = [];
  world.network.script = ({ method, url, body, key, nth, atMs }) => {
    seen.push(`${atMs} ${method} ${url} ${key} ${nth} ${body}`);
    return nth === 0 ? { status: 500 } : { status: 204 };
  };
  const { fetch, clock } = world.process().runtime;
  await world.run(async () => {
    const init = { method: "POST", body: text("[1]"), headers: { "idempotency-key": "k" } };
    assertEquals((await fetch("http://a/", init)).status, 500);
    await clock.sleep(9);
    assertEquals((await fetch("http://a/", init)).status, 204);
    assertEquals((await fetch("http://b/", {})).status, 500);
  });
  assertEquals(seen, [
    "0 POST http://a/ k 0 [1]",
    "9 POST http://a/ k 1 [1]",
    "9 GET http://b/ undefined 0 ",
  ]);
  assertEquals([world.network.inFlight, world.network.mostInFlight], [0, 1]);
});

const text = (value: string) => new TextEncoder().encode(value);
