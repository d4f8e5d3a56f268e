/**
 * From the options that were given to the values of all: defaults filled in, limits and rules
 * checked. The one place that does so, whether they came from a program, a command line or a file.
 *
 * @module
 */

import type { AnyOption, OptionsOf } from "./option.ts";

/** Values of the options that were given, by key; `undefined` is not given. */
export type Given<All> = { readonly [Key in keyof All]?: All[Key] | undefined };

/** How options are spoken of to whoever gave them. */
export interface Voice {
  /** An option's name: `--lease`, or `leaseMs`. */
  name(key: string, option: AnyOption): string;
  /** Whether values are shown as they are written (`40s`) or as a program has them (`40000`). */
  readonly shows: "texts" | "values";
}

type Entry<All> = readonly [key: keyof All & string, option: AnyOption];

function entriesOf<All>(options: OptionsOf<All>): readonly Entry<All>[] {
  return Object.entries(options) as unknown as Entry<All>[];
}

/** The values of all options. Nothing is checked. */
export function resolve<All>(options: OptionsOf<All>, given: Given<All>): All {
  const all: Partial<Record<keyof All, unknown>> = {};
  const entries = entriesOf(options);
  for (const [key, { default: standard }] of entries) {
    all[key] = given[key] ?? (typeof standard === "function" ? undefined : standard);
  }
  for (const [key, { default: standard }] of entries) {
    if (typeof standard === "function") all[key] ??= standard(all as never);
  }
  return all as All;
}

/**
 * What is wrong with the values that were given, and with what follows from them: a sentence each,
 * such as "--lease must be at least --timeout + 10s (40s), current value is 39s".
 */
export function faultsOf<All>(
  options: OptionsOf<All>,
  given: Given<All>,
  voice: Voice,
): readonly string[] {
  const all = resolve(options, given);
  const entries = entriesOf(options);
  const isGiven = ([key]: Entry<All>) => given[key] !== undefined;
  const ofKind = (entry: Entry<All>) => {
    const [key, { kind, default: standard }] = entry;
    if (all[key] === standard || kind.accepts(all[key])) return [];
    return [sentence(entry, voice.shows === "texts" ? kind.textMust : kind.valueMust)];
  };
  const sentence = (entry: Entry<All>, must: string) => {
    const [key, option] = entry;
    const why = option.defaultText === undefined ? "" : `, ${option.defaultText}`;
    const origin = isGiven(entry) ? "" : ` (the default${why})`;
    const current = `, current value is ${shown(option, all[key], voice)}${origin}`;
    return `${voice.name(key, option)} must be ${must}${option.secret ? "" : current}`;
  };

  const wrong = entries.filter(isGiven).flatMap(ofKind);
  if (wrong.length > 0) return wrong; // what follows from these isn't worth a sentence
  const follows = entries.filter((entry) => !isGiven(entry)).flatMap(ofKind);
  if (follows.length > 0) return follows;
  const names = new Map<string, AnyOption>(entries);
  return entries.flatMap((entry) => {
    const [key, option] = entry;
    const must = option.check?.(all[key], all as never, {
      name: (other) => voice.name(other, names.get(other)!),
      value: (value) => shown(option, value, voice),
    });
    return must === undefined ? [] : [sentence(entry, must)];
  });
}

function shown({ kind }: AnyOption, value: unknown, voice: Voice): string {
  return voice.shows === "texts" ? kind.print(value) : String(value);
}
