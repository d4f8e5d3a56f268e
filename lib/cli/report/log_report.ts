/**
 * The log as a report: a line for everything that matters enough, or counts once in a while in
 * place of a line for each event.
 *
 * @module
 */

import type { Level } from "../../config/consume_command.ts";
import type { Live } from "../../config/settings.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { type Counts, Tally } from "../../telemetry/summary.ts";
import type { TraceEvent } from "../../telemetry/trace.ts";
import type { Output } from "../io.ts";
import { LineWriter } from "../line_writer.ts";
import {
  formatAccepting,
  formatEnd,
  formatInterval,
  formatNotReloaded,
  formatReloaded,
  formatStart,
  formatStop,
  formatTrace,
  formatWorkerDied,
  type Interval,
} from "../log.ts";
import { isWanted, levelOf } from "./level.ts";
import type { Report } from "./report.ts";
import { Troubles } from "./troubles.ts";

/** How the log is written. */
export interface LogOptions {
  /** For people or for programs. */
  readonly format: "text" | "json";
  /** What matters less has no line. */
  readonly level: Live<Level>;
  /** Time between two lines of counts, in ms; 0 for a line for each event instead. */
  readonly summaryMs: number;
}

/** How the consumer begins. */
export interface Beginning {
  /** The queue's directory. */
  readonly baseDir: string;
  /** How many consumers there are. */
  readonly workers: number;
  /** Requests in flight at most, of each. */
  readonly concurrency: number;
  /** What carries requests. */
  readonly transport: string;
}

/** What is only counted where there are lines of counts. */
function isCounted({ type }: TraceEvent): boolean {
  return type === "delivered" || type === "deferred" || type === "released" ||
    type === "parked" || type === "kept";
}

/** Begin to log. */
export function logReport(
  { format, level, summaryMs }: LogOptions,
  { baseDir, workers, concurrency, transport }: Beginning,
  graceMs: () => number,
  clock: Clock,
  output: Output,
): Report {
  const writer = new LineWriter(output, clock);
  const ended = new AbortController();
  const say = (of: Level, text: (nowMs: number) => string) => {
    if (isWanted(of, level.current)) writer.line(text(clock.now()));
  };
  const intervals = summaryMs === 0 ? undefined : new Intervals(summaryMs, clock);
  void intervals?.tell(
    (interval) => say("info", (nowMs) => formatInterval(interval, nowMs, format)),
    ended.signal,
  );
  say("info", (nowMs) => formatStart(baseDir, workers, concurrency, transport, nowMs, format));
  return {
    trace: (event, atMs = clock.now()) => {
      intervals?.note(event);
      if (intervals !== undefined && isCounted(event)) return;
      if (isWanted(levelOf(event), level.current)) writer.line(formatTrace(event, atMs, format));
    },
    workerDied: (worker, reason) =>
      say("error", (nowMs) => formatWorkerDied(worker, reason, nowMs, format)),
    accepting: (url, forwardTo) =>
      say("info", (nowMs) => formatAccepting(url, forwardTo, nowMs, format)),
    reloaded: (config, outcome) =>
      outcome.kind === "refused"
        ? say("error", (nowMs) => formatNotReloaded(outcome.reason, nowMs, format))
        : say("info", (nowMs) => formatReloaded(config, outcome.stays, nowMs, format)),
    stopping: () => say("info", (nowMs) => formatStop(graceMs(), nowMs, format)),
    end: async (summary, onlyHeld) => {
      ended.abort();
      if (summary) say("info", (nowMs) => formatEnd(summary, onlyHeld, nowMs, format));
      await writer.flush();
    },
  };
}

/** Counts what happens between one line of counts and the next. */
class Intervals {
  readonly #ms: number;
  readonly #clock: Clock;
  readonly #tally = new Tally();
  readonly #troubles = new Troubles();

  constructor(ms: number, clock: Clock) {
    this.#ms = ms;
    this.#clock = clock;
  }

  note(event: TraceEvent): void {
    this.#tally.note(event);
    this.#troubles.note(event);
  }

  async tell(say: (interval: Interval) => void, signal: AbortSignal): Promise<void> {
    let before = this.#tally.counts;
    while (true) {
      await this.#clock.sleep(this.#ms, signal);
      if (signal.aborted) return;
      const { counts } = this.#tally;
      say({
        ms: this.#ms,
        counts: difference(counts, before),
        troubles: this.#troubles.counts(this.#clock.now()),
      });
      before = counts;
    }
  }
}

function difference(after: Counts, before: Counts): Interval["counts"] {
  return {
    delivered: after.delivered - before.delivered,
    deferred: after.deferred - before.deferred,
    dead: after.dead - before.dead,
    released: after.released - before.released,
  };
}
