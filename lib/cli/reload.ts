/**
 * Reading the configuration again while a consumer runs: what is right counts for whatever begins
 * next; when something is wrong, all stays as it was.
 *
 * @module
 */

import { CONSUMER_OPTIONS, type ConsumerSettings } from "../config/consumer.ts";
import type { Given } from "../config/resolve.ts";
import { withCertificates } from "./certificates.ts";
import { configure } from "./configuration.ts";
import type { ConsumeOptions } from "./consume_options.ts";
import type { Texts } from "./given.ts";
import type { Io } from "./io.ts";

/** What came of it. */
export type Reloaded =
  /** It counts, but for options that differ and can't change, by name. */
  | { readonly kind: "reloaded"; readonly stays: readonly string[] }
  /** Nothing has changed. */
  | { readonly kind: "refused"; readonly reason: string };

/** What is told of other options while it runs. */
export interface Reloadable {
  /**
   * Let other options count for whatever begins next.
   *
   * @param consumer Those of the consumer, certificates read.
   * @param next All others.
   * @returns What stays although another value was given.
   * @throws {RangeError} If a value is wrong or contradicts another; nothing is changed then.
   */
  replace(
    consumer: Given<ConsumerSettings>,
    next: Pick<ConsumeOptions, "accept" | "destinations" | "limits" | "logLevel">,
  ): readonly (keyof ConsumerSettings)[];
}

/** What can't change, and the name of its option. */
const FIXED: readonly (readonly [value: (options: ConsumeOptions) => unknown, name: string])[] = [
  [({ group }) => group, "group"],
  [({ ownerName }) => ownerName, "owner-name"],
  [({ workers }) => workers, "workers"],
  [({ logFormat }) => logFormat, "log-format"],
  [({ logSummaryMs }) => logSummaryMs, "log-summary"],
  [({ accept }) => accept?.address, "accept"],
  [({ accept }) => accept?.names, "accept-host"],
];

/** Reads a configuration again. */
export class Reloader {
  readonly #path: string;
  readonly #written: Texts;
  readonly #begun: ConsumeOptions;
  readonly #running: Reloadable;
  readonly #io: Pick<Io, "readFile">;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param path The file.
   * @param written The options on the command line, which win.
   * @param begun What the consumer began with.
   * @param running Changed by it.
   */
  constructor(
    path: string,
    written: Texts,
    begun: ConsumeOptions,
    running: Reloadable,
    io: Pick<Io, "readFile">,
  ) {
    this.#path = path;
    this.#written = written;
    this.#begun = begun;
    this.#running = running;
    this.#io = io;
  }

  /** Read it again, after whoever asked before. Never rejects. */
  reload(): Promise<Reloaded> {
    const reloaded = this.#last.then(() => this.#reload());
    this.#last = reloaded;
    return reloaded;
  }

  async #reload(): Promise<Reloaded> {
    try {
      const next = await configure(this.#path, this.#written, this.#io);
      const consumer = await withCertificates(next.consumer, this.#io);
      const stays = this.#running.replace(consumer, next);
      const differs = FIXED.filter(([value]) =>
        JSON.stringify(value(next)) !== JSON.stringify(value(this.#begun))
      );
      const names = [
        ...stays.map((key) => CONSUMER_OPTIONS[key].name),
        ...differs.map(([, name]) => name),
      ];
      return { kind: "reloaded", stays: names };
    } catch (error) {
      return { kind: "refused", reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
