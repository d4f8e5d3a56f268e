/**
 * The configuration file: TOML whose keys are the options' names.
 *
 *     [consume]                                   as on the command line, without the dashes
 *     concurrency = 64
 *     [destination."https://hooks.example.com"]   what differs for one destination
 *     timeout = "10s"
 *
 * What is read here are the texts that a command line would have; what they mean, and their limits,
 * is the option's to say. Whatever is wrong is told with line and column.
 *
 * @module
 */

import { parse, TomlError, type TomlTable, type TomlValue } from "smol-toml";
import { nearest } from "./args.ts";
import { ACCEPT_RULE_OPTIONS } from "../config/accept_options.ts";
import { CONSUME_COMMAND_OPTIONS } from "../config/consume_command.ts";
import { CONSUMER_OPTIONS } from "../config/consumer.ts";
import { DESTINATION_OPTIONS } from "../config/destination_options.ts";
import { readPattern } from "../config/destinations.ts";
import { LIMIT_OPTIONS } from "../config/limit_options.ts";
import { type AnyOption, type Section, SECTIONS } from "../config/option.ts";

/** A configuration that can't be used: one line for whoever wrote it. */
export class ConfigError extends Error {
  /** The name of the class. */
  override readonly name = "ConfigError";
}

/** An option that stands in the file. */
export interface Entry {
  /** Its texts, as on the command line. */
  readonly texts: readonly string[];
  /** Where it stands: `FILE:LINE:COLUMN`. */
  readonly at: string;
}

/** Options by their names on the command line. */
export type Entries = ReadonlyMap<string, Entry>;

/** The section of a destination. */
export interface DestinationEntries {
  /** Whom it is about. */
  readonly match: string;
  /** Where it stands: `FILE:LINE:COLUMN`. */
  readonly at: string;
  /** What it says. */
  readonly entries: Entries;
}

/** What a file says. */
export interface ConfigFile {
  /** Its path, as given. */
  readonly path: string;
  /** All sections but those of destinations. */
  readonly consume: Entries;
  /** `[destination."…"]`. */
  readonly destinations: readonly DestinationEntries[];
}

/** Largest configuration file, in bytes. */
export const MOST_CONFIG_BYTES = 4 * 2 ** 20;

const ALL: readonly AnyOption[] = [
  ...Object.values<AnyOption>(CONSUMER_OPTIONS),
  ...Object.values<AnyOption>(CONSUME_COMMAND_OPTIONS),
  ...Object.values<AnyOption>(ACCEPT_RULE_OPTIONS),
  ...Object.values<AnyOption>(LIMIT_OPTIONS),
];

const OF_DESTINATIONS: readonly AnyOption[] = [
  ...ALL,
  ...Object.values<AnyOption>(DESTINATION_OPTIONS),
];

const ALL_SECTIONS = [...SECTIONS, "destination"] as const;

function namesIn(section: Section): ReadonlyMap<string, AnyOption> {
  const options = ALL.filter((option) => option.section === section);
  return new Map(options.map((option) => [option.fileName ?? option.name, option]));
}

/** Options by the name that they have in a section. */
const NAMES: Readonly<Record<typeof ALL_SECTIONS[number], ReadonlyMap<string, AnyOption>>> = {
  consume: namesIn("consume"),
  accept: namesIn("accept"),
  limits: namesIn("limits"),
  egress: namesIn("egress"),
  destination: new Map(
    OF_DESTINATIONS.flatMap((option) =>
      option.destinationName ? [[option.destinationName, option] as const] : []
    ),
  ),
};

/**
 * Read a configuration file.
 *
 * @param path For messages.
 * @throws {ConfigError} On whatever is wrong, with line and column.
 */
export function readConfig(text: string, path: string): ConfigFile {
  const whole = parsed(text, path);
  const places = placesOf(text);
  const at = (...keys: readonly string[]) => {
    for (let length = keys.length; length > 0; length--) {
      const place = places.get(keys.slice(0, length).join("\0"));
      if (place) return `${path}:${place.line}:${place.column}`;
    }
    return path;
  };
  for (const key of Object.keys(whole)) {
    if (!ALL_SECTIONS.some((section) => section === key)) {
      throw unknown(at(key), "section", key, ALL_SECTIONS);
    }
  }
  const tableAt = (keys: readonly string[], value: TomlValue | undefined) => {
    if (value === undefined || isTable(value)) return value ?? {};
    throw new ConfigError(`${at(...keys)}: ${keys.at(-1)} must be a section, [${keys.join(".")}]`);
  };
  const entriesOf = (section: keyof typeof NAMES, keys: readonly string[], table: TomlTable) => {
    const entries = new Map<string, Entry>();
    for (const [key, value] of Object.entries(table)) {
      const where = at(...keys, key);
      const option = NAMES[section].get(key);
      if (!option) throw unknown(where, "option", key, [...NAMES[section].keys()]);
      entries.set(option.name, { texts: textsOf(key, option, value, where), at: where });
    }
    return entries;
  };
  const consume = new Map(
    SECTIONS.flatMap((section) => [
      ...entriesOf(section, [section], tableAt([section], whole[section])),
    ]),
  );
  const seen = new Map<string, string>();
  const destinations = Object.entries(tableAt(["destination"], whole.destination)).map(
    ([match, value]): DestinationEntries => {
      const keys = ["destination", match];
      const pattern = readPattern(match);
      if (typeof pattern === "string") {
        throw new ConfigError(`${at(...keys)}: the name of a destination ${pattern}`);
      }
      const same = seen.get(pattern.key);
      if (same !== undefined) {
        throw new ConfigError(`${at(...keys)}: ${match} must be there once, as ${same} it is`);
      }
      seen.set(pattern.key, match);
      return {
        match,
        at: at(...keys),
        entries: entriesOf("destination", keys, tableAt(keys, value)),
      };
    },
  );
  return { path, consume, destinations };
}

function parsed(text: string, path: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [why] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new ConfigError(`${path}:${error.line}:${error.column}: it must be TOML: ${why}`, {
      cause: error,
    });
  }
}

function unknown(at: string, what: string, key: string, known: readonly string[]): ConfigError {
  const meant = nearest(key, known);
  const right = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
  return new ConfigError(`${at}: unknown ${what} ${JSON.stringify(key)}; ${right}`);
}

function isTable(value: TomlValue): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}

/** A value as a command line would have it: `{ 404 = "defer" }` is `404=defer`. */
function textsOf(
  key: string,
  option: AnyOption,
  value: TomlValue,
  at: string,
): readonly string[] {
  const { kind, secret } = option;
  const texts = Array.isArray(value)
    ? value.map(scalar)
    : kind.isTable
    ? [JSON.stringify(value)]
    : isTable(value)
    ? pairsOf(value, kind.takes === "values")
    : [scalar(value)];
  const known = texts.filter((text) => text !== undefined);
  const isOne = kind.takes === "values" || !Array.isArray(value);
  const [first = "", ...more] = known;
  const read = isOne && known.length === texts.length && texts.length > 0
    ? kind.read(first, ...more)
    : undefined;
  if (read !== undefined && kind.accepts(read)) return known;
  const current = secret ? "" : `, current value is ${JSON.stringify(value)}`;
  throw new ConfigError(`${at}: ${key} must be ${kind.textMust}${current}`);
}

/** `{ 404 = "defer" }` is `404=defer`: all together, or each by itself. */
function pairsOf(table: TomlTable, isEach: boolean): readonly string[] {
  const pairs = Object.entries(table).map(([name, one]) => `${name}=${scalar(one)}`);
  return isEach ? pairs : [pairs.join(",")];
}

function scalar(value: TomlValue): string | undefined {
  return typeof value === "object" ? undefined : String(value);
}

interface Place {
  readonly line: number;
  readonly column: number;
}

const KEY = String.raw`(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)`;
const KEYS = String.raw`(${KEY}(?:\s*\.\s*${KEY})*)`;
const HEADER = new RegExp(String.raw`^(\s*\[\s*)${KEYS}\s*\]`);
const PAIR = new RegExp(String.raw`^(\s*)${KEYS}\s*=`);

/**
 * Where each key stands, by its path; the parser tells that of its own errors only. A line within a
 * text of several lines may be taken for a key: the message names a wrong line then, no more.
 */
function placesOf(text: string): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  let section: readonly string[] = [];
  text.split("\n").forEach((line, n) => {
    const header = HEADER.exec(line);
    const [, before, written] = header ?? PAIR.exec(line) ?? [];
    if (written === undefined) return;
    const keys = [...(header ? [] : section), ...keysOf(written)];
    if (header) section = keys;
    for (let length = 1; length <= keys.length; length++) {
      const path = keys.slice(0, length).join("\0");
      if (!places.has(path)) places.set(path, { line: n + 1, column: before!.length + 1 });
    }
  });
  return places;
}

function keysOf(written: string): readonly string[] {
  return (written.match(new RegExp(KEY, "g")) ?? []).map((key) =>
    key.startsWith('"') ? unescaped(key) : key.startsWith("'") ? key.slice(1, -1) : key
  );
}

/** The escapes of a TOML key that JSON doesn't have (`\U`, `\e`) are in no name of ours. */
function unescaped(key: string): string {
  try {
    return JSON.parse(key);
  } catch {
    return key;
  }
}
