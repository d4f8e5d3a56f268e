/**
 * The command line: what was asked for, as a closed union of invocations.
 *
 * Pure: nothing here looks at the environment or the disk. Everything that can be known to be wrong
 * before the first file is touched is found here.
 *
 * @module
 */

import { nearest, readArguments, type Spelling, UsageError } from "./args.ts";
import { CHECK_OPTIONS, type CheckOptions } from "../config/check_command.ts";
import { COMMAND_OPTIONS, type CommandOptions } from "../config/commands.ts";
import { CONSUMER_OPTIONS } from "../config/consumer.ts";
import { CHOSEN_OPTIONS, FILTER_OPTIONS, type FilterOptions } from "../config/filter.ts";
import { LIMIT_OPTIONS, type LimitOptions } from "../config/limit_options.ts";
import { type AnyOption, type Command, COMMANDS } from "../config/option.ts";
import { PURGE_OPTIONS, type PurgedState } from "../config/purge_command.ts";
import { type Given, resolve } from "../config/resolve.ts";
import { OPTIONS } from "../config/schema.ts";
import { type ConsumeOptions, readConsumeOptions } from "./consume_options.ts";
import { type Act, STATES_OF } from "../queue/acts.ts";
import { readDestination } from "../queue/hold.ts";
import { checkTogether, readGiven, type Texts } from "./given.ts";
import { printable, quoted } from "./printable.ts";
import { type Shell, SHELLS } from "./usage.ts";

/** Deliver events. */
export interface ConsumeInvocation {
  /** The variant. */
  readonly command: "consume";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
  /** The options on the command line, by name. */
  readonly written: Texts;
  /** How, as far as the command line says. */
  readonly options: ConsumeOptions;
}

/** Check a configuration file, or show what follows from it. */
export interface ConfigInvocation {
  /** The variant. */
  readonly command: "config";
  /** What to do. */
  readonly action: "check" | "show";
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
}

/** Check the queue for monitoring. */
export interface CheckInvocation {
  /** The variant. */
  readonly command: "check";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
  /** What is still well, and how to say it. */
  readonly options: CheckOptions;
}

/** Examine the queue. */
export interface DoctorInvocation {
  /** The variant. */
  readonly command: "doctor";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
  /** As JSON instead of text. */
  readonly json: boolean;
}

/** Send one request now. */
export interface TestInvocation {
  /** The variant. */
  readonly command: "test";
  /** Where to. */
  readonly url: string;
  /** JSON text to send, unchecked; `undefined` for an empty POST. */
  readonly body: string | undefined;
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
  /** The options on the command line, by name. */
  readonly written: Texts;
  /** Whether to do it without asking. */
  readonly yes: boolean;
  /** As JSON instead of text. */
  readonly json: boolean;
}

/** Print a script for a shell. */
export interface CompletionInvocation {
  /** The variant. */
  readonly command: "completion";
  /** Which. */
  readonly shell: Shell;
}

/** One event, given by options. */
export interface OptionsInput {
  /** The variant. */
  readonly from: "options";
  /** Where to send it. */
  readonly url: string;
  /** JSON text to send, unchecked; `undefined` for none. */
  readonly body: string | undefined;
  /** HTTP method, unchecked; `undefined` for the one that suits the body. */
  readonly method: string | undefined;
  /** Header names and values, unchecked but for names given twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** One event a file. */
export interface FilesInput {
  /** The variant. */
  readonly from: "files";
  /** At least one path. */
  readonly paths: readonly string[];
}

/** One event a line of standard input. */
export interface StdinInput {
  /** The variant. */
  readonly from: "stdin";
  /** Whether `-` said so; otherwise a terminal gets the help instead. */
  readonly explicit: boolean;
}

/** Put events on the queue. */
export interface ClientInvocation {
  /** The variant. */
  readonly command: "client";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** The configuration file; `undefined` for the default one. */
  readonly config: string | undefined;
  /** Where the events come from. */
  readonly input: OptionsInput | FilesInput | StdinInput;
  /** Whether good events are put on the queue although others are bad. */
  readonly keepGoing: boolean;
  /** Whether to print no ids and no progress. */
  readonly quiet: boolean;
  /** Largest event. @default 4 MiB */
  readonly maxBytes: number;
  /** How long nobody is to send them, in ms; or until when, Unix ms. @default at once */
  readonly wait: { readonly inMs: number } | { readonly atMs: number };
  /** How much may wait in the queue, as far as the command line says. */
  readonly limits: Given<LimitOptions>;
}

/** Say what is in the queue. */
export interface StatusInvocation {
  /** The variant. */
  readonly command: "status";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** As JSON instead of text. */
  readonly json: boolean;
}

/** Print events. */
export interface ListInvocation {
  /** The variant. */
  readonly command: "list";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** Which. */
  readonly filter: FilterOptions;
  /** As JSON instead of text. */
  readonly json: boolean;
  /** Only how many there are. */
  readonly count: boolean;
}

/** Print one event's story. */
export interface ShowInvocation {
  /** The variant. */
  readonly command: "show";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** Its id, its name or the beginning of its id. */
  readonly id: string;
  /** How: the whole story for people or programs, the body alone, or a command. */
  readonly as: "text" | "json" | "exact" | "curl";
}

/** Bring dead letters back, let waiting events be due now, or remove events. */
export interface ActInvocation {
  /** The variant. */
  readonly command: Act;
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** Ids, each once, `"stdin"` for those on standard input; `undefined` where a filter says it. */
  readonly ids: readonly string[] | "stdin" | undefined;
  /** Which, where no ids do. */
  readonly filter: FilterOptions;
  /** Whether all are meant that the command is for. */
  readonly all: boolean;
  /** Whether to say only which it would be. */
  readonly dryRun: boolean;
  /** Whether to do it without asking. */
  readonly yes: boolean;
  /** As JSON instead of text. */
  readonly json: boolean;
  /** So many a second at most. */
  readonly pacePerSecond: number | undefined;
  /** Whether each replayed event gets an id of its own. */
  readonly newId: boolean;
}

/** Remove what is kept. */
export interface PurgeInvocation {
  /** The variant. */
  readonly command: "purge";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** Only this; `undefined` for all that is kept. */
  readonly state: PurgedState | undefined;
  /** For how long it must have been kept, ms. */
  readonly olderThanMs: number;
  /** Whether to say only what it would be. */
  readonly dryRun: boolean;
  /** Whether to do it without asking. */
  readonly yes: boolean;
  /** As JSON instead of text. */
  readonly json: boolean;
}

/** Bring one dead letter back with another URL or another body. */
export interface AmendInvocation {
  /** The variant. */
  readonly command: "amend";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** Its id, its name or the beginning of its id. */
  readonly id: string;
  /** Where to send it; `undefined` for where it was to go. */
  readonly url: string | undefined;
  /** JSON text, or `@` and the name of a file that holds it; `undefined` for what it has. */
  readonly body: string | undefined;
}

/** Stop or start sending to a destination. */
export interface HoldInvocation {
  /** The variant. */
  readonly command: "hold" | "resume";
  /** The queue's directory; `undefined` for the default one. */
  readonly baseDir: string | undefined;
  /** The destination: a URL or its folder's name, which can be read. */
  readonly destination: string;
}

/** Print the help. */
export interface HelpInvocation {
  /** The variant. */
  readonly command: "help";
  /** For this command; `undefined` for the overall help. */
  readonly topic: Command | undefined;
}

/** Print the version. */
export interface VersionInvocation {
  /** The variant. */
  readonly command: "version";
}

/** What was asked for. */
export type Invocation =
  | ConsumeInvocation
  | ClientInvocation
  | StatusInvocation
  | ListInvocation
  | ShowInvocation
  | ActInvocation
  | AmendInvocation
  | PurgeInvocation
  | HoldInvocation
  | ConfigInvocation
  | CheckInvocation
  | DoctorInvocation
  | TestInvocation
  | CompletionInvocation
  | HelpInvocation
  | VersionInvocation;

const SPELLINGS: ReadonlyMap<string, Spelling> = new Map(
  OPTIONS.map(({ name, aliases, kind: { takes, mayBe } }) => [name, { takes, aliases, mayBe }]),
);

/** Other names of commands. */
const OTHER_NAMES: Readonly<Record<string, Command>> = { enqueue: "client" };

function readCommand(name: string | undefined): Command {
  if (name === undefined) return "consume";
  const command = COMMANDS.find((known) => known === name);
  if (command !== undefined) return command;
  if (Object.hasOwn(OTHER_NAMES, name)) return OTHER_NAMES[name]!;
  const meant = nearest(name, [...COMMANDS, ...Object.keys(OTHER_NAMES), HELP]);
  throw new UsageError(
    `unknown command ${quoted(name)}; ` +
      (meant === undefined ? `the commands are ${COMMANDS.join(", ")}` : `did you mean ${meant}?`),
  );
}

/** What asks for the help as a command would. */
const HELP = "help";

function readTopic(words: readonly string[]): HelpInvocation {
  const [name, ...others] = words;
  if (others.length > 0) {
    throw new UsageError(`help takes one command, but there is ${quoted(others[0]!)} too`);
  }
  return { command: "help", topic: name === undefined ? undefined : readCommand(name) };
}

/** Of one name there may be an option of each of several commands. */
function refuseMisplaced(name: string, command: Command, isDefault: boolean): void {
  const commands = OPTIONS.filter((option) => option.name === name)
    .flatMap(({ commands }) => commands);
  if (commands.includes(command)) return;
  throw new UsageError(
    `--${name} belongs to ${commands.join(" and ")}, not to ${command}` +
      (isDefault ? ", which is meant when no command is given" : ""),
  );
}

/** A header as `Name: value`; what may be in it is the event's to say. */
function readHeader(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).trim();
  if (colon > 0 && name !== "") return [name, text.slice(colon + 1).trim()];
  // the value isn't shown: it may be a secret
  throw new UsageError("--header must be a name, a colon and a value, such as 'X-Source: shop'");
}

function readHeaders(texts: readonly string[]): readonly (readonly [string, string])[] {
  const headers = texts.map(readHeader);
  const seen = new Set<string>();
  for (const [name] of headers) {
    if (seen.has(name.toLowerCase())) {
      throw new UsageError(`--header names ${printable(name)} twice`);
    }
    seen.add(name.toLowerCase());
  }
  return headers;
}

function readClientInput(
  { url, body, method, headers }: CommandOptions,
  paths: readonly string[],
): ClientInvocation["input"] {
  if (url === undefined) {
    if (body !== undefined) throw new UsageError("--body needs --url as well");
    if (paths.length === 0) return { from: "stdin", explicit: false };
    if (paths.length === 1 && paths[0] === "-") return { from: "stdin", explicit: true };
    if (paths.includes("-")) throw new UsageError("- (standard input) can't be used with files");
    if (paths.includes("")) throw new UsageError("the name of a file can't be empty");
    return { from: "files", paths };
  }
  if (paths.length > 0) {
    throw new UsageError(`--url and ${printable(paths[0]!)} can't be used together`);
  }
  return { from: "options", url, body, method, headers: readHeaders(headers) };
}

function readMaxBytes(texts: Texts): number {
  return resolve(CONSUMER_OPTIONS, readGiven(CONSUMER_OPTIONS, texts)).maxBytes;
}

/** Options of the filter that say which events are meant. */
const CHOOSES: readonly string[] = Object.values<AnyOption>(FILTER_OPTIONS)
  .map(({ name }) => name).filter((name) => name !== "limit");

/** Whether a dead letter is to be put back otherwise: with ids there is no filter for `--body`. */
function isAmended(command: Act, words: readonly string[], texts: Texts): boolean {
  return command === "requeue" && (texts.has("url") || words.length > 0 && texts.has("body"));
}

function readAmend(
  { baseDir, url, body }: CommandOptions,
  words: readonly string[],
): AmendInvocation {
  const [id, ...others] = words;
  if (id === undefined || id === "" || id === "-" || others.length > 0) {
    throw new UsageError("requeue with another --url or --body takes the id of one dead letter");
  }
  return { command: "amend", baseDir, id, url, body };
}

function readAct(
  command: Act,
  { all, yes, json, baseDir }: CommandOptions,
  words: readonly string[],
  texts: Texts,
): ActInvocation {
  const said = CHOOSES.find((name) => texts.has(name));
  const ids = words.length === 0 ? undefined : readIds(words);
  if (ids !== undefined && all) throw new UsageError(`${command} takes ids or --all, not both`);
  if (ids !== undefined && said !== undefined) {
    throw new UsageError(`${command} takes ids or a filter such as --${said}, not both`);
  }
  if (ids === undefined && said === undefined && !all) {
    throw new UsageError(
      `${command} needs ids, - to read them, or a filter such as --destination or --since` +
        (command === "requeue" ? ", or --all" : ""),
    );
  }
  const { dryRun, pacePerSecond, newId } = resolve(
    CHOSEN_OPTIONS,
    readGiven(CHOSEN_OPTIONS, texts),
  );
  if (command === "replay" && ids === undefined && !texts.has("since")) {
    throw new UsageError("replay needs --since TIME, such as --since 2h, or ids");
  }
  const filter = resolve(FILTER_OPTIONS, readGiven(FILTER_OPTIONS, texts));
  const states = STATES_OF[command];
  for (const state of filter.states ?? []) {
    if (states.includes(state)) continue;
    throw new UsageError(`${command} is for events that are ${states.join(" or ")}, not ${state}`);
  }
  return { command, baseDir, ids, filter, all, dryRun, yes, json, pacePerSecond, newId };
}

function readPurge({ baseDir, yes, json }: CommandOptions, texts: Texts): PurgeInvocation {
  const { state, olderThanMs } = resolve(PURGE_OPTIONS, readGiven(PURGE_OPTIONS, texts));
  const { dryRun } = resolve(CHOSEN_OPTIONS, readGiven(CHOSEN_OPTIONS, texts));
  if (olderThanMs === undefined) {
    throw new UsageError("purge needs --older-than DURATION, such as --older-than 30d");
  }
  return { command: "purge", baseDir, state, olderThanMs, dryRun, yes, json };
}

function readIds(words: readonly string[]): readonly string[] | "stdin" {
  if (words.includes("-")) {
    if (words.length === 1) return "stdin";
    throw new UsageError("- (standard input) can't be used with ids");
  }
  if (words.includes("")) throw new UsageError("an id can't be empty");
  return [...new Set(words)];
}

function readShow(
  { baseDir, json }: CommandOptions,
  words: readonly string[],
  texts: Texts,
): ShowInvocation {
  const [id, ...others] = words;
  if (id === undefined || id === "") throw new UsageError("show needs the id of an event");
  if (others.length > 0) {
    throw new UsageError(`show takes one id, but there is ${quoted(others[0]!)} too`);
  }
  const { exact, curl } = resolve(CHOSEN_OPTIONS, readGiven(CHOSEN_OPTIONS, texts));
  const as = json ? "json" : exact ? "exact" : curl ? "curl" : "text";
  return { command: "show", baseDir, id, as };
}

function readHeld(command: "hold" | "resume", words: readonly string[]): string {
  const [destination, ...others] = words;
  if (destination === undefined) {
    throw new UsageError(
      `${command} needs a destination: a URL such as https://a.example, or the name of its folder ` +
        "in defer/ such as https_a.example_443",
    );
  }
  if (others.length > 0) {
    throw new UsageError(
      `${command} takes one destination, but there is ${quoted(others[0]!)} too`,
    );
  }
  asDestination(destination);
  return destination;
}

function asDestination(text: string): URL | string {
  try {
    return readDestination(text);
  } catch (cause) {
    const message = (cause as Error).message.replace(/^Cannot read the destination: /, "");
    throw new UsageError(printable(message), { cause });
  }
}

function readTested(words: readonly string[]): string {
  const [text, ...others] = words;
  if (text === undefined) {
    throw new UsageError("test needs a URL, or the name of a destination's folder in defer/");
  }
  if (others.length > 0) {
    throw new UsageError(`test takes one URL, but there is ${quoted(others[0]!)} too`);
  }
  const read = asDestination(text);
  if (typeof read === "string") {
    throw new UsageError(`test needs a URL here, for ${quoted(text)} doesn't show its host`);
  }
  // A person's URL as it is: its user info is a part of the request.
  return text.includes("://") ? text : read.href;
}

function readShell(words: readonly string[]): Shell {
  const shell = words.length === 1 ? SHELLS.find((known) => known === words[0]) : undefined;
  if (shell !== undefined) return shell;
  const current = words.length === 0 ? "" : `, current value is ${quoted(words.join(" "))}`;
  throw new UsageError(`completion must be followed by ${SHELLS.join(", ")}${current}`);
}

function readConfigAction(words: readonly string[]): ConfigInvocation["action"] {
  const [action, ...others] = words;
  if ((action === "check" || action === "show") && others.length === 0) return action;
  const current = words.length === 0 ? "" : `, current value is ${quoted(words.join(" "))}`;
  throw new UsageError(`config must be followed by check or show${current}`);
}

/** Commands that are told everything by options. */
const WITHOUT_ARGUMENTS: readonly Command[] = [
  ...["consume", "status", "list", "purge", "check", "doctor"] as const,
];

/**
 * Read the command line.
 *
 * @param args The arguments after the program's name.
 * @throws {UsageError} When it can't be understood.
 */
export function parseCommandLine(args: readonly string[]): Invocation {
  const { words: [name, ...words], options: texts } = readArguments(args, SPELLINGS);
  if (texts.has("version")) return { command: "version" };
  if (name === HELP) return readTopic(words);
  const command = readCommand(name);
  if (texts.has("help")) {
    return { command: "help", topic: name === undefined ? undefined : command };
  }
  for (const option of texts.keys()) refuseMisplaced(option, command, name === undefined);
  checkTogether(OPTIONS, texts);

  const options = resolve(COMMAND_OPTIONS, readGiven(COMMAND_OPTIONS, texts));
  const { baseDir, config } = options;
  if (WITHOUT_ARGUMENTS.includes(command) && words.length > 0) {
    throw new UsageError(`${command} takes no arguments, but there is ${quoted(words[0]!)}`);
  }
  switch (command) {
    case "consume":
      return { command, baseDir, config, written: texts, options: readConsumeOptions(texts) };
    case "client":
      return {
        command,
        baseDir,
        config,
        input: readClientInput(options, words),
        keepGoing: options.keepGoing,
        quiet: options.quiet,
        maxBytes: readMaxBytes(texts),
        wait: options.atMs === undefined ? { inMs: options.inMs } : { atMs: options.atMs },
        limits: readGiven(LIMIT_OPTIONS, texts),
      };
    case "status":
      return { command, baseDir, json: options.json };
    case "doctor":
      return { command, baseDir, config, json: options.json };
    case "check": {
      const limits = resolve(CHECK_OPTIONS, readGiven(CHECK_OPTIONS, texts));
      return { command, baseDir, config, options: limits };
    }
    case "list": {
      const filter = resolve(FILTER_OPTIONS, readGiven(FILTER_OPTIONS, texts));
      const { count } = resolve(CHOSEN_OPTIONS, readGiven(CHOSEN_OPTIONS, texts));
      return { command, baseDir, filter, json: options.json, count };
    }
    case "show":
      return readShow(options, words, texts);
    case "requeue":
    case "retry":
    case "replay":
    case "delete":
      return isAmended(command, words, texts)
        ? readAmend(options, words)
        : readAct(command, options, words, texts);
    case "purge":
      return readPurge(options, texts);
    case "hold":
    case "resume":
      return { command, baseDir, destination: readHeld(command, words) };
    case "config":
      return { command, action: readConfigAction(words), config };
    case "completion":
      return { command, shell: readShell(words) };
    case "test": {
      const { body, yes, json } = options;
      readConsumeOptions(texts);
      return { command, url: readTested(words), body, config, written: texts, yes, json };
    }
  }
}
