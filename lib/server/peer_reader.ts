/**
 * What a peer sends, through one small buffer: heads, and bodies in pieces.
 *
 * A piece is 16 KiB long unless it is the last, however small the peer cuts what it sends, so that
 * a byte that is kept costs a byte.
 *
 * @module
 */

import type { Clock, Connection } from "../runtime/runtime.ts";
import type { Framing, Step } from "../wire/framing.ts";
import { endOfHead } from "../wire/lines.ts";
import { badRequest, BadRequestError, type Head, LONGEST_HEAD_BYTES, parseHead } from "./head.ts";

/** Longest piece of a body. */
const PIECE_BYTES = 16 * 1024;

/** Reads from one connection. One call at a time. */
export class PeerReader {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #buffer = new Uint8Array(LONGEST_HEAD_BYTES);
  #start = 0;
  #end = 0;
  #heardMs: number;
  /** The system's read that is on its way, also after it has been given up. */
  #reading: Promise<number | null> | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #isBroken = false;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#heardMs = clock.monotonic();
  }

  /** When the peer last sent something, monotonic ms. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Whether it is the peer's turn. */
  get isWaiting(): boolean {
    return this.#reject !== undefined;
  }

  /** Whether what comes can't be told apart any more, or nothing will. */
  get isBroken(): boolean {
    return this.#isBroken || this.isWaiting;
  }

  /** How many bytes are here and haven't been asked for. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** Wait no longer: what waits rejects with `error`. */
  giveUp(error: unknown): void {
    this.#reject?.(error);
  }

  /** Wait for the first byte of what comes next; `false` when nothing will. */
  async begins(): Promise<boolean> {
    return this.buffered > 0 || await this.#fill();
  }

  /**
   * The next head.
   *
   * @throws {BadRequestError} If it is wrong, too long, or ends early.
   */
  async head(): Promise<Head> {
    this.#buffer.copyWithin(0, this.#start, this.#end);
    [this.#start, this.#end] = [0, this.buffered];
    let looked = 0;
    for (;;) {
      const head = this.#wholeHead(looked);
      if (head !== undefined) return head;
      looked = this.#end;
      if (looked === this.#buffer.length) {
        throw new BadRequestError(431, `the head must be at most ${LONGEST_HEAD_BYTES} bytes long`);
      }
      if (!await this.#fill()) throw new BadRequestError(400, "the head must be whole");
    }
  }

  /** The head in the buffer, when it is whole. */
  #wholeHead(looked: number): Head | undefined {
    try {
      const end = endOfHead(this.#buffer.subarray(0, this.#end), looked);
      if (end < 0) return undefined;
      this.#start = end;
      return parseHead(this.#buffer.subarray(0, end));
    } catch (error) {
      throw badRequest(error);
    }
  }

  /**
   * The next piece of a body; empty only at its end.
   *
   * @throws {BadRequestError} If it is framed wrongly, or ends early.
   */
  async piece(framing: Framing): Promise<Uint8Array<ArrayBuffer>> {
    this.#isBroken = true; // until it is whole
    const into = new Uint8Array(Math.min(framing.most, PIECE_BYTES));
    let length = 0;
    while (!framing.isDone) {
      if (this.buffered === 0 && !await this.#fill()) {
        throw new BadRequestError(400, "the body must be whole");
      }
      const from = this.#buffer.subarray(this.#start, this.#end);
      const { used, filled } = taken(framing, from, into.subarray(length));
      this.#start += used;
      length += filled;
      if (length === into.length) break;
    }
    this.#isBroken = false;
    return length === into.length ? into : into.slice(0, length);
  }

  /** Read and drop what comes, until nothing will. */
  async toEnd(): Promise<void> {
    do this.#start = this.#end; while (await this.#fill());
  }

  /** Whether more came. */
  async #fill(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    const count = await this.#read(this.#buffer.subarray(this.#end));
    this.#heardMs = this.#clock.monotonic();
    this.#end += count ?? 0;
    return count !== null;
  }

  #read(into: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => {
      const end = () => this.#reading = this.#reject = undefined;
      this.#reject = (error) => {
        this.#reject = undefined;
        reject(error);
      };
      this.#reading ??= this.#connection.read(into);
      this.#reading.then((count) => (end(), resolve(count)), (error) => (end(), reject(error)));
    });
  }
}

function taken(framing: Framing, from: Uint8Array, into: Uint8Array): Step {
  try {
    return framing.take(from, into);
  } catch (error) {
    throw badRequest(error);
  }
}
