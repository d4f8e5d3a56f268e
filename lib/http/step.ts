/**
 * What the steps of an attempt have in common, up to the network: the request that they make ready,
 * and what they know of the attempt. What a step wants to be told is the step's own to declare.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import type { Awaitable } from "../runtime/runtime.ts";
import type { Credentials } from "./credentials.ts";

/** A request as it is to be sent. */
export interface HttpRequest {
  /** Where to, without user info and fragment. */
  readonly url: URL;
  /** In upper case. */
  readonly method: string;
  /**
   * All headers but those by which the transport frames the message; lower-case names, each once.
   */
  readonly headers: readonly Header[];
  /** The body; `undefined` for none. */
  readonly body: string | Uint8Array | undefined;
  /** What is not to be shown of an answer that repeats it, whatever header it is in. */
  readonly secrets?: readonly string[];
}

/** What steps know of the attempt. */
export interface StepContext {
  /** The event's id, or that of a batch. */
  readonly id: string;
  /** When it begins, Unix ms. */
  readonly nowMs: number;
  /** Secrets. */
  readonly credentials: Credentials;
  /** The token of the destination, where it wants one that somebody else makes. */
  token(): Awaitable<string>;
  /** As `Runtime.hmacSha256`. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Awaitable<Uint8Array>;
}
