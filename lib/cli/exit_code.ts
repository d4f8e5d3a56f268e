/**
 * Exit codes, after `sysexits.h`: what a script, a unit file or an orchestrator needs to know to do
 * the right thing next.
 *
 * @module
 */

/** What the program ends with. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** The command line or the configuration is wrong. */
  usage: 64,
  /** An event is wrong, or an id or a destination is not known. */
  badEvent: 65,
  /** A bug: something happened that nothing here expects. */
  bug: 70,
  /** Can't create the queue, or the folder is not one. */
  notAQueue: 73,
  /** The disk failed. */
  diskError: 74,
  /** Events remain, or a stop was cut short: try again later. */
  tryAgain: 75,
  /** Not allowed. */
  permission: 77,
} as const;

/** What each of them means, in a few words. */
export const EXIT_MEANINGS: Readonly<Record<typeof EXIT[keyof typeof EXIT], string>> = {
  0: "done",
  64: "the command line or the configuration is wrong",
  65: "an event is wrong, or an id or a destination is not known",
  70: "a bug in this program",
  73: "can't create the queue, or the directory is not one",
  74: "the disk failed",
  75: "events remain: try again later",
  77: "not allowed",
};

/** What `check` ends with: the codes of monitoring plugins. */
export const PLUGIN_EXIT = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

/** One of {@linkcode EXIT}, or of {@linkcode PLUGIN_EXIT}. */
export type ExitCode =
  | typeof EXIT[keyof typeof EXIT]
  | typeof PLUGIN_EXIT[keyof typeof PLUGIN_EXIT];
