/**
 * A progress line on a terminal, and above it a line for everything out of the ordinary.
 *
 * @module
 */

import type { Queue } from "../../queue/queue.ts";
import type { TraceEvent } from "../../telemetry/trace.ts";
import { watchBacklog } from "../backlog_size.ts";
import type { Io } from "../io.ts";
import { formatNotReloaded, formatReloaded, formatTrace, formatWorkerDied } from "../log.ts";
import { formatCount, Progress } from "../progress.ts";
import { isWanted, levelOf } from "./level.ts";
import type { Report } from "./report.ts";
import { Troubles } from "./troubles.ts";

/** What is neither progress nor failure stays out of the way of the progress line. */
function isOrdinary(event: TraceEvent): boolean {
  if (event.type === "lane") return event.change === "probing";
  return !isWanted(levelOf(event), "warn");
}

/** Begin to show progress. */
export function progressReport(queue: Queue, io: Pick<Io, "stderr">): Report {
  const { clock } = queue.place.runtime;
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
      if (!isOrdinary(event)) progress.line(formatTrace(event, atMs, "text"));
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
