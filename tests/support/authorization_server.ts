/**
 * An authorization server for OAuth 2.0 client credentials, and an endpoint that wants its tokens:
 * they end, may be revoked, and the server may be out of order.
 *
 * @module
 */

import { startEndpoint, type Taken } from "./endpoint.ts";

/** What it is told by a test, at each moment. */
export interface AuthorizationState {
  /** Base64 of who may have tokens, as `id:secret`, and what they look like. */
  client: string;
  /** How long the next tokens are good, s; `undefined` is not said. */
  expiresIn: number | undefined;
  /** What it answers in place of a token. */
  trouble: (() => Response | Promise<Response>) | undefined;
  /** Whether the endpoint takes them. */
  isTaken: boolean;
  /** Tokens that are good. */
  readonly good: Set<string>;
}

/** Start one, with its endpoint. */
export function startAuthorizationServer() {
  const state: AuthorizationState = {
    client: btoa("me:planted-secret"),
    expiresIn: 3_600,
    trouble: undefined,
    isTaken: true,
    good: new Set(),
  };
  let made = 0;
  const tokens = startEndpoint(({ headers }: Taken) => {
    if (state.trouble) return state.trouble();
    if (headers.get("authorization") !== `Basic ${state.client}`) {
      return Response.json({ error: "invalid_client" }, { status: 401 });
    }
    const token = `planted-token-${++made}`;
    state.good.add(token);
    const life = state.expiresIn === undefined ? {} : { expires_in: state.expiresIn };
    return Response.json({ access_token: token, token_type: "Bearer", ...life });
  });
  const endpoint = startEndpoint(({ headers }) => {
    const said = headers.get("authorization") ?? "";
    const isGood = state.isTaken && said.startsWith("Bearer ") &&
      state.good.has(said.slice("Bearer ".length));
    return new Response(isGood ? "" : `no: ${said}`, { status: isGood ? 200 : 401 });
  });
  return {
    state,
    /** The endpoint that wants tokens. */
    endpoint,
    /** Requests for tokens. */
    asked: tokens.taken,
    /** Where tokens come from. */
    url: `${tokens.url}/token`,
    /** No token that was made is good any more. */
    revoke: () => state.good.clear(),
    async [Symbol.asyncDispose]() {
      await tokens[Symbol.asyncDispose]();
      await endpoint[Symbol.asyncDispose]();
    },
  };
}
