/**
 * The options of `consume`, read from the command line.
 *
 * @module
 */

import type { ListenAddress } from "../accept/address.ts";
import { CONSUME_COMMAND_OPTIONS } from "../config/consume_command.ts";
import { CONSUMER_OPTIONS, type ConsumerSettings } from "../config/consumer.ts";
import { type Given, resolve } from "../config/resolve.ts";
import type { Mode } from "../consumer/consumer.ts";
import { readGiven, type Texts } from "./given.ts";

/** How `consume` is to work. */
export interface ConsumeOptions {
  /** When to end. @default "forever" */
  readonly mode: Mode;
  /** Whether the group may work on the queue as well, or only drop events. @default false */
  readonly group: boolean | "drop";
  /** What this host is called in place of its host name. @default the host name */
  readonly ownerName: string | undefined;
  /** How events are logged. @default "text" */
  readonly logFormat: "text" | "json";
  /** Where to take events over HTTP; `undefined` for nowhere. @default undefined */
  readonly accept: AcceptOptions | undefined;
  /** What was given of the options of its consumer. */
  readonly consumer: Given<ConsumerSettings>;
}

/** How events are taken over HTTP. */
export interface AcceptOptions {
  /** Where to listen. */
  readonly address: ListenAddress;
  /** Where events go from the queue. */
  readonly forwardTo: string;
  /** Names and addresses that clients may call it by, besides the address. @default none */
  readonly names: readonly string[];
}

/**
 * Read the options of `consume`.
 *
 * @throws {UsageError} On a value outside its limits, and on two that contradict each other: the
 * message names both.
 */
export function readConsumeOptions(texts: Texts): ConsumeOptions {
  const consumer = readGiven(CONSUMER_OPTIONS, texts);
  const { once, untilEmpty, group, ownerName, logFormat, accept, acceptHosts, forwardTo } = resolve(
    CONSUME_COMMAND_OPTIONS,
    readGiven(CONSUME_COMMAND_OPTIONS, texts),
  );
  return {
    mode: once ? "once" : untilEmpty ? "until-empty" : "forever",
    group,
    ownerName,
    logFormat,
    accept: accept && { address: accept, forwardTo, names: acceptHosts },
    consumer,
  };
}
