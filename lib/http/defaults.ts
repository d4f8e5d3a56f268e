/**
 * The first step of an attempt: an event's request, with the headers that we add to its own.
 *
 * What all steps before the network have in common is here too: the request that they make ready,
 * and what they know of the attempt.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import { contentOf, type EventRequest } from "../event/request.ts";
import { VERSION } from "../version.ts";
import type { Outcome } from "./outcome.ts";

/** How to send. */
export interface SenderOptions {
  /** Time limit of one attempt, body included. */
  readonly timeoutMs: number;
  /** Exceptions from the status table. */
  readonly onStatus: ReadonlyMap<number, Outcome>;
}

/** What steps know of the attempt. */
export interface StepContext {
  /** The event's id, or that of a batch. */
  readonly id: string;
  /** As they are when it begins. */
  readonly options: SenderOptions;
}

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
}

/** The header by which an endpoint knows an event again. */
export const KEY_HEADER = "idempotency-key";

const USER_AGENT = `optimizelyd-maildir/${VERSION}`;

/** The request of an event, with our headers where it has none of its own. */
export function withDefaults(request: EventRequest, { id }: StepContext): HttpRequest {
  const { url, method } = request;
  const body = contentOf(request);
  const ours: Header[] = [
    ["accept-encoding", "identity"],
    [KEY_HEADER, id],
    ["user-agent", USER_AGENT],
  ];
  if (body !== undefined) ours.push(["content-type", "application/json"]);
  return { url, method, headers: overridden(ours, request.headers), body };
}

function overridden(ours: readonly Header[], own: readonly Header[]): readonly Header[] {
  if (own.length === 0) return ours;
  const names = new Set(own.map(([name]) => name));
  return [...ours.filter(([name]) => !names.has(name)), ...own];
}
