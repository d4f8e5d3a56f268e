/**
 * Options of one destination, or of all whose hosts end alike: which section of a configuration
 * counts for which.
 *
 * | section | counts for |
 * | --- | --- |
 * | `https://hooks.example.com` | that scheme, host and port |
 * | `https://*.example.com` | every host that ends in `.example.com`, however many labels before |
 *
 * Of several the exact one counts, else the longest, and none of the others: what it doesn't say is
 * what the consumer's own options say.
 *
 * @module
 */

import type { Given } from "./resolve.ts";

/** What one section says. */
export interface Section<Values> {
  /** Whom it is about, as in {@linkcode readPattern}. */
  readonly match: string;
  /** Values that differ from the consumer's own. */
  readonly given: Given<Values>;
}

/** What a section's name means. */
export interface Pattern {
  /** What an origin starts with: `https://`. */
  readonly start: string;
  /** What it ends with: a host and a port that isn't the scheme's own, after the `*`. */
  readonly end: string;
  /** Whether something stands between. */
  readonly isWildcard: boolean;
  /** Equal for names that mean the same. */
  readonly key: string;
}

/** Stands for the `*` while a URL is parsed. */
const LABEL = "any";

/**
 * Read the name of a section: an origin, such as `https://hooks.example.com:8443`, whose host may
 * begin with `*.`.
 *
 * @returns What is wrong with it, when it is none.
 */
export function readPattern(match: string): Pattern | string {
  const must = "must be an origin such as https://hooks.example.com or https://*.example.com";
  const isWildcard = /^https?:\/\/\*\./i.test(match);
  const text = isWildcard ? match.replace("*", LABEL) : match;
  if (text.includes("*") || !URL.canParse(text)) return must;
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return must;
  if (url.pathname !== "/" || url.search || url.hash || url.username || url.password) {
    return `${must}, without a path, current value is ${match}`;
  }
  const start = `${url.protocol}//`;
  const host = url.origin.slice(start.length);
  const end = isWildcard ? host.slice(LABEL.length) : host;
  return { start, end, isWildcard, key: `${start}${isWildcard ? "*" : ""}${end}` };
}

/** Which of some sections counts for an origin. */
export class Sections<Values> {
  readonly #exact = new Map<string, Section<Values>>();
  /** The longest first. */
  readonly #wild: { readonly pattern: Pattern; readonly section: Section<Values> }[] = [];

  /**
   * Sections whose names have been read.
   *
   * @throws {RangeError} If a name is wrong, or two mean the same.
   */
  constructor(sections: readonly Section<Values>[]) {
    const seen = new Set<string>();
    for (const section of sections) {
      const pattern = readPattern(section.match);
      if (typeof pattern === "string") throw new RangeError(`Cannot configure: match ${pattern}`);
      const { isWildcard, key } = pattern;
      if (seen.has(key)) throw new RangeError(`Cannot configure: ${section.match} is there twice`);
      seen.add(key);
      if (isWildcard) this.#wild.push({ pattern, section });
      else this.#exact.set(key, section);
    }
    this.#wild.sort((a, b) => b.pattern.end.length - a.pattern.end.length);
  }

  /** The section of an origin, as `URL.origin` has it. */
  of(origin: string): Section<Values> | undefined {
    const exact = this.#exact.get(origin);
    if (exact) return exact;
    return this.#wild.find(({ pattern: { start, end } }) =>
      origin.startsWith(start) && origin.endsWith(end) &&
      origin.length > start.length + end.length
    )?.section;
  }
}
