/**
 * The options a consumer works by right now. They may change while it works: whoever needs a value
 * reads {@linkcode Live.current} at that moment and keeps no copy, so that a change takes effect
 * for what begins next. What has begun goes on by the values it began with.
 *
 * @module
 */

import { CONSUMER_OPTIONS, type ConsumerSettings, type DestinationOptions } from "./consumer.ts";
import { DESTINATION_OPTIONS, type RequestOptions } from "./destination_options.ts";
import { type Section, Sections } from "./destinations.ts";
import type { AnyOption } from "./option.ts";
import { faultsOf, type Given, resolve, type Voice } from "./resolve.ts";

/** A value that may be replaced by another while it is in use. */
export interface Live<T> {
  /** The value at this moment; itself it never changes. */
  readonly current: T;
}

/** Values that may differ from one destination to another. */
export interface LiveOfDestinations<T> extends Live<T> {
  /** Those of the destination of an origin, at this moment; themselves they never change. */
  of(origin: string): T;
}

/** All values that count for one destination. */
export type DestinationSettings = ConsumerSettings & RequestOptions;

/** What differs for destinations, by the origin or the pattern that it counts for. */
export type DestinationsGiven = Readonly<Record<string, Given<Required<DestinationOptions>>>>;

/** How options are spoken of to whoever writes a program. */
const PROGRAM: Voice = { name: (key) => key, shows: "values" };

/** Most destinations whose values are remembered. */
const MOST_REMEMBERED = 4_096;

/** All values, of the consumer and of destinations. Immutable. */
class Snapshot {
  readonly given: Given<ConsumerSettings>;
  readonly destinations: DestinationsGiven;
  readonly current: DestinationSettings;
  readonly #sections: Sections<Required<DestinationOptions>>;
  readonly #known = new Map<string, DestinationSettings>();

  /** @throws {RangeError} If the name of a section is wrong, or two mean the same. */
  constructor(given: Given<ConsumerSettings>, destinations: DestinationsGiven) {
    this.given = given;
    this.destinations = destinations;
    this.current = resolve(CONSUMER_OPTIONS, withLease(given, destinations));
    this.#sections = new Sections(
      Object.entries(destinations).map(([match, given]) => ({ match, given })),
    );
  }

  of(origin: string): DestinationSettings {
    const known = this.#known.get(origin);
    if (known) return known;
    const section = this.#sections.of(origin);
    const values = section
      ? {
        ...resolve(CONSUMER_OPTIONS, { ...this.#shared, ...section.given }),
        ...requestOf(section),
      }
      : this.current;
    if (this.#known.size >= MOST_REMEMBERED) this.#known.clear();
    this.#known.set(origin, values);
    return values;
  }

  /** What is one for all, so that no section's default for it counts. */
  get #shared(): Given<ConsumerSettings> {
    return { ...this.given, leaseMs: this.current.leaseMs };
  }

  /** What is wrong, of the consumer's own values first. */
  get faults(): readonly string[] {
    const faults = faultsOf(CONSUMER_OPTIONS, withLease(this.given, this.destinations), PROGRAM);
    if (faults.length > 0) return faults;
    return destinationFaults(this.given, this.destinations, (match) => ({
      ...PROGRAM,
      name: (key) => `${key} of ${match}`,
    }));
  }
}

function requestOf({ given }: Section<Required<DestinationOptions>>): RequestOptions {
  return resolve<Required<RequestOptions>>(DESTINATION_OPTIONS, given);
}

/**
 * What is wrong with what differs for destinations, each with what it doesn't say itself.
 *
 * @param given The consumer's own options, in which nothing is wrong.
 * @param voiceOf How the options of one are spoken of.
 */
export function destinationFaults(
  given: Given<ConsumerSettings>,
  destinations: DestinationsGiven,
  voiceOf: (match: string) => Voice,
): readonly string[] {
  const all = withLease(given, destinations);
  const { leaseMs } = resolve(CONSUMER_OPTIONS, all);
  return Object.entries(destinations).flatMap(([match, own]) => [
    ...faultsOf(CONSUMER_OPTIONS, { ...all, leaseMs, ...own }, voiceOf(match)),
    ...faultsOf(DESTINATION_OPTIONS, own as Given<Required<RequestOptions>>, voiceOf(match)),
  ]);
}

/**
 * Unless it is given, a lease is long enough for the destination with the longest time limit: an
 * event is claimed before it is known where it goes.
 */
function withLease(
  given: Given<ConsumerSettings>,
  destinations: DestinationsGiven,
): Given<ConsumerSettings> {
  const times = Object.values(destinations).map(({ timeoutMs = 0 }) => timeoutMs);
  if (given.leaseMs !== undefined || times.length === 0) return given;
  const timeoutMs = Math.max(...times, resolve(CONSUMER_OPTIONS, given).timeoutMs);
  return { ...given, leaseMs: resolve(CONSUMER_OPTIONS, { timeoutMs }).leaseMs };
}

/** The options of one consumer, while it works. */
export class Settings implements LiveOfDestinations<DestinationSettings> {
  #now: Snapshot;

  /**
   * Fill in the defaults and check all.
   *
   * @throws {RangeError} If a value is out of its range, or two contradict each other; it names
   * both.
   */
  constructor(given: Given<ConsumerSettings> = {}, destinations: DestinationsGiven = {}) {
    this.#now = new Snapshot(given, destinations);
    const [fault] = this.#now.faults;
    if (fault !== undefined) throw new RangeError(`Cannot consume: ${fault}`);
  }

  /** All values at this moment. */
  get current(): DestinationSettings {
    return this.#now.current;
  }

  of(origin: string): DestinationSettings {
    return this.#now.of(origin);
  }

  /**
   * Why {@linkcode Settings.change} would refuse, a sentence each: nothing when it wouldn't.
   */
  refusals(changes: Given<ConsumerSettings>): readonly string[] {
    return this.#refusals(new Snapshot({ ...this.#now.given, ...changes }, this.#now.destinations));
  }

  #refusals(next: Snapshot): readonly string[] {
    const { faults } = next;
    return faults.length > 0
      ? faults
      : this.#fixed(next).map((key) => `${key} can't change while it runs`);
  }

  #fixed({ current }: Snapshot): readonly (keyof ConsumerSettings)[] {
    const keys = Object.keys(CONSUMER_OPTIONS) as (keyof ConsumerSettings)[];
    return keys.filter((key) => CONSUMER_OPTIONS[key].fixed && !this.#stays(key, current));
  }

  /**
   * Replace some values, all at once or none. Options that aren't named stay as they are;
   * `undefined` makes one its default again. Defaults that follow from a changed option change too.
   *
   * @throws {RangeError} If a value is wrong, contradicts another or can't change while the
   * consumer runs; it names all of them, and nothing is changed.
   */
  change(changes: Given<ConsumerSettings>): void {
    const next = new Snapshot({ ...this.#now.given, ...changes }, this.#now.destinations);
    const refusals = this.#refusals(next);
    if (refusals.length > 0) throw new RangeError(`Cannot change: ${refusals.join("; ")}`);
    this.#now = next;
  }

  /**
   * Replace all values, as when the configuration is read again. What can't change while the
   * consumer runs stays.
   *
   * @returns What stays although another value was given.
   * @throws {RangeError} If a value is wrong or contradicts another; nothing is changed then.
   */
  replace(
    given: Given<ConsumerSettings>,
    destinations: DestinationsGiven,
  ): readonly (keyof ConsumerSettings)[] {
    const wanted = new Snapshot(given, destinations);
    const stays = this.#fixed(wanted);
    const kept = Object.fromEntries(stays.map((key) => [key, this.current[key]]));
    const next = stays.length > 0 ? new Snapshot({ ...given, ...kept }, destinations) : wanted;
    const { faults } = next;
    if (faults.length > 0) throw new RangeError(`Cannot change: ${faults.join("; ")}`);
    this.#now = next;
    return stays;
  }

  /** Whether an option would keep its value. Things with a name are the same when that is. */
  #stays(key: keyof ConsumerSettings, next: ConsumerSettings): boolean {
    const [before, after] = [this.current[key], next[key]];
    if (before === undefined || after === undefined) return before === after;
    const { kind } = CONSUMER_OPTIONS[key] as AnyOption;
    return kind.print(before) === kind.print(after);
  }
}
