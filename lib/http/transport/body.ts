/**
 * The body of an answer, as it comes over a connection: its framing is taken off, and it is handed
 * on piece by piece.
 *
 * @module
 */

import type { Awaitable } from "../../runtime/runtime.ts";
import { type Framing, framingOf } from "../../wire/framing.ts";
import type { AnswerHead } from "./answer_head.ts";
import type { AnswerBody } from "./transport.ts";

/** Most of a chunked body that is taken out of its chunks at once. */
const PIECE_BYTES = 16 * 1024;

/** Where a body comes from. */
export interface BodySource {
  /** Bytes that have come and weren't taken. */
  readonly buffered: Uint8Array;
  /** So many of them have been taken. */
  took(count: number): void;
  /** All that has come was taken: more is wanted. */
  more(): void;
  /** It is whole, and was read. */
  bodyEnded(): void;
  /** Nobody wants the rest. */
  bodyCancelled(): void;
  /** It is framed wrongly. */
  bodyFailed(error: unknown): void;
}

interface Reader {
  readonly resolve: (piece: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** The body of one answer. */
export class Body implements AnswerBody {
  /** Whether it ends when the connection does. */
  readonly isUntilClose: boolean;
  readonly #source: BodySource;
  readonly #chunks: Framing | undefined;
  /** How many bytes are still to come. */
  #left: number;
  #isDone = false;
  #failure: { readonly error: unknown } | undefined;
  #reader: Reader | undefined;

  constructor(source: BodySource, length: AnswerHead["length"]) {
    this.#source = source;
    this.isUntilClose = length === "until close";
    this.#chunks = length === "chunked" ? framingOf({ length }) : undefined;
    this.#left = typeof length === "number" ? length : Infinity;
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#failure) throw this.#failure.error;
    const piece = this.#next();
    if (piece !== undefined || this.#isDone) return piece;
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#source.more();
    });
  }

  cancel(): void {
    if (this.#isDone || this.#failure) return;
    this.#isDone = true;
    this.#source.bodyCancelled();
  }

  /** There is something in the source. */
  arrived(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    let piece: Uint8Array | undefined;
    try {
      piece = this.#next();
    } catch {
      return; // the reader was told
    }
    if (piece === undefined && !this.#isDone) return this.#source.more();
    this.#reader = undefined;
    reader.resolve(piece);
  }

  /** The connection has ended, and so has this. */
  end(): void {
    this.#isDone = true;
    this.#reader?.resolve(undefined);
  }

  /** It breaks off. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#reader?.reject(error);
    this.#reader = undefined;
  }

  /** What can be had at once. */
  #next(): Uint8Array | undefined {
    if (this.#isDone) return undefined;
    if (this.#left === 0 || this.#chunks?.isDone) return this.#whole();
    const { buffered } = this.#source;
    if (buffered.length === 0) return undefined;
    if (this.#chunks) return this.#unchunked(this.#chunks, buffered);
    const piece = buffered.length > this.#left ? buffered.subarray(0, this.#left) : buffered;
    this.#left -= piece.length;
    this.#source.took(piece.length);
    return piece;
  }

  #unchunked(chunks: Framing, from: Uint8Array): Uint8Array | undefined {
    const into = new Uint8Array(Math.min(from.length, PIECE_BYTES));
    let filled: number;
    try {
      const step = chunks.take(from, into);
      this.#source.took(step.used);
      filled = step.filled;
    } catch (error) {
      this.#source.bodyFailed(error);
      throw this.#failure!.error;
    }
    if (filled > 0) return into.subarray(0, filled);
    return chunks.isDone ? this.#whole() : undefined;
  }

  #whole(): undefined {
    this.#isDone = true;
    this.#source.bodyEnded();
  }
}
