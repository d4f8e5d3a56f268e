/**
 * A local endpoint that stands in for the real one: it takes what an SDK posts, puts it on the
 * queue for where it should go, and answers 204 only when it is durable.
 *
 *     answer        when
 *     204           the event is on stable storage
 *     400           the body isn't a JSON object in UTF-8, or is shorter than announced
 *     404, 405      another path, another method
 *     413           the event would be larger than the consumer takes
 *     415           not `application/json`, or compressed: a web page can't make a visitor's
 *                   browser post JSON unasked
 *     503           the disk refuses, or the program is about to end; `Retry-After` says when to
 *                   come again
 *
 * @module
 */

import { encodeEventText } from "../event/encode.ts";
import { errorCode } from "../runtime/runtime.ts";
import type { GroupCommit } from "./group_commit.ts";

/** The path that is served: the real endpoint's. */
export const EVENTS_PATH = "/v1/events";

/** When to come again after the disk has refused, in seconds. */
const RETRY_AFTER_S = 5;

/** How an endpoint works. */
export interface EndpointOptions {
  /** Where events go from the queue. */
  readonly forwardTo: string;
  /** Largest event file. */
  readonly maxBytes: number;
  /** Told when an event could not be put on the queue. */
  readonly onRefused: (error: unknown) => void;
}

/** An answer that isn't 204. */
class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  toResponse(): Response {
    return Response.json({ message: this.message }, { status: this.status, headers: this.headers });
  }
}

/**
 * The handler of an endpoint that spools to `commit`. Never rejects for what a client sends or the
 * disk refuses.
 */
export function endpoint(
  commit: Pick<GroupCommit, "enqueue">,
  options: EndpointOptions,
): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      checkHead(request);
      const bytes = eventFile(await readBody(request, options.maxBytes), options);
      await commit.enqueue(bytes);
      return new Response(null, { status: 204 });
    } catch (error) {
      if (error instanceof Refusal) return error.toResponse();
      if (errorCode(error) === undefined && errorCode((error as Error).cause) === undefined) {
        throw error; // a bug
      }
      options.onRefused(error);
      return comeAgain();
    }
  };
}

/** The answer to an event that can't be taken now. */
export function comeAgain(): Response {
  const headers = { "retry-after": `${RETRY_AFTER_S}` };
  return new Refusal(503, "the event can't be put on the queue now", headers).toResponse();
}

function checkHead({ url, method, headers }: Request): void {
  if (new URL(url).pathname !== EVENTS_PATH) {
    throw new Refusal(404, `the path must be ${EVENTS_PATH}`);
  }
  if (method !== "POST") throw new Refusal(405, "the method must be POST", { allow: "POST" });
  const [type] = (headers.get("content-type") ?? "").split(";");
  if (type!.trim().toLowerCase() !== "application/json") {
    throw new Refusal(415, "the content type must be application/json");
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new Refusal(415, "the body must not be compressed");
  }
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, `the event must be at most ${maxBytes} bytes long`, {
    connection: "close", // the rest of the body is not worth reading
  });
}

async function readBody(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, "the body must be whole, and UTF-8 text");
  }
}

/** The body goes into the file, and on to the real endpoint, character by character. */
function eventFile(bodyText: string, { forwardTo, maxBytes }: EndpointOptions): Uint8Array {
  if (!/^[ \t\r\n]*\{/.test(bodyText)) throw new Refusal(400, "the body must be a JSON object");
  let bytes: Uint8Array;
  try {
    bytes = encodeEventText({ url: forwardTo, bodyText });
  } catch (error) {
    if (error instanceof TypeError) throw new Refusal(400, "the body must be a JSON object");
    throw error;
  }
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}
