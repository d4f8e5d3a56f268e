/**
 * A local endpoint that stands in for the real one: it takes what an SDK posts, puts it on the
 * queue for where it should go, and answers 204 only when it is durable.
 *
 *     answer        when
 *     204           the event is on stable storage
 *     400           the body isn't a JSON object in UTF-8, or is shorter than announced
 *     404, 405      another path, another method
 *     408           it came too slowly
 *     413           the event would be larger than the consumer takes
 *     415           not `application/json`, or compressed: a web page can't make a visitor's
 *                   browser post JSON unasked
 *     421           the host is neither the address listened on nor a name that is known
 *     503           the disk refuses, there is no memory for it now, or the program is about to
 *                   end; `Retry-After` says when to come again
 *
 * @module
 */

import { encodeEventText } from "../event/encode.ts";
import { errorCode } from "../runtime/runtime.ts";
import { BadRequestError } from "../server/head.ts";
import { Body } from "./body.ts";
import type { Budget } from "../store/budget.ts";
import type { GroupCommit } from "./group_commit.ts";

/** The path that is served: the real endpoint's. */
export const EVENTS_PATH = "/v1/events";

/** When to come again after the disk has refused or memory was short, in seconds. */
const RETRY_AFTER_S = 5;

/** How an endpoint works. */
export interface EndpointOptions {
  /** Where events go from the queue. */
  readonly forwardTo: string;
  /** Largest event file. */
  readonly maxBytes: number;
  /** Where the bytes of events come from until they are on the queue. */
  readonly memory: Budget;
  /** Told when an event could not be put on the queue. */
  readonly onRefused: (error: unknown) => void;
  /** Told when there was no memory for an event. */
  readonly onShortage: () => void;
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
    const body = new Body(options.memory);
    try {
      checkHead(request);
      const bytes = eventFile(await readBody(body, request, options), options);
      await commit.enqueue(bytes);
      return new Response(null, { status: 204 });
    } catch (error) {
      if (error instanceof Refusal) return error.toResponse();
      if (errorCode(error) === undefined && errorCode((error as Error).cause) === undefined) {
        throw error; // a bug
      }
      options.onRefused(error);
      return comeAgain();
    } finally {
      body.release();
    }
  };
}

/** The answer to an event that can't be taken now. */
export function comeAgain(headers: Readonly<Record<string, string>> = {}): Response {
  return notNow(headers).toResponse();
}

function notNow(headers: Readonly<Record<string, string>> = {}): Refusal {
  const message = "the event can't be put on the queue now";
  return new Refusal(503, message, { "retry-after": `${RETRY_AFTER_S}`, ...headers });
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

async function readBody(
  body: Body,
  request: Request,
  { maxBytes, onShortage }: EndpointOptions,
): Promise<string> {
  const why = await collected(body, request, maxBytes);
  if (why === "too large") throw tooLarge(maxBytes);
  if (why === "no memory") {
    onShortage();
    throw notNow();
  }
  try {
    return body.takeText();
  } catch {
    throw new Refusal(400, "the body must be UTF-8 text");
  }
}

async function collected(body: Body, request: Request, maxBytes: number) {
  try {
    return await body.collect(request, maxBytes);
  } catch (error) {
    if (error instanceof BadRequestError) throw new Refusal(error.status, error.message);
    throw new Refusal(400, "the body must be whole");
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
