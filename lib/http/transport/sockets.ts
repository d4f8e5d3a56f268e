/**
 * The transport over connections: a small, strict HTTP/1.1 client.
 *
 *     target → pool: an idle connection, or dial.ts: a new one → connection.ts → the answer
 *
 * A connection that was used before may have been ended by the endpoint in the very moment in which
 * a request goes out. If it ends before the first byte of an answer, the request is sent once more,
 * over a fresh one: it is the same attempt.
 *
 * @module
 */

import type { Clock, FetchTerms } from "../../runtime/runtime.ts";
import type { EgressRules } from "../egress_rules.ts";
import type { HttpRequest } from "../step.ts";
import { StaleConnectionError } from "./connection.ts";
import { Dialer, type DialRuntime, type Peer } from "./dial.ts";
import { Pool } from "./pool.ts";
import type { Answer, CallOff, How, Transport } from "./transport.ts";

/** Most endpoints that are remembered while there is no connection with them. */
const MOST_ENDPOINTS = 4_096;

/** What is known of an endpoint. */
interface Endpoint {
  readonly terms: FetchTerms | undefined;
  readonly egress: EgressRules;
  readonly pool: Pool;
  readonly peer: Peer;
}

/** What is known of a URL. Events of one endpoint share it. */
interface Target {
  readonly endpoint: Endpoint;
  /** All between the method and the headers. */
  readonly start: string;
}

/** Sends over connections. */
export class SocketTransport implements Transport {
  readonly #clock: Clock;
  readonly #dialer: Dialer;
  readonly #targets = new WeakMap<URL, Target>();
  readonly #endpoints = new Map<string, Endpoint>();
  #asleep: AbortController | undefined;

  constructor(runtime: DialRuntime) {
    this.#clock = runtime.clock;
    this.#dialer = new Dialer(runtime);
  }

  async send(request: HttpRequest, callOff: CallOff, how: How): Promise<Answer> {
    const target = this.#targetOf(request.url, how);
    const { pool, peer } = target.endpoint;
    const start = request.method + target.start;
    const used = pool.take();
    if (used !== undefined) {
      try {
        return await used.send(start, request, callOff);
      } catch (error) {
        if (!(error instanceof StaleConnectionError)) throw error;
      }
    }
    const { connectTimeoutMs } = how;
    const { connection, phases } = await this.#dialer.dial(peer, callOff, connectTimeoutMs);
    const fresh = pool.add(connection, phases);
    return await fresh.send(start, request, callOff);
  }

  closeIdle(): void {
    for (const { pool } of this.#endpoints.values()) pool.closeIdle();
    this.#asleep?.abort("closed");
    this.#asleep = undefined;
  }

  #targetOf(url: URL, how: How): Target {
    let target = this.#targets.get(url);
    if (target === undefined || isOther(target.endpoint, how)) {
      const start = ` ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n`;
      this.#targets.set(url, target = { endpoint: this.#endpointOf(url, how), start });
    }
    return target;
  }

  /** With other terms or rules it is another endpoint: nothing of the old one is used. */
  #endpointOf(url: URL, how: How): Endpoint {
    const { terms, egress } = how;
    let endpoint = this.#endpoints.get(url.origin);
    if (endpoint === undefined || isOther(endpoint, how)) {
      endpoint?.pool.retire();
      const isSecure = url.protocol === "https:";
      const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
      const port = Number(url.port || (isSecure ? 443 : 80));
      const { proxy: _, ...trust } = terms ?? {};
      const tls = isSecure ? { ...trust, serverName: host.replace(/\.$/, "") } : undefined;
      if (this.#endpoints.size >= MOST_ENDPOINTS) this.#forgetUnused();
      const pool = new Pool(this.#clock, () => this.#watch());
      const peer: Peer = { host, port, tls, egress };
      this.#endpoints.set(url.origin, endpoint = { terms, egress, pool, peer });
    }
    return endpoint;
  }

  #forgetUnused(): void {
    for (const [origin, { pool }] of this.#endpoints) {
      if (pool.isEmpty) this.#endpoints.delete(origin);
    }
  }

  /** Closes what has been idle for too long, as long as there is anything. */
  async #watch(): Promise<void> {
    if (this.#asleep) return;
    const asleep = this.#asleep = new AbortController();
    while (!asleep.signal.aborted) {
      let dueMs = Infinity;
      for (const { pool } of this.#endpoints.values()) {
        pool.closeDue();
        dueMs = Math.min(dueMs, pool.dueMs);
      }
      if (dueMs === Infinity) break;
      await this.#clock.sleep(dueMs - this.#clock.monotonic(), asleep.signal);
    }
    if (this.#asleep === asleep) this.#asleep = undefined;
  }
}

function isOther({ terms, egress }: Endpoint, how: How): boolean {
  return terms !== how.terms || egress !== how.egress;
}
