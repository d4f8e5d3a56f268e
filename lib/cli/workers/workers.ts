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
type Ending = Exclude<Report, { readonly kind: "told" }>;

/** Consumers, each in a thread. */
export class Workers {
  readonly #start: Start;
  readonly #startThread: Io["startThread"];
  readonly #listener: WorkersListener;
  readonly #threads = new Set<Thread>();
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

  /** Let other options count from now on; they must have been checked. */
  replace(given: Given<ConsumerSettings>, destinations: DestinationsGiven): void {
    this.#tell({ kind: "replace", options: sent(given, destinations) });
  }

  #tell(order: Order): void {
    for (const thread of this.#threads) thread.post(order);
  }

  async #run(number: number): Promise<Ending> {
    let thread: Thread;
    const ending = await new Promise<Ending>((resolve) => {
      thread = this.#startThread({
        onMessage: (message) => {
          const report = message as Report;
          if (report.kind === "told") this.#told(report.events);
          else resolve(report);
        },
        onDeath: (reason) => {
          const line = `optimizelyd-maildir: a worker has died: ${printable(reason)}`;
          resolve({ kind: "failed", line, code: EXIT.bug });
        },
      });
      this.#threads.add(thread);
      thread.post(this.#start);
    });
    this.#threads.delete(thread!);
    thread!.terminate();
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
