/**
 * A request and its answer, with what a destination wants added in between: credentials, a
 * signature. An endpoint that doesn't take the token it was shown is shown another one, which is
 * the same attempt.
 *
 * @module
 */

import type { Runtime } from "../runtime/runtime.ts";
import type { AnswerSink } from "./attempt.ts";
import { type AuthOptions, withAuth } from "./auth.ts";
import { Credentials, type ReadSecret } from "./credentials.ts";
import type { Deadline, TimeLimits } from "./deadlines.ts";
import { failed } from "./failed.ts";
import { type TokenAnswer, Tokens } from "./oauth2.ts";
import { receive } from "./receive.ts";
import { type SignOptions, withSignature } from "./sign.ts";
import type { HttpRequest, StepContext } from "./step.ts";
import type { TransportOptions } from "./transport/options.ts";
import { type TransportRuntime, Transports } from "./transport/choose.ts";
import { type Answer, TransportError } from "./transport/transport.ts";

/** What a destination wants added, and how its requests are carried. */
export interface ExchangeOptions extends AuthOptions, SignOptions, TransportOptions {
  /** Time limit of one attempt. */
  readonly timeoutMs: number;
}

/** What is needed of the world. */
export type ExchangeRuntime = TransportRuntime & Pick<Runtime, "hmacSha256">;

/** A request as it was sent, and the answer to it. */
export interface Exchanged {
  /** With all that was added. */
  readonly request: HttpRequest;
  /** Its body is unread. */
  readonly answer: Answer;
}

/** Longest answer of a token endpoint that is read. */
const TOKEN_ANSWER_BYTES = 64 * 1024;

/** Makes exchanges. */
export class Exchanges {
  readonly #runtime: ExchangeRuntime;
  readonly #optionsOf: (origin: string) => ExchangeOptions;
  readonly #limits: TimeLimits;
  readonly #credentials: Credentials;
  readonly #tokens: Tokens;
  readonly #transport: Transports;

  /**
   * @param optionsOf How to ask for tokens, by the origin of who makes them.
   * @param limits Time limits, which requests for tokens have as well.
   */
  constructor(
    runtime: ExchangeRuntime,
    optionsOf: (origin: string) => ExchangeOptions,
    limits: TimeLimits,
    readSecret: ReadSecret,
  ) {
    this.#runtime = runtime;
    this.#optionsOf = optionsOf;
    this.#limits = limits;
    this.#credentials = new Credentials(readSecret, runtime.clock);
    this.#tokens = new Tokens(
      (request) => this.#askForToken(request),
      this.#credentials,
      runtime.clock,
    );
    this.#transport = new Transports(runtime, this.#credentials);
  }

  /**
   * Send a request, ready but for what its destination wants added.
   *
   * @param id Of the event, or the batch.
   * @throws What kept it from being answered: `failed.ts` knows them.
   */
  async send(
    plain: HttpRequest,
    id: string,
    deadline: Deadline,
    options: ExchangeOptions,
  ): Promise<Exchanged> {
    const { auth, sign } = options;
    if (auth === undefined && sign === undefined) {
      return { request: plain, answer: await this.#transport.send(plain, deadline, options) };
    }
    const { clock, hmacSha256 } = this.#runtime;
    const context = { id, nowMs: clock.now(), credentials: this.#credentials, hmacSha256 };
    const oauth2 = auth && "oauth2" in auth ? auth.oauth2 : undefined;
    let shown: string | undefined;
    const token = async () => shown = await inTime(this.#tokens.of(oauth2!), deadline);
    const first = await this.#attempt(plain, { ...context, token }, deadline, options);
    if (first.answer.status !== 401 || shown === undefined) return first;
    const other = await inTime(this.#tokens.instead(shown, oauth2!), deadline);
    if (other === undefined) return first;
    first.answer.body?.cancel();
    return await this.#attempt(plain, { ...context, token: () => other }, deadline, options);
  }

  async #attempt(
    plain: HttpRequest,
    context: StepContext,
    deadline: Deadline,
    options: ExchangeOptions,
  ): Promise<Exchanged> {
    const { auth, sign } = options;
    const authorized = auth ? await withAuth(plain, auth, context) : plain;
    const request = sign ? await withSignature(authorized, sign, context) : authorized;
    return { request, answer: await this.#transport.send(request, deadline, options) };
  }

  /** Ask an authorization server, the same way as events are sent. */
  async #askForToken(request: HttpRequest): Promise<TokenAnswer> {
    const options = this.#optionsOf(request.url.origin);
    const { timeoutMs } = options;
    const deadline = this.#limits.start(timeoutMs);
    let isAnswered = false;
    try {
      const answer = await this.#transport.send(request, deadline, options);
      isAnswered = true;
      const text = new TextSink(TOKEN_ANSWER_BYTES);
      const { status } = await receive(answer, text, deadline);
      return { status, text: text.read() };
    } catch (cause) {
      const failure = { error: cause, isAnswered, url: request.url, deadline, timeoutMs };
      throw new Error(failed(failure).reason, { cause });
    } finally {
      deadline.clear();
    }
  }

  /** Close the connections that nobody uses. */
  closeIdle(): void {
    this.#transport.closeIdle();
  }
}

/** Keeps the beginning of a body. */
class TextSink implements AnswerSink {
  readonly #most: number;
  #text = "";
  readonly #decoder = new TextDecoder();

  constructor(most: number) {
    this.#most = most;
  }

  write(bytes: Uint8Array): void {
    if (this.#text.length < this.#most) this.#text += this.#decoder.decode(bytes, { stream: true });
  }

  /** What has come. */
  read(): string {
    return this.#text;
  }
}

/** A token, unless the attempt's time is over before it is there. */
function inTime<T>(token: Promise<T>, deadline: Deadline): Promise<T> {
  return new Promise((resolve, reject) => {
    deadline.onOver = () => reject(new TransportError("unsent", "no token to show"));
    if (deadline.isOver) deadline.onOver();
    token.then(resolve, reject).finally(() => deadline.onOver = undefined);
  });
}
