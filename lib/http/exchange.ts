/**
 * A request and its answer, with what a destination wants in between: credentials, a smaller body,
 * a signature. Where the endpoint doesn't take what was added, the same attempt goes on with
 * something else: another token after 401, the body as it is after 415.
 *
 * @module
 */

import type { Runtime } from "../runtime/runtime.ts";
import type { AnswerSink } from "./attempt.ts";
import { type AuthOptions, withAuth } from "./auth.ts";
import { type CompressOptions, withCompression } from "./compress.ts";
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
export interface ExchangeOptions
  extends AuthOptions, CompressOptions, SignOptions, TransportOptions {
  /** Time limit of one attempt. */
  readonly timeoutMs: number;
}

/** What is needed of the world. */
export type ExchangeRuntime = TransportRuntime & Pick<Runtime, "gzip" | "hmacSha256">;

/** A request as it was sent, and the answer to it. */
export interface Exchanged {
  /** With all that was added. */
  readonly request: HttpRequest;
  /** Its body is unread. */
  readonly answer: Answer;
  /** Whether it has just turned out that the endpoint doesn't take compressed bodies. */
  readonly refusesCompression?: true;
}

/** What goes out, perhaps more than once. */
interface Sending {
  readonly plain: HttpRequest;
  readonly context: StepContext;
  readonly deadline: Deadline;
  readonly options: ExchangeOptions;
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
  /** Whose endpoints don't take compressed bodies; forgotten with their options. */
  readonly #uncompressed = new WeakSet<ExchangeOptions>();

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
    const { auth, compress, sign } = options;
    if (auth === undefined && compress === undefined && sign === undefined) {
      return { request: plain, answer: await this.#transport.send(plain, deadline, options) };
    }
    const { clock, hmacSha256 } = this.#runtime;
    const oauth2 = auth && "oauth2" in auth ? auth.oauth2 : undefined;
    let shown: string | undefined;
    const context: StepContext = {
      id,
      nowMs: clock.now(),
      credentials: this.#credentials,
      token: async () => shown = await inTime(this.#tokens.of(oauth2!), deadline),
      hmacSha256,
    };
    let what: Sending = { plain, context, deadline, options };
    const mayCompress = compress !== undefined && !this.#uncompressed.has(options);
    let sent = await this.#attempt(what, mayCompress);
    if (sent.answer.status === 401 && shown !== undefined) {
      const token = await inTime(this.#tokens.instead(shown, oauth2!), deadline);
      if (token === undefined) return sent;
      what = { ...what, context: { ...context, token: () => token } };
      sent.answer.body?.cancel();
      sent = await this.#attempt(what, mayCompress);
    }
    if (sent.answer.status !== 415 || !sent.isCompressed) return sent;
    sent.answer.body?.cancel();
    return await this.#attemptPlain(what);
  }

  /** Once more as it is what was refused compressed: whether that is why shows now. */
  async #attemptPlain(what: Sending): Promise<Exchanged> {
    const sent = await this.#attempt(what, false);
    if (sent.answer.status === 415 || this.#uncompressed.has(what.options)) return sent;
    this.#uncompressed.add(what.options);
    return { ...sent, refusesCompression: true };
  }

  async #attempt(
    { plain, context, deadline, options }: Sending,
    mayCompress: boolean,
  ): Promise<Exchanged & { readonly isCompressed: boolean }> {
    const { auth, sign } = options;
    const authorized = auth ? await withAuth(plain, auth, context) : plain;
    const { gzip } = this.#runtime;
    const encoded = mayCompress ? await withCompression(authorized, options, gzip) : authorized;
    const request = sign ? await withSignature(encoded, sign, context) : encoded;
    const answer = await this.#transport.send(request, deadline, options);
    return { request, answer, isCompressed: encoded !== authorized };
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
