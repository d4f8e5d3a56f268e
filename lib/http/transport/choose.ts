/**
 * Which transport carries a request.
 *
 *     --transport sockets   connections, always
 *     --transport fetch     the runtime's fetch, always
 *     --transport auto      connections, but fetch where a proxy applies or there are none
 *
 * A request that asks for an encoded answer goes by fetch, which decodes it.
 *
 * @module
 */

import type { Clock, Connector, FetchTerms, Lookup, Runtime } from "../../runtime/runtime.ts";
import type { Credentials } from "../credentials.ts";
import { EgressRules } from "../egress_rules.ts";
import type { HttpRequest } from "../step.ts";
import { FetchTransport } from "./fetch.ts";
import { CONNECT_TIMEOUT_MS, type TransportName, type TransportOptions } from "./options.ts";
import { goesThroughProxy, type ProxyEnvironment } from "./proxy.ts";
import { SocketTransport } from "./sockets.ts";
import { Terms } from "./terms.ts";
import type { Answer, CallOff } from "./transport.ts";

/** What of the runtime transports work with. */
export interface TransportRuntime {
  readonly clock: Clock;
  readonly lookup?: Lookup;
  readonly connect?: Connector;
  readonly proxies?: () => ProxyEnvironment;
  readonly closeIdle?: () => void;
  readonly fetch: Runtime["fetch"];
}

const NO_RULES = new EgressRules();

/** Sends by the transport that fits. */
export class Transports {
  readonly #runtime: TransportRuntime;
  readonly #fetch: FetchTransport;
  readonly #sockets: SocketTransport | undefined;
  readonly #terms: Terms;
  readonly #proxied = new WeakMap<URL, boolean>();
  readonly #rules = new WeakMap<readonly string[], EgressRules>();
  #lastRules: readonly [text: string | undefined, rules: EgressRules] = [undefined, NO_RULES];
  #proxies: ProxyEnvironment | undefined;

  /** @param credentials Reads what options refer to. */
  constructor(runtime: TransportRuntime, credentials: Credentials) {
    const { clock, lookup, connect } = runtime;
    this.#runtime = runtime;
    this.#terms = new Terms(credentials);
    this.#fetch = new FetchTransport(runtime);
    this.#sockets = lookup && connect && new SocketTransport({ clock, lookup, connect });
  }

  /** Send one request, by what fits; as {@linkcode Transport}. */
  send(request: HttpRequest, callOff: CallOff, options: TransportOptions): Promise<Answer> {
    const terms = this.#terms.of(options);
    return terms instanceof Promise
      ? terms.then((terms) => this.#send(request, callOff, options, terms))
      : this.#send(request, callOff, options, terms);
  }

  #send(
    request: HttpRequest,
    callOff: CallOff,
    options: TransportOptions,
    terms: FetchTerms | undefined,
  ): Promise<Answer> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
    const egress = this.#rulesOf(options.egress);
    const transport = this.#isByFetch(request, options) ? this.#fetch : this.#sockets!;
    return transport.send(request, callOff, { terms, connectTimeoutMs, egress });
  }

  /** Close the connections that nobody uses. */
  closeIdle(): void {
    this.#fetch.closeIdle();
    this.#sockets?.closeIdle();
  }

  /** One value for the same rules: connections are kept by it. */
  #rulesOf(texts: readonly string[] | undefined): EgressRules {
    if (texts === undefined) return NO_RULES;
    let rules = this.#rules.get(texts);
    if (rules === undefined) {
      const [before, same] = this.#lastRules;
      const text = texts.join();
      rules = text === before ? same : new EgressRules(texts);
      this.#lastRules = [text, rules];
      this.#rules.set(texts, rules);
    }
    return rules;
  }

  #isByFetch({ url, headers }: HttpRequest, options: TransportOptions): boolean {
    const { transport = "auto", proxy } = options;
    if (this.#sockets === undefined || transport === "fetch" || proxy) return true;
    for (const [name, value] of headers) {
      if (name === "accept-encoding" && value !== "identity") return true;
    }
    return transport === "auto" && this.#isProxied(url);
  }

  #isProxied(url: URL): boolean {
    let isProxied = this.#proxied.get(url);
    if (isProxied === undefined) {
      this.#proxies ??= this.#runtime.proxies?.() ?? {};
      this.#proxied.set(url, isProxied = goesThroughProxy(url, this.#proxies));
    }
    return isProxied;
  }
}

/** How requests will be carried, for people: `sockets`, `fetch`, and why. */
export function describeTransport(
  { connect, proxies }: Pick<TransportRuntime, "connect" | "proxies">,
  transport: TransportName,
): string {
  if (transport === "fetch") return "fetch";
  if (connect === undefined) return "fetch, for this runtime has no connections";
  if (transport === "sockets") return "sockets";
  const { HTTP_PROXY, HTTPS_PROXY, ALL_PROXY } = proxies?.() ?? {};
  const isProxied = [HTTP_PROXY, HTTPS_PROXY, ALL_PROXY].some(Boolean);
  return isProxied ? "sockets, and fetch where the environment's proxy applies" : "sockets";
}
