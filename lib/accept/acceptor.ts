/**
 * The running endpoint of one consumer.
 *
 * @module
 */

import type { Queue } from "../queue/queue.ts";
import type { HttpServer } from "../runtime/runtime.ts";
import { type ListenAddress, originOf } from "./address.ts";
import { comeAgain, endpoint, type EndpointOptions, EVENTS_PATH } from "./endpoint.ts";
import { GroupCommit } from "./group_commit.ts";

/** Takes events over HTTP until it is stopped. */
export class Acceptor {
  /** What to give an SDK as its endpoint. */
  readonly url: string;
  readonly #server: HttpServer;
  readonly #queue: Queue;
  readonly #idle = new AbortController();
  #active = 0;
  #isStopping = false;

  /**
   * Starts to accept.
   *
   * @throws {TypeError} If this runtime has no HTTP server.
   * @throws The network's error, when the address can't be had.
   */
  constructor(queue: Queue, address: ListenAddress, options: EndpointOptions) {
    const { serve } = queue.place.runtime;
    if (serve === undefined) {
      throw new TypeError("Cannot accept events: this runtime has no HTTP server, Deno has one");
    }
    const handler = endpoint(new GroupCommit(queue), options);
    this.#queue = queue;
    this.#server = serve(address, (request) => this.#answer(request, handler));
    this.url = originOf(this.#server) + EVENTS_PATH;
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
    await this.#queue.place.runtime.clock.sleep(graceMs, this.#idle.signal);
    signal.removeEventListener("abort", end);
    await this.#server.stop(this.#active === 0 ? "answer" : "cut");
  }

  async #answer(
    request: Request,
    handler: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    if (this.#isStopping) return comeAgain();
    this.#active++;
    try {
      return await handler(request);
    } finally {
      this.#active--;
      if (this.#isStopping && this.#active === 0) this.#idle.abort();
    }
  }
}
