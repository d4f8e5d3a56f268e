/**
 * The limits for producers: how much may wait in a queue, whoever adds to it.
 *
 * @module
 */

import { count, size } from "./kinds.ts";
import type { Kind, OptionsOf } from "./option.ts";

/** How much may wait; `undefined` for no limit. */
export interface LimitOptions {
  /** Events. */
  readonly maxEvents: number | undefined;
  /** Bytes of their files. */
  readonly maxBytes: number | undefined;
  /** Bytes that must stay free on its disk. */
  readonly minFreeBytes: number | undefined;
}

const MOST_EVENTS = 1_000_000_000;
const MOST_BYTES = 2 ** 50;

/** What is the same for all. */
const LIMIT = {
  commands: ["consume", "client"],
  section: "limits",
  default: undefined,
  defaultText: "no limit",
} as const;

/** Sizes for which there may be none. */
const sizeOrNone = () => size(1, MOST_BYTES) as Kind<number | undefined>;

/** The limits for producers, each declared once. */
export const LIMIT_OPTIONS: OptionsOf<LimitOptions> = {
  maxEvents: {
    ...LIMIT,
    name: "max-events",
    kind: count(1, MOST_EVENTS) as Kind<number | undefined>,
    help: "refuse events while about so many wait",
  },
  maxBytes: {
    ...LIMIT,
    name: "max-queue-bytes",
    fileName: "max-bytes",
    kind: sizeOrNone(),
    help: "refuse events while the files of those that wait have about so many bytes",
  },
  minFreeBytes: {
    ...LIMIT,
    name: "min-free",
    kind: sizeOrNone(),
    help: "refuse events that would leave less than this free on the disk",
  },
};
