/**
 * `consume`: delivers events until it is stopped or its work is done.
 *
 * @module
 */

import { Acceptor } from "../accept/acceptor.ts";
import { MOST_AUTO_WORKERS } from "../config/consume_command.ts";
import type { ConsumerOptions, DestinationOptions } from "../config/consumer.ts";
import type { Settings } from "../config/settings.ts";
import { Consumer, type Summary } from "../consumer/consumer.ts";
import { Credentials } from "../http/credentials.ts";
import { describeTransport } from "../http/transport/choose.ts";
import type { TraceEvent } from "../telemetry/trace.ts";
import { QueueFullError } from "../queue/full.ts";
import type { Queue } from "../queue/queue.ts";
import { memoryFor } from "../store/budget.ts";
import { Maildir } from "../queue/store/maildir_store.ts";
import { type Clock, errorCode, type Runtime } from "../runtime/runtime.ts";
import { LiveAcceptRules } from "./accept_rules.ts";
import { UsageError } from "./args.ts";
import { withCertificates } from "./certificates.ts";
import { watchBacklog } from "./backlog_size.ts";
import { configure } from "./configuration.ts";
import type { ConsumeOptions } from "./consume_options.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import { LiveLimits, openLimited } from "./limits.ts";
import { LineWriter } from "./line_writer.ts";
import {
  formatAccepting,
  formatEnd,
  formatNotReloaded,
  formatReloaded,
  formatStart,
  formatStop,
  formatTrace,
  formatWorkerDied,
  isSilent,
} from "./log.ts";
import type { ConsumeInvocation } from "./options.ts";
import { formatCount, Progress } from "./progress.ts";
import { type Reloadable, type Reloaded, Reloader } from "./reload.ts";
import { secretsOf } from "./secrets.ts";
import { sent } from "./workers/messages.ts";
import { Workers } from "./workers/workers.ts";

/** How long the end waits for a reader of the log that stalls. */
const LINGER_MS = 5_000;

/** Files that the queue's own work needs at a time, with room. */
const OWN_FILES = 32;

/** Shows what happens. */
interface Report {
  /** Show one thing that happened. */
  readonly trace: (event: TraceEvent, atMs?: number) => void;
  /** Show that a worker has ended before the others, and why. */
  readonly workerDied: (worker: number, reason: string) => void;
  /** Show that events are taken over HTTP. */
  readonly accepting: (url: string, forwardTo: string) => void;
  /** Show what came of reading a configuration again. */
  readonly reloaded: (config: string, outcome: Reloaded) => void;
  /** Show that it has been asked to stop. */
  readonly stopping: () => void;
  /**
   * Show the last; without a summary the end came too early for one. `onlyHeld`: what is left waits
   * for held destinations.
   */
  readonly end: (summary: Summary | undefined, onlyHeld: boolean) => Promise<void>;
}

/** A line for everything. */
function logReport(
  { logFormat }: ConsumeOptions,
  workers: number,
  settings: Settings,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Report {
  const { clock } = runtime;
  const writer = new LineWriter(io.stderr, clock);
  const { concurrency, transport } = settings.current;
  const carrier = describeTransport(runtime, transport);
  writer.line(formatStart(baseDir, workers, concurrency, carrier, clock.now(), logFormat));
  return {
    trace: (event, atMs = clock.now()) => {
      if (!isSilent(event)) writer.line(formatTrace(event, atMs, logFormat));
    },
    workerDied: (worker, reason) =>
      writer.line(formatWorkerDied(worker, reason, clock.now(), logFormat)),
    accepting: (url, forwardTo) =>
      writer.line(formatAccepting(url, forwardTo, clock.now(), logFormat)),
    reloaded: (config, outcome) =>
      writer.line(
        outcome.kind === "refused"
          ? formatNotReloaded(outcome.reason, clock.now(), logFormat)
          : formatReloaded(config, outcome.stays, clock.now(), logFormat),
      ),
    stopping: () => writer.line(formatStop(settings.current.graceMs, clock.now(), logFormat)),
    end: async (summary, onlyHeld) => {
      if (summary) writer.line(formatEnd(summary, onlyHeld, clock.now(), logFormat));
      await writer.flush();
    },
  };
}

/** What is neither progress nor failure stays out of the way of a progress line. */
function isQuiet(event: TraceEvent): boolean {
  if (isSilent(event)) return true;
  if (event.type === "lane") return event.change === "probing";
  return event.type === "delivered" || event.type === "deferred" || event.type === "released";
}

/** The destinations that keep events from being delivered, as the consumer reports them. */
class Troubles {
  readonly #down = new Set<string>();
  readonly #held = new Set<string>();
  readonly #throttled = new Map<string, number>();

  /** Take note of what happened. */
  note(event: TraceEvent): void {
    if (event.type === "delivered") this.#throttled.delete(event.destination);
    if (event.type !== "lane") return;
    const { destination, change, untilMs } = event;
    if (change === "opened") this.#down.add(destination);
    if (change === "recovered") this.#down.delete(destination);
    if (change === "held") this.#held.add(destination);
    if (change === "resumed") this.#held.delete(destination);
    if (change === "throttled" && untilMs) this.#throttled.set(destination, untilMs);
  }

  /** Such as `2 destinations down, 1 held`; `undefined` when there are none. */
  text(nowMs: number): string | undefined {
    for (const [destination, untilMs] of this.#throttled) {
      if (untilMs <= nowMs) this.#throttled.delete(destination);
    }
    const counts = [
      [this.#down.size, "down"],
      [this.#held.size, "held"],
      [this.#throttled.size, "throttled"],
    ] as const;
    const found = counts.filter(([count]) => count > 0);
    if (found.length === 0) return undefined;
    return found.map(([count, what], at) => {
      const noun = at > 0 ? "" : count === 1 ? " destination" : " destinations";
      return `${formatCount(count)}${noun} ${what}`;
    }).join(", ");
  }
}

/** A progress line, and above it a line for everything out of the ordinary. */
function progressReport(queue: Queue, { clock }: Runtime, io: Io): Report {
  const progress = new Progress(io.stderr, clock);
  const counting = new AbortController();
  let [done, failed, deferred] = [0, 0, 0];
  let left: number | undefined;
  const troubles = new Troubles();
  const show = () =>
    progress.update({ done, failed, remaining: left, trouble: troubles.text(clock.now()) });
  const onCount = (events: number) => {
    left = events;
    show();
  };
  const counted = watchBacklog(queue, () => done + failed, onCount, counting.signal);
  return {
    trace: (event, atMs = clock.now()) => {
      troubles.note(event);
      if (event.type === "lane") show();
      if (event.type === "deferred") deferred++;
      if (event.type === "delivered" || event.type === "dead") {
        if (event.type === "delivered") done++;
        else failed++;
        if (left !== undefined) left = Math.max(0, left - 1);
        show();
      }
      if (!isQuiet(event)) progress.line(formatTrace(event, atMs, "text"));
    },
    workerDied: (worker, reason) =>
      progress.line(formatWorkerDied(worker, reason, clock.now(), "text")),
    accepting: () => {}, // never ends, so there is no progress
    reloaded: (config, outcome) =>
      progress.line(
        outcome.kind === "refused"
          ? formatNotReloaded(outcome.reason, clock.now(), "text")
          : formatReloaded(config, outcome.stays, clock.now(), "text"),
      ),
    stopping: () => progress.line("waiting for requests in flight; once more ends it at once"),
    end: async (summary, onlyHeld) => {
      counting.abort();
      await counted;
      const putOff = deferred === 0 ? "" : `, put off ${formatCount(deferred)} times`;
      const rest = onlyHeld ? "; what is left waits for held destinations" : "";
      const text = `${formatCount(done)} delivered, ${formatCount(failed)} dead${putOff}${rest}`;
      await progress.finish(summary && text);
    },
  };
}

/** Begin to take events over HTTP, if asked to. */
function startAccepting(
  { accept }: ConsumeOptions,
  rules: LiveAcceptRules | undefined,
  queue: Queue,
  { settings, memory }: Consumer,
  report: Report,
): Acceptor | undefined {
  const { maxBytes, concurrency } = settings.current;
  if (accept === undefined || rules === undefined) return undefined;
  const { address, names } = accept;
  const trouble = (error: unknown, reason: string) => {
    const code = errorCode(error) ?? errorCode((error as Error).cause) ?? "unknown";
    report.trace({ type: "disk-trouble", verb: "accept", code, reason });
  };
  try {
    const acceptor = new Acceptor(queue, address, {
      rules: () => rules.current,
      maxBytes,
      names,
      // each request in flight, and for each a connection kept for the next one
      reservedFiles: 2 * concurrency + OWN_FILES,
      memory: {
        take: (bytes) => memory.take(memoryFor(bytes)),
        give: (bytes) => memory.give(memoryFor(bytes)),
      },
      onRefused: (error) => {
        const full = error instanceof QueueFullError ? `${error.message}; ` : "";
        trouble(error, `${full}the event is not on the queue, its sender was told to come again`);
      },
      onTrouble: (error) =>
        trouble(error, `${(error as Error).message}: those who send events have to wait`),
    });
    for (const [path, url] of rules.current.routes) {
      report.accepting(acceptor.origin + path, url);
    }
    return acceptor;
  } catch (cause) {
    if (cause instanceof TypeError) throw new UsageError(cause.message, { cause });
    const why = cause instanceof Error ? cause.message : cause;
    throw new Error(`Cannot accept events at ${address.hostname}:${address.port}: ${why}`, {
      cause,
    });
  }
}

/** Await a promise, but not for ever. */
async function within(ms: number, clock: Clock, promise: Promise<void>): Promise<void> {
  const settled = new AbortController();
  await Promise.race([promise, clock.sleep(ms, settled.signal)]);
  settled.abort();
}

function exitCode(
  mode: ConsumeOptions["mode"],
  wasStopped: boolean,
  summary: Summary,
): ExitCode {
  return wasStopped || mode === "forever" || summary.empty ? EXIT.ok : EXIT.tryAgain;
}

/**
 * Deliver events.
 *
 * @throws {NotAQueueError} If the directory isn't a queue and can't become one.
 * @throws {DiskFailure} If the disk refuses for too long.
 */
export async function consume(
  invocation: ConsumeInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const path = invocation.config ?? io.defaultConfig;
  const options = await configure(path, invocation.written, io);
  const { mode, group, ownerName, logFormat, destinations } = options;
  const count = options.workers === "auto"
    ? Math.min(io.cores, MOST_AUTO_WORKERS)
    : options.workers;
  const given = await withCertificates(options.consumer, io);
  const limits = new LiveLimits(options.limits);
  const queue = await openLimited(baseDir, runtime, limits, { group, ownerName });
  const consumer = new Consumer(new Maildir(queue), {
    ...given as ConsumerOptions, // it holds just what was given
    readSecret: secretsOf(io),
    destinations: destinations as Readonly<Record<string, DestinationOptions>>,
    trace: (event) => report.trace(event),
  });
  const { settings } = consumer;
  const credentials = new Credentials(secretsOf(io), runtime.clock);
  const acceptRules = options.accept &&
    new LiveAcceptRules(options.accept.rules, credentials, runtime.clock);
  const report: Report = mode === "until-empty" && logFormat === "text" && io.stderr.isTerminal
    ? progressReport(queue, runtime, io)
    : logReport(options, count, settings, baseDir, runtime, io);

  const start = { baseDir, group, ownerName, mode, options: sent(given, destinations) };
  const workers = count === 1
    ? undefined // this thread does it all
    : new Workers({ kind: "start", ...start }, io.startThread, {
      trace: report.trace,
      died: report.workerDied,
    });
  const acceptor = startAccepting(options, acceptRules, queue, consumer, report);
  const stop = new AbortController();
  const atOnce = new AbortController();
  const cutShort = new Promise<undefined>((resolve) => {
    atOnce.signal.addEventListener("abort", () => resolve(undefined));
  });
  let accepted: Promise<void> | undefined;
  const stopAccepting = () => accepted ??= acceptor?.stop(settings.current.graceMs, atOnce.signal);
  let replaced: Promise<void> | undefined;
  const replace: Reloadable["replace"] = (consumer, next) => {
    const stays = settings.replace(consumer, next.destinations);
    replaced = workers?.replace(consumer, next.destinations);
    limits.replace(next.limits);
    if (next.accept) acceptRules?.replace(next.accept.rules);
    return stays;
  };
  const reloader = path && new Reloader(path, invocation.written, options, { replace }, io);
  const ignoreSignals = io.onSignal((ask) => {
    if (ask === "reload" && reloader && !stop.signal.aborted) {
      return void reloader.reload().then(async (outcome) => {
        await replaced;
        report.reloaded(path, outcome);
      });
    }
    if (stop.signal.aborted) return atOnce.abort();
    report.stopping();
    void stopAccepting();
    stop.abort();
  });
  let summary: Summary | undefined;
  try {
    const ran = workers?.run(count, stop.signal) ?? consumer.run(mode, stop.signal);
    summary = await Promise.race([ran, cutShort]);
  } finally {
    await stopAccepting(); // what it still takes is durable, and the next consumer's
    const onlyHeld = summary !== undefined && mode === "until-empty" && !summary.empty &&
      !stop.signal.aborted;
    await within(LINGER_MS, runtime.clock, report.end(summary, onlyHeld));
    ignoreSignals();
  }
  return summary ? exitCode(mode, stop.signal.aborted, summary) : EXIT.tryAgain;
}
