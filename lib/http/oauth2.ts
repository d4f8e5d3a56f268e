/**
 * Access tokens by OAuth 2.0 client credentials, RFC 6749, section 4.4: we tell an authorization
 * server who we are and get a token, which every request of a destination brings along (RFC 6750).
 *
 * One token serves all requests: whoever needs one while it is being fetched waits for the same.
 * It is renewed before it ends, beside the requests that still bring the old one along, and once
 * when an endpoint answers 401 to it. While there is none, the destination's events wait.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import type { Clock } from "../runtime/runtime.ts";
import { basicCredential } from "./basic.ts";
import { CredentialError, type Credentials } from "./credentials.ts";
import { masked } from "./secrets.ts";
import type { HttpRequest } from "./step.ts";

/** Where tokens come from, and who we are there. */
export interface OAuth2 {
  /** The authorization server's token endpoint. */
  readonly tokenUrl: string;
  /** Who we are. */
  readonly clientId: string;
  /** The reference to our secret, see `credentials.ts`. */
  readonly clientSecret: string;
  /** What the token is to be good for. @default the server decides */
  readonly scope?: string;
  /** More that the server wants to know, such as an `audience`. @default nothing */
  readonly params?: Readonly<Record<string, string>>;
}

/** The answer of a token endpoint. */
export interface TokenAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Its body. */
  readonly text: string;
}

/**
 * Sends a request for a token.
 *
 * @throws What kept it from being answered; the message says so in words.
 */
export type AskForToken = (request: HttpRequest) => Promise<TokenAnswer>;

/** How long a token is used of which nothing was said. */
const UNSAID_S = 300;

/** A token is renewed in the last quarter of its time, so long before its end at most. */
const EARLY_MS = 60_000;

/** How long after a failure the next token is asked for. */
const PAUSE_MS = 1_000;

/** How long a token that replaced a refused one isn't replaced because of another refusal. */
const TRUSTED_MS = 60_000;

/** Most tokens that are kept. */
const MOST_KEPT = 1_024;

/** What a token may be made of (RFC 6750, section 2.1, read generously), and its length. */
const TOKEN = /^[\x21-\x7e]{1,32768}$/;

/** An error code, RFC 6749, section 5.2. */
const ERROR_CODE = /^[a-z_]{1,40}$/;

interface Token {
  readonly text: string;
  readonly madeMs: number;
  readonly renewMs: number;
  readonly endMs: number;
  /** Whether an endpoint didn't take the one before. */
  readonly isReplacement: boolean;
}

/** What is known of one way to get tokens. */
interface Source {
  token: Token | undefined;
  asked: Promise<Token> | undefined;
  failed: { readonly error: unknown; readonly atMs: number } | undefined;
}

/** The tokens of a process. */
export class Tokens {
  readonly #ask: AskForToken;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #sources = new Map<string, Source>();

  constructor(ask: AskForToken, credentials: Credentials, clock: Clock) {
    this.#ask = ask;
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /**
   * A token that is good at this moment.
   *
   * @throws {CredentialError} If there is none; the message says why.
   */
  async of(oauth2: OAuth2): Promise<string> {
    const source = this.#sourceOf(oauth2);
    const nowMs = this.#clock.monotonic();
    const { token } = source;
    if (token === undefined || nowMs >= token.endMs) {
      return (await this.#fetched(source, oauth2, false)).text;
    }
    if (nowMs >= token.renewMs) this.#fetched(source, oauth2, false).catch(() => {}); // it has time
    return token.text;
  }

  /**
   * Another token, because an endpoint answered 401 to this one; `undefined` where there is no
   * other, or another would hardly be taken either.
   */
  async instead(refused: string, oauth2: OAuth2): Promise<string | undefined> {
    const source = this.#sourceOf(oauth2);
    const { token } = source;
    if (token !== undefined && token.text !== refused) return token.text;
    const nowMs = this.#clock.monotonic();
    if (token?.isReplacement && nowMs < token.madeMs + TRUSTED_MS) return undefined;
    try {
      const { text } = await this.#fetched(source, oauth2, true);
      return text === refused ? undefined : text;
    } catch {
      return undefined; // the endpoint's own answer says enough
    }
  }

  #sourceOf({ tokenUrl, clientId, clientSecret, scope, params }: OAuth2): Source {
    const key = JSON.stringify([tokenUrl, clientId, clientSecret, scope, params]);
    let source = this.#sources.get(key);
    if (source === undefined) {
      if (this.#sources.size >= MOST_KEPT) this.#sources.clear();
      source = { token: undefined, asked: undefined, failed: undefined };
      this.#sources.set(key, source);
    }
    return source;
  }

  /** The next token of a source; all who want one meanwhile get the same. */
  #fetched(source: Source, oauth2: OAuth2, isReplacement: boolean): Promise<Token> {
    const { failed } = source;
    if (failed !== undefined && this.#clock.monotonic() < failed.atMs + PAUSE_MS) {
      return Promise.reject(failed.error);
    }
    return source.asked ??= this.#fetch(oauth2, isReplacement).then((token) => {
      source.token = token;
      source.failed = undefined;
      return token;
    }, (error) => {
      source.failed = { error, atMs: this.#clock.monotonic() };
      throw error;
    }).finally(() => source.asked = undefined);
  }

  async #fetch(oauth2: OAuth2, isReplacement: boolean): Promise<Token> {
    const secret = await this.#credentials.of(oauth2.clientSecret);
    const madeMs = this.#clock.monotonic();
    const from = `no token from ${new URL(oauth2.tokenUrl).origin}`;
    let answer: TokenAnswer;
    try {
      answer = await this.#ask(requestFor(oauth2, secret));
    } catch (cause) {
      throw new CredentialError(`${from}: ${(cause as Error).message}`, { cause });
    }
    const read = readAnswer(answer);
    if (typeof read === "string") {
      throw new CredentialError(`${from}: ${masked(read, [secret], false)}`);
    }
    const lifeMs = read.seconds * 1_000;
    const earlyMs = Math.min(EARLY_MS, lifeMs / 4);
    const endMs = madeMs + lifeMs;
    return { text: read.token, madeMs, renewMs: endMs - earlyMs, endMs, isReplacement };
  }
}

/** A request for a token: who we are by HTTP Basic, which every server must take. */
function requestFor(
  { tokenUrl, clientId, scope, params }: OAuth2,
  secret: string,
): HttpRequest {
  const credential = basicCredential(`${formEncoded(clientId)}:${formEncoded(secret)}`);
  const form = new URLSearchParams({ grant_type: "client_credentials", ...params });
  if (scope !== undefined) form.set("scope", scope);
  const headers: Header[] = [
    ["accept", "application/json"],
    ["accept-encoding", "identity"],
    ["authorization", `Basic ${credential}`],
    ["content-type", "application/x-www-form-urlencoded"],
  ];
  return { url: new URL(tokenUrl), method: "POST", headers, body: form.toString() };
}

/** As RFC 6749, section 2.3.1, wants user and password of HTTP Basic. */
function formEncoded(text: string): string {
  return new URLSearchParams([[text, ""]]).toString().slice(0, -1);
}

/** The token and its life, in seconds, or what is wrong with the answer. */
function readAnswer(
  { status, text }: TokenAnswer,
): string | { readonly token: string; readonly seconds: number } {
  const members = membersIn(text);
  if (status !== 200) {
    const { error } = members;
    const code = typeof error === "string" && ERROR_CODE.test(error) ? ` (${error})` : "";
    return `it answered ${status}${code}`;
  }
  const { access_token: token, token_type: type = "bearer", expires_in: life } = members;
  if (typeof token !== "string" || !TOKEN.test(token)) return "its answer has no access_token";
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") {
    return "its answer's token_type isn't Bearer";
  }
  const seconds = Number(life ?? UNSAID_S);
  return { token, seconds: seconds > 0 && seconds < Infinity ? seconds : UNSAID_S };
}

function membersIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
