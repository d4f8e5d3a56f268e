/**
 * One connection's life as a client: a request, its answer, the next request.
 *
 *     state      waits for                      meets                          becomes
 *     idle       a request                      bytes, the end                 closed
 *     waiting    the head of an answer          up to 8 of 1xx                 waiting
 *                                               a head                         body, or idle
 *                                               the end                        closed
 *     body       whoever reads the body         its end                        idle, or closed
 *                                               the end, wrong chunks          closed
 *
 * There is always one read on its way, so that the end of an idle connection is noticed when it
 * comes, except while a body is there that nobody has read yet: what an endpoint sends is taken no
 * faster than it is used. It is not used again unless all of the answer was read, all of the
 * request was written, and nothing else has come.
 *
 * @module
 */

import { type Clock, type Connection, errorCode } from "../../runtime/runtime.ts";
import { MalformedError } from "../../wire/lines.ts";
import type { HttpRequest } from "../step.ts";
import { type AnswerHead, AnswerHeadReader, LONGEST_HEAD_BYTES } from "./answer_head.ts";
import { Body, type BodySource } from "./body.ts";
import { RequestEncoder } from "./encode.ts";
import { brokenReason, invalidReason } from "./reasons.ts";
import { type Answer, type CallOff, type Phases, TransportError } from "./transport.ts";

/** Size of the buffer at first; it grows where more comes at once. */
const FIRST_BUFFER_BYTES = 4 * 1024;

/** Most answers that are none yet, 1xx, to one request. */
const MOST_INTERIM = 8;

/** It was used before and ended before it answered: the request may be sent once more. */
export class StaleConnectionError extends Error {
  /** The name of the class. */
  override readonly name = "StaleConnectionError";
}

type State = "idle" | "waiting" | "body" | "closed";

/** Whom a connection tells when it may be used again, and when it may not. */
export interface ConnectionOwner {
  /** It serves another request. */
  free(connection: HttpConnection): void;
  /** It is closed. */
  gone(connection: HttpConnection): void;
}

/** A connection with an endpoint. */
export class HttpConnection implements BodySource {
  /** Since when it is idle, monotonic ms. */
  idleSinceMs = 0;
  readonly #connection: Connection;
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  /** How long it took to make it. */
  readonly #made: Phases;
  readonly #encoder = new RequestEncoder();
  readonly #heads = new AnswerHeadReader();
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #state: State = "idle";
  /** Requests so far. */
  #served = 0;
  #isHead = false;
  #interim = 0;
  /** How much of an answer was looked at. */
  #looked = 0;
  #sentMs = 0;
  #heardMs: number | undefined;
  /** Whether more came at once than there was room for. */
  #isTight = false;
  #isWritten = true;
  #mayReuse = true;
  #callOff: CallOff | undefined;
  #resolve: ((answer: Answer) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #body: Body | undefined;
  /** Whether more of a body is wanted: what was handed on before is no longer used. */
  #isWanted = false;
  /** Goes on with reading. */
  #resume: (() => void) | undefined;

  /** A connection that has just been made. */
  constructor(connection: Connection, made: Phases, owner: ConnectionOwner, clock: Clock) {
    this.#made = made;
    this.#connection = connection;
    this.#owner = owner;
    this.#clock = clock;
    void this.#pump();
  }

  /** Whether it can take a request. */
  get isIdle(): boolean {
    return this.#state === "idle" && this.#isWritten;
  }

  /**
   * Send a request; resolves when the head of its answer is there. It must be idle.
   *
   * @param start Request line and `host`, each with its line break.
   * @throws {StaleConnectionError} If it was used before and ended before it answered.
   * @throws {TransportError} If there is no answer.
   */
  send(start: string, request: HttpRequest, callOff: CallOff): Promise<Answer> {
    const { bytes, rest } = this.#encoder.encode(start, request);
    this.#state = "waiting";
    this.#isHead = request.method === "HEAD";
    this.#interim = this.#looked = 0;
    this.#isWritten = false;
    this.#heardMs = undefined;
    this.#sentMs = this.#clock.monotonic();
    this.#callOff = callOff;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      callOff.onOver = () => this.#calledOff();
      void this.#write(bytes, rest);
    });
  }

  /** End it, whatever it is at. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#connection.close();
    this.#resume?.();
    this.#owner.gone(this);
  }

  async #write(bytes: Uint8Array, rest: Uint8Array | undefined): Promise<void> {
    try {
      const count = await this.#connection.write(bytes);
      if (count < bytes.length) await this.#writeAll(bytes.subarray(count));
      if (rest) await this.#writeAll(rest);
      this.#isWritten = true;
      // an answer that came before its request was written
      if (this.#state === "idle") this.#release();
    } catch {
      // an answer may be there all the same; if not, reading tells how it ended
      this.#mayReuse = false;
      if (this.#state === "idle") this.close();
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Reads as long as there is a connection. */
  async #pump(): Promise<void> {
    try {
      for (;;) {
        const into = this.#room();
        const count = await this.#connection.read(into);
        if (count === null) return this.#ended(undefined);
        this.#end += count;
        this.#isTight = count === into.length;
        this.#received();
        while (this.#state === "body" && !this.#isWanted) {
          await new Promise<void>((resolve) => this.#resume = resolve);
        }
        this.#isWanted = false;
        if (this.#state === "closed") return;
      }
    } catch (error) {
      this.#ended(error);
    }
  }

  /** Where the next bytes go. */
  #room(): Uint8Array {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#isTight && this.#buffer.length < LONGEST_HEAD_BYTES) {
      const larger = new Uint8Array(2 * this.#buffer.length);
      larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#end -= this.#start;
      this.#start = 0;
      this.#buffer = larger;
    } else if (this.#end === this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end);
  }

  #received(): void {
    switch (this.#state) {
      case "idle":
        return this.close(); // nobody asked
      case "waiting":
        this.#heardMs ??= this.#clock.monotonic();
        try {
          this.#readHead();
        } catch (error) {
          this.#fail(invalid(error));
        }
        break;
      case "body":
        this.#body!.arrived();
        break;
      case "closed":
        return;
    }
  }

  #readHead(): void {
    for (;;) {
      const bytes = this.#buffer.subarray(this.#start, this.#end);
      const read = this.#heads.read(bytes, this.#looked, this.#isHead);
      if (read === undefined) {
        this.#looked = bytes.length;
        if (bytes.length < LONGEST_HEAD_BYTES) return;
        throw new MalformedError(`its head must be at most ${LONGEST_HEAD_BYTES} bytes long`);
      }
      const { head, end } = read;
      this.#start += end;
      if (head.status >= 200) return this.#answer(head);
      if (head.status === 101) throw new MalformedError("nobody asked it for another protocol");
      if (++this.#interim > MOST_INTERIM) {
        throw new MalformedError(`it must come after at most ${MOST_INTERIM} of 1xx`);
      }
      this.#looked = 0;
    }
  }

  #answer({ status, statusText, headers, length, keepAlive }: AnswerHead): void {
    const resolve = this.#resolve!;
    const firstByte = this.#heardMs! - this.#sentMs;
    const phases = this.#served === 0 ? { ...this.#made, firstByte } : { firstByte };
    this.#mayReuse &&= keepAlive;
    let body: Body | null = null;
    if (length === 0) this.#finish();
    else {
      this.#state = "body";
      this.#body = body = new Body(this, length);
    }
    resolve({ status, statusText, headers, body, isRaw: true, phases });
  }

  /** All of an answer is read. */
  #finish(): void {
    this.#detach();
    this.#served++;
    this.#mayReuse &&= this.#start === this.#end;
    if (!this.#mayReuse) return this.close();
    this.#start = this.#end = 0;
    if (this.#buffer.length > 4 * FIRST_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(FIRST_BUFFER_BYTES);
    }
    this.#state = "idle";
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
    if (this.#isWritten) this.#release();
  }

  #release(): void {
    this.idleSinceMs = this.#clock.monotonic();
    this.#owner.free(this);
  }

  #detach(): void {
    if (this.#callOff) this.#callOff.onOver = undefined;
    this.#callOff =
      this.#resolve =
      this.#reject =
      this.#body =
        undefined;
  }

  /** The peer has ended it, or it broke. */
  #ended(error: unknown): void {
    if (this.#state === "closed") return;
    const { isUntilClose = false } = this.#body ?? {};
    if (this.#state === "body" && isUntilClose && error === undefined) {
      this.#mayReuse = false;
      const body = this.#body!;
      this.#finish();
      return body.end();
    }
    if (this.#state === "waiting" && this.#heardMs === undefined && this.#served > 0) {
      const stale = new StaleConnectionError("it ended before it answered", { cause: error });
      return this.#fail(stale);
    }
    const began = this.#state === "body" ? "body" : this.#heardMs === undefined ? "none" : "head";
    this.#fail(new TransportError("unanswered", brokenReason(error, began), errorCode(error)));
  }

  #calledOff(): void {
    const message = this.#heardMs !== undefined
      ? "request sent, its answer began and didn't end"
      : this.#isWritten
      ? "request sent, nothing received"
      : "the request was not taken whole";
    this.#fail(new TransportError("unanswered", message));
  }

  /** No answer, or no end of it. */
  #fail(error: unknown): void {
    const [reject, body] = [this.#reject, this.#body];
    const isWaiting = this.#state === "waiting";
    this.#detach();
    this.close();
    if (isWaiting) reject?.(error);
    else body?.fail(error);
  }

  // What follows is for the body.

  /** Bytes that have come and weren't taken. */
  get buffered(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** So many of them have been taken. */
  took(count: number): void {
    this.#start += count;
  }

  /** Read on: all that has come was taken. */
  more(): void {
    this.#isWanted = true;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  /** The body is whole. */
  bodyEnded(): void {
    this.#finish();
  }

  /** Nobody wants the rest of the body. */
  bodyCancelled(): void {
    this.#detach();
    this.close();
  }

  /** The body is wrong. */
  bodyFailed(error: unknown): void {
    this.#fail(invalid(error));
  }
}

/** What came is no answer, or its body is none; anything else is a bug. */
function invalid(error: unknown): unknown {
  if (!(error instanceof MalformedError)) return error;
  return new TransportError("unanswered", invalidReason(error.message));
}
