/**
 * The options of the command `consume` beside those of its consumer.
 *
 * @module
 */

import {
  isHostName,
  isLoopback,
  type ListenAddress,
  originOf,
  parseAddress,
} from "../accept/address.ts";
import { refusalOfUrl } from "./accept_options.ts";
import { choice, count, duration, flag, text } from "./kinds.ts";
import type { Kind, OptionsOf } from "./option.ts";

/**
 * From what matters most: `error`, something doesn't work; `warn`, an event is lost to its endpoint
 * or something is odd; `info`, the work itself; `debug`, what says little or comes too often.
 */
export const LEVELS = ["error", "warn", "info", "debug"] as const;

/** One of {@linkcode LEVELS}. */
export type Level = typeof LEVELS[number];

/** What `consume` can be told beside the options of its consumer. */
export interface ConsumeCommandOptions {
  /** Whether to end when what is due now is delivered. */
  readonly once: boolean;
  /** Whether to end when nothing is left. */
  readonly untilEmpty: boolean;
  /** Whether the group may work on the queue as well, or only drop events. */
  readonly group: boolean | "drop";
  /** What this host is called in place of its host name; `undefined` for that. */
  readonly ownerName: string | undefined;
  /** Consumers, each in a thread of its own; `"auto"` for one a core, but not very many. */
  readonly workers: number | "auto";
  /** How events are logged. */
  readonly logFormat: "text" | "json";
  /** What matters less than that has no line in the log. */
  readonly logLevel: Level;
  /** Time between two lines of counts in place of a line for each event, in ms; 0 for those. */
  readonly logSummaryMs: number;
  /** Where to take events over HTTP; `undefined` for nowhere. */
  readonly accept: ListenAddress | undefined;
  /** Whether that may be reached from other hosts. */
  readonly acceptFromAnywhere: boolean;
  /** Names and addresses that clients may call it by, besides the address. */
  readonly acceptHosts: readonly string[];
  /** Where events taken over HTTP go from the queue. */
  readonly forwardTo: string;
}

/** What is the same for all: they say how a process is set up, so they stay as they are. */
const CONSUME = { commands: ["consume"], fixed: true } as const;

/** Longest time between two lines of counts. */
const LONGEST_SUMMARY_MS = 3_600_000;

/** Most consumers in one process. */
const MOST_WORKERS = 64;

/** Most that there are without being counted. */
export const MOST_AUTO_WORKERS = 8;

const MUST_BE_ADDRESS =
  "an address and a port such as 127.0.0.1:8080, [::1]:8080 or localhost:8080";

function listenAddress(): Kind<ListenAddress | undefined> {
  return {
    takes: "value",
    valueName: "HOST:PORT",
    textMust: MUST_BE_ADDRESS,
    valueMust: MUST_BE_ADDRESS,
    read: parseAddress,
    accepts: (address) => address !== undefined,
    print: (address) => address === undefined ? "" : originOf(address).slice("http://".length),
  };
}

function group(): Kind<boolean | "drop"> {
  const shared = flag();
  return {
    ...shared,
    mayBe: ["drop"],
    textMust: "true, false or drop",
    valueMust: "true, false or drop",
    read: (text) => text === "drop" ? text : shared.read(text),
    accepts: (value) => value === "drop" || shared.accepts(value),
  };
}

function workers(): Kind<number | "auto"> {
  const counted = count(1, MOST_WORKERS);
  const must = `${counted.textMust}, or auto`;
  return {
    ...counted,
    valueName: "N|auto",
    textMust: must,
    valueMust: must,
    read: (text) => text === "auto" ? text : counted.read(text),
    accepts: (value) => value === "auto" || counted.accepts(value),
    print: String,
  };
}

function ownerName(): Kind<string | undefined> {
  const named = text("NAME");
  return {
    ...named,
    accepts: (name) => name !== undefined && named.accepts(name),
    print: (name) => name ?? "",
  };
}

const MUST_BE_HOST =
  "a host name or an address without a port, such as events.example or [2001:db8::1]";

function hostNames(): Kind<readonly string[]> {
  return {
    takes: "values",
    valueName: "NAME",
    textMust: MUST_BE_HOST,
    valueMust: MUST_BE_HOST,
    read: (...lists) => lists.flatMap((list) => list.split(",")),
    accepts: (names) => names.every(isHostName),
    print: (names) => names.join(),
  };
}

function checkLoopback(
  address: ListenAddress | undefined,
  { acceptFromAnywhere }: ConsumeCommandOptions,
  say: { name(key: "acceptFromAnywhere"): string },
): string | undefined {
  if (address === undefined || isLoopback(address) || acceptFromAnywhere) return undefined;
  return `a loopback address unless ${say.name("acceptFromAnywhere")} is given`;
}

function checkUrl(url: string): string | undefined {
  const why = refusalOfUrl(url);
  return why && `a URL that events can be sent to: ${why}`;
}

/** The options of `consume` beside those of its consumer, each declared once. */
export const CONSUME_COMMAND_OPTIONS: OptionsOf<ConsumeCommandOptions> = {
  once: {
    ...CONSUME,
    name: "once",
    kind: flag(),
    default: false,
    help: "deliver what is due now, then end: with 0 if nothing is left, else with 75",
    excludes: ["until-empty"],
  },
  untilEmpty: {
    ...CONSUME,
    name: "until-empty",
    kind: flag(),
    default: false,
    help: "deliver until nothing is left, then end with 0; with 75 when all that is left waits " +
      "for held destinations",
  },
  group: {
    ...CONSUME,
    section: "consume",
    name: "group",
    kind: group(),
    default: false,
    help: "the queue is the group's as well; with drop its members may only add events, not see " +
      "or remove any",
  },
  ownerName: {
    ...CONSUME,
    section: "consume",
    name: "owner-name",
    kind: ownerName(),
    default: undefined,
    defaultText: "the host name",
    help: "call this host NAME, for containers that come back under other host names; no other " +
      "machine may be called so",
  },
  workers: {
    ...CONSUME,
    section: "consume",
    name: "workers",
    kind: workers(),
    default: 1,
    help: `consumers, each in a thread of its own; auto for one a core, ${MOST_AUTO_WORKERS} at ` +
      "most. What is said of one, such as --concurrency, is said of each",
  },
  logFormat: {
    ...CONSUME,
    section: "consume",
    name: "log-format",
    kind: choice("text", "json"),
    default: "text",
    help: "how events are logged on standard error",
  },
  logLevel: {
    commands: ["consume"],
    section: "consume",
    name: "log-level",
    kind: choice(...LEVELS),
    default: "info",
    help: "how much is logged: error, warn (what is dead, down or odd), info (each event), debug",
  },
  logSummaryMs: {
    ...CONSUME,
    section: "consume",
    name: "log-summary",
    kind: duration(0, LONGEST_SUMMARY_MS),
    default: 0,
    help: "log counts so often in place of a line for each event, such as 1m; 0s for those lines",
  },
  accept: {
    ...CONSUME,
    section: "consume",
    name: "accept",
    kind: listenAddress(),
    default: undefined,
    defaultText: "no",
    help: "also take events over HTTP, posted to /v1/events there by an SDK that only lets a URL " +
      "be set",
    excludes: ["once", "until-empty"],
    check: checkLoopback,
  },
  acceptFromAnywhere: {
    ...CONSUME,
    section: "consume",
    name: "accept-from-anywhere",
    kind: flag(),
    default: false,
    help: "let --accept be reachable from other hosts",
    needs: "accept",
  },
  acceptHosts: {
    ...CONSUME,
    section: "consume",
    name: "accept-host",
    kind: hostNames(),
    default: [],
    defaultText: "none",
    help: "a name or an address, besides the one of --accept, that clients may call it by, with " +
      "any port; may be repeated, also A,B",
    needs: "accept",
  },
  forwardTo: {
    ...CONSUME,
    section: "consume",
    name: "forward-to",
    kind: text("URL"),
    default: "https://logx.optimizely.com/v1/events",
    help: "where events taken by --accept are delivered",
    needs: "accept",
    secret: true, // a URL may hold a password
    check: checkUrl,
  },
};
