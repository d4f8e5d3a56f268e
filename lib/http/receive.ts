/**
 * The step of an attempt that reads the body of the answer: as much of it as is of use, and no
 * more.
 *
 * @module
 */

import type { AnswerSink } from "./attempt.ts";
import type { Answer, AnswerBody, AnswerHeaders, CallOff, Phases } from "./transport/transport.ts";

/** Most of an answer that is handed to a sink. */
export const SINK_MAX_BYTES = 16 * 1024 * 1024;

/** How much of an answer is quoted. */
export const QUOTE_BYTES = 1024;

/** How much of a body nobody asked for is read so that the connection can be used again. */
const DROP_BYTES = 64 * 1024;

/** What becomes of a body. */
export type Use = "drop" | "quote" | AnswerSink;

/** What became of a body. */
export type Body =
  | { readonly kind: "dropped" }
  /** Its first bytes; whether there were more. */
  | { readonly kind: "quoted"; readonly bytes: Uint8Array; readonly isCut: boolean }
  /** The sink has it; whether it was longer than that. */
  | { readonly kind: "kept"; readonly truncated: boolean }
  /** The sink didn't take it. */
  | { readonly kind: "unkept"; readonly error: unknown };

/** What is known of an answer once its body has been read. */
export interface Received {
  /** HTTP status. */
  readonly status: number;
  /** The reason phrase. */
  readonly statusText: string;
  /** All headers. */
  readonly headers: AnswerHeaders;
  /** What became of its body. */
  readonly body: Body;
  /** Whether its body is as it came, not decoded. */
  readonly isRaw?: boolean | undefined;
  /** How long its parts took, where the transport knows. */
  readonly phases?: Phases | undefined;
}

const DROPPED: Body = { kind: "dropped" };

/**
 * Read an answer's body for a use. A promise only when there is something to read.
 *
 * A body that breaks off is none for a sink. Where it is dropped or quoted, the head is the answer
 * and stands whatever becomes of the rest.
 *
 * @throws What breaks off a body that goes to a sink.
 */
export function receive(
  { status, statusText, headers, body, isRaw, phases }: Answer,
  use: Use,
  callOff: CallOff,
): Received | Promise<Received> {
  const received = (body: Body): Received => ({
    status,
    statusText,
    headers,
    body,
    isRaw,
    phases,
  });
  if (use === "drop") return body ? drop(body).then(received) : received(DROPPED);
  if (use === "quote") return quote(body).then(received);
  return handOn(body, use, callOff).then(received);
}

type Stream = AnswerBody | null;

async function drop(stream: Stream): Promise<Body> {
  try {
    await read(stream, DROP_BYTES, () => {});
  } catch {
    // cut off or timed out after the 2xx: the event is delivered
  }
  return DROPPED;
}

async function quote(stream: Stream): Promise<Body> {
  const bytes = new Uint8Array(QUOTE_BYTES);
  let length = 0;
  let isCut = true;
  try {
    isCut = await read(stream, QUOTE_BYTES, (chunk) => {
      bytes.set(chunk, length);
      length += chunk.length;
    });
  } catch {
    // what has come is quoted
  }
  return { kind: "quoted", bytes: bytes.subarray(0, length), isCut };
}

/** What a sink threw, told apart from what the network did. */
class SinkError extends Error {
  override name = "SinkError";
}

async function handOn(stream: Stream, sink: AnswerSink, callOff: CallOff): Promise<Body> {
  try {
    const truncated = await read(
      stream,
      SINK_MAX_BYTES,
      (piece) => handOver(piece.slice(), sink, callOff.signal), // it may keep them
    );
    return { kind: "kept", truncated };
  } catch (error) {
    if (error instanceof SinkError) return { kind: "unkept", error: error.cause };
    throw error;
  }
}

/**
 * Hand bytes to a sink. The time limit also ends the wait for one that takes them too slowly.
 *
 * @throws {SinkError} When it doesn't take them.
 * @throws The signal's reason, when it aborts first.
 */
function handOver(
  bytes: Uint8Array,
  sink: AnswerSink,
  signal: AbortSignal,
): Promise<void> | undefined {
  const refuse = (cause: unknown) => {
    throw new SinkError("the answer was not taken", { cause });
  };
  let writing: void | Promise<void>;
  try {
    writing = sink.write(bytes);
  } catch (error) {
    return refuse(error);
  }
  return writing ? beforeAbort(writing.catch(refuse), signal) : undefined;
}

function beforeAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * Take at most `limit` bytes of a stream as they come, and call off the rest.
 *
 * @returns Whether there was more.
 */
async function read(
  stream: Stream,
  limit: number,
  take: (chunk: Uint8Array) => void | Promise<void> | undefined,
): Promise<boolean> {
  if (!stream) return false;
  let left = limit;
  try {
    while (left >= 0) {
      const reading = stream.read();
      const piece = reading instanceof Promise ? await reading : reading;
      if (piece === undefined) return false;
      const taking = left > 0 ? take(piece.subarray(0, left)) : undefined;
      if (taking) await taking;
      left -= piece.length;
    }
    return true;
  } finally {
    stream.cancel();
  }
}
