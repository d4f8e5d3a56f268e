/**
 * Several consumers in one process, each in a thread of its own: they share the queue as those of
 * several processes do. A stop is told to all; one that fails or dies is reported, and the others
 * take its claims over.
 *
 * @module
 */

import type { ConsumerSettings } from "../../config/consumer.ts";
import type { Given } from "../../config/resolve.ts";
import type { DestinationsGiven } from "../../config/settings.ts";
import type { Summary } from "../../consumer/consumer.ts";
import { Tally } from "../../telemetry/summary.ts";
import type { TraceEvent } from "../../telemetry/trace.ts";
import { EXIT } from "../exit_code.ts";
import { ReportedFailure } from "../failure.ts";
import type { Io, Thread } from "../io.ts";
import { printable } from "../printable.ts";
import { type Order, type Report, sent, type Start, type Told } from "./messages.ts";

/** Told of what workers do. */
export interface WorkersListener {
  /** Something happened, Unix ms. */
  readonly trace: (event: TraceEvent, atMs: number) => void;
  /** A worker, from 1 on, has ended before the others, and why. */
  readonly died: (worker: number, reason: string) => void;
}

/** How a worker ended. */
type Ending = Exclude<Report, { readonly kind: "told" | "replaced" }>;

/** Consumers, each in a thread. */
export class Workers {
  readonly #start: Start;
  readonly #startThread: Io["startThread"];
  readonly #listener: WorkersListener;
  /** Those that work, each with who waits until it has other options. */
  readonly #threads = new Map<Thread, (() => void)[]>();
  readonly #tally = new Tally();
  /** What the last one found that ended in good order. */
  #last: Summary | undefined;

  /**
   * None yet.
   *
   * @param start What each is told.
   */
  constructor(start: Start, startThread: Io["startThread"], listener: WorkersListener) {
    this.#start = start;
    this.#startThread = startThread;
    this.#listener = listener;
  }

  /**
   * Consume with so many at once, until all have ended.
   *
   * @param signal Stops all in good order.
   * @throws {ReportedFailure} If none of them ended in good order: how the first one failed.
   */
  async run(count: number, signal: AbortSignal): Promise<Summary> {
    const running = Array.from({ length: count }, (_, n) => this.#run(n + 1));
    const stop = () => this.#tell({ kind: "stop" });
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    const failures = (await Promise.all(running)).filter((ending) => ending.kind === "failed");
    signal.removeEventListener("abort", stop);
    if (this.#last === undefined) throw new ReportedFailure(failures[0]!);
    return { ...this.#tally.counts, empty: this.#last.empty };
  }

  /** Let other options count; they must have been checked. Resolves once they do for all. */
  async replace(given: Given<ConsumerSettings>, destinations: DestinationsGiven): Promise<void> {
    const replaced = [...this.#threads.values()].map((waiting) =>
      new Promise<void>((resolve) => waiting.push(resolve))
    );
    this.#tell({ kind: "replace", options: sent(given, destinations) });
    await Promise.all(replaced);
  }

  #tell(order: Order): void {
    for (const thread of this.#threads.keys()) thread.post(order);
  }

  async #run(number: number): Promise<Ending> {
    let thread: Thread;
    const waiting: (() => void)[] = [];
    const ending = await new Promise<Ending>((resolve) => {
      thread = this.#startThread({
        onMessage: (message) => {
          const report = message as Report;
          if (report.kind === "told") this.#told(report.events);
          else if (report.kind === "replaced") waiting.shift()?.();
          else resolve(report);
        },
        onDeath: (reason) => {
          const line = `optimizelyd-maildir: a worker has died: ${printable(reason)}`;
          resolve({ kind: "failed", line, code: EXIT.bug });
        },
      });
      this.#threads.set(thread, waiting);
      thread.post(this.#start);
    });
    this.#threads.delete(thread!);
    thread!.terminate();
    for (const resolve of waiting) resolve(); // it will do nothing by the old ones any more
    if (ending.kind === "ended") this.#last = ending.summary;
    else if (this.#threads.size > 0) this.#listener.died(number, ending.line);
    return ending;
  }

  #told(events: readonly Told[]): void {
    for (const [atMs, event] of events) {
      this.#tally.note(event);
      this.#listener.trace(event, atMs);
    }
  }
}
