/**
 * The manual page, made from what the help is made from: in the man macros of roff, man(7).
 *
 * @module
 */

import { COMMANDS } from "../config/option.ts";
import type { AnyOption, Command } from "../config/option.ts";
import { OPTIONS } from "../config/schema.ts";
import { VERSION } from "../version.ts";
import { EXIT_MEANINGS } from "./exit_code.ts";
import { topicOf } from "./help.ts";
import { isEverywhere, purposeOf, wrap } from "./option_help.ts";
import { USAGES } from "./usage.ts";

const NAME = "optimizelyd-maildir";

/** What the environment says. */
const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ["OPTIMIZELYD_BASE_DIR", "the queue's directory, unless --base-dir is given"],
  ["OPTIMIZELYD_CONFIG", "the configuration file, unless --config is given"],
  ["CREDENTIALS_DIRECTORY", "where systemd has put the secrets that a configuration refers to"],
  ["HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY", "proxies, also in lower case"],
];

/** What is in a queue's directory. */
const FILES: readonly (readonly [name: string, meaning: string])[] = [
  ["tmp/", "what is being written"],
  ["new/", "what is ready"],
  ["cur/", "what a consumer has claimed"],
  ["defer/", "what waits for a later attempt, by destination"],
  ["doa/", "dead letters, the reason of each beside it"],
  ["res/", "answers to GET"],
  ["sent/", "what was delivered, where that is kept"],
  ["log/", "the journal"],
];

/** Longest line of the source. */
const COLUMNS = 78;

/** Text as roff takes it: no line is a macro, and a dash is one that can be typed. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll(/^([.'])/gm, "\\&$1");
}

/** A paragraph, which roff fills anew. */
const filled = (text: string) =>
  escaped(wrap(text.replaceAll("\n", " "), COLUMNS).join("\n")) + "\n";

const bold = (text: string) => `\\fB${escaped(text)}\\fR`;

const section = (title: string, ...text: readonly string[]) => `.SH ${title}\n${text.join("")}`;

/** A term, and what it means. */
const entry = (term: string, meaning: string) => `.TP\n${term}\n${filled(meaning)}`;

/** Paragraphs; what is indented stays as it is. */
function paragraphs(text: string): string {
  return text.trim().split("\n\n").map((paragraph) =>
    /^ /m.test(paragraph) ? verbatim(paragraph) : `.PP\n${filled(paragraph)}`
  ).join("");
}

function verbatim(text: string): string {
  return `.PP\n.nf\n.RS 2\n${escaped(text.replaceAll(/^ {2}/gm, ""))}\n.RE\n.fi\n`;
}

function optionEntry(option: AnyOption): string {
  const { name, kind } = option;
  const value = kind.mayBe
    ? `[=${kind.mayBe.join("|")}]`
    : kind.valueName === ""
    ? ""
    : ` \\fI${escaped(kind.valueName)}\\fR`;
  return entry(`${bold(`--${name}`)}${kind.mayBe ? escaped(value) : value}`, purposeOf(option));
}

function commandText(command: Command): string {
  const { before, after, examples } = topicOf(command);
  const options = OPTIONS.filter((option) =>
    option.commands.includes(command) && !isEverywhere(option)
  );
  return [
    `.SS ${bold(USAGES[command].usage)}\n`,
    paragraphs(before),
    ...options.map(optionEntry),
    after === "" ? "" : paragraphs(after),
    `.PP\nExamples:\n${verbatim(examples)}`,
  ].join("");
}

/** The page. */
export function manual(): string {
  return [
    `.TH ${NAME.toUpperCase()} 1 "" "${NAME} ${VERSION}" "User Commands"\n`,
    section("NAME", `${escaped(NAME)} \\- deliver events over HTTP from a directory\n`),
    section(
      "SYNOPSIS",
      ...COMMANDS.map((command) => `.B ${escaped(NAME)}\n${escaped(USAGES[command].usage)}\n.br\n`),
    ),
    section(
      "DESCRIPTION",
      paragraphs(
        "A producer drops a small file into a directory; a consumer sends it as an HTTP request " +
          "and removes it when the endpoint has answered 2xx. What fails in a way that may pass " +
          "is tried again later, what never will work is kept with its reason. An event that was " +
          "acknowledged is delivered or kept, whatever is killed, whenever; it may be delivered " +
          "twice.\n\nWithout a command events are delivered.",
      ),
    ),
    section(
      "OPTIONS",
      paragraphs("Of every command, before or after its name:"),
      ...OPTIONS.filter(isEverywhere).map(optionEntry),
      paragraphs(
        "A value is written --NAME VALUE or --NAME=VALUE; one that starts with a dash needs the " +
          "latter. -- ends the options.",
      ),
    ),
    section("COMMANDS", ...COMMANDS.map(commandText)),
    section(
      "EXIT STATUS",
      ...Object.entries(EXIT_MEANINGS).map(([code, meaning]) => entry(bold(code), meaning)),
      paragraphs("check ends as monitoring plugins do: with 0, 1, 2 or 3."),
    ),
    section("ENVIRONMENT", ...ENVIRONMENT.map(([name, meaning]) => entry(bold(name), meaning))),
    section("FILES", ...FILES.map(([name, meaning]) => entry(bold(name), meaning))),
  ].join("");
}
