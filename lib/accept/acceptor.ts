/**
 * The running endpoint of one consumer.
 *
 * Whatever peers do, the consumer beside it goes on: files for the queue and for requests in flight
 * are set aside before connections are counted, and the events being taken share a budget of bytes.
 *
 * @module
 */

import type { Queue } from "../queue/queue.ts";
import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { DEFAULT_LIMITS, type Limits } from "../server/limits.ts";
import { Server } from "../server/server.ts";
import { type ListenAddress, originOf } from "./address.ts";
import { type Budget, ByteBudget } from "../store/budget.ts";
import { comeAgain, endpoint, type EndpointOptions } from "./endpoint.ts";
import { GroupCommit } from "./group_commit.ts";

/** Bytes of events being taken, unless told otherwise; more where the largest would not fit. */
const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024;

/** Connections there may be even where files are short. */
const LEAST_CONNECTIONS = 8;

/** A shortage is told of at most so often. */
const TELL_EVERY_MS = 60_000;

/** How to take events. */
export interface AcceptorOptions extends Pick<EndpointOptions, "maxBytes" | "onRefused" | "rules"> {
  /** Where the bytes of events come from until they are on the queue. @default 64 MiB of its own */
  readonly memory?: Budget;
  /** Names and addresses, without ports, that `Host` may be besides the address. @default {[]} */
  readonly names?: readonly string[];
  /** What peers may take. @default {DEFAULT_LIMITS} */
  readonly limits?: Partial<Limits>;
  /** Files and connections that others in this process need to be able to open. @default {64} */
  readonly reservedFiles?: number;
  /** Told when connections can't be taken or memory is short, each at most once a minute. */
  readonly onTrouble: (error: unknown) => void;
}

/** Takes events over HTTP until it is stopped. */
export class Acceptor {
  /** Where it is, without a path. */
  readonly origin: string;
  readonly #server: Server;
  readonly #runtime: Runtime;
  readonly #onTrouble: (error: unknown) => void;
  readonly #idle = new AbortController();
  #active = 0;
  #isStopping = false;
  readonly #toldMs = new Map<string, number>();

  /**
   * Starts to accept.
   *
   * @throws {TypeError} If this runtime can't listen.
   * @throws The network's error, when the address can't be had.
   */
  constructor(queue: Queue, address: ListenAddress, options: AcceptorOptions) {
    const { rules, maxBytes, onRefused, names, onTrouble } = options;
    this.#runtime = queue.place.runtime;
    this.#onTrouble = onTrouble;
    const handler = endpoint(new GroupCommit(queue), this.#runtime, {
      rules,
      maxBytes,
      onRefused: (error) => this.#tellRefused(error, onRefused),
      memory: options.memory ?? new ByteBudget(() => Math.max(DEFAULT_MEMORY_BYTES, 2 * maxBytes)),
      onShortage: () => this.#tellShortage(),
    });
    this.#server = new Server(this.#runtime, address, (request) => this.#answer(request, handler), {
      limits: { ...options.limits, connections: connectionsFor(queue, options) },
      ...(names === undefined ? {} : { names }),
      namesHint: "--accept-host adds one",
      onTrouble,
    });
    this.origin = originOf(this.#server);
  }

  /**
   * Take no more events; those that are being taken get `graceMs` to arrive, less when `signal`
   * aborts.
   *
   * The server stays until then, because stopping it cuts every body that isn't whole; whoever
   * comes meanwhile is told to come again.
   */
  async stop(graceMs: number, signal: AbortSignal): Promise<void> {
    this.#isStopping = true;
    if (this.#active === 0) this.#idle.abort();
    const end = () => this.#idle.abort();
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    await this.#runtime.clock.sleep(graceMs, this.#idle.signal);
    signal.removeEventListener("abort", end);
    await this.#server.stop(this.#active === 0 ? "answer" : "cut");
  }

  async #answer(
    request: Request,
    handler: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    if (this.#isStopping) return comeAgain({ connection: "close" });
    this.#active++;
    try {
      return await handler(request);
    } finally {
      this.#active--;
      if (this.#isStopping && this.#active === 0) this.#idle.abort();
    }
  }

  #tellShortage(): void {
    if (!this.#isTimeToTell("memory")) return;
    const message = "no memory for all events that are being sent";
    this.#onTrouble(Object.assign(new Error(message), { code: "ENOMEM" }));
  }

  /** What refuses one event refuses the next as well: once a minute says enough. */
  #tellRefused(error: unknown, tell: EndpointOptions["onRefused"]): void {
    const code = errorCode(error) ?? errorCode((error as Error).cause) ?? "";
    if (this.#isTimeToTell(code)) tell(error);
  }

  #isTimeToTell(what: string): boolean {
    const nowMs = this.#runtime.clock.monotonic();
    if (nowMs < (this.#toldMs.get(what) ?? -Infinity) + TELL_EVERY_MS) return false;
    this.#toldMs.set(what, nowMs);
    return true;
  }
}

/** As many connections as wished for, or as the system leaves to us. */
function connectionsFor(
  { place: { base, runtime } }: Queue,
  { limits = {}, reservedFiles = 64 }: AcceptorOptions,
): number {
  const most = limits.connections ?? DEFAULT_LIMITS.connections;
  const spare = runtime.spareFiles?.(base, most + reservedFiles) ?? Infinity;
  return Math.min(most, Math.max(spare - reservedFiles, LEAST_CONNECTIONS));
}
