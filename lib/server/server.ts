/**
 * A small HTTP/1.1 server that can't be ended or filled from outside: a request becomes a
 * `Request`, the `Response` goes out, and everything a peer may take of us has a limit.
 *
 *     a peer that                              meets
 *     opens connections without end            a number of them; the most silent one makes room
 *     sends slowly, or stops in the middle     time limits for head, body and silence: 408
 *     sends too much of a head                 431; of a body: the handler says when it is enough
 *     doesn't read its answer                  a time limit
 *     could be understood in two ways          400
 *     names another host than this one         421
 *
 * When the system has no files left for a connection, the server pauses, tells it once, asks for
 * fewer connections for a while and goes on.
 *
 * @module
 */

import {
  type Clock,
  type Connection,
  errorCode,
  type Listener,
  type Runtime,
} from "../runtime/runtime.ts";
import { type Handler, ServerConnection, type Service } from "./connection.ts";
import { BadRequestError, type Head } from "./head.ts";
import { hostName, isOurs } from "./host.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";

/** Pauses after a connection that could not be taken, the first and the longest. */
const [SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS] = [50, 1_000];

/** For how long fewer connections are asked for, and nothing is told again. */
const SHORTAGE_MS = 60_000;

/** What is told when files run out. */
const SHORTAGES = new Set(["EMFILE", "ENFILE"]);

/** How a server works. */
export interface ServerOptions {
  /** What peers may take. @default {DEFAULT_LIMITS} */
  readonly limits?: Partial<Limits>;
  /**
   * Names and addresses, without ports, that `Host` may be besides the address itself. @default
   * {[]}
   */
  readonly names?: readonly string[];
  /** How an operator adds a name, as the answer to a wrong `Host` says it. */
  readonly namesHint: string;
  /**
   * Told when connections can't be taken, at most once a minute, and of what the handler throws.
   */
  readonly onTrouble: (error: unknown) => void;
}

/** A server that is running. */
export class Server {
  /** Where it listens, without brackets. */
  readonly hostname: string;
  /** The port, also when it was left to the system. */
  readonly port: number;
  readonly #listener: Listener;
  readonly #service: Service;
  /** What is open, and when it has ended. */
  readonly #open = new Map<ServerConnection, Promise<void>>();
  readonly #stopped = new AbortController();
  /** Aborts when nothing is open any more. */
  #quiet = new AbortController();
  /** Aborts when a connection has ended. */
  #ended = new AbortController();
  /** How many connections there may be since files ran out, and until when. */
  #shortage = { most: Infinity, untilMs: -Infinity };
  #toldMs = -Infinity;

  /**
   * Starts to serve.
   *
   * @throws {TypeError} If this runtime can't listen.
   * @throws The network's error, when the address can't be had.
   */
  constructor(
    { clock, listen }: Pick<Runtime, "clock" | "listen">,
    address: { readonly hostname: string; readonly port: number },
    handler: Handler,
    options: ServerOptions,
  ) {
    if (listen === undefined) {
      throw new TypeError("Cannot serve HTTP: this runtime can't listen, Deno can");
    }
    const refuse = hostRule(options, () => this.port);
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#listener = listen(address);
    this.hostname = this.#listener.hostname;
    this.port = this.#listener.port;
    this.#service = { clock, limits, handler, refuse, onTrouble: options.onTrouble };
    void this.#accept();
  }

  get #clock(): Clock {
    return this.#service.clock;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#open.size;
  }

  /**
   * Take no more connections. Resolves when those there are have ended: `"answer"` lets the answers
   * out that are on their way, but cuts a request that isn't whole yet; `"cut"` ends all at once.
   */
  async stop(requests: "answer" | "cut"): Promise<void> {
    if (!this.#stopped.signal.aborted) this.#listener.close();
    this.#stopped.abort();
    const open = [...this.#open];
    for (const [connection] of open) {
      if (requests === "cut") this.#end(connection);
      else connection.finish();
    }
    if (requests === "answer") await Promise.all(open.map(([_, ended]) => ended));
  }

  async #accept(): Promise<void> {
    const { signal } = this.#stopped;
    let pauseMs = SHORTEST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        this.#serve(await this.#listener.accept());
        pauseMs = SHORTEST_PAUSE_MS;
      } catch (error) {
        if (signal.aborted) return;
        this.#note(error);
        await this.#clock.sleep(pauseMs, signal);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
      await this.#room();
    }
  }

  #serve(connection: Connection): void {
    const served = new ServerConnection(connection, this.#service);
    this.#open.set(served, served.serve().then(() => this.#forget(served)));
    if (this.#open.size === 1) void this.#watch();
  }

  #end(connection: ServerConnection): void {
    connection.close();
    this.#forget(connection);
  }

  #forget(connection: ServerConnection): void {
    this.#open.delete(connection);
    this.#ended.abort();
    if (this.#open.size === 0) this.#quiet.abort();
  }

  /** What failed is told once, and fewer connections are asked for when files have run out. */
  #note(error: unknown): void {
    const nowMs = this.#clock.monotonic();
    if (nowMs >= this.#toldMs + SHORTAGE_MS) {
      this.#toldMs = nowMs;
      this.#service.onTrouble(error);
    }
    if (!SHORTAGES.has(errorCode(error) ?? "")) return;
    const most = Math.max(1, Math.floor(this.#open.size * 3 / 4));
    this.#shortage = { most, untilMs: nowMs + SHORTAGE_MS };
  }

  /** How many connections there may be now. */
  get #most(): number {
    const { limits: { connections }, clock } = this.#service;
    const { most, untilMs } = this.#shortage;
    return clock.monotonic() < untilMs ? Math.min(most, connections) : connections;
  }

  /** Wait until there are no more connections than there may be, and help it along. */
  async #room(): Promise<void> {
    while (this.#open.size > this.#most && !this.#stopped.signal.aborted) {
      const silent = this.#mostSilent();
      if (silent !== undefined) {
        this.#end(silent);
        continue;
      }
      this.#ended = new AbortController();
      const changed = AbortSignal.any([this.#ended.signal, this.#stopped.signal]);
      await this.#clock.sleep(this.#tickMs, changed);
    }
  }

  /**
   * The one that is missed least, once it has been silent for long enough: the longest silent of
   * those that never sent a whole request; only where there are none, of those that did.
   */
  #mostSilent(): ServerConnection | undefined {
    let found: { connection: ServerConnection; sinceMs: number } | undefined;
    for (const connection of this.#open.keys()) {
      const sinceMs = connection.silentSinceMs;
      if (sinceMs === undefined) continue;
      const isMissedLess = found === undefined ||
        (connection.hasServed === found.connection.hasServed
          ? sinceMs < found.sinceMs
          : !connection.hasServed);
      if (isMissedLess) found = { connection, sinceMs };
    }
    const enoughMs = this.#clock.monotonic() - this.#service.limits.patienceMs;
    return found !== undefined && found.sinceMs <= enoughMs ? found.connection : undefined;
  }

  get #tickMs(): number {
    const { connections: _, ...times } = this.#service.limits;
    return Math.min(Math.max(Math.min(...Object.values(times)) / 4, 5), 250);
  }

  /** Look at the clock for all connections, as long as there are any. */
  async #watch(): Promise<void> {
    const { signal } = this.#quiet = new AbortController();
    while (!signal.aborted) {
      await this.#clock.sleep(this.#tickMs, signal);
      const nowMs = this.#clock.monotonic();
      for (const connection of this.#open.keys()) connection.tick(nowMs);
    }
  }
}

/** Refuses requests that name another host. */
function hostRule(
  { names = [], namesHint }: ServerOptions,
  port: () => number,
): Service["refuse"] {
  const known = names.map((name) => {
    const read = hostName(name);
    if (read !== undefined) return read;
    throw new RangeError(`Cannot serve HTTP: ${name} must be a host name or an address`);
  });
  return ({ host }: Head, { localAddress: address }: Connection) => {
    if (isOurs(host, { address, port: port() }, known)) return undefined;
    const shown = address.includes(":") ? `[${address}]` : address;
    const message =
      `the host must be ${shown}:${port()} or a name that is known here: ${namesHint}`;
    return new BadRequestError(421, message);
  };
}
