/**
 * `consume`: delivers events until it is stopped or its work is done.
 *
 * @module
 */

import { Acceptor } from "../accept/acceptor.ts";
import { type Level, MOST_AUTO_WORKERS } from "../config/consume_command.ts";
import type { ConsumerOptions, DestinationOptions } from "../config/consumer.ts";
import type { Live, Settings } from "../config/settings.ts";
import { Consumer, type Summary } from "../consumer/consumer.ts";
import { Credentials } from "../http/credentials.ts";
import { describeTransport } from "../http/transport/choose.ts";
import { QueueFullError } from "../queue/full.ts";
import type { Queue } from "../queue/queue.ts";
import { memoryFor } from "../store/budget.ts";
import { Maildir } from "../queue/store/maildir_store.ts";
import { type Clock, errorCode, type Runtime } from "../runtime/runtime.ts";
import { LiveAcceptRules } from "./accept_rules.ts";
import { UsageError } from "./args.ts";
import { withCertificates } from "./certificates.ts";
import { configure } from "./configuration.ts";
import type { ConsumeOptions } from "./consume_options.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { tellFailure } from "./failure.ts";
import type { Io } from "./io.ts";
import { LiveLimits, openLimited } from "./limits.ts";
import type { ConsumeInvocation } from "./options.ts";
import { type Reloadable, Reloader } from "./reload.ts";
import { type Beginning, logReport } from "./report/log_report.ts";
import { progressReport } from "./report/progress_report.ts";
import type { Report } from "./report/report.ts";
import { secretsOf } from "./secrets.ts";
import { sent } from "./workers/messages.ts";
import { Workers } from "./workers/workers.ts";

/** How long the end waits for a reader of the log that stalls. */
const LINGER_MS = 5_000;

/** Files that the queue's own work needs at a time, with room. */
const OWN_FILES = 32;

/**
 * What is shown: progress, where a person watches the end come nearer and asked for nothing else;
 * otherwise the log.
 */
function startReport(
  { mode, logFormat, logLevel, logSummaryMs }: ConsumeOptions,
  level: Live<Level>,
  beginning: Beginning,
  queue: Queue,
  settings: Settings,
  io: Io,
): Report {
  const isPlain = logFormat === "text" && logLevel === "info" && logSummaryMs === 0;
  if (mode === "until-empty" && isPlain && io.stderr.isTerminal) return progressReport(queue, io);
  const { clock } = queue.place.runtime;
  const log = { format: logFormat, level, summaryMs: logSummaryMs };
  return logReport(log, beginning, () => settings.current.graceMs, clock, io.stderr);
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
 * Deliver events. What goes wrong once the options are known is told as they say.
 *
 * @throws {UsageError | ConfigError} If an option is wrong.
 */
export async function consume(
  invocation: ConsumeInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const config = invocation.config ?? io.defaultConfig;
  const options = await configure(config, invocation.written, io);
  try {
    return await deliver(options, { ...invocation, config }, baseDir, runtime, io);
  } catch (error) {
    return await tellFailure(error, options.logFormat, runtime.clock.now(), io);
  }
}

/**
 * @throws {NotAQueueError} If the directory isn't a queue and can't become one.
 * @throws {DiskFailure} If the disk refuses for too long.
 */
async function deliver(
  options: ConsumeOptions,
  { config: path, written }: Pick<ConsumeInvocation, "config" | "written">,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const { mode, group, ownerName, destinations } = options;
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
  const { concurrency, transport } = settings.current;
  const carrier = describeTransport(runtime, transport);
  const beginning = { baseDir, workers: count, concurrency, transport: carrier };
  const level = { current: options.logLevel };
  const report = startReport(options, level, beginning, queue, settings, io);

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
    level.current = next.logLevel;
    if (next.accept) acceptRules?.replace(next.accept.rules);
    return stays;
  };
  const reloader = path && new Reloader(path, written, options, { replace }, io);
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
