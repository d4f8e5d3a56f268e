/**
 * Whom events are taken from over HTTP, and where they go, as the options say at each moment.
 *
 * @module
 */

import type { AcceptRules } from "../accept/endpoint.ts";
import type { Credentials } from "../http/credentials.ts";
import { TokenBucket } from "../lanes/token_bucket.ts";
import type { Clock } from "../runtime/runtime.ts";

/** What the options say. */
export interface AcceptSettings {
  /** Where to, by the path that is posted to. */
  readonly routes: ReadonlyMap<string, string>;
  /** References to the tokens of which one must be shown. */
  readonly tokens: readonly string[];
  /** Largest body; 0 for no limit but that of events. */
  readonly maxBodyBytes: number;
  /** Events a second at most. */
  readonly ratePerSecond: number;
  /** Origins of web pages that may post. */
  readonly origins: readonly string[];
}

/** Rules that may change while they are in use. */
export class LiveAcceptRules {
  #settings: AcceptSettings;
  #current: AcceptRules;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;

  /** @param credentials Reads the tokens. */
  constructor(settings: AcceptSettings, credentials: Credentials, clock: Clock) {
    this.#settings = settings;
    this.#credentials = credentials;
    this.#clock = clock;
    this.#bucket = new TokenBucket(clock.monotonic(), () => this.#settings.ratePerSecond);
    this.#current = this.#rules();
  }

  /** Those that count at this moment. */
  get current(): AcceptRules {
    return this.#current;
  }

  /** Let others count for whatever comes next. */
  replace(settings: AcceptSettings): void {
    this.#settings = settings;
    this.#current = this.#rules();
  }

  #rules(): AcceptRules {
    const { routes, tokens, maxBodyBytes, origins } = this.#settings;
    return {
      routes,
      origins,
      maxBodyBytes: maxBodyBytes || Infinity,
      tokens: () => Promise.all(tokens.map((reference) => this.#credentials.of(reference))),
      admit: () => this.#admit(),
    };
  }

  #admit(): number {
    const nowMs = this.#clock.monotonic();
    const waitMs = this.#bucket.readyMs(nowMs) - nowMs;
    if (waitMs <= 0) this.#bucket.spend(nowMs);
    return Math.max(0, waitMs);
  }
}
