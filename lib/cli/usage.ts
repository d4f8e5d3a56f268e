/**
 * The commands at a glance: how each is called, and what it does in a few words. The help, the
 * completions of shells and the manual page list them from here.
 *
 * @module
 */

import { type Command, COMMANDS } from "../config/option.ts";

/** What stands behind a command, as far as a shell can complete it. */
export type Words =
  /** Nothing it could know of. */
  | { readonly are: "none" }
  /** Files. */
  | { readonly are: "files" }
  /** Destinations, by the names of their folders. */
  | { readonly are: "destinations" }
  /** One of some. */
  | { readonly are: "words"; readonly words: readonly string[] };

/** A command at a glance. */
export interface Usage {
  /** What follows the program's name. */
  readonly usage: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** What it takes beside options. */
  readonly words: Words;
}

const NONE: Words = { are: "none" };
const DESTINATIONS: Words = { are: "destinations" };

/** The shells that completions are made for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell. */
export type Shell = typeof SHELLS[number];

/** How each command is called. */
export const USAGES: Readonly<Record<Command, Usage>> = {
  consume: { usage: "[consume] [options]", summary: "deliver events", words: NONE },
  client: {
    usage: "client [options] [FILE... | -]",
    summary: "put events on the queue",
    words: { are: "files" },
  },
  status: { usage: "status [--json]", summary: "say what is in the queue", words: NONE },
  list: { usage: "list [FILTER] [--json]", summary: "find events", words: NONE },
  show: { usage: "show ID", summary: "one event and its story", words: NONE },
  requeue: {
    usage: "requeue FILTER | ID... | -",
    summary: "dead letters once more",
    words: NONE,
  },
  retry: { usage: "retry FILTER | ID... | -", summary: "waiting events now", words: NONE },
  delete: { usage: "delete FILTER | ID... | -", summary: "remove events", words: NONE },
  hold: { usage: "hold DESTINATION", summary: "stop sending to it", words: DESTINATIONS },
  resume: {
    usage: "resume DESTINATION",
    summary: "start sending to it again",
    words: DESTINATIONS,
  },
  replay: {
    usage: "replay [FILTER] --since TIME",
    summary: "delivered ones once more",
    words: NONE,
  },
  purge: {
    usage: "purge --older-than DURATION",
    summary: "remove what is kept",
    words: NONE,
  },
  config: {
    usage: "config check | show",
    summary: "the configuration file",
    words: { are: "words", words: ["check", "show"] },
  },
  check: { usage: "check [--prometheus]", summary: "one line for monitoring", words: NONE },
  doctor: { usage: "doctor [--json]", summary: "is the directory fit?", words: NONE },
  test: { usage: "test URL | DESTINATION", summary: "send one request now", words: DESTINATIONS },
  completion: {
    usage: "completion bash | zsh | fish",
    summary: "complete in the shell",
    words: { are: "words", words: SHELLS },
  },
};

/** Columns of a line of the help before its summary. */
const USAGE_COLUMNS = 53;

/** A line for each command. */
export function usagesText(): string {
  return COMMANDS.map((command) => {
    const { usage, summary } = USAGES[command];
    return `${`  optimizelyd-maildir ${usage}`.padEnd(USAGE_COLUMNS)}  ${summary}\n`;
  }).join("");
}
