/**
 * One connection's life: a request, its answer, the next request.
 *
 *     phase        it is whose turn     ends by itself after
 *     idle         the peer's           idleMs (headMs for its first request): closed
 *     head         the peer's           headMs, or silenceMs without a byte: 408
 *     body         the peer's           bodyMs, or silenceMs without a byte: 408
 *     handling     ours                 never
 *     answering    the peer's, to read  answerMs without a byte: closed
 *     lingering    the peer's, to end   lingerMs: closed
 *
 * After an answer that ends a connection we linger: closing at once, with bytes of the peer's still
 * unread, would make the system call the answer back.
 *
 * @module
 */

import { type Clock, type Connection, errorCode } from "../runtime/runtime.ts";
import { bodyForm, CONTINUE, encodeChunk, encodeHead, LAST_CHUNK } from "./answer.ts";
import { type Framing, framingOf } from "../wire/framing.ts";
import { BadRequestError, type Head } from "./head.ts";
import type { Limits } from "./limits.ts";
import { PeerReader } from "./peer_reader.ts";

/** Most of a body nobody asked for that is read so that the connection can be used again. */
const MOST_DRAINED_BYTES = 64 * 1024;

/** Answers a request. What it doesn't read of the body is dropped. */
export type Handler = (request: Request) => Promise<Response> | Response;

/** What a connection needs of its server. */
export interface Service {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly handler: Handler;
  /** Why a request is not for this server; `undefined` when it is. */
  readonly refuse: (head: Head, connection: Connection) => BadRequestError | undefined;
  /** Told of what the handler throws. */
  readonly onTrouble: (error: unknown) => void;
}

type Phase = "idle" | "head" | "body" | "handling" | "answering" | "lingering";

/** A connection that is being served. */
export class ServerConnection {
  readonly #connection: Connection;
  readonly #service: Service;
  readonly #reader: PeerReader;
  #phase: Phase = "idle";
  #dueMs: number;
  /** When a write that the peer doesn't take has lasted too long. */
  #stuckMs = Infinity;
  #served = 0;
  #isEnding = false;
  #isClosed = false;

  constructor(connection: Connection, service: Service) {
    this.#connection = connection;
    this.#service = service;
    this.#reader = new PeerReader(connection, service.clock);
    this.#dueMs = this.#reader.heardMs + service.limits.headMs;
  }

  /** Whether it has served a request. */
  get hasServed(): boolean {
    return this.#served > 0;
  }

  /** Since when the peer is silent although it is its turn to send; `undefined` when it isn't. */
  get silentSinceMs(): number | undefined {
    return this.#reader.isWaiting ? this.#reader.heardMs : undefined;
  }

  /** Serve until it has ended; never rejects. */
  async serve(): Promise<void> {
    try {
      while (await this.#exchange());
    } catch (error) {
      // otherwise the peer has gone, or has been cut
      if (isBug(error) && !this.#isClosed) this.#service.onTrouble(error);
    } finally {
      this.close();
    }
  }

  /** End what takes too long. */
  tick(nowMs: number): void {
    if (nowMs >= this.#stuckMs) return this.close();
    if (!this.#reader.isWaiting) return;
    const isInside = this.#phase === "head" || this.#phase === "body";
    const silentUntilMs = this.#reader.heardMs + this.#service.limits.silenceMs;
    if (nowMs < (isInside ? Math.min(this.#dueMs, silentUntilMs) : this.#dueMs)) return;
    if (!isInside) return this.close();
    this.#reader.giveUp(new BadRequestError(408, `the ${this.#phase} must come faster`));
  }

  /** Serve no more requests; the one that is being answered is. */
  finish(): void {
    this.#isEnding = true;
    if (this.#phase === "idle" || this.#phase === "head" || this.#phase === "body") this.close();
  }

  /** End at once. */
  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  #enter(phase: Phase, longestMs: number): void {
    this.#phase = phase;
    this.#dueMs = this.#service.clock.monotonic() + longestMs;
  }

  /** One request and its answer; whether another may follow. */
  async #exchange(): Promise<boolean> {
    const { limits, refuse } = this.#service;
    if (!await this.#reader.begins()) return false;
    this.#enter("head", limits.headMs);
    let head: Head;
    try {
      head = await this.#reader.head();
      const refusal = refuse(head, this.#connection);
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      if (!(error instanceof BadRequestError)) throw error;
      await this.#answer(UNREAD, plainAnswer(error), false);
      return false;
    }
    this.#enter("body", limits.bodyMs);
    const framing = framingOf(head);
    const response = await this.#handle(head, framing);
    const keepAlive = this.#mayGoOn(head, framing, response);
    await this.#answer(head, response, keepAlive);
    this.#served++;
    if (!keepAlive) return false;
    this.#enter("body", limits.bodyMs);
    while (!framing.isDone) await this.#reader.piece(framing);
    this.#enter("idle", limits.idleMs);
    return true;
  }

  async #handle(head: Head, framing: Framing): Promise<Response> {
    try {
      return await this.#service.handler(requestOf(head, await this.#bodyOf(head, framing)));
    } catch (error) {
      this.#service.onTrouble(error);
      return new Response(null, { status: 500, headers: { connection: "close" } });
    }
  }

  async #bodyOf(head: Head, framing: Framing): Promise<BodyInit | undefined> {
    if (framing.most <= this.#reader.buffered) {
      const bytes = framing.isDone ? undefined : await this.#reader.piece(framing);
      this.#phase = "handling";
      return bytes;
    }
    let isAsked = !head.expectsContinue;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (!isAsked && this.#reader.buffered === 0) await this.#send(CONTINUE);
        isAsked = true;
        const piece = await this.#reader.piece(framing);
        if (piece.length > 0) controller.enqueue(piece);
        if (!framing.isDone) return;
        controller.close();
        if (this.#phase === "body") this.#phase = "handling";
      },
    }, { highWaterMark: 0 });
  }

  /** Whether another request can follow: this one is read, or there is but a little left of it. */
  #mayGoOn(head: Head, framing: Framing, response: Response): boolean {
    return head.keepAlive && !this.#isEnding && !this.#reader.isBroken &&
      response.headers.get("connection") !== "close" &&
      bodyForm(head, response) !== "until close" &&
      (framing.isDone || !head.expectsContinue && framing.most <= MOST_DRAINED_BYTES);
  }

  async #answer(
    head: Pick<Head, "method" | "isModern">,
    response: Response,
    keepAlive: boolean,
  ): Promise<void> {
    const form = bodyForm(head, response);
    const nowMs = this.#service.clock.now();
    this.#phase = "answering";
    await this.#send(encodeHead(response, { keepAlive, body: form, nowMs }));
    if (form === "none") await response.body?.cancel();
    else if (response.body !== null) {
      for await (const bytes of response.body) {
        if (bytes.length > 0) await this.#send(form === "chunked" ? encodeChunk(bytes) : bytes);
      }
      if (form === "chunked") await this.#send(LAST_CHUNK);
    }
    if (!keepAlive) await this.#linger();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      this.#stuckMs = this.#service.clock.monotonic() + this.#service.limits.answerMs;
      sent += await this.#connection.write(bytes.subarray(sent));
    }
    this.#stuckMs = Infinity;
  }

  async #linger(): Promise<void> {
    await this.#connection.closeWrite();
    this.#enter("lingering", this.#service.limits.lingerMs);
    await this.#reader.toEnd();
  }
}

/** Neither the network's nor the peer's fault: the body of an answer failed, or this code. */
function isBug(error: unknown): boolean {
  return errorCode(error) === undefined && !(error instanceof BadRequestError);
}

/** Stands for a head that couldn't be read. */
const UNREAD = { method: "", isModern: false } as const;

function requestOf({ method, host, target, headers }: Head, body: BodyInit | undefined): Request {
  const init: RequestInit & { duplex: "half" } = {
    method,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    duplex: "half",
  };
  if (body !== undefined) init.body = body;
  return new Request(`http://${host}${target}`, init);
}

function plainAnswer({ status, message }: BadRequestError): Response {
  return new Response(`${message}\n`, { status, headers: { "content-type": "text/plain" } });
}
