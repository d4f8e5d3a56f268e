/**
 * The options of `consume`, read from the command line.
 *
 * @module
 */

import type { ListenAddress } from "../accept/address.ts";
import { EVENTS_PATH } from "../accept/endpoint.ts";
import { ACCEPT_RULE_OPTIONS } from "../config/accept_options.ts";
import { COMMAND_OPTIONS } from "../config/commands.ts";
import { CONSUME_COMMAND_OPTIONS, type Level } from "../config/consume_command.ts";
import { CONSUMER_OPTIONS, type ConsumerSettings } from "../config/consumer.ts";
import { LIMIT_OPTIONS, type LimitOptions } from "../config/limit_options.ts";
import type { AnyOption } from "../config/option.ts";
import { type Given, resolve, type Voice } from "../config/resolve.ts";
import type { Mode } from "../consumer/consumer.ts";
import { DESTINATION_OPTIONS } from "../config/destination_options.ts";
import { destinationFaults, type DestinationsGiven } from "../config/settings.ts";
import { checkTogether, type NameOf, readGiven, type Texts } from "./given.ts";
import type { AcceptSettings } from "./accept_rules.ts";
import type { ConfigFile } from "./config_file.ts";
import { UsageError } from "./args.ts";
import { OPTIONS } from "../config/schema.ts";

/** The options that a destination may have and their keys, by name. */
const OPTION_OF = new Map(
  [
    ...Object.entries<AnyOption>(CONSUMER_OPTIONS),
    ...Object.entries<AnyOption>(DESTINATION_OPTIONS),
  ].map((entry) => [entry[1].name, entry]),
);

/** How `consume` is to work. */
export interface ConsumeOptions {
  /** When to end. @default "forever" */
  readonly mode: Mode;
  /** Whether the group may work on the queue as well, or only drop events. @default false */
  readonly group: boolean | "drop";
  /** What this host is called in place of its host name. @default the host name */
  readonly ownerName: string | undefined;
  /** Consumers, each in a thread of its own; `"auto"` for as many as fit. @default 1 */
  readonly workers: number | "auto";
  /** How events are logged. @default "text" */
  readonly logFormat: "text" | "json";
  /** What matters less has no line in the log. @default "info" */
  readonly logLevel: Level;
  /** Time between two lines of counts, in ms; 0 for a line for each event instead. @default 0 */
  readonly logSummaryMs: number;
  /** How much may wait, for producers. */
  readonly limits: Given<LimitOptions>;
  /** Where to take events over HTTP; `undefined` for nowhere. @default undefined */
  readonly accept: AcceptOptions | undefined;
  /** What was given of the options of its consumer. */
  readonly consumer: Given<ConsumerSettings>;
  /** What differs for destinations. */
  readonly destinations: DestinationsGiven;
}

/** How events are taken over HTTP. */
export interface AcceptOptions {
  /** Where to listen. */
  readonly address: ListenAddress;
  /** Whom they are taken from, and where they go. */
  readonly rules: AcceptSettings;
  /** Names and addresses that clients may call it by, besides the address. @default none */
  readonly names: readonly string[];
}

/**
 * Read the options of `consume`.
 *
 * @param written The options on the command line.
 * @param file What a configuration file says; the command line wins.
 * @throws {UsageError} On a value outside its limits, and on two that contradict each other: the
 * message names both.
 */
export function readConsumeOptions(written: Texts, file?: ConfigFile): ConsumeOptions {
  // it wins over what the file says, as all that is written does
  const isQuiet = written.has(COMMAND_OPTIONS.quiet.name);
  const overridden = isQuiet ? COMMAND_OPTIONS.quiet.excludes! : [];
  const inFile = [...file?.consume ?? []].filter(([name]) =>
    !written.has(name) && !overridden.includes(name)
  );
  const texts = new Map([...written, ...inFile.map(([name, { texts }]) => [name, texts] as const)]);
  const places = new Map(inFile.map(([name, { at }]) => [name, at]));
  const nameOf: NameOf = (name) => places.has(name) ? `${name} (${places.get(name)})` : `--${name}`;
  checkTogether(OPTIONS, texts, nameOf);
  const consumer = readGiven(CONSUMER_OPTIONS, texts, nameOf);
  const { once, untilEmpty, accept, acceptHosts, forwardTo, ...command } = resolve(
    CONSUME_COMMAND_OPTIONS,
    readGiven(CONSUME_COMMAND_OPTIONS, texts, nameOf),
  );
  const { group, ownerName, workers, logFormat, logLevel, logSummaryMs } = command;
  return {
    mode: once ? "once" : untilEmpty ? "until-empty" : "forever",
    group,
    ownerName,
    workers,
    logFormat,
    logLevel: isQuiet ? "warn" : logLevel,
    logSummaryMs,
    limits: readGiven(LIMIT_OPTIONS, texts, nameOf),
    accept: accept && {
      address: accept,
      names: acceptHosts,
      rules: readAcceptRules(texts, forwardTo, nameOf),
    },
    consumer,
    destinations: readDestinations(file, consumer, nameOf),
  };
}

/** The path of the real endpoint leads to it, where no others are given or it is. */
function readAcceptRules(texts: Texts, forwardTo: string, nameOf: NameOf): AcceptSettings {
  const given = resolve(ACCEPT_RULE_OPTIONS, readGiven(ACCEPT_RULE_OPTIONS, texts, nameOf));
  const { acceptRoutes, acceptTokens, acceptMaxBytes, acceptRatePerSecond, acceptOrigins } = given;
  const isOwn = acceptRoutes.size === 0 || texts.has(CONSUME_COMMAND_OPTIONS.forwardTo.name);
  return {
    routes: new Map([...isOwn ? [[EVENTS_PATH, forwardTo] as const] : [], ...acceptRoutes]),
    tokens: acceptTokens,
    maxBodyBytes: acceptMaxBytes,
    ratePerSecond: acceptRatePerSecond,
    origins: acceptOrigins,
  };
}

/** The sections of destinations, each checked with what it doesn't say itself. */
function readDestinations(
  file: ConfigFile | undefined,
  consumer: Given<ConsumerSettings>,
  nameOf: NameOf,
): DestinationsGiven {
  const sections = new Map(file?.destinations.map((section) => [section.match, section]));
  const destinations: Record<string, Given<ConsumerSettings>> = {};
  for (const [match, { entries }] of sections) {
    const given = [...entries].map(([name, { texts: [text = "", ...more] }]) => {
      const [key, { kind }] = OPTION_OF.get(name)!;
      return [key, kind.read(text, ...more)];
    });
    destinations[match] = Object.fromEntries(given);
  }
  const voiceOf = (match: string): Voice => ({
    name: (_, { name, destinationName = name }) => {
      const place = sections.get(match)!.entries.get(name)?.at;
      return place === undefined ? nameOf(name) : `${destinationName} (${place})`;
    },
    shows: "texts",
  });
  const [fault] = destinationFaults(consumer, destinations, voiceOf);
  if (fault !== undefined) throw new UsageError(fault);
  return destinations;
}
