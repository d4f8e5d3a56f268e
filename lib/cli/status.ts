/**
 * `status`: says what is in the queue.
 *
 * @module
 */

import { Queue } from "../queue/queue.ts";
import { type QueueStatus, status as statusOf } from "../queue/status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import type { StatusInvocation } from "./options.ts";
import { printable, word } from "./printable.ts";
import { formatCount, formatEstimate } from "./progress.ts";

/** Rows of cells as columns: words flush left, numbers and what is above them flush right. */
function table(rows: readonly (readonly (string | number)[])[]): string {
  const asText = (cell: string | number) => typeof cell === "number" ? formatCount(cell) : cell;
  const isNumeric = rows.at(-1)!.map((cell) => typeof cell === "number");
  const widths = isNumeric.map((_, at) => Math.max(...rows.map((row) => asText(row[at]!).length)));
  return rows.map((row) => {
    const cells = row.map((cell, at) =>
      isNumeric[at] ? asText(cell).padStart(widths[at]!) : asText(cell).padEnd(widths[at]!)
    );
    return `${cells.join("  ").trimEnd()}\n`;
  }).join("");
}

function nextAttempt(dueMs: number | undefined, nowMs: number): string {
  if (dueMs === undefined) return "-";
  return dueMs <= nowMs ? "now" : `in ${formatEstimate((dueMs - nowMs) / 1_000)}`;
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
  const destinations = table([
    ["destination", "waiting", "dead", "next attempt"],
    ...status.destinations.map(({ destination, waiting, dead, nextAttemptMs }) => [
      word(destination),
      waiting,
      dead,
      nextAttempt(nextAttemptMs, nowMs),
    ]),
  ]);
  return `${totals}\n${destinations}`;
}

/** The status for programs: one JSON object on one line. */
export function statusJson({ destinations, ...totals }: QueueStatus): string {
  const json = JSON.stringify({
    ...totals,
    destinations: destinations.map(({ nextAttemptMs, ...destination }) => ({
      ...destination,
      nextAttempt: nextAttemptMs === undefined ? null : new Date(nextAttemptMs).toISOString(),
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
  const found = await statusOf(await Queue.open(baseDir, runtime));
  await io.stdout.write(json ? statusJson(found) : statusText(found, runtime.clock.now()));
  return EXIT.ok;
}
