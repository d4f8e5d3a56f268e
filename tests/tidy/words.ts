/**
 * Words of another trade that stood for terms of ours. Names and comments use the field's own:
 * peers for company, owner for heir, semaphore, poller, prefetch, batch, wake-up, lane.
 *
 * @module
 */

const WORDS = [
  "keeper",
  "heed",
  "agenda",
  "intake",
  "station",
  "heir",
  "inherit",
  "company",
  "stranger",
  "bereft",
  "bear fruit",
  "gathered",
  "gathering",
  "hung",
];

const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);

/** At the start of a word, or of a part of a name: `heir` and `theHeir`, but not `their`. */
const PATTERN = new RegExp(
  WORDS.flatMap((word) => [
    `(?<![A-Za-z])(?:${word}|${word.toUpperCase()})`,
    capital(word),
  ]).map((form) => `(?:${form}[A-Za-z]*)`).join("|").replaceAll(" ", "\\s+"),
  "g",
);

/** The wrong words in a module of `lib/`, each told once. */
export function wrongWords(path: string, text: string): string[] {
  if (!path.startsWith("lib/")) return [];
  const found = new Set(Array.from(text.matchAll(PATTERN), ([word]) => word));
  return [...found].map((word) => `${path} must have the field's term for "${word}"`);
}
