/**
 * The options by which the commands choose events: one filter for all of them.
 *
 * @module
 */

import { formatDuration, parseDuration } from "./duration.ts";
import { count, flag, rate, text, time } from "./kinds.ts";
import type { Kind, OptionsOf } from "./option.ts";

/** The states in which events can be, as people name them. */
export const EVENT_STATES = ["ready", "claimed", "deferred", "dead", "sent"] as const;

/** A moment, Unix ms, or so many ms before the command began. */
export type Moment = { readonly atMs: number } | { readonly agoMs: number };

/** Statuses from one to another, both included. */
export interface StatusRange {
  /** The first. */
  readonly from: number;
  /** The last. */
  readonly to: number;
}

/** What may be said of the events that are wanted. */
export interface FilterOptions {
  /** In one of these states; `undefined` for those that suit the command. */
  readonly states: readonly (typeof EVENT_STATES)[number][] | undefined;
  /** For this destination: a URL, or its folder's name. */
  readonly destination: string | undefined;
  /** Died or delivered from then on, else put on the queue from then on. */
  readonly since: Moment | undefined;
  /** The same, before then. */
  readonly until: Moment | undefined;
  /** With one of these statuses in the last answer. */
  readonly statuses: readonly StatusRange[] | undefined;
  /** With this in the reason. */
  readonly reason: string | undefined;
  /** With this in the event's file. */
  readonly body: string | undefined;
  /** So many at most; `undefined` for all, or as many as suit the command. */
  readonly limit: number | undefined;
}

const CHOOSING = { commands: ["list", "requeue", "retry", "replay", "delete"] } as const;

const MUST_BE_STATES = `one of ${EVENT_STATES.join(", ")}, or several with , between them`;

function states(): Kind<FilterOptions["states"]> {
  return {
    takes: "value",
    valueName: "STATE,...",
    words: EVENT_STATES,
    textMust: MUST_BE_STATES,
    valueMust: MUST_BE_STATES,
    read(text) {
      const found = text.split(",").map((word) => EVENT_STATES.find((state) => state === word));
      return found.every((state) => state !== undefined) ? found : undefined;
    },
    accepts: (value) => value !== undefined && value.length > 0,
    print: (value) => value?.join() ?? "",
  };
}

function moment(): Kind<Moment | undefined> {
  const at = time();
  const must = "how long ago, such as 2h or 3d, or a time with its zone, such as 2026-12-01T08:00Z";
  return {
    takes: "value",
    valueName: "TIME",
    textMust: must,
    valueMust: must,
    read(text) {
      const agoMs = parseDuration(text);
      if (agoMs !== undefined) return { agoMs };
      const atMs = at.read(text);
      return atMs === undefined ? undefined : { atMs };
    },
    accepts: (value) => value !== undefined,
    print: (value) =>
      value === undefined
        ? ""
        : "agoMs" in value
        ? formatDuration(value.agoMs)
        : at.print(value.atMs),
  };
}

const STATUS = /^(?:([1-5])xx|([1-5]\d\d))$/;

function statusRange(text: string): StatusRange | undefined {
  const [, hundreds, one] = STATUS.exec(text) ?? [];
  if (one !== undefined) return { from: Number(one), to: Number(one) };
  if (hundreds === undefined) return undefined;
  return { from: Number(hundreds) * 100, to: Number(hundreds) * 100 + 99 };
}

function statuses(): Kind<FilterOptions["statuses"]> {
  const must = "statuses such as 503, 4xx or 429,5xx";
  return {
    takes: "value",
    valueName: "STATUS,...",
    textMust: must,
    valueMust: must,
    read(text) {
      const found = text.split(",").map(statusRange);
      return found.every((range) => range !== undefined) ? found : undefined;
    },
    accepts: (value) => value !== undefined && value.length > 0,
    print: (value) =>
      (value ?? []).map(({ from, to }) => from === to ? String(from) : `${from / 100}xx`).join(),
  };
}

function optionalText(valueName: string): Kind<string | undefined> {
  const named = text(valueName);
  return {
    ...named,
    accepts: (value) => value !== undefined && named.accepts(value),
    print: (value) => value ?? "",
  };
}

function limit(): Kind<number | undefined> {
  const counted = count(1, 1_000_000_000);
  return {
    ...counted,
    accepts: (value) => value !== undefined && counted.accepts(value),
    print: (value) => value === undefined ? "" : counted.print(value),
  };
}

function pace(): Kind<number | undefined> {
  const paced = rate(100_000);
  return {
    ...paced,
    accepts: (value) => value !== undefined && paced.accepts(value),
    print: (value) => value === undefined ? "" : paced.print(value),
  };
}

/** The options of the filter, each declared once. */
export const FILTER_OPTIONS: OptionsOf<FilterOptions> = {
  states: {
    ...CHOOSING,
    name: "state",
    kind: states(),
    default: undefined,
    defaultText: "those that the command is for",
    help: "events in these states",
  },
  destination: {
    ...CHOOSING,
    name: "destination",
    kind: optionalText("DESTINATION"),
    default: undefined,
    defaultText: "any",
    help: "events for this destination: a URL, or the name of its folder in defer/",
    secret: true,
  },
  since: {
    ...CHOOSING,
    name: "since",
    kind: moment(),
    default: undefined,
    defaultText: "ever",
    help: "events that died or were delivered, else were put on the queue, from then on: so long " +
      "ago, or a time",
  },
  until: {
    ...CHOOSING,
    name: "until",
    kind: moment(),
    default: undefined,
    defaultText: "now",
    help: "the same, before then",
  },
  statuses: {
    ...CHOOSING,
    name: "status",
    kind: statuses(),
    default: undefined,
    defaultText: "any",
    help: "events whose last answer had one of these statuses",
  },
  reason: {
    ...CHOOSING,
    name: "reason",
    kind: optionalText("TEXT"),
    default: undefined,
    defaultText: "any",
    help: "events with this in the reason for which they wait or are dead, whatever the case",
  },
  body: {
    ...CHOOSING,
    name: "body",
    kind: optionalText("TEXT"),
    default: undefined,
    defaultText: "any",
    help: "events with this in their files, as it is written there",
    secret: true,
  },
  limit: {
    ...CHOOSING,
    name: "limit",
    kind: limit(),
    default: undefined,
    defaultText: "50 for list as text, else no limit",
    help: "so many events at most",
  },
};

/** What the commands that choose events can be told beside. */
export interface ChosenOptions {
  /** Whether to say only how many there are. */
  readonly count: boolean;
  /** Whether to print the exact body of an event instead. */
  readonly exact: boolean;
  /** Whether to print a command that repeats its request instead. */
  readonly curl: boolean;
  /** Whether each replayed event gets an id of its own. */
  readonly newId: boolean;
  /** Whether to say only what would be done. */
  readonly dryRun: boolean;
  /** So many events a second at most; `undefined` for no limit. */
  readonly pacePerSecond: number | undefined;
}

/** Each declared once. */
export const CHOSEN_OPTIONS: OptionsOf<ChosenOptions> = {
  count: {
    commands: ["list"],
    name: "count",
    kind: flag(),
    default: false,
    help: "say only how many there are",
    excludes: ["json", "limit"],
  },
  exact: {
    commands: ["show"],
    name: "exact",
    kind: flag(),
    default: false,
    help: "print the body alone, exactly as it is sent",
    excludes: ["json", "curl"],
  },
  curl: {
    commands: ["show"],
    name: "curl",
    kind: flag(),
    default: false,
    help: "print a command that repeats the request, but for what may be secret in it",
    excludes: ["json"],
  },
  newId: {
    commands: ["replay"],
    name: "new-id",
    kind: flag(),
    default: false,
    help: "give each an id of its own, so that its endpoint takes it for another event",
  },
  dryRun: {
    commands: ["requeue", "retry", "replay", "delete", "purge"],
    name: "dry-run",
    kind: flag(),
    default: false,
    help: "say only what it would be",
  },
  pacePerSecond: {
    commands: ["requeue", "retry", "replay", "delete"],
    name: "rate",
    kind: pace(),
    default: undefined,
    defaultText: "no limit",
    help: "so many events a second at most; also N/m, N/h",
  },
};
