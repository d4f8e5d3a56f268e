/**
 * The kinds of options: durations, sizes, counts and the rest. Each reads what a person wrote,
 * writes it again, and knows its limits.
 *
 * @module
 */

import type { Outcome } from "../http/outcome.ts";
import { isRule } from "../http/egress_rules.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import type { Kind } from "./option.ts";

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** A flag: given or not. */
export function flag(): Kind<boolean> {
  return {
    takes: "flag",
    valueName: "",
    textMust: "true or false",
    valueMust: "true or false",
    read: (text) => text === "" || text === "true" ? true : text === "false" ? false : undefined,
    accepts: (value) => typeof value === "boolean",
    print: String,
  };
}

/** A whole number. */
export function count(least: number, most: number): Kind<number> {
  const must = `a whole number from ${least} to ${most}`;
  return {
    takes: "value",
    valueName: "N",
    textMust: must,
    valueMust: must,
    read: (text) => /^\d{1,15}$/.test(text) ? Number(text) : undefined,
    accepts: (value) => isWhole(value, least, most),
    print: String,
  };
}

/** A duration, in ms. */
export function duration(leastMs: number, mostMs: number): Kind<number> {
  const [least, most] = [formatDuration(leastMs), formatDuration(mostMs)];
  return {
    takes: "value",
    valueName: "DURATION",
    textMust: `a duration from ${least} to ${most}, such as 250ms, 30s, 5m, 72h or 3d`,
    valueMust: `a whole number from ${leastMs} to ${mostMs} (${most})`,
    read: parseDuration,
    accepts: (value) => isWhole(value, leastMs, mostMs),
    print: formatDuration,
  };
}

/** Bytes in each unit, largest first. */
const SIZE_UNITS = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10], ["", 1]] as const;

/** A size in the largest unit that needs no fraction: 4,194,304 is `4MiB`. */
function formatSize(bytes: number): string {
  const [name, unit] = SIZE_UNITS.find(([, unit]) => bytes > 0 && bytes % unit === 0) ?? ["", 1];
  return `${bytes / unit}${name}`;
}

function parseSize(text: string): number | undefined {
  const [, digits, name = ""] = /^(\d{1,15})(KiB|MiB|GiB)?$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * SIZE_UNITS.find(([known]) => known === name)![1];
}

/** A size, in bytes. */
export function size(least: number, most: number): Kind<number> {
  const limits = `from ${formatSize(least)} to ${formatSize(most)}`;
  return {
    takes: "value",
    valueName: "SIZE",
    textMust: `a number of bytes ${limits}, such as 512KiB or 4MiB`,
    valueMust: `a whole number from ${least} to ${most} (${formatSize(most)})`,
    read: parseSize,
    accepts: (value) => isWhole(value, least, most),
    print: formatSize,
  };
}

/** Seconds in each unit. */
const RATE_UNITS = [["s", 1], ["m", 60], ["h", 3_600]] as const;

function parseRate(text: string): number | undefined {
  const [, digits, name] = /^(\d{1,7})\/([smh])$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) / RATE_UNITS.find(([known]) => known === name)![1];
}

function formatRate(perSecond: number): string {
  for (const [name, seconds] of RATE_UNITS) {
    const whole = Math.round(perSecond * seconds);
    if (whole > 0 && whole / seconds === perSecond) return `${whole}/${name}`;
  }
  return `${perSecond}/s`;
}

/** A rate, a second. */
export function rate(most: number): Kind<number> {
  return {
    takes: "value",
    valueName: "N/s",
    textMust: `a whole number from 1 to ${most} and its time, such as 100/s, 30/m or 500/h`,
    valueMust: `greater than 0 and at most ${most}`,
    read: parseRate,
    accepts: (value) => typeof value === "number" && value > 0 && value <= most,
    print: formatRate,
  };
}

/** With a zone, for what it means must not depend on where the program runs. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/;

/** A time, in Unix ms. */
export function time(): Kind<number | undefined> {
  const must = "a time with its zone, such as 2026-12-01T08:00Z or 2026-12-01T08:00:30+01:00";
  return {
    takes: "value",
    valueName: "TIME",
    textMust: must,
    valueMust: must,
    read: (text) =>
      TIME.test(text) && !Number.isNaN(Date.parse(text)) ? Date.parse(text) : undefined,
    accepts: (value) => value !== undefined && Number.isInteger(value),
    print: (value) => value === undefined ? "" : new Date(value).toISOString(),
  };
}

/** A text that isn't empty. */
export function text(valueName: string): Kind<string> {
  return {
    takes: "value",
    valueName,
    textMust: "a text that isn't empty",
    valueMust: "a text that isn't empty",
    read: (text) => text,
    accepts: (value) => typeof value === "string" && value !== "",
    print: String,
  };
}

/** Texts: the option may be repeated. */
export function texts(valueName: string): Kind<readonly string[]> {
  return {
    ...text(valueName),
    takes: "values",
    read: (...all) => all,
    accepts: (values) => values.every((value) => value !== ""),
    print: (values) => values.join(" "),
  };
}

/** One of some words. */
export function choice<Word extends string>(...words: readonly Word[]): Kind<Word> {
  const must = words.join(" or ");
  return {
    takes: "value",
    valueName: words.join("|"),
    words,
    textMust: must,
    valueMust: must,
    read: (text) => words.find((word) => word === text),
    accepts: (value) => words.includes(value),
    print: String,
  };
}

/**
 * Something of which a text gives only the name.
 *
 * @param known Makes it, by name. A program may bring its own that isn't among them.
 * @param must What a program's own must be.
 */
export function named<T extends { readonly name: string }>(
  known: Readonly<Record<string, () => T>>,
  must: string,
): Kind<T> {
  const names = Object.keys(known);
  return {
    takes: "value",
    valueName: "NAME",
    words: names,
    textMust: names.join(" or "),
    valueMust: must,
    read: (text) => Object.hasOwn(known, text) ? known[text]!() : undefined,
    accepts: (value) => typeof value?.name === "string",
    print: ({ name }) => name,
  };
}

/** How an operator asks for an outcome. */
const VERBS: Readonly<Record<Outcome, string>> = {
  delivered: "deliver",
  deferred: "defer",
  refused: "refuse",
};

const OUTCOMES = new Map(
  Object.entries(VERBS).map(([outcome, verb]) => [verb, outcome as Outcome]),
);

function parseStatusMap(text: string): ReadonlyMap<number, Outcome> | undefined {
  const pairs = text.split(",").map((pair) => pair.split("="));
  const table = new Map(pairs.map(([status, verb = ""]) => [Number(status), OUTCOMES.get(verb)]));
  const isRight = table.size === pairs.length && [...table.values()].every(Boolean) &&
    pairs.every((pair) => pair.length === 2 && /^\d{3}$/.test(pair[0]!));
  return isRight ? table as Map<number, Outcome> : undefined;
}

/** Outcomes by HTTP status. */
export function statusMap(): Kind<ReadonlyMap<number, Outcome>> {
  return {
    takes: "value",
    valueName: "STATUS=OUTCOME,...",
    textMust:
      "STATUS=OUTCOME pairs, each with another status from 200 to 599 and one of deliver, " +
      "defer or refuse, such as 404=defer,409=deliver",
    valueMust: "a Map of statuses from 200 to 599 to delivered, deferred or refused",
    read: parseStatusMap,
    accepts: (table) =>
      table instanceof Map &&
      [...table].every(([status, outcome]) =>
        isWhole(status, 200, 599) && Object.hasOwn(VERBS, outcome)
      ),
    print: (table) => [...table].map(([status, to]) => `${status}=${VERBS[to]}`).join(","),
  };
}

/** Rules about the addresses that requests may go to. */
export function egressRules(): Kind<readonly string[] | undefined> {
  const must = "public, private, loopback, addresses such as 10.0.0.0/8 or hosts, with , between";
  return {
    takes: "values",
    valueName: "RULE",
    textMust: must,
    valueMust: must,
    read: (...lists) => lists.flatMap((list) => list.split(",")),
    accepts: (rules) => rules !== undefined && rules.every(isRule),
    print: (rules) => rules?.join() ?? "",
  };
}
