/** What differs from one destination to another, over real HTTP. */

import { assert, assertEquals } from "@std/assert";
import { Consumer, type Died, openQueue, type TraceEvent } from "../../mod.ts";
import { HANG, startEndpoint } from "../support/endpoint.ts";
import { tempDir } from "../support/temp_dir.ts";

Deno.test("each destination has its own time limit, statuses and attempts", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  await using silent = startEndpoint(HANG);
  await using missing = startEndpoint(() => new Response(null, { status: 404 }));
  for (const url of [silent.url, missing.url]) await queue.enqueue({ url, requestBody: 1 });
  const trace: TraceEvent[] = [];
  const consumer = new Consumer(queue, {
    backoffBaseMs: 1,
    backoffCapMs: 2,
    destinations: {
      [silent.url]: { timeoutMs: 30, maxAttempts: 1 },
      [missing.url]: { onStatus: new Map([[404, "deferred"]]), maxAttempts: 2 },
    },
    trace: (event) => trace.push(event),
  });
  await consumer.run("until-empty");
  const deathOf = ({ port }: { port: number }) =>
    trace.find((event) =>
      event.type === "dead" && event.destination === `http_127.0.0.1_${port}`
    ) as Died;
  const [ofSilent, ofMissing] = [deathOf(silent), deathOf(missing)];
  assert(ofSilent.attempt === 1 && ofSilent.reason.includes("within 30 ms"), ofSilent.reason);
  assertEquals([ofMissing.attempt, ofMissing.status], [2, 404]);
});

Deno.test("each destination has its own number of requests in flight", async () => {
  for (const [perDestination, most] of [[1, 1], [3, 3]] as const) {
    await using dir = await tempDir();
    const queue = await openQueue(dir.path, { create: true });
    const inFlight: number[] = [];
    await using endpoint = startEndpoint(() => {
      inFlight.push(consumer.inFlight);
      return new Response(null, { status: 204 });
    });
    for (let n = 0; n < 8; n++) await queue.enqueue({ url: endpoint.url, requestBody: n });
    const consumer = new Consumer(queue, { destinations: { [endpoint.url]: { perDestination } } });
    await consumer.run("until-empty");
    assertEquals([Math.max(...inFlight), inFlight.length], [most, 8]);
  }
});

Deno.test("a change of a running consumer counts for what begins next", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  let status = 404;
  await using endpoint = startEndpoint(() => new Response(null, { status }));
  await queue.enqueue({ url: endpoint.url, requestBody: 1 });
  const trace: TraceEvent[] = [];
  const consumer = new Consumer(queue, {
    backoffBaseMs: 1,
    backoffCapMs: 2,
    destinations: { [endpoint.url]: { onStatus: new Map([[404, "deferred"]]) } },
    trace(event) {
      trace.push(event);
      if (event.type === "deferred" && event.attempt === 3) {
        status = 410;
        consumer.settings.replace({ backoffBaseMs: 1 }, {
          [endpoint.url]: { onStatus: new Map([[410, "delivered"]]) },
        });
      }
    },
  });
  const { delivered, dead } = await consumer.run("until-empty");
  assertEquals([delivered, dead], [1, 0]);
  assertEquals(trace.flatMap((event) => event.type === "delivered" ? [event.status] : []), [410]);
});
