/**
 * What the program and its workers, each a consumer in a thread of its own, tell each other.
 *
 * @module
 */

import type { ConsumerSettings } from "../../config/consumer.ts";
import type { Given } from "../../config/resolve.ts";
import type { DestinationsGiven } from "../../config/settings.ts";
import type { Mode, Summary } from "../../consumer/consumer.ts";
import { MERGERS } from "../../merge/mergers.ts";
import type { TraceEvent } from "../../telemetry/trace.ts";
import type { ExitCode } from "../exit_code.ts";

/** The options of a consumer as they are sent: a merger, which is a program, by its name. */
export interface SentOptions {
  /** All others. */
  readonly given: Given<Omit<ConsumerSettings, "merge">>;
  /** The merger's name, where there is one. */
  readonly merge: string | undefined;
  /** What differs for destinations. */
  readonly destinations: DestinationsGiven;
}

/** Consume. The first order, given once. */
export interface Start {
  /** The variant. */
  readonly kind: "start";
  /** The queue's directory. */
  readonly baseDir: string;
  /** Whether the group may work on the queue as well, or only drop events. */
  readonly group: boolean | "drop";
  /** What this host is called; `undefined` for its host name. */
  readonly ownerName: string | undefined;
  /** When to end. */
  readonly mode: Mode;
  /** The consumer's options. */
  readonly options: SentOptions;
}

/** What a worker is told. */
export type Order =
  | Start
  /** Other options count from now on; they have been checked. */
  | { readonly kind: "replace"; readonly options: SentOptions }
  /** End in good order. */
  | { readonly kind: "stop" };

/** Something that happened, and when, Unix ms. */
export type Told = readonly [atMs: number, event: TraceEvent];

/** What a worker tells. */
export type Report =
  /** What has happened, in order. */
  | { readonly kind: "told"; readonly events: readonly Told[] }
  /** The options of the last such order count. */
  | { readonly kind: "replaced" }
  /** It has ended in good order. The last report. */
  | { readonly kind: "ended"; readonly summary: Summary }
  /** It has failed, in one line. The last report. */
  | { readonly kind: "failed"; readonly line: string; readonly code: ExitCode };

/** Options made fit to be sent. */
export function sent(
  { merge, ...given }: Given<ConsumerSettings>,
  destinations: DestinationsGiven,
): SentOptions {
  return { given, merge: merge?.name, destinations };
}

/** Options that were sent, as a consumer takes them. */
export function received({ given, merge }: SentOptions): Given<ConsumerSettings> {
  return merge === undefined ? given : { ...given, merge: MERGERS[merge]!() };
}
