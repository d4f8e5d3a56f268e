/**
 * What `consume` tells of its work while it goes on, by a log or by a progress line.
 *
 * @module
 */

import type { Summary } from "../../consumer/consumer.ts";
import type { TraceEvent } from "../../telemetry/trace.ts";
import type { Reloaded } from "../reload.ts";

/** Shows what happens. */
export interface Report {
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
