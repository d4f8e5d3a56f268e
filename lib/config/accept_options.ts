/**
 * The options of whom events are taken from over HTTP, and where they go. They may change while the
 * program runs.
 *
 * @module
 */

import { checkEvent } from "../event/encode.ts";
import { rate, size } from "./kinds.ts";
import type { Kind, OptionsOf } from "./option.ts";
import { isReference } from "./reference.ts";

/** Whom events are taken from, and where they go. */
export interface AcceptRuleOptions {
  /** Where to, by the path that is posted to. */
  readonly acceptRoutes: ReadonlyMap<string, string>;
  /** References to the tokens of which clients must show one; none for everybody. */
  readonly acceptTokens: readonly string[];
  /** Largest body; 0 for what fits into the largest event. */
  readonly acceptMaxBytes: number;
  /** Events a second at most, of all clients. */
  readonly acceptRatePerSecond: number;
  /** Origins of web pages that may post. */
  readonly acceptOrigins: readonly string[];
}

/** What is the same for all. */
const ACCEPT = { commands: ["consume"], section: "accept", needs: "accept" } as const;

const LARGEST_BYTES = 256 * 2 ** 20;
const MOST_A_SECOND = 1_000_000;

/** Why nothing can be sent to a URL; `undefined` when events can. */
export function refusalOfUrl(url: string): string | undefined {
  return checkEvent(new TextEncoder().encode(JSON.stringify({ url, requestBody: {} })));
}

const PATH = /^\/[^?#\s]*$/;

function readRoute(text: string): readonly [path: string, url: string] | undefined {
  const [, path, url] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (path === undefined || url === undefined || !PATH.test(path)) return undefined;
  return refusalOfUrl(url) === undefined ? [path, url] : undefined;
}

function routes(): Kind<ReadonlyMap<string, string>> {
  const must = "a path and a URL that events can be sent to, such as /hooks=https://a.example/in";
  return {
    takes: "values",
    valueName: "PATH=URL",
    textMust: must,
    valueMust: must,
    read(...texts) {
      const read = texts.map(readRoute);
      const known = read.filter((route) => route !== undefined);
      return known.length === read.length ? new Map(known) : undefined;
    },
    accepts: (routes) => routes instanceof Map,
    print: (routes) => [...routes].map(([path, url]) => `${path}=${url}`).join(" "),
  };
}

function references(): Kind<readonly string[]> {
  const must = "file:PATH or credential:NAME, where the token is";
  return {
    takes: "values",
    valueName: "REF",
    textMust: must,
    valueMust: must,
    read: (...texts) => texts,
    accepts: (tokens) => tokens.every(isReference),
    print: (tokens) => tokens.join(),
  };
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function origins(): Kind<readonly string[]> {
  const must = "the origin of web pages, such as https://shop.example";
  return {
    takes: "values",
    valueName: "ORIGIN",
    textMust: must,
    valueMust: must,
    read: (...texts) => texts,
    accepts: (origins) => origins.every(isOrigin),
    print: (origins) => origins.join(),
  };
}

/** The options, each declared once. */
export const ACCEPT_RULE_OPTIONS: OptionsOf<AcceptRuleOptions> = {
  acceptRoutes: {
    ...ACCEPT,
    name: "accept-route",
    fileName: "routes",
    kind: routes(),
    default: new Map(),
    defaultText: "/v1/events to --forward-to",
    help: "where events posted to a path of --accept are delivered; may be repeated",
    secret: true, // a URL may hold a password
  },
  acceptTokens: {
    ...ACCEPT,
    name: "accept-token",
    fileName: "tokens",
    kind: references(),
    default: [],
    defaultText: "none is asked for",
    help: "a file, file:PATH or credential:NAME, with a token that clients must show; may be " +
      "repeated, then one of them",
    secret: true, // what stands there by mistake may be the token
  },
  acceptMaxBytes: {
    ...ACCEPT,
    name: "accept-max-bytes",
    fileName: "max-bytes",
    kind: size(1, LARGEST_BYTES),
    default: 0,
    defaultText: "what --max-bytes leaves",
    help: "largest body that --accept takes",
  },
  acceptRatePerSecond: {
    ...ACCEPT,
    name: "accept-rate",
    fileName: "rate",
    kind: rate(MOST_A_SECOND),
    default: Infinity,
    defaultText: "no limit",
    help: "events a second that --accept takes at most, of all clients; also N/m and N/h",
  },
  acceptOrigins: {
    ...ACCEPT,
    name: "accept-origin",
    fileName: "origins",
    kind: origins(),
    default: [],
    defaultText: "none",
    help: "the origin of web pages that may post to --accept; may be repeated",
  },
};
