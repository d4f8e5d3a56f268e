/**
 * Which lanes have something to send, and when it is due: what waits in memory and in `defer/`.
 *
 * @module
 */

import type { WaitingEvents } from "../queue/store/deferred.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Gathering } from "./batcher.ts";
import type { Intake } from "../queue/store/poller.ts";
import type { Lanes, Station } from "../lanes/lanes.ts";
import { type Waiting, Wakeups } from "../lanes/wakeups.ts";
import type { Prepared } from "./delivery.ts";

/** What an agenda is made from. */
export interface AgendaParts {
  /** Time. */
  readonly clock: Clock;
  /** Whose events. */
  readonly lanes: Lanes<Prepared>;
  /** What waits in `defer/`. */
  readonly waiting: WaitingEvents;
  /** How long events wait for each other, where they do. */
  readonly gathering: Gathering | undefined;
  /** Knows up to when what waits in `defer/` matters at all. */
  readonly intake: Intake;
}

/** Knows when the lanes of a consumer may send something that waits. */
export class Agenda {
  readonly #parts: AgendaParts;
  readonly #wakeups: Wakeups<Station<Prepared>>;

  /** Nothing looked at yet. */
  constructor(parts: AgendaParts) {
    this.#parts = parts;
    this.#wakeups = new Wakeups(parts.lanes);
  }

  /** Before a rest: until when it may last as far as lanes go, monotonic ms. */
  beforeRestMs(nowMs: number): number {
    return this.#wakeups.beforeRestMs(nowMs, this.#lanesWithWork());
  }

  /** After a rest: wake the lanes that may send something now. */
  wakeDue(): void {
    this.#wakeups.wakeDue(this.#parts.clock.monotonic(), this.#lanesWithWork());
  }

  /** Wake every lane that may send something that waits. */
  wakeAll(): void {
    this.#wakeups.wakeAll(this.#parts.clock.monotonic(), this.#lanesWithWork());
  }

  *#lanesWithWork(): Iterable<Waiting<Station<Prepared>>> {
    const { clock, lanes, waiting, intake, gathering } = this.#parts;
    const aheadMs = clock.monotonic() - clock.now();
    for (const station of lanes.stations) {
      if (station.queue.length === 0) continue;
      yield { station, dueMs: gathering?.dueMs(station.queue) ?? 0 };
    }
    for (const folder of waiting.destinations) {
      const station = lanes.get(folder.destination);
      const dueMs = waiting.nextDueMs(folder);
      const isForLater = dueMs === Infinity || intake.isOnce && dueMs > intake.beforeMs;
      if (station && !isForLater) yield { station, dueMs: aheadMs + dueMs };
    }
  }
}
