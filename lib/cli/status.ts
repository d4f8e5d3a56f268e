/**
 * `status`: says what is in the queue.
 *
 * @module
 */

import { Queue } from "../queue/queue.ts";
import { type DestinationStatus, type QueueStatus, status as statusOf } from "../queue/status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { StatusInvocation } from "./options.ts";
import { printable, word } from "./printable.ts";
import { formatCount, formatEstimate } from "./progress.ts";
import { table } from "./table.ts";

/** Longest line of text, as far as names of destinations allow. */
const COLUMNS = 100;

/** A longer name gets a line of its own. */
const LONGEST_NAME = 40;

const isoTime = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

function nextAttempt(
  { nextAttemptMs: dueMs, downSinceMs }: DestinationStatus,
  nowMs: number,
): string {
  if (dueMs === undefined) return "-";
  if (dueMs > nowMs) return `in ${formatEstimate((dueMs - nowMs) / 1_000)}`;
  return downSinceMs === undefined ? "now" : "next probe";
}

/** In one word each, why little or nothing is sent. */
function stateOf(
  { isHeld, downSinceMs, strugglingShare, throttledUntilMs }: DestinationStatus,
): string {
  const states = [
    ...(isHeld ? ["held"] : []),
    ...(downSinceMs === undefined ? [] : ["down"]),
    ...(strugglingShare === undefined ? [] : ["struggling"]),
    ...(throttledUntilMs === undefined ? [] : ["throttled"]),
  ];
  return states.join(", ") || "-";
}

/** Lines below a destination's row that say more of its state. */
function details(destination: DestinationStatus, nowMs: number): readonly string[] {
  const { downSinceMs, strugglingShare, strugglingSinceMs, throttledUntilMs } = destination;
  const lastError = printable(destination.lastError ?? "unknown");
  const since = (ms: number) =>
    `${isoTime(ms)} (${formatEstimate(Math.max(0, nowMs - ms) / 1_000)})`;
  const lines: string[] = [];
  if (downSinceMs !== undefined) lines.push(`down since ${since(downSinceMs)}: ${lastError}`);
  if (strugglingShare !== undefined) {
    const share = `${Math.round(strugglingShare * 100)} % succeed`;
    lines.push(`struggling since ${since(strugglingSinceMs ?? nowMs)}, ${share}: ${lastError}`);
  }
  if (throttledUntilMs !== undefined) {
    const leftSeconds = (throttledUntilMs - nowMs) / 1_000;
    lines.push(
      `throttled by its Retry-After until ${isoTime(throttledUntilMs)} (${
        formatEstimate(leftSeconds)
      } more)`,
    );
  }
  return lines.map((line) => `  ${line}`).map((line) =>
    line.length <= COLUMNS ? line : `${line.slice(0, COLUMNS - 3)}...`
  );
}

/** The table of destinations, each with its details below. */
function destinationsText(destinations: readonly DestinationStatus[], nowMs: number): string {
  const names = destinations.map(({ destination }) => word(destination));
  const [head, ...rows] = table([
    ["destination", "waiting", "in flight", "dead", "next attempt", "state"],
    ...destinations.map((destination, at) => [
      names[at]!.length <= LONGEST_NAME ? names[at]! : "",
      destination.waiting,
      destination.inFlight,
      destination.dead,
      nextAttempt(destination, nowMs),
      stateOf(destination),
    ]),
  ]).trimEnd().split("\n");
  const lines = rows.flatMap((row, at) => [
    ...(names[at]!.length <= LONGEST_NAME ? [] : [names[at]!]),
    row,
    ...details(destinations[at]!, nowMs),
  ]);
  return [head, ...lines].map((line) => `${line}\n`).join("");
}

/** The status for people. */
export function statusText(status: QueueStatus, nowMs: number): string {
  const totals = table([
    ["being written", status.writing],
    ["ready", status.ready],
    ["claimed", status.claimed],
    ["deferred", status.deferred],
    ["dead", status.dead],
    ["responses", status.responses],
    ...(status.unreachable === 0 ? [] : [["unreachable (name not UTF-8)", status.unreachable]]),
  ]);
  if (status.destinations.length === 0) return totals;
  const note = status.claimedUnread === 0
    ? ""
    : `\nin flight leaves out ${
      formatCount(status.claimedUnread)
    } claimed events not looked into\n`;
  return `${totals}\n${destinationsText(status.destinations, nowMs)}${note}`;
}

const isoOrNull = (ms: number | undefined) => ms === undefined ? null : new Date(ms).toISOString();

/** The status for programs: one JSON object on one line. */
export function statusJson({ destinations, ...totals }: QueueStatus): string {
  const json = JSON.stringify({
    ...totals,
    destinations: destinations.map((
      {
        destination,
        waiting,
        inFlight,
        dead,
        isHeld,
        lastError = null,
        strugglingShare = null,
        ...times
      },
    ) => ({
      destination,
      waiting,
      inFlight,
      dead,
      held: isHeld,
      throttledUntil: isoOrNull(times.throttledUntilMs),
      downSince: isoOrNull(times.downSinceMs),
      strugglingSince: isoOrNull(times.strugglingSinceMs),
      strugglingShare,
      lastError,
      nextAttempt: isoOrNull(times.nextAttemptMs),
    })),
  });
  return `${printable(json)}\n`;
}

/**
 * Say what is in the queue.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 */
export async function status(
  { json }: StatusInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const progress = new Lengthy(io.stderr, runtime.clock, "names counted");
  const found = await statusOf(queue, progress.report).finally(() => progress.end());
  await io.stdout.write(json ? statusJson(found) : statusText(found, runtime.clock.now()));
  return EXIT.ok;
}
