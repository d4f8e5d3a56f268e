/**
 * The transport over the runtime's `fetch`: it knows proxies, HTTP/2 and encoded answers, costs
 * more, and says less of what went wrong.
 *
 * @module
 */

import type { Runtime } from "../../runtime/runtime.ts";
import type { HttpRequest } from "../step.ts";
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
    { terms }: How,
  ): Promise<Answer> {
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
