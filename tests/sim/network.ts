/**
 * Scripted endpoints. Nothing leaves the process. They are reached over connections, byte by byte
 * (`sockets.ts`), or by `fetch`.
 *
 * The script is asked for each request, at the moment the endpoint would take it; every request
 * that the endpoint *took* is on record, whether or not its answer arrived.
 *
 * @module
 */

import { never, type SimTime } from "./clock.ts";
import type { SimProcess } from "./process.ts";

/** A request as the endpoint sees it. */
export interface SimRequest {
  /** When it arrived, ms since the world began. */
  readonly atMs: number;
  /** Its URL. */
  readonly url: string;
  /** Its method. */
  readonly method: string;
  /** Its headers. */
  readonly headers: Headers;
  /** Its body as text, `""` without one. */
  readonly body: string;
  /** Its `Idempotency-Key`. */
  readonly key: string | undefined;
  /** Who sent it. */
  readonly process: SimProcess;
  /** How many requests with this key and URL arrived before it. */
  readonly nth: number;
}

/** What becomes of a request. */
export interface Reply {
  /** Status of the answer. @default 200 */
  readonly status?: number;
  /** Headers of the answer. */
  readonly headers?: Record<string, string>;
  /** Body of the answer. */
  readonly body?: string;
  /** Whether the body comes in two parts, one after the other. @default false */
  readonly inParts?: boolean;
  /** Ms until the answer, or the failure. @default 0 */
  readonly delayMs?: number;
  /** Whether the endpoint ends the connection after its answer, and says so. @default false */
  readonly closes?: boolean;
  /**
   * `"refused"`: no connection; over a connection that is there already as `"reset before"`.
   * `"reset before"`, `"reset after"`: the connection breaks, before or
   * after the endpoint took the event. `"hang"`: it took it and never answers. `"hang before"`:
   * never answers, and didn't take it. `"hang body"`: status and headers arrive, the end of the
   * body never does. `"crowded"`: the sender has no file left for a connection, see
   * {@linkcode SimNetwork.connects} for those.
   */
  readonly fails?:
    | "refused"
    | "reset before"
    | "reset after"
    | "hang"
    | "hang before"
    | "hang body"
    | "crowded";
}

/** A request that the endpoint took. */
export interface TakenRequest extends SimRequest {
  /** What it replied. */
  readonly reply: Reply;
  /** Whether the headers of its answer reached the sender. */
  answered: boolean;
}

/** What becomes of an attempt to connect. */
export interface Connecting {
  /** Ms until it is there, or fails. @default 0 */
  readonly delayMs?: number;
  /** How it fails; `"hang"`: there is no answer. */
  readonly fails?: "refused" | "crowded" | "hang";
}

/** Decides what becomes of a request; `undefined` is a 200. */
export type Script = (request: SimRequest) => Reply | undefined;

/** Failures after the endpoint took the event. */
const TAKES: ReadonlySet<string> = new Set(["hang", "hang body", "reset after"]);

/** Statuses whose answers have no body. */
export const WITHOUT_BODY = new Set([204, 205, 304]);

/** The network of a world. */
export class SimNetwork {
  /** What happens to requests. */
  script: Script = () => undefined;
  /** The requests taken, in order. */
  readonly taken: TakenRequest[] = [];
  /** What becomes of attempts to connect to an address, or to a host that has one of its own. */
  connects: (address: string, atMs: number) => Connecting | undefined = () => undefined;
  /** The addresses of hosts; who isn't there has one of its own, `10.0.0.1` and so on. */
  readonly addresses = new Map<string, readonly string[]>();
  /** How many of so many bytes go on at once, at least one: what is sent, and what is received. */
  cut: (length: number) => number = (length) => length;
  /** Whether processes may reach a URL. */
  mayReach: (url: URL) => boolean = () => true;
  /** The most that ever were on their way at once. */
  mostInFlight = 0;
  readonly #inFlight = new Map<SimProcess, number>();
  readonly #time: SimTime;
  readonly #fail: (error: unknown) => void;
  readonly #seen = new Map<string, number>();

  /** A network on a world's time; `fail` ends the run when the script itself throws. */
  constructor(time: SimTime, fail: (error: unknown) => void) {
    this.#time = time;
    this.#fail = fail;
  }

  /** The keys of the events taken, in order. */
  get keys(): string[] {
    return this.taken.map((request) => request.key ?? "");
  }

  /** How many are on their way now. */
  get inFlight(): number {
    let sum = 0;
    for (const count of this.#inFlight.values()) sum += count;
    return sum;
  }

  /** `fetch` of a process. */
  async fetch(process: SimProcess, url: string, init: RequestInit): Promise<Response> {
    if (!process.alive) return never();
    const signal = init.signal ?? undefined;
    signal?.throwIfAborted();
    this.count(process, 1);
    try {
      const response = await this.#answer(process, url, init, signal);
      return process.alive ? response : await never();
    } catch (error) {
      if (!process.alive) return never();
      throw error;
    } finally {
      this.count(process, -1);
    }
  }

  /** A process died, and its connections with it. */
  forget(process: SimProcess): void {
    this.#inFlight.delete(process);
  }

  /** One more, or one less, is on its way. */
  count(process: SimProcess, change: 1 | -1): void {
    if (!process.alive) return;
    this.#inFlight.set(process, (this.#inFlight.get(process) ?? 0) + change);
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
  }

  async #answer(
    process: SimProcess,
    url: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const { request: taken, reply } = this.take(process, {
      url,
      method: init.method ?? "GET",
      headers: new Headers(init.headers),
      body: textOf(init.body),
    });
    const { fails } = reply;
    const delayMs = fails === "hang" || fails === "hang before" ? Infinity : reply.delayMs ?? 0;
    await this.#time.sleep(delayMs, process, signal);
    signal?.throwIfAborted();
    if (fails === "refused") throw new TypeError("error sending request: connection refused");
    if (fails === "crowded") {
      const cause = Object.assign(new Error("connect EMFILE"), { code: "EMFILE" });
      throw new TypeError("fetch failed", { cause });
    }
    if (fails === "reset before" || fails === "reset after") {
      throw new TypeError("error sending request: connection reset by peer");
    }
    taken.answered = true;
    const { status = 200, headers = {}, body = "", inParts = false } = reply;
    const content = WITHOUT_BODY.has(status)
      ? null
      : fails === "hang body"
      ? hanging(body, signal)
      : inParts
      ? ReadableStream.from(partsOf(body))
      : body;
    return new Response(content, { status, headers });
  }

  #replyTo(request: SimRequest): Reply {
    try {
      return this.script(request) ?? {};
    } catch (error) {
      this.#fail(error);
      return {};
    }
  }

  /** A request arrives; whether the endpoint takes it, the script says. */
  take(
    process: SimProcess,
    message: Pick<SimRequest, "url" | "method" | "headers" | "body">,
  ): { readonly request: TakenRequest; readonly reply: Reply } {
    const key = message.headers.get("Idempotency-Key") ?? undefined;
    const seenAs = `${key} ${message.url}`;
    const nth = this.#seen.get(seenAs) ?? 0;
    this.#seen.set(seenAs, nth + 1);
    const arrived: SimRequest = { ...message, atMs: this.#time.nowMs, key, process, nth };
    const reply = this.#replyTo(arrived);
    const request: TakenRequest = { ...arrived, reply, answered: false };
    if (reply.fails === undefined || TAKES.has(reply.fails)) this.taken.push(request);
    return { request, reply };
  }
}

function textOf(body: BodyInit | null | undefined): string {
  if (body === null || body === undefined) return "";
  if (typeof body === "string") return body;
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) {
    return new TextDecoder().decode(body);
  }
  throw new TypeError("Cannot simulate a request: its body is neither text nor bytes");
}

function partsOf(body: string): Uint8Array[] {
  const bytes = new TextEncoder().encode(body);
  return [bytes.subarray(0, 5), bytes.subarray(5)];
}

/** A body that begins and never ends, until aborted. */
function hanging(start: string, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (start !== "") controller.enqueue(new TextEncoder().encode(start));
      signal?.addEventListener("abort", () => controller.error(signal.reason), { once: true });
    },
  });
}
