/**
 * The connections with one endpoint. The one used last is used next, so that those that aren't
 * needed become idle, and are closed after 15 s.
 *
 * There are as many as requests are in flight: that is the lane's to limit.
 *
 * @module
 */

import type { Clock, Connection } from "../../runtime/runtime.ts";
import { type ConnectionOwner, HttpConnection } from "./connection.ts";
import type { Phases } from "./transport.ts";

/** How long a connection is kept that nobody uses. */
export const IDLE_MS = 15_000;

/** The connections with one endpoint. */
export class Pool implements ConnectionOwner {
  /** The one that has been idle longest first. */
  readonly #idle: HttpConnection[] = [];
  /** How many there are. */
  #open = 0;
  #isRetired = false;
  readonly #clock: Clock;
  readonly #onIdle: (pool: Pool) => void;

  /** @param onIdle Told when there is something idle. */
  constructor(clock: Clock, onIdle: (pool: Pool) => void) {
    this.#clock = clock;
    this.#onIdle = onIdle;
  }

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#open === 0;
  }

  /** One that has just been made, not idle yet. */
  add(connection: Connection, phases: Phases): HttpConnection {
    this.#open++;
    return new HttpConnection(connection, phases, this, this.#clock);
  }

  /** One that can be used again, from now on no longer idle. */
  take(): HttpConnection | undefined {
    const connection = this.#idle.pop();
    if (connection === undefined) return undefined;
    if (connection.idleSinceMs + IDLE_MS > this.#clock.monotonic()) return connection;
    connection.close(); // this process has stood still, and all others are older
    this.closeIdle();
    return undefined;
  }

  free(connection: HttpConnection): void {
    if (this.#isRetired) return connection.close();
    this.#idle.push(connection);
    if (this.#idle.length === 1) this.#onIdle(this);
  }

  gone(connection: HttpConnection): void {
    this.#open--;
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** When the next one will have been idle for too long, monotonic ms. */
  get dueMs(): number {
    const [oldest] = this.#idle;
    return oldest === undefined ? Infinity : oldest.idleSinceMs + IDLE_MS;
  }

  /** Close those that have been idle for too long. */
  closeDue(): void {
    const nowMs = this.#clock.monotonic();
    while (this.dueMs <= nowMs) this.#idle[0]!.close();
  }

  /** Close all that are idle. */
  closeIdle(): void {
    for (const connection of [...this.#idle]) connection.close();
  }

  /** Close all that are idle, and what is in use once it is no longer. */
  retire(): void {
    this.#isRetired = true;
    this.closeIdle();
  }
}
