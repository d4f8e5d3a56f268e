/**
 * The filter of the command line, as a queue is searched with it.
 *
 * @module
 */

import type { FilterOptions, Moment } from "../config/filter.ts";
import type { Filter } from "../queue/find/find.ts";
import { folderOf } from "../queue/hold.ts";
import type { Queue } from "../queue/queue.ts";
import { UsageError } from "./args.ts";
import { printable } from "./printable.ts";

/**
 * Which events are wanted.
 *
 * @throws {UsageError} If the destination can't be one.
 */
export async function filterOf(options: FilterOptions, queue: Queue): Promise<Filter> {
  const { states, destination, since, until, statuses, reason, body, limit } = options;
  const nowMs = queue.place.runtime.clock.now();
  const at = (moment: Moment) => "atMs" in moment ? moment.atMs : nowMs - moment.agoMs;
  const isOne = (status: number) =>
    statuses!.some(({ from, to }) => status >= from && status <= to);
  return {
    ...(states && { states }),
    ...(destination !== undefined && { destination: await labelOf(queue, destination) }),
    ...(since && { sinceMs: at(since) }),
    ...(until && { untilMs: at(until) }),
    ...(statuses && { status: isOne }),
    ...(reason !== undefined && { reason }),
    ...(body !== undefined && { body }),
    ...(limit !== undefined && { limit }),
  };
}

async function labelOf(queue: Queue, destination: string): Promise<string> {
  try {
    return await folderOf(queue, destination);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const message = cause.message.replace(/^Cannot read the destination: /, "");
    throw new UsageError(`--destination: ${printable(message)}`, { cause });
  }
}
