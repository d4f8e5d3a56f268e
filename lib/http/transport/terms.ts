/**
 * What options say about the connections with an endpoint, beyond what all have in common: whom to
 * trust, what to show, which way to take.
 *
 * Certificates, keys and passwords are read where the options say, again when they have changed.
 * Other contents are other terms, and with other terms it is another endpoint to a transport: what
 * was made with the old ones isn't used again.
 *
 * @module
 */

import type { Awaitable, FetchTerms } from "../../runtime/runtime.ts";
import { CredentialError, type Credentials } from "../credentials.ts";

/** Whom to trust and what to show: references as in `credentials.ts`, or paths of files. */
export interface TlsOptions {
  /** Certificates of authorities to trust beside the system's, PEM. @default `tlsCa` */
  readonly ca?: string;
  /** Our own certificate, with its chain, PEM. Needs its key. @default none is shown */
  readonly cert?: string;
  /** The key of our certificate, PEM, not encrypted. */
  readonly key?: string;
}

/** A proxy: its URL, or that with a reference to `user:password`. */
export type ProxyOptions = string | { readonly url: string; readonly basic: string };

/** What one destination can be told of its connections. */
export interface ConnectionOptions {
  /** Whom to trust and what to show, by reference. @default {undefined} (nothing special) */
  readonly tls?: TlsOptions | undefined;
  /** The way to take. @default {undefined} (the environment's proxy) */
  readonly proxy?: ProxyOptions | undefined;
}

/** What can be said of the connections with an endpoint. */
export interface TermsOptions extends ConnectionOptions {
  /** Certificates of authorities to trust beside the system's, as PEM. @default {""} (none) */
  readonly tlsCa?: string;
}

/** What some options said when they were read last. */
interface Known {
  readonly texts: Texts;
  readonly terms: FetchTerms | undefined;
}

/** What is referred to. */
interface Texts {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly password: string | undefined;
}

/** Most values of terms that are remembered. */
const MOST_TERMS = 256;

const CERTIFICATES = /-----BEGIN CERTIFICATE-----/;
const KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?!\s*Proc-Type: 4,ENCRYPTED)/;
const ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/** The terms of options. One value for the same terms: connections are kept by it. */
export class Terms {
  readonly #credentials: Credentials;
  readonly #known = new WeakMap<TermsOptions, Known>();
  readonly #same = new Map<string, FetchTerms>();

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /**
   * The terms at this moment; `undefined` where there is nothing special.
   *
   * @throws {CredentialError} If what is referred to can't be had, or is none of its kind.
   */
  of(options: TermsOptions): Awaitable<FetchTerms | undefined> {
    const { tlsCa, tls, proxy } = options;
    if (tls === undefined && typeof proxy !== "object") {
      const known = this.#known.get(options);
      const texts = { ca: tlsCa, cert: undefined, key: undefined, password: undefined };
      return known === undefined ? this.#remember(options, texts) : known.terms;
    }
    return this.#read(options);
  }

  async #read(options: TermsOptions): Promise<FetchTerms | undefined> {
    const { tlsCa, tls, proxy } = options;
    const [ca, cert, key, password] = await Promise.all([
      this.#pem(tls?.ca, CERTIFICATES, "certificates"),
      this.#pem(tls?.cert, CERTIFICATES, "certificates"),
      this.#pem(tls?.key, KEY, "a private key, not encrypted,"),
      typeof proxy === "object" ? this.#credentials.of(proxy.basic) : undefined,
    ]);
    return this.#remember(options, { ca: ca ?? tlsCa, cert, key, password });
  }

  async #pem(
    reference: string | undefined,
    pattern: RegExp,
    what: string,
  ): Promise<string | undefined> {
    if (reference === undefined) return undefined;
    const text = await this.#credentials.of(reference);
    if (pattern.test(text) && !text.includes(ENCRYPTED)) return text;
    throw new CredentialError(`what ${reference} holds must be ${what} as PEM`);
  }

  #remember(options: TermsOptions, texts: Texts): FetchTerms | undefined {
    const known = this.#known.get(options);
    if (known !== undefined && isSame(known.texts, texts)) return known.terms;
    const terms = this.#oneOf(termsOf(options, texts));
    this.#known.set(options, { texts, terms });
    return terms;
  }

  /** Itself, or what was made before and says the same. */
  #oneOf(terms: FetchTerms): FetchTerms | undefined {
    const text = JSON.stringify(terms);
    if (text === "{}") return undefined;
    const same = this.#same.get(text);
    if (same) return same;
    if (this.#same.size >= MOST_TERMS) this.#same.clear();
    this.#same.set(text, terms);
    return terms;
  }
}

function isSame(one: Texts, other: Texts): boolean {
  return one.ca === other.ca && one.cert === other.cert && one.key === other.key &&
    one.password === other.password;
}

function termsOf({ proxy }: TermsOptions, { ca, cert, key, password }: Texts): FetchTerms {
  return {
    ...(ca ? { ca: [ca] } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(proxy ? { proxy: proxyUrl(proxy, password) } : {}),
  };
}

/** Where the proxy is, with user and password, as far as there are. */
function proxyUrl(proxy: ProxyOptions, password: string | undefined): string {
  if (typeof proxy === "string") return proxy;
  const [user, ...rest] = password!.split(":");
  if (rest.length === 0) {
    throw new CredentialError(`the secret ${proxy.basic} must be a user, a colon and a password`);
  }
  const url = new URL(proxy.url);
  url.username = encodeURIComponent(user!);
  url.password = encodeURIComponent(rest.join(":"));
  return url.href;
}
