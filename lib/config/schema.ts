/**
 * All options of the program, in the order in which the help shows them.
 *
 * @module
 */

import { ACCEPT_RULE_OPTIONS } from "./accept_options.ts";
import { CHECK_OPTIONS } from "./check_command.ts";
import { COMMAND_OPTIONS } from "./commands.ts";
import { CONSUME_COMMAND_OPTIONS } from "./consume_command.ts";
import { CONSUMER_OPTIONS } from "./consumer.ts";
import { CHOSEN_OPTIONS, FILTER_OPTIONS } from "./filter.ts";
import { LIMIT_OPTIONS } from "./limit_options.ts";
import type { AnyOption } from "./option.ts";
import { PURGE_OPTIONS } from "./purge_command.ts";

/** Every option. */
export const OPTIONS: readonly AnyOption[] = [
  ...Object.values<AnyOption>(COMMAND_OPTIONS),
  ...Object.values<AnyOption>(CONSUMER_OPTIONS),
  ...Object.values<AnyOption>(CONSUME_COMMAND_OPTIONS),
  ...Object.values<AnyOption>(PURGE_OPTIONS),
  ...Object.values<AnyOption>(ACCEPT_RULE_OPTIONS),
  ...Object.values<AnyOption>(LIMIT_OPTIONS),
  ...Object.values<AnyOption>(CHECK_OPTIONS),
  ...Object.values<AnyOption>(FILTER_OPTIONS),
  ...Object.values<AnyOption>(CHOSEN_OPTIONS),
];

/** How it is written on the command line: `--lease DURATION`. */
export function usageOf({ name, kind }: AnyOption): string {
  if (kind.mayBe) return `--${name}[=${kind.mayBe.join("|")}]`;
  return kind.valueName === "" ? `--${name}` : `--${name} ${kind.valueName}`;
}

/** Its default for people: `30s`, `no limit`; empty where there is nothing to say. */
export function defaultOf({ kind, default: standard, defaultText }: AnyOption): string {
  if (defaultText !== undefined) return defaultText;
  return kind.takes === "flag" || standard === undefined ? "" : kind.print(standard);
}
