/**
 * What an examination of a queue finds.
 *
 * @module
 */

/** How much it matters. */
export type Severity =
  /** As it should be. */
  | "ok"
  /** Worth knowing. */
  | "note"
  /** Somebody should do something. */
  | "warning"
  /** Events aren't delivered, or may get lost, until somebody does. */
  | "failure";

/** One thing that was found. */
export interface Finding {
  /** How much it matters. */
  readonly severity: Severity;
  /** What it is about, in a word or two. */
  readonly topic: string;
  /** What was found, in a sentence without its end. */
  readonly text: string;
  /** What to do. */
  readonly advice?: string;
}

/** Findings, as they are made. */
export type Findings = AsyncIterable<Finding>;

/** A number of things: `1 file`, `3 files`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A time that has passed, roughly: `40 s`, `5 min`, `3 h`, `12 d`. */
export function roughly(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
