/**
 * A request as bytes: one piece, so that it goes out in one write. Pure.
 *
 * @module
 */

import type { HttpRequest } from "../step.ts";

/** Larger bodies go out by themselves rather than be copied. */
const COPIED_BYTES = 16 * 1024;

/** More than this isn't kept for the next request. */
const KEPT_BYTES = 64 * 1024;

/** Room for the length of a body and the end of the head. */
const LENGTH_ROOM = 48;

/** Methods whose requests say that they have no body: others never have one. */
const SAY_EMPTY = new Set(["POST", "PUT", "PATCH"]);

const utf8 = new TextEncoder();

/** A request ready to be written. */
export interface EncodedRequest {
  /** Its head, and its body where that isn't in {@linkcode EncodedRequest.rest}. */
  readonly bytes: Uint8Array;
  /** What follows. */
  readonly rest: Uint8Array | undefined;
}

/** Encodes the requests of one connection, one after the other, into the same memory. */
export class RequestEncoder {
  #memory = new Uint8Array(2_048);

  /**
   * Encode a request. Good until the next call.
   *
   * @param start Request line and `host`, each with its line break.
   */
  encode(start: string, { method, headers, body }: HttpRequest): EncodedRequest {
    let head = start;
    for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
    if (body === undefined) {
      const length = SAY_EMPTY.has(method) ? "content-length: 0\r\n\r\n" : "\r\n";
      return { bytes: this.#join(head, length, undefined), rest: undefined };
    }
    if (typeof body === "string" && body.length <= COPIED_BYTES) {
      return { bytes: this.#join(head, undefined, body), rest: undefined };
    }
    const rest = typeof body === "string" ? utf8.encode(body) : body;
    const length = `content-length: ${rest.length}\r\n\r\n`;
    return rest.length <= COPIED_BYTES
      ? { bytes: this.#withBytes(head + length, rest), rest: undefined }
      : { bytes: this.#join(head, length, undefined), rest };
  }

  /** A head and a text. How long that is in UTF-8 is known once it is: so it comes first. */
  #join(head: string, end: string | undefined, body: string | undefined): Uint8Array {
    const at = head.length + (end?.length ?? LENGTH_ROOM);
    const memory = this.#room(at + 3 * (body?.length ?? 0));
    const length = body === undefined ? 0 : utf8.encodeInto(body, memory.subarray(at)).written;
    const whole = head + (end ?? `content-length: ${length}\r\n\r\n`);
    const start = at - whole.length;
    latin1(whole, memory.subarray(start, at));
    return memory.subarray(start, at + length);
  }

  #withBytes(head: string, body: Uint8Array): Uint8Array {
    const memory = this.#room(head.length + body.length);
    latin1(head, memory);
    memory.set(body, head.length);
    return memory.subarray(0, head.length + body.length);
  }

  #room(length: number): Uint8Array {
    if (length <= this.#memory.length) return this.#memory;
    const larger = new Uint8Array(Math.max(length, 2 * this.#memory.length));
    if (larger.length <= KEPT_BYTES) this.#memory = larger;
    return larger;
  }
}

/** One byte a character. */
function latin1(text: string, into: Uint8Array): void {
  // what is ASCII is the same in UTF-8, and else it is longer and doesn't fit
  const { read, written } = utf8.encodeInto(text, into);
  if (read === text.length && written === read) return;
  for (let at = 0; at < text.length; at++) into[at] = text.charCodeAt(at);
}
