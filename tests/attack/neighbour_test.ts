/**
 * A consumer at work on a queue that a bad neighbour may write into: nothing outside the queue is
 * touched, and nothing that was acknowledged is lost. The neighbour strikes between the verbs; what
 * it may reach by striking within one is told in `lib/runtime/within.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Consumer } from "../../mod.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";
import { Neighbour, plantCanary, surveyCanary } from "./neighbour.ts";

const EVENTS = 60;
const STEPS = 60;
const QUICK = { backoffBaseMs: 1, backoffCapMs: 20, pollMs: 10, graceMs: 1_000 };

/** Some answers are failures, so that events are on their way in every folder. */
function startFlaky(delivered: Set<string>) {
  let count = 0;
  return startEndpoint(({ path, headers }) => {
    if (path === "/refused") return new Response("no", { status: 400 });
    if (++count % 3 === 0) return new Response(null, { status: 503 });
    delivered.add(headers.get("idempotency-key")!);
    return new Response("answer");
  });
}

/** The ids of the events that are in a folder of a queue, or below it. */
function idsIn(folder: string): string[] {
  return namesIn(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (Deno.lstatSync(path).isDirectory) return idsIn(path);
    return name.endsWith(".why") ? [] : [parseName(name).id];
  });
}

async function attack(seed: number): Promise<void> {
  await using dir = await tempDir();
  const [base, canary] = [`${dir.path}/q`, `${dir.path}/canary`];
  plantCanary(canary);
  const before = surveyCanary(canary);
  const delivered = new Set<string>();
  await using endpoint = startFlaky(delivered);
  const queue = await Queue.open(base, denoRuntime(), { create: true, group: true });
  const ids = await queue.enqueueMany(
    Array.from({ length: EVENTS }, (_, n) => {
      const path = n % 10 === 0 ? "refused" : `${n}`;
      return { url: `${endpoint.url}/${path}`, ...n % 4 && { requestBody: { n } } };
    }),
  );

  const neighbour = new Neighbour(base, canary, seed);
  const stop = new AbortController();
  const consumer = new Consumer(queue, QUICK);
  const consuming = consumer.run("forever", stop.signal);
  await endpoint.arrived(1); // at its start it would refuse
  for (let n = 0; n < STEPS; n++) {
    neighbour.step();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  stop.abort();
  await consuming;
  neighbour.leave();
  assertEquals(surveyCanary(canary), before);
  assert(neighbour.deeds.size > 2, "it did nothing");

  const kept = new Set(["new", "cur", "defer", "doa"].flatMap((name) => idsIn(`${base}/${name}`)));
  assertEquals(ids.filter((id) => !kept.has(id) && !delivered.has(id)), []);
}

for (const seed of [1, 2, 3, 4]) {
  Deno.test(`a bad neighbour gets at nothing outside the queue, and nothing is lost (seed ${seed})`, async () => {
    await attack(seed);
  });
}
