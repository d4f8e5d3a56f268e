/**
 * Who may have events taken.
 *
 * A program says so by a token, where one is asked for. A web page can make its visitor's browser
 * post anywhere, and the browser then says whose page it is (`Origin`, `Sec-Fetch-Site`): it may
 * post if its origin is listed. Before it posts JSON a browser asks whether it may (CORS, the Fetch
 * standard), and it shows pages no answer that doesn't name their origin.
 *
 * @module
 */

import type { Awaitable, Runtime } from "../runtime/runtime.ts";
import { Refusal } from "./refusal.ts";

/** Whom to let through. */
export interface GateOptions {
  /** Origins of web pages that may post. */
  readonly origins: readonly string[];
  /**
   * The tokens of which one must be shown; empty where none is asked for.
   *
   * @throws An error with a code, when they can't be had.
   */
  tokens(): Awaitable<readonly string[]>;
  /** How long to wait until another event may be taken, in ms; 0: this one is. */
  admit(): number;
}

/** How long a browser remembers what it may do, in seconds. */
const REMEMBERED_S = 600;

/** The headers by which a browser knows that a page may read an answer; none without a browser. */
export function corsHeaders(
  { headers }: Request,
  { origins }: GateOptions,
): Readonly<Record<string, string>> {
  const origin = headers.get("origin");
  if (origin === null) return {};
  return origins.includes(origin)
    ? { "access-control-allow-origin": origin, vary: "origin" }
    : { vary: "origin" };
}

/** Whether a browser asks what it may do. */
export function isPreflight({ method, headers }: Request): boolean {
  return method === "OPTIONS" && headers.has("access-control-request-method");
}

/** The answer to that, for a page that may post. */
export function preflightAnswer(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "authorization, content-type",
      "access-control-max-age": `${REMEMBERED_S}`,
    },
  });
}

/**
 * Refuse pages of origins that aren't listed.
 *
 * @throws {Refusal} Of such a page.
 */
export function checkOrigin({ headers }: Request, { origins }: GateOptions): void {
  const origin = headers.get("origin");
  const site = headers.get("sec-fetch-site") ?? "none";
  const isForeign = origin === null ? site !== "none" && site !== "same-origin" : true;
  if (!isForeign || origin !== null && origins.includes(origin)) return;
  throw new Refusal(403, "pages of this origin may not post: --accept-origin adds one");
}

/**
 * Ask for a token, and keep to the rate.
 *
 * @throws {Refusal} Without one of the tokens, and of what comes too fast.
 */
export async function checkClient(
  { headers }: Request,
  options: GateOptions,
  { sha256 }: Pick<Runtime, "sha256">,
): Promise<void> {
  const tokens = await options.tokens();
  if (tokens.length > 0) {
    const [, shown = ""] = /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "") ?? [];
    // of hashes it may be seen how far they agree
    const [given, ...known] = await Promise.all([shown, ...tokens].map((text) => sha256(text)));
    if (shown === "" || !known.includes(given!)) {
      throw new Refusal(401, "a token must be shown: Authorization: Bearer", {
        "www-authenticate": "Bearer",
      });
    }
  }
  const waitMs = options.admit();
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1_000);
  throw new Refusal(429, "events come too fast", { "retry-after": `${seconds}` });
}
