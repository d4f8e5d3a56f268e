/**
 * The options of the command `check`.
 *
 * @module
 */

import { count, duration, flag } from "./kinds.ts";
import type { OptionsOf } from "./option.ts";

/** What `check` can be told. */
export interface CheckOptions {
  /** How late an event may be, ms. */
  readonly maxLateMs: number;
  /** How many dead letters there may be. */
  readonly maxDead: number;
  /** How long a destination may be down, ms. */
  readonly maxDownMs: number;
  /** Whether to write metrics instead of a line. */
  readonly prometheus: boolean;
}

const CHECK = { commands: ["check"] } as const;

const YEAR_MS = 365 * 24 * 60 * 60_000;

/** The options of `check`, each declared once. */
export const CHECK_OPTIONS: OptionsOf<CheckOptions> = {
  maxLateMs: {
    ...CHECK,
    name: "max-age",
    kind: duration(0, YEAR_MS),
    default: 5 * 60_000,
    help: "critical when an event could have been sent for longer than this, and wasn't",
  },
  maxDead: {
    ...CHECK,
    name: "max-dead",
    kind: count(0, 1_000_000_000),
    default: 0,
    help: "a warning when there are more dead letters than this",
  },
  maxDownMs: {
    ...CHECK,
    name: "max-down",
    kind: duration(0, YEAR_MS),
    default: 10 * 60_000,
    help: "critical when a destination is down for longer than this",
  },
  prometheus: {
    ...CHECK,
    name: "prometheus",
    kind: flag(),
    default: false,
    help: "write metrics for the node exporter's textfile collector instead",
  },
};
