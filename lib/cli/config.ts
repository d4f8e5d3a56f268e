/**
 * `config check` and `config show`: what is wrong with a configuration file, and what follows from
 * it.
 *
 * @module
 */

import { ACCEPT_RULE_OPTIONS } from "../config/accept_options.ts";
import { CONSUME_COMMAND_OPTIONS } from "../config/consume_command.ts";
import { CONSUMER_OPTIONS } from "../config/consumer.ts";
import { DESTINATION_OPTIONS } from "../config/destination_options.ts";
import { LIMIT_OPTIONS } from "../config/limit_options.ts";
import { type AnyOption, type Section, SECTIONS } from "../config/option.ts";
import { resolve } from "../config/resolve.ts";
import { defaultOf } from "../config/schema.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import { certificateFiles, certificateWarning } from "./certificates.ts";
import type { ConfigFile, Entries } from "./config_file.ts";
import { readConfigFile } from "./configuration.ts";
import { readConsumeOptions } from "./consume_options.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import type { ConfigInvocation } from "./options.ts";
import { printable } from "./printable.ts";

/**
 * Check a configuration file, or print it with all that it doesn't say.
 *
 * @throws {UsageError} If no file is named.
 * @throws {ConfigError} If it can't be used; the message says where and why.
 */
export async function config(
  { action, config }: ConfigInvocation,
  { clock }: Pick<Runtime, "clock">,
  io: Io,
): Promise<ExitCode> {
  const path = config ?? io.defaultConfig;
  if (path === undefined) {
    throw new UsageError(`config ${action} needs --config FILE, or $OPTIMIZELYD_CONFIG`);
  }
  const file = await readConfigFile(path, io);
  const options = readConsumeOptions(new Map(), file);
  const { consumer } = options;
  const { destinations } = file;
  if (action === "check") {
    for (const certificate of await certificateFiles(options, io)) {
      const warning = certificateWarning(certificate, clock.now());
      if (warning !== undefined) await io.stderr.write(`warning: ${printable(warning)}\n`);
    }
    const count = `${destinations.length} destination${destinations.length === 1 ? "" : "s"}`;
    await io.stdout.write(`${printable(path)} is in order: ${count} of its own\n`);
    return EXIT.ok;
  }
  const values = resolve(CONSUMER_OPTIONS, consumer);
  const shown: [option: AnyOption, value: unknown][] = [
    ...Object.entries<AnyOption>(CONSUMER_OPTIONS).map(([key, option]): [AnyOption, unknown] => [
      option,
      values[key as keyof typeof values],
    ]),
    ...Object.values<AnyOption>(CONSUME_COMMAND_OPTIONS).map((option): [AnyOption, unknown] => [
      option,
      typeof option.default === "function" ? undefined : option.default,
    ]),
    ...[ACCEPT_RULE_OPTIONS, LIMIT_OPTIONS].flatMap((some) => Object.values<AnyOption>(some))
      .map((option): [AnyOption, unknown] => [option, undefined]),
  ];
  const sectionOf = (section: Section) =>
    shown.filter(([option]) => option.section === section).map(([option, value]) =>
      line(option, option.fileName ?? option.name, value, file.consume)
    );
  const blocks = [
    ...SECTIONS.map((section) => [`[${section}]`, ...sectionOf(section)]),
    ...destinations.map(sectionLines),
  ];
  await io.stdout.write(blocks.map((lines) => `${lines.map(printable).join("\n")}\n`).join("\n"));
  return EXIT.ok;
}

function sectionLines({ match, entries }: ConfigFile["destinations"][number]): string[] {
  const options = [CONSUMER_OPTIONS, DESTINATION_OPTIONS]
    .flatMap((some) => Object.values<AnyOption>(some))
    .filter(({ name }) => entries.has(name));
  return [
    `[destination.${JSON.stringify(match)}]`,
    ...options.map((option) => line(option, option.destinationName!, undefined, entries)),
  ];
}

/** Where the comments begin. */
const COMMENT_COLUMN = 32;

/** `timeout = "10s"   # FILE:3:1`; what has no value is a comment. */
function line(option: AnyOption, name: string, value: unknown, entries: Entries): string {
  const entry = entries.get(option.name);
  if (entry) return `${pair(option, name, entry.texts).padEnd(COMMENT_COLUMN)} # ${entry.at}`;
  const { kind, defaultText } = option;
  const text = value === undefined || defaultText !== undefined ? "" : kind.print(value);
  if (text === "") return `# ${name}: ${defaultOf(option) || "none"}`;
  return `${pair(option, name, [text]).padEnd(COMMENT_COLUMN)} # default`;
}

function pair({ kind, secret }: AnyOption, name: string, texts: readonly string[]): string {
  if (kind.isTable) return `${name} = ${inline(JSON.parse(texts[0]!))}`;
  const shown = texts.map((text) =>
    secret ? '"…"' : kind.takes === "flag" || /^\d+$/.test(text) ? text : JSON.stringify(text)
  );
  return `${name} = ${kind.takes === "values" ? `[${shown.join(", ")}]` : shown[0]}`;
}

/** A value as TOML. What refers to a secret is none. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, one]) =>
    `${/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key)} = ${inline(one)}`
  );
  return `{ ${pairs.join(", ")} }`;
}
