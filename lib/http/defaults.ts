/**
 * The first step of an attempt: an event's request, with the headers that we and the operator add
 * to its own.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import { contentOf, type EventRequest } from "../event/request.ts";
import { VERSION } from "../version.ts";
import type { HttpRequest } from "./step.ts";

/** What this step can be told. */
export interface DefaultsOptions {
  /** Headers of every request, but for those that the event sets itself. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The header by which an endpoint knows an event again. */
export const KEY_HEADER = "idempotency-key";

const USER_AGENT = `optimizelyd-maildir/${VERSION}`;

/** The request of an event, with our headers where it has none of its own. */
export function withDefaults(
  request: EventRequest,
  { headers }: DefaultsOptions,
  id: string,
): HttpRequest {
  const { url, method } = request;
  const body = contentOf(request);
  const ours: Header[] = [
    ["accept-encoding", "identity"],
    [KEY_HEADER, id],
    ["user-agent", USER_AGENT],
  ];
  if (body !== undefined) ours.push(["content-type", "application/json"]);
  const all = headers ? overridden(ours, lowerCase(headers)) : ours;
  return { url, method, headers: overridden(all, request.headers), body };
}

function lowerCase(headers: Readonly<Record<string, string>>): readonly Header[] {
  return Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
}

function overridden(ours: readonly Header[], own: readonly Header[]): readonly Header[] {
  if (own.length === 0) return ours;
  const names = new Set(own.map(([name]) => name));
  return [...ours.filter(([name]) => !names.has(name)), ...own];
}
