/**
 * `deno task bench:dispatcher`: what handing over one event costs an application, for both
 * durabilities, beside the SDK's own dispatcher.
 *
 * Two numbers each. *In the call* is how long `dispatchEvent` keeps the application. *In all* is
 * the time until every event is where the dispatcher brings it, divided by their number: on the
 * disk for ours; answered by an endpoint on this very machine, and one that never waits, for the
 * SDK's own, which keeps events in memory meanwhile.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command that talks to its user
import { join } from "@std/path";
import { eventDispatcher as sdkDispatcher } from "@optimizely/optimizely-sdk";
import { createEventDispatcher, type SdkEvent } from "../../mod.ts";

const EVENTS = 2_000;
const ROUNDS = 3;
const BATCHES = new URL("../../tests/fixtures/events/", import.meta.url);

type Dispatch = (event: SdkEvent, answered: () => void) => void;

interface Cost {
  readonly callUs: number;
  readonly totalUs: number;
}

async function measure(event: SdkEvent, dispatch: Dispatch): Promise<Cost> {
  let inCallMs = 0;
  const start = performance.now();
  const pending: Promise<void>[] = [];
  for (let n = 0; n < EVENTS; n++) {
    pending.push(
      new Promise((resolve) => {
        const before = performance.now();
        dispatch(event, resolve);
        inCallMs += performance.now() - before;
      }),
    );
    // an application does something between two events: at most so many requests of the SDK's own
    // are in flight
    if (n % 50 === 49) await Promise.all(pending.splice(0));
  }
  await Promise.all(pending);
  return {
    callUs: inCallMs * 1_000 / EVENTS,
    totalUs: (performance.now() - start) * 1_000 / EVENTS,
  };
}

async function best(event: SdkEvent, dispatch: Dispatch): Promise<Cost> {
  const costs: Cost[] = [];
  for (let round = 0; round < ROUNDS; round++) costs.push(await measure(event, dispatch));
  return costs.sort((a, b) => a.totalUs - b.totalUs)[0]!;
}

const dir = await Deno.makeTempDir({ prefix: "maildir-bench-" });
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  await request.body?.cancel();
  return new Response(null, { status: 204 });
});
try {
  console.log(`${"".padEnd(34)}   in the call      in all`);
  for (const kind of ["impression", "batch10"]) {
    const text = await Deno.readTextFile(new URL(`v6-node-${kind}.json`, BATCHES));
    const event = JSON.parse(text) as SdkEvent;
    const row = async (name: string, dispatch: Dispatch) => {
      const { callUs, totalUs } = await best(event, dispatch);
      const us = (value: number) => `${value.toFixed(0).padStart(8)} µs`;
      console.log(`${`${kind}, ${name}`.padEnd(34)} ${us(callUs)} ${us(totalUs)}`);
    };
    for (const durability of ["disk", "os"] as const) {
      const ours = createEventDispatcher({
        baseDir: join(dir, `${kind}-${durability}`),
        durability,
      });
      await row(`ours, "${durability}"`, (event, answered) => {
        void ours.dispatchEvent(event, answered);
      });
    }
    const url = `http://127.0.0.1:${server.addr.port}/v1/events`;
    await row("SDK 6's own", (event, answered) => {
      type Event = Parameters<typeof sdkDispatcher.dispatchEvent>[0];
      sdkDispatcher.dispatchEvent({ ...event, url } as Event).then(answered);
    });
  }
} finally {
  await server.shutdown();
  await Deno.remove(dir, { recursive: true });
}
