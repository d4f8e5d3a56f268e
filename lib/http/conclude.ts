/**
 * The last step of an attempt that was answered: what the answer means for the event, told in words
 * that hold no secret of ours and nothing a terminal obeys.
 *
 * @module
 */

import { visible } from "../event/visible.ts";
import { errorCode, type Runtime } from "../runtime/runtime.ts";
import type { Attempt, ResponseMeta } from "./attempt.ts";
import type { Outcome } from "./outcome.ts";
import type { Received } from "./receive.ts";
import { parseRetryAfter } from "./schedule.ts";
import { masked, secretsOf } from "./secrets.ts";
import type { HttpRequest } from "./step.ts";
import type { AnswerHeaders } from "./transport/transport.ts";

/** An attempt whose duration isn't known yet. */
export type Result = Omit<Attempt, "ms">;

/** How much of a text from a response's head a reason has, in characters. */
const WORDS_MAX_LENGTH = 200;

const DELIVERED: Pick<Result, "outcome" | "reason"> = { outcome: "delivered", reason: "" };

/**
 * What came of an attempt that was answered.
 *
 * @param outcome What the status means for the event.
 */
export function conclude(
  runtime: Pick<Runtime, "clock" | "decodes">,
  request: HttpRequest,
  outcome: Outcome,
  received: Received,
): Result {
  const { status, body, phases } = received;
  switch (body.kind) {
    case "dropped":
      return { ...DELIVERED, status, phases };
    case "kept": {
      const meta = metaOf(runtime, request, received, body.truncated);
      return { ...DELIVERED, status, phases, response: { meta } };
    }
    case "unkept": {
      const reason = `the response can't be written to res/: ${errorCode(body.error)}`;
      return { outcome: "deferred", reason, status, phases, error: body.error };
    }
    case "quoted": {
      const secrets = secretsOf(request);
      return {
        outcome,
        status,
        phases,
        reason: reasonOf(received, secrets),
        answer: quoted(body.bytes, body.isCut, secrets),
        ...wishesOf(received, runtime.clock.now()),
      };
    }
  }
}

function reasonOf({ status, statusText, headers }: Received, secrets: readonly string[]): string {
  const words = statusText && ` ${shortened(statusText, secrets)}`;
  const location = status >= 300 && status <= 399 ? headers.get("location") : null;
  const redirect = location === null
    ? ""
    : `, redirects are not followed (to ${shortened(originOf(location), secrets)})`;
  return `the endpoint answered ${status}${words}${redirect}`;
}

/** Where a redirect points to, without path, query or user info: those may be secrets. */
function originOf(location: string): string {
  return URL.canParse(location) ? new URL(location).origin : "the same host";
}

function shortened(words: string, secrets: readonly string[]): string {
  const isCut = words.length > WORDS_MAX_LENGTH;
  return visible(masked(isCut ? words.slice(0, WORDS_MAX_LENGTH) : words, secrets, isCut));
}

/** Line breaks and tabs stay: an answer may have several lines. */
function quoted(bytes: Uint8Array, isCut: boolean, secrets: readonly string[]): string {
  return visible(masked(new TextDecoder().decode(bytes), secrets, isCut), "\t\r\n");
}

/** For how long the endpoint wants to be spared this event, or all. */
function wishesOf(
  { status, headers }: Received,
  nowMs: number,
): Pick<Result, "retryAfterMs" | "pauseMs"> {
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"), nowMs);
  if (retryAfterMs === undefined) return {};
  const isOfEvent = status >= 400 && status <= 499 && status !== 429;
  return isOfEvent ? { retryAfterMs } : { retryAfterMs, pauseMs: retryAfterMs };
}

function metaOf(
  runtime: Pick<Runtime, "clock" | "decodes">,
  request: HttpRequest,
  { status, headers, isRaw = false }: Received,
  truncated: boolean,
): ResponseMeta {
  const secrets = secretsOf(request);
  const shown = Array.from(headers, ([name, value]): [string, string] => [
    name,
    visible(masked(value, secrets, false), "\t"),
  ]);
  const encoding = encodingOf(isRaw ? {} : runtime, request, headers);
  return {
    url: request.url.href,
    status,
    headers: Object.fromEntries(shown),
    time: new Date(runtime.clock.now()).toISOString(),
    truncated,
    ...(encoding === "" ? {} : { encoding }),
  };
}

/** How a body is encoded still: a transport undoes some codings, most of all those asked for. */
function encodingOf(
  runtime: Pick<Runtime, "decodes">,
  request: HttpRequest,
  headers: AnswerHeaders,
): string {
  const asked = request.headers.find(([name]) => name === "accept-encoding")?.[1] ?? "";
  const encoding = headers.get("content-encoding")?.toLowerCase() ?? "";
  const isDecoded = runtime.decodes?.(encoding, asked.toLowerCase()) ?? false;
  const transfer = headers.get("transfer-encoding")?.toLowerCase().split(",") ?? [];
  return [...(isDecoded ? [] : encoding.split(",")), ...transfer]
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity" && coding !== "chunked")
    .join(", ");
}
