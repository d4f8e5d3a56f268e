/**
 * `deno task bench:flaky`: how fast events get through to an endpoint that fails a share of
 * requests, and how soon after it has failed all of them for 2 s.
 *
 * **share:** `--events` of them (2,000) for an endpoint that answers at once and fails `--percent`
 * of the requests (0 stands for 10, 30, 50 and 70 one after the other) with `--status` (500), by
 * lot; with `--in-turn` in turn, as behind a balancer with a broken backend. A real consumer with
 * default options sends them, for `--seconds` at most; what may take longer isn't judged.
 *
 * Beside the time to deliver 50, 90, 95 and 99 % of them stands that of an ideal client, which
 * knows nothing but each event's own schedule and sends whatever is due at once: computed, with the
 * same `--seed`, so that the same attempts fail. Both times count from the first request.
 *
 * **blip:** 500 events a second come for an endpoint that answers `--status` to all requests for 2
 * s; how long after these 2 s the backlog is gone.
 *
 * Files are on the disk of the temporary directory; `--tmpfs` takes the tmpfs.
 *
 * @module
 */

import { join } from "@std/path";
import { settingsOf } from "../../lib/consumer/options.ts";
import { retryDelayMs } from "../../lib/http/schedule.ts";
import { readSettings, runTool } from "../options.ts";
import { print, printTable, progress, quantile, verdict } from "../report.ts";
import { type Disk, eventFile, makeQueue, syncAll } from "./fill.ts";
import { fails, type FlakyCount, lot } from "./flaky_endpoint.ts";
import { startConsumer, startFlakyEndpoint } from "./programs.ts";

const DELIVERED = [0.5, 0.9, 0.95, 0.99] as const;

/** How many times the ideal it may take, up to a share of failures in percent. */
const TARGETS = [[50, 1.5], [70, 2.5], [100, 4]] as const;

/** What the ideal client takes no time for: claiming, connecting, sending. */
const ALLOWANCE_MS = 2_000;

/** An event fails that often in a row only where nothing gets through. */
const MOST_ATTEMPTS = 10_000;

const DEFAULTS = settingsOf({}).current;

/** A blip: what comes, from when on all requests fail and for how long, and the time to recover. */
const BLIP_PER_SECOND = 500;
const BLIP_FROM_MS = 3_000;
const BLIP_MS = 2_000;
const BLIP_TARGET_MS = 5_000;

/** What is produced is written in steps of this long. */
const STEP_MS = 20;

/** Events that are on their way at any time are no backlog. */
const ON_THEIR_WAY = 50;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const idOf = (n: number) => `flaky-${String(n).padStart(7, "0")}`;

/** When the ideal client has delivered an event, ms after its first attempt. */
function idealMs(seed: number, id: string, percent: number): number {
  const { backoffBaseMs: baseMs, backoffCapMs: capMs } = DEFAULTS;
  let atMs = 0;
  for (let attempt = 1; fails(seed, id, attempt, percent); attempt++) {
    if (attempt === MOST_ATTEMPTS) return Infinity;
    const random = lot(`${seed} wait ${id} ${attempt}`);
    atMs += retryDelayMs({ attempt, random, baseMs, capMs });
  }
  return atMs;
}

/** When so many of all were delivered, ms; `Infinity` for not yet. */
function reachedMs(deliveredMs: readonly number[], part: number, events: number): number {
  return deliveredMs[Math.ceil(part * events) - 1] ?? Infinity;
}

interface Flaky {
  readonly events: number;
  readonly percent: number;
  readonly seed: number;
  readonly status: number;
  readonly seconds: number;
  readonly isInTurn: boolean;
  readonly disk: Disk;
}

/** Serve the events, until the last share is reached or the time is over. */
async function serve(flaky: Flaky): Promise<FlakyCount> {
  const { events, percent, seed, status, seconds, isInTurn, disk } = flaky;
  await using queue = await makeQueue(disk);
  await using endpoint = await startFlakyEndpoint(percent, seed, status, isInTurn ? 1 : 0);
  const bytes = eventFile(endpoint.url);
  for (let n = 0; n < events; n++) {
    Deno.writeFileSync(join(queue.path, "new", `${idOf(n)}.json`), bytes, { createNew: true });
  }
  await syncAll();
  await using consumer = startConsumer(queue.path, DEFAULTS.concurrency);
  let count = await endpoint.count();
  for (const endMs = performance.now() + seconds * 1_000; performance.now() < endMs;) {
    await pause(200);
    count = await endpoint.count();
    const { length } = count.deliveredMs;
    progress(`${percent} %: ${length} of ${events} delivered, ${count.requests} requests`);
    if (length >= DELIVERED.at(-1)! * events) break;
  }
  await consumer.stop();
  return count;
}

function secondsText(ms: number): string {
  return ms === Infinity ? "-" : `${(ms / 1_000).toFixed(1)} s`;
}

async function measure(flaky: Flaky): Promise<void> {
  const { events, percent, seed } = flaky;
  const { requests, deliveredMs } = await serve(flaky);
  const ideal = Array.from({ length: events }, (_, n) => idealMs(seed, idOf(n), percent));
  const target = TARGETS.find(([most]) => percent <= most)![1];
  print(
    `${percent} % fail: ${deliveredMs.length} of ${events} delivered, ` +
      `${requests} requests, ${(requests / Math.max(1, deliveredMs.length)).toFixed(2)} each`,
  );
  printTable([
    ["delivered", "after", "ideal", "times", "more", "target", ""],
    ...DELIVERED.map((part) => {
      const [real, best] = [reachedMs(deliveredMs, part, events), quantile(ideal, part)];
      const most = target * best + ALLOWANCE_MS;
      return [
        `${part * 100} %`,
        secondsText(real),
        secondsText(best),
        real === Infinity || best === 0 ? "-" : (real / best).toFixed(2),
        secondsText(real - best),
        `<= ${secondsText(most)}`,
        part > 0.95 || most > flaky.seconds * 1_000 ? "" : verdict(real <= most),
      ];
    }),
  ]);
  print();
}

/** How long after the blip the backlog is gone, ms. */
async function serveBlip(seed: number, status: number, disk: Disk): Promise<number> {
  const toMs = BLIP_FROM_MS + BLIP_MS;
  const untilMs = toMs + 2 * BLIP_TARGET_MS;
  await using queue = await makeQueue(disk);
  await using endpoint = await startFlakyEndpoint(0, seed, status, 0, BLIP_FROM_MS, toMs);
  await using consumer = startConsumer(queue.path, DEFAULTS.concurrency);
  await pause(1_000);
  const bytes = eventFile(endpoint.url);
  const startMs = performance.now();
  for (let n = 0; performance.now() - startMs < untilMs; await pause(STEP_MS)) {
    const due = (performance.now() - startMs) / 1_000 * BLIP_PER_SECOND;
    for (; n < due; n++) {
      const name = `${idOf(n)}.json`;
      Deno.writeFileSync(join(queue.path, "tmp", name), bytes, { createNew: true });
      Deno.renameSync(join(queue.path, "tmp", name), join(queue.path, "new", name));
    }
    progress(`a blip under ${BLIP_PER_SECOND} events a second: ${n} events`);
  }
  const { deliveredMs } = await endpoint.count();
  await consumer.stop();
  for (let ms = toMs, delivered = 0; ms < untilMs; ms += STEP_MS) {
    while (deliveredMs[delivered]! <= ms) delivered++;
    if (delivered >= ms / 1_000 * BLIP_PER_SECOND - ON_THEIR_WAY) return ms - toMs;
  }
  return Infinity;
}

async function bench(args: readonly string[]): Promise<void> {
  const { numbers, has, wants } = readSettings(
    args,
    { events: 2_000, percent: 0, seed: 1, status: 500, seconds: 90 },
    { flags: ["in-turn", "tmpfs"], parts: ["share", "blip"] },
  );
  const { events, percent, seed, status, seconds } = numbers;
  const isInTurn = has("in-turn");
  const disk: Disk = has("tmpfs") ? "tmpfs" : "disk";
  if (wants("blip")) {
    const ms = await serveBlip(seed, status, disk);
    const result = `backlog gone ${secondsText(ms)} after 2 s of ${status}`;
    print(
      `${BLIP_PER_SECOND} events a second, ${disk}: ${result}, target <= ` +
        `${secondsText(BLIP_TARGET_MS)}: ${verdict(ms <= BLIP_TARGET_MS)}`,
    );
  }
  if (!wants("share")) return;
  const how = isInTurn ? "in turn" : `by lot, seed ${seed}`;
  print(`${events} events, ${status} for some ${how}, ${disk}, ${seconds} s at most`);
  for (const share of percent > 0 ? [percent] : [10, 30, 50, 70]) {
    await measure({ events, percent: share, seed, status, seconds, isInTurn, disk });
  }
}

if (import.meta.main) await runTool(() => bench(Deno.args));
