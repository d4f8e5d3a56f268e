/**
 * The step of an attempt that touches the network: a request goes out, the head of the answer comes
 * back. The runtime's `fetch` is one transport; another gets the same request and gives a
 * `Response` as well.
 *
 * @module
 */

import type { Runtime } from "../runtime/runtime.ts";
import type { Outgoing } from "./defaults.ts";

/**
 * Send a request. Redirects are not followed.
 *
 * @throws What the transport throws; nothing but the network, the runtime's permissions and the
 * signal can be the cause.
 */
export function exchange(
  runtime: Pick<Runtime, "fetch">,
  outgoing: Outgoing,
  signal: AbortSignal,
): Promise<Response> {
  const init: RequestInit = {
    method: outgoing.method,
    headers: outgoing.headers as [string, string][],
    redirect: "manual",
    signal,
  };
  if (outgoing.body !== undefined) init.body = outgoing.body;
  return runtime.fetch(outgoing.url.href, init);
}
