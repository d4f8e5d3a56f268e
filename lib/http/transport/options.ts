/**
 * How requests are carried, as far as it can be chosen.
 *
 * @module
 */

import type { TermsOptions } from "./terms.ts";

/** What carries requests, as an operator names it. */
export type TransportName = "auto" | "sockets" | "fetch";

/** How long it may take to get a connection unless told otherwise, ms. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** How requests are carried. */
export interface TransportOptions extends TermsOptions {
  /** By what. @default {"auto"} */
  readonly transport?: TransportName;
  /** Where to, see `egress_rules.ts`. @default {undefined} (anywhere but link-local addresses) */
  readonly egress?: readonly string[] | undefined;
  /** How long it may take to get a connection, ms. @default {CONNECT_TIMEOUT_MS} */
  readonly connectTimeoutMs?: number;
}
