/**
 * The options a consumer works by right now. They may change while it works: whoever needs a value
 * reads {@linkcode Live.current} at that moment and keeps no copy, so that a change takes effect
 * for what begins next. What has begun goes on by the values it began with.
 *
 * @module
 */

import { CONSUMER_OPTIONS, type ConsumerSettings } from "./consumer.ts";
import type { AnyOption } from "./option.ts";
import { faultsOf, type Given, resolve, type Voice } from "./resolve.ts";

/** A value that may be replaced by another while it is in use. */
export interface Live<T> {
  /** The value at this moment; itself it never changes. */
  readonly current: T;
}

/** How options are spoken of to whoever writes a program. */
const PROGRAM: Voice = { name: (key) => key, shows: "values" };

/** The options of one consumer, while it works. */
export class Settings implements Live<ConsumerSettings> {
  #given: Given<ConsumerSettings>;
  #current: ConsumerSettings;

  /**
   * Fill in the defaults and check all.
   *
   * @throws {RangeError} If a value is out of its range, or two contradict each other; it names
   * both.
   */
  constructor(given: Given<ConsumerSettings> = {}) {
    this.#given = given;
    const [fault] = faultsOf(CONSUMER_OPTIONS, this.#given, PROGRAM);
    if (fault !== undefined) throw new RangeError(`Cannot consume: ${fault}`);
    this.#current = resolve(CONSUMER_OPTIONS, this.#given);
  }

  /** All values at this moment. */
  get current(): ConsumerSettings {
    return this.#current;
  }

  /**
   * Why {@linkcode Settings.change} would refuse, a sentence each: nothing when it wouldn't.
   */
  refusals(changes: Given<ConsumerSettings>): readonly string[] {
    const given = { ...this.#given, ...changes };
    const faults = faultsOf(CONSUMER_OPTIONS, given, PROGRAM);
    if (faults.length > 0) return faults;
    const next = resolve(CONSUMER_OPTIONS, given);
    const keys = Object.keys(CONSUMER_OPTIONS) as (keyof ConsumerSettings)[];
    return keys.filter((key) => CONSUMER_OPTIONS[key].fixed && !this.#stays(key, next))
      .map((key) => `${key} can't change while it runs`);
  }

  /**
   * Replace some values, all at once or none. Options that aren't named stay as they are;
   * `undefined` makes one its default again. Defaults that follow from a changed option change too.
   *
   * @throws {RangeError} If a value is wrong, contradicts another or can't change while the
   * consumer runs; it names all of them, and nothing is changed.
   */
  change(changes: Given<ConsumerSettings>): void {
    const refusals = this.refusals(changes);
    if (refusals.length > 0) throw new RangeError(`Cannot change: ${refusals.join("; ")}`);
    this.#given = { ...this.#given, ...changes };
    this.#current = resolve(CONSUMER_OPTIONS, this.#given);
  }

  /** Whether an option would keep its value. Things with a name are the same when that is. */
  #stays(key: keyof ConsumerSettings, next: ConsumerSettings): boolean {
    const [before, after] = [this.#current[key], next[key]];
    if (before === undefined || after === undefined) return before === after;
    const { kind } = CONSUMER_OPTIONS[key] as AnyOption;
    return kind.print(before) === kind.print(after);
  }
}
