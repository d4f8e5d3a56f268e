/**
 * A sender in a world whose endpoint `a.test` speaks byte by byte, as a test tells it.
 *
 * @module
 */

import type { EventRequest } from "../../lib/event/request.ts";
import {
  type AnswerSink,
  type Attempt,
  Sender,
  type SenderOptions,
} from "../../lib/http/sender.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import type { SimPeer } from "../sim/sockets.ts";
import { World } from "../sim/world.ts";

/** The end of a request's head. */
export const END_OF_HEAD = "\r\n\r\n";

/** What a test may change. */
export interface WireOptions {
  readonly options?: Partial<SenderOptions>;
  readonly runtime?: (runtime: Runtime) => Runtime;
}

/** A sender and the endpoint it sends to. */
export class Wire {
  readonly world = new World();
  readonly sender: Sender;
  /** What it is told, at each moment. */
  readonly options: { -readonly [Key in keyof SenderOptions]: SenderOptions[Key] };
  /** The heads of all requests that have come. */
  readonly heads: string[] = [];

  /** @param script What the endpoint does with each connection. */
  constructor(
    script: ((peer: SimPeer, n: number) => void | Promise<void>) | undefined,
    { options = {}, runtime = (same) => same }: WireOptions = {},
  ) {
    let connections = 0;
    if (script) this.world.sockets.peers.set("a.test", (peer) => script(peer, connections++));
    const current = this.options = { timeoutMs: 30_000, onStatus: new Map(), ...options };
    this.sender = new Sender(runtime(this.world.process().runtime), { of: () => current });
  }

  /** Send to `a.test`. */
  send(more: Partial<EventRequest> = {}, sink?: AnswerSink): Promise<Attempt> {
    const url = new URL("http://a.test/");
    const request = { url, method: "POST", headers: [], body: "{}", ...more };
    return this.world.run(this.sender.send(request, "id", sink));
  }

  /** One attempt after the other. */
  async sendMany(count: number, more: Partial<EventRequest> = {}): Promise<Attempt[]> {
    const attempts: Attempt[] = [];
    for (let n = 0; n < count; n++) attempts.push(await this.send(more));
    return attempts;
  }
}

/** Answers every request that comes over a connection with the same text. */
export function answering(answer: string, body = "{}"): (peer: SimPeer) => Promise<void> {
  return async (peer) => {
    while ((await peer.receiveUntil(END_OF_HEAD + body)) !== "") peer.send(answer);
  };
}

/** A sink that keeps all, as text. */
export function textSink(): AnswerSink & { text: string } {
  return {
    text: "",
    write(bytes) {
      this.text += String.fromCharCode(...bytes);
    },
  };
}
