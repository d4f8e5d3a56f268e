/**
 * The options of the commands, but for those of `consume` and `check`.
 *
 * @module
 */

import { LONGEST_WAIT_MS } from "../store/limits.ts";
import { duration, flag, text, texts, time } from "./kinds.ts";
import { COMMANDS, type OptionsOf } from "./option.ts";

/** What the commands can be told. */
export interface CommandOptions {
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
  /** Whether to print the help instead. */
  readonly help: boolean;
  /** Whether to print the version instead. */
  readonly version: boolean;
  /** Where to send an event. */
  readonly url: string | undefined;
  /** JSON text to send, unchecked. */
  readonly body: string | undefined;
  /** HTTP method, unchecked. */
  readonly method: string | undefined;
  /** Headers, each as `Name: value`, unchecked. */
  readonly headers: readonly string[];
  /** How long nobody is to send an event, in ms. */
  readonly inMs: number;
  /** Before when nobody is to send an event, Unix ms. */
  readonly atMs: number | undefined;
  /** Whether good events are put on the queue although others are bad. */
  readonly keepGoing: boolean;
  /** Whether to say only what is wrong. */
  readonly quiet: boolean;
  /** Whether to do it without asking. */
  readonly yes: boolean;
  /** Whether to answer as JSON. */
  readonly json: boolean;
  /** Whether to take all dead letters. */
  readonly all: boolean;
}

/** The options of the commands, each declared once. */
export const COMMAND_OPTIONS: OptionsOf<CommandOptions> = {
  baseDir: {
    name: "base-dir",
    aliases: ["-baseDir"],
    commands: COMMANDS,
    kind: text("DIR"),
    default: undefined,
    defaultText: "$OPTIMIZELYD_BASE_DIR, else the current directory",
    help: "the queue's directory",
  },
  config: {
    name: "config",
    commands: ["consume", "client", "config", "check", "doctor", "test"],
    kind: text("FILE"),
    default: undefined,
    defaultText: "$OPTIMIZELYD_CONFIG",
    help: "a configuration file; options on the command line win over it",
  },
  help: {
    name: "help",
    aliases: ["-h"],
    commands: COMMANDS,
    kind: flag(),
    default: false,
    help: "this help, or that of the command",
  },
  version: {
    name: "version",
    aliases: ["-V"],
    commands: COMMANDS,
    kind: flag(),
    default: false,
    help: "the version",
  },
  url: {
    name: "url",
    commands: ["client", "requeue"],
    kind: text("URL"),
    default: undefined,
    defaultText: "where a dead letter was to go",
    help: "where to send the event",
    secret: true,
  },
  body: {
    name: "body",
    commands: ["client", "test"],
    kind: text("JSON"),
    default: undefined,
    defaultText: "nothing: client makes it a GET, test an empty POST",
    help: "what to send",
    secret: true,
  },
  method: {
    name: "method",
    commands: ["client"],
    kind: text("METHOD"),
    default: undefined,
    defaultText: "POST with a body, else GET",
    help: "HTTP method",
    needs: "url",
  },
  headers: {
    name: "header",
    commands: ["client"],
    kind: texts("'K: V'"),
    default: [],
    help: "a header to send with it; may be repeated",
    needs: "url",
    secret: true,
  },
  inMs: {
    name: "in",
    commands: ["client"],
    kind: duration(0, LONGEST_WAIT_MS),
    default: 0,
    help: "let the events wait so long before they are sent, 7d at most",
    excludes: ["at"],
  },
  atMs: {
    name: "at",
    commands: ["client"],
    kind: time(),
    default: undefined,
    defaultText: "at once",
    help: "let the events wait until then, 7d from now at most",
  },
  keepGoing: {
    name: "keep-going",
    commands: ["client"],
    kind: flag(),
    default: false,
    help: "put the good events on the queue although others are wrong; the exit code still is 65",
  },
  quiet: {
    name: "quiet",
    commands: ["consume", "client"],
    kind: flag(),
    default: false,
    help: "say only what is wrong: no progress, no events that are delivered, no ids of client",
    excludes: ["log-level", "log-summary"],
  },
  yes: {
    name: "yes",
    commands: ["test", "requeue", "retry", "replay", "delete", "purge"],
    kind: flag(),
    default: false,
    help: "don't ask first",
  },
  json: {
    name: "json",
    commands: [
      ...["status", "list", "show", "requeue", "retry", "replay", "delete"] as const,
      ...["purge", "doctor", "test"] as const,
    ],
    kind: flag(),
    default: false,
    help: "as JSON",
  },
  all: {
    name: "all",
    commands: ["requeue"],
    kind: flag(),
    default: false,
    help: "all dead letters",
  },
};
