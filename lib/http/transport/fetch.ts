/**
 * The transport over the runtime's `fetch`: it knows proxies, HTTP/2 and encoded answers, costs
 * more, and says less of what went wrong.
 *
 * @module
 */

import type { Runtime } from "../../runtime/runtime.ts";
import type { EgressRules } from "../egress_rules.ts";
import { readIp } from "../ip.ts";
import { notAllowed } from "./reasons.ts";
import type { HttpRequest } from "../step.ts";
import { NOT_ALLOWED, TransportError } from "./transport.ts";
import type { Answer, AnswerBody, CallOff, How, Transport } from "./transport.ts";

/** What of the runtime it works with. */
export interface FetchRuntime {
  readonly fetch: Runtime["fetch"];
  readonly closeIdle?: () => void;
}

/** Sends with `fetch`. Redirects are not followed. */
export class FetchTransport implements Transport {
  readonly #runtime: FetchRuntime;

  constructor(runtime: FetchRuntime) {
    this.#runtime = runtime;
  }

  async send(
    { url, method, headers, body }: HttpRequest,
    callOff: CallOff,
    { terms, egress }: How,
  ): Promise<Answer> {
    refuseAddress(url, egress);
    const init: RequestInit = {
      method,
      headers: headers as [string, string][],
      redirect: "manual",
      signal: callOff.signal,
    };
    if (body !== undefined) init.body = body as BodyInit;
    const response = await this.#runtime.fetch(url.href, init, terms);
    const { status, statusText, headers: got } = response;
    return { status, statusText, headers: got, body: response.body && bodyOf(response.body) };
  }

  closeIdle(): void {
    this.#runtime.closeIdle?.();
  }
}

function bodyOf(stream: ReadableStream<Uint8Array>): AnswerBody {
  const reader = stream.getReader();
  return {
    read: async () => (await reader.read()).value,
    cancel: () => void reader.cancel().catch(() => {}), // of one that has ended it does nothing
  };
}

/**
 * Of what goes by `fetch` nobody knows which address it will be connected to, or a proxy does that:
 * only an address that stands in the URL can be looked at.
 */
function refuseAddress({ hostname }: URL, egress: EgressRules): void {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (readIp(host) === undefined || egress.allows(host, host)) return;
  throw new TransportError("unsent", notAllowed(host, [host]), NOT_ALLOWED);
}
