/**
 * The options of the command `purge`.
 *
 * @module
 */

import { choice, duration } from "./kinds.ts";
import type { Kind, OptionsOf } from "./option.ts";

/** What can be purged: dead letters, delivered events, answers. */
export type PurgedState = "dead" | "sent" | "res";

/** What `purge` can be told. */
export interface PurgeOptions {
  /** Only this; `undefined` for all three. */
  readonly state: PurgedState | undefined;
  /** For how long it must have been kept, ms; `undefined` where nobody has said. */
  readonly olderThanMs: number | undefined;
}

const PURGE = { commands: ["purge"] } as const;

/** A century. */
const LONGEST_AGE_MS = 36_500 * 24 * 60 * 60_000;

/** As a kind of an option that has no value by itself. */
function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return {
    ...kind,
    accepts: (value) => value !== undefined && kind.accepts(value),
    print: (value) => value === undefined ? "" : kind.print(value),
  };
}

/** The options of `purge`, each declared once. */
export const PURGE_OPTIONS: OptionsOf<PurgeOptions> = {
  state: {
    ...PURGE,
    name: "state",
    kind: optional(choice<PurgedState>("dead", "sent", "res")),
    default: undefined,
    defaultText: "all three",
    help: "only dead letters, delivered events or answers",
  },
  olderThanMs: {
    ...PURGE,
    name: "older-than",
    kind: optional(duration(0, LONGEST_AGE_MS)),
    default: undefined,
    help: "what has been kept for longer than this",
  },
};
