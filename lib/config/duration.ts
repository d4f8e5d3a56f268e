/**
 * Durations as people write them: a whole number and one unit, `250ms`, `30s`, `5m`, `72h`, `3d`.
 *
 * No fractions and no sums: every duration has a spelling without them (`1500ms`, `90m`), and one
 * grammar is easier to remember than three.
 *
 * @module
 */

/** Milliseconds in each unit, largest first. */
const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const DURATION = /^(\d{1,12})(ms|s|m|h|d)$/;

/**
 * Read a duration: `5m` is 300,000.
 *
 * @returns Milliseconds; `undefined` when the text is anything but a whole number directly followed
 * by a unit.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = DURATION.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * UNITS.find(([name]) => name === unit)![1];
}

/**
 * Write a duration exactly, in the largest unit that needs no fraction; {@linkcode parseDuration}
 * reads it back: 90,000 is `90s`.
 */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const [name, unitMs] = UNITS.find(([, unitMs]) => ms % unitMs === 0) ?? ["ms", 1];
  return `${ms / unitMs}${name}`;
}
