/**
 * How requests are carried, as far as it can be chosen.
 *
 * @module
 */

import type { FetchTerms } from "../../runtime/runtime.ts";

/** What carries requests, as an operator names it. */
export type TransportName = "auto" | "sockets" | "fetch";

/** How long it may take to get a connection unless told otherwise, ms. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** How requests are carried. */
export interface TransportOptions {
  /** By what. @default {"auto"} */
  readonly transport?: TransportName;
  /** Where to, see `egress_rules.ts`. @default {undefined} (anywhere but link-local addresses) */
  readonly egress?: readonly string[] | undefined;
  /** How long it may take to get a connection, ms. @default {CONNECT_TIMEOUT_MS} */
  readonly connectTimeoutMs?: number;
  /** Certificates of authorities to trust beside the system's, as PEM. @default {""} (none) */
  readonly tlsCa?: string;
  /** Our own certificate, with its chain, as PEM. @default {""} (none) */
  readonly tlsCert?: string;
  /** Its key, as PEM. @default {""} (none) */
  readonly tlsKey?: string;
  /** The URL of a proxy, with user info where it wants that. @default {""} (the environment's) */
  readonly proxy?: string;
}

/** Most values of terms that are remembered. */
const MOST_TERMS = 256;

/**
 * What options say about an endpoint's connections. One value for the same terms: connections are
 * kept by it.
 */
export class TermsOfOptions {
  readonly #known = new WeakMap<TransportOptions, { readonly terms: FetchTerms | undefined }>();
  readonly #same = new Map<string, FetchTerms>();

  /** The terms; `undefined` where there are none. */
  of(options: TransportOptions): FetchTerms | undefined {
    let known = this.#known.get(options);
    if (known === undefined) this.#known.set(options, known = { terms: this.#read(options) });
    return known.terms;
  }

  #read({ tlsCa, tlsCert, tlsKey, proxy }: TransportOptions): FetchTerms | undefined {
    const terms: FetchTerms = {
      ...(tlsCa ? { ca: [tlsCa] } : {}),
      ...(tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : {}),
      ...(proxy ? { proxy } : {}),
    };
    const text = JSON.stringify(terms);
    if (text === "{}") return undefined;
    const same = this.#same.get(text);
    if (same) return same;
    if (this.#same.size >= MOST_TERMS) this.#same.clear();
    this.#same.set(text, terms);
    return terms;
  }
}
