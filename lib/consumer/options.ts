/**
 * The options of a consumer, as a program gives them, made {@linkcode Settings}.
 *
 * @module
 */

import type { ConsumerOptions } from "../config/consumer.ts";
import { Settings } from "../config/settings.ts";

/**
 * The values of all options, which may change while the consumer works.
 *
 * @throws {RangeError} If a value is out of its range, or two contradict each other; it names both.
 */
export function settingsOf(options: ConsumerOptions): Settings {
  const { threads, destinations = {}, trace: _, readSecret: __, ...given } = options;
  if (threads === undefined) return new Settings(given, destinations);
  if (given.concurrency === undefined) {
    return new Settings({ ...given, concurrency: threads }, destinations);
  }
  throw new RangeError(
    "Cannot consume: threads must be left out beside concurrency, which is the same, " +
      `current value is ${threads}`,
  );
}
