/** Types for the functions of `@std/text` that the command line uses. */
export function closestString(givenWord: string, possibleWords: readonly string[]): string;
export function levenshteinDistance(a: string, b: string): number;
