/**
 * A local endpoint that stands in for the real one: it takes what an SDK posts, puts it on the
 * queue for where it should go, and answers 204 only when it is durable.
 *
 *     answer        when
 *     204           the event is on stable storage; a browser's question is answered
 *     400           the body isn't JSON in UTF-8, is `null`, or is shorter than announced
 *     401           no token is shown, or another one
 *     403           a web page of an origin that isn't listed
 *     404, 405      another path, another method
 *     408           it came too slowly
 *     413           it is too large, or the event would be larger than the consumer takes
 *     415           not JSON, or compressed
 *     421           the host is neither the address listened on nor a name that is known
 *     429           more than may come in a second
 *     503           the disk refuses, the queue is full, there is no memory for it now, the tokens
 *                   can't be read, or the program is about to end
 *
 * After 429 and 503 `Retry-After` says when to come again.
 *
 * @module
 */

import { encodeEventText } from "../event/encode.ts";
import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { BadRequestError } from "../server/head.ts";
import { Body } from "./body.ts";
import type { Budget } from "../store/budget.ts";
import {
  checkClient,
  checkOrigin,
  corsHeaders,
  type GateOptions,
  isPreflight,
  preflightAnswer,
} from "./gate.ts";
import type { GroupCommit } from "./group_commit.ts";
import { notNow, Refusal } from "./refusal.ts";

/** The path of the real endpoint. */
export const EVENTS_PATH = "/v1/events";

/** Whom an endpoint takes events from, and where they go; may change while it works. */
export interface AcceptRules extends GateOptions {
  /** Where events go from the queue, by the path that they are posted to. */
  readonly routes: ReadonlyMap<string, string>;
  /** Largest body. */
  readonly maxBodyBytes: number;
}

/** How an endpoint works. */
export interface EndpointOptions {
  /** Those that count at this moment. */
  readonly rules: () => AcceptRules;
  /** Largest event file. */
  readonly maxBytes: number;
  /** Where the bytes of events come from until they are on the queue. */
  readonly memory: Budget;
  /** Told when an event could not be put on the queue. */
  readonly onRefused: (error: unknown) => void;
  /** Told when there was no memory for an event. */
  readonly onShortage: () => void;
}

/**
 * The handler of an endpoint that spools to `commit`. Never rejects for what a client sends or the
 * disk refuses.
 */
export function endpoint(
  commit: Pick<GroupCommit, "enqueue">,
  runtime: Pick<Runtime, "sha256">,
  options: EndpointOptions,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const rules = options.rules();
    const response = await answer(request, commit, runtime, options, rules);
    for (const [name, value] of Object.entries(corsHeaders(request, rules))) {
      response.headers.set(name, value);
    }
    return response;
  };
}

async function answer(
  request: Request,
  commit: Pick<GroupCommit, "enqueue">,
  runtime: Pick<Runtime, "sha256">,
  options: EndpointOptions,
  rules: AcceptRules,
): Promise<Response> {
  const body = new Body(options.memory);
  try {
    checkOrigin(request, rules);
    const url = urlFor(request, rules);
    if (isPreflight(request)) return preflightAnswer();
    const type = checkHead(request);
    await checkClient(request, rules, runtime);
    const most = Math.min(rules.maxBodyBytes, options.maxBytes);
    const text = await readBody(body, request, most, options);
    await commit.enqueue(eventFile(url, text, type, options));
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
}

/** The answer to an event that can't be taken now. */
export function comeAgain(headers: Readonly<Record<string, string>> = {}): Response {
  return notNow(headers).toResponse();
}

/** Where an event goes that is posted to this path. */
function urlFor({ url }: Request, { routes }: AcceptRules): string {
  const to = routes.get(new URL(url).pathname);
  if (to !== undefined) return to;
  const [first, ...others] = routes.keys();
  const paths = others.length === 0 ? first : `one of ${[first, ...others].join(", ")}`;
  throw new Refusal(404, `the path must be ${paths}`);
}

/** @returns The content type, where it isn't that of every event. */
function checkHead({ method, headers }: Request): string | undefined {
  if (method !== "POST") throw new Refusal(405, "the method must be POST", { allow: "POST" });
  const said = headers.get("content-type") ?? "";
  const type = said.split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json" && !/^[a-z0-9.-]+\/[a-z0-9.-]+\+json$/.test(type)) {
    throw new Refusal(415, "the content type must be application/json, or end in +json");
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new Refusal(415, "the body must not be compressed");
  }
  return type === "application/json" ? undefined : said;
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, `the event must be at most ${maxBytes} bytes long`, {
    connection: "close", // the rest of the body is not worth reading
  });
}

async function readBody(
  body: Body,
  request: Request,
  most: number,
  { onShortage }: EndpointOptions,
): Promise<string> {
  const why = await collected(body, request, most);
  if (why === "too large") throw tooLarge(most);
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

/** JSON that says that there is none. */
const NULL = /^[ \t\r\n]*null[ \t\r\n]*$/;

/** The body goes into the file, and on to the real endpoint, character by character. */
function eventFile(
  url: string,
  bodyText: string,
  type: string | undefined,
  { maxBytes }: EndpointOptions,
): Uint8Array {
  if (NULL.test(bodyText)) throw new Refusal(400, "the body must be more than null");
  let bytes: Uint8Array;
  try {
    const headers = type === undefined ? {} : { headers: { "content-type": type } };
    bytes = encodeEventText({ url, bodyText, ...headers });
  } catch (error) {
    if (error instanceof TypeError) throw new Refusal(400, "the body must be JSON");
    throw error;
  }
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}
