/**
 * Saying what must have been delivered.
 *
 * @module
 */

import type { Drained, SentRequest } from "./drain.ts";

/** What is expected of a request; what isn't named may be anything. */
export interface ExpectedRequest {
  /** The event's id. */
  readonly id?: string;
  /** Where to. */
  readonly url?: string;
  /** HTTP method. */
  readonly method?: string;
  /** Headers that it must have, among others; names in any case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The exact text of its body. */
  readonly body?: string;
  /** What the body says as JSON; the order of members doesn't count. */
  readonly requestBody?: unknown;
}

/**
 * See that just these requests were delivered, in any order.
 *
 * @throws {Error} If one is missing, or there is another; the message names all of them, and what
 * became of what was not delivered.
 */
export function expectDelivered(drained: Drained, expected: readonly ExpectedRequest[]): void {
  const others = [...drained.delivered];
  const missing = expected.filter((each) => {
    const at = others.findIndex((request) => fits(request, each));
    if (at >= 0) others.splice(at, 1);
    return at < 0;
  });
  if (missing.length === 0 && others.length === 0) return;
  const lines = [
    ...missing.map((each) => `not delivered: ${JSON.stringify(each)}`),
    ...others.map(({ headers: _, ...request }) => `not expected: ${JSON.stringify(request)}`),
    ...drained.deferred.map(({ id, reason }) => `deferred: ${id}, ${reason}`),
    ...drained.dead.map(({ id, reason }) => `dead: ${id}, ${reason}`),
  ];
  throw new Error(`Other requests were delivered than expected:\n  ${lines.join("\n  ")}`);
}

function fits(request: SentRequest, expected: ExpectedRequest): boolean {
  const { headers = {}, requestBody, ...exact } = expected;
  const isLike = Object.entries(exact).every(([name, value]) =>
    value === undefined || request[name as keyof typeof exact] === value
  );
  const hasHeaders = Object.entries(headers).every(([name, value]) =>
    request.headers[name.toLowerCase()] === value
  );
  return isLike && hasHeaders &&
    (requestBody === undefined || sorted(parsed(request.body)) === sorted(requestBody));
}

/** What a body says; `undefined` when it isn't JSON. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** As JSON, members in the order of their names. */
function sorted(value: unknown): string | undefined {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => a < b ? -1 : 1));
  });
}
