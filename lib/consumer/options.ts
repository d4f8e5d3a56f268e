/**
 * The options of a consumer, as a program gives them, made {@linkcode Settings}.
 *
 * @module
 */

import type { ConsumerOptions, ConsumerSettings } from "../config/consumer.ts";
import { Settings } from "../config/settings.ts";
import type { Trace } from "../telemetry/trace.ts";

export type { ConsumerOptions } from "../config/consumer.ts";

/**
 * The values of all options, which may change while the consumer works.
 *
 * @throws {RangeError} If a value is out of its range, or two contradict each other; it names both.
 */
export function settingsOf({ threads, trace: _, ...given }: ConsumerOptions): Settings {
  if (threads === undefined) return new Settings(given);
  if (given.concurrency === undefined) return new Settings({ ...given, concurrency: threads });
  throw new RangeError(
    "Cannot consume: threads must be left out beside concurrency, which is the same, " +
      `current value is ${threads}`,
  );
}

/** {@linkcode ConsumerOptions}, all there: a copy of what they are at the start. */
export interface ResolvedOptions extends ConsumerSettings {
  /** The same as `concurrency`. */
  readonly threads: number;
  /** Told of everything that happens. */
  readonly trace: Trace;
}

/**
 * Fill in the defaults and check what goes together.
 *
 * @throws {RangeError} As {@linkcode settingsOf}.
 */
export function resolveOptions(options: ConsumerOptions): ResolvedOptions {
  const { current } = settingsOf(options);
  return { ...current, threads: current.concurrency, trace: options.trace ?? (() => {}) };
}
