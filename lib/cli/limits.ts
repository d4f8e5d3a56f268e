/**
 * The limits for producers, as the command line and the configuration say.
 *
 * @module
 */

import { LIMIT_OPTIONS, type LimitOptions } from "../config/limit_options.ts";
import type { Given } from "../config/resolve.ts";
import type { QueueLimits } from "../queue/full.ts";
import type { OpenOptions } from "../queue/layout.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import { readConfigFile } from "./configuration.ts";
import { readGiven } from "./given.ts";
import type { Io } from "./io.ts";
import { printable } from "./printable.ts";

/** Limits that may change while producers keep to them. */
export class LiveLimits implements QueueLimits {
  #now: Given<LimitOptions>;

  /** Those that count at first. */
  constructor(limits: Given<LimitOptions>) {
    this.#now = limits;
  }

  get maxEvents(): number | undefined {
    return this.#now.maxEvents;
  }

  get maxBytes(): number | undefined {
    return this.#now.maxBytes;
  }

  get minFreeBytes(): number | undefined {
    return this.#now.minFreeBytes;
  }

  /** Let others count for whatever is added next. */
  replace(limits: Given<LimitOptions>): void {
    this.#now = limits;
  }
}

/**
 * Open, or make, a queue whose producers keep to limits.
 *
 * @throws {UsageError} If they can't be kept: some room must stay free, and the system doesn't tell
 * how much there is.
 * @throws {NotAQueueError} If the directory isn't a queue and can't become one.
 */
export async function openLimited(
  baseDir: string,
  runtime: Runtime,
  limits: QueueLimits,
  options: Omit<OpenOptions, "create" | "limits"> = {},
): Promise<Queue> {
  try {
    return await Queue.open(baseDir, runtime, { ...options, create: true, limits });
  } catch (cause) {
    if (cause instanceof TypeError && limits.minFreeBytes !== undefined) {
      throw new UsageError(cause.message, { cause });
    }
    throw cause;
  }
}

/**
 * The limits of a producer. What a configuration says counts as far as the command line doesn't.
 *
 * No event may be lost because somebody else made a mistake in a file: what `$OPTIMIZELYD_CONFIG`
 * names needn't be right.
 *
 * @param path The file named on the command line.
 * @param written The limits on the command line.
 * @throws {ConfigError | UsageError} If that file can't be used.
 * @throws The system's error, when it can't be read.
 */
export async function producerLimits(
  path: string | undefined,
  written: Given<LimitOptions>,
  io: Pick<Io, "defaultConfig" | "readFile" | "stderr">,
): Promise<Given<LimitOptions>> {
  const file = path ?? io.defaultConfig;
  if (file === undefined) return written;
  try {
    const { consume: entries } = await readConfigFile(file, io);
    const texts = new Map([...entries].map(([name, { texts }]) => [name, texts]));
    return { ...readGiven(LIMIT_OPTIONS, texts), ...written };
  } catch (error) {
    if (path !== undefined) throw error;
    const why = error instanceof Error ? error.message : String(error);
    await io.stderr.write(`warning: without the limits of the configuration: ${printable(why)}\n`);
    return written;
  }
}
