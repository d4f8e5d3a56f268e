/**
 * Collects the body of a request, each byte taken from a budget before it is kept.
 *
 * The whole of a body whose length is announced is taken when its first piece is here: not before,
 * or heads alone could exhaust the budget; not piece by piece, or many at once would each get half.
 * Long bodies leave some of the budget to short ones, so that ordinary events go on being taken
 * while somebody sends large ones without end.
 *
 * @module
 */

import type { Budget } from "../store/budget.ts";

/** Why a body was not collected. */
export type Uncollected = "too large" | "no memory";

/** A body that is longer than this leaves {@linkcode LEFT_BYTES} of the budget to others. */
const SHORT_BYTES = 64 * 1024;
const LEFT_BYTES = 1024 * 1024;

/** What was collected of a body; must be let go of. */
export class Body {
  readonly #memory: Budget;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #taken = 0;

  constructor(memory: Budget) {
    this.#memory = memory;
  }

  /**
   * Collect all of it, at most `most` bytes.
   *
   * @returns Why that can't be; `undefined` when it is here.
   * @throws What the request's body throws.
   */
  async collect({ body, headers }: Request, most: number): Promise<Uncollected | undefined> {
    const announced = Number(headers.get("content-length") ?? 0);
    if (announced > most) return "too large";
    if (!this.#take(announced)) return "no memory"; // what can't fit needn't be sent
    this.#giveBack();
    for await (const piece of body ?? []) {
      this.#length += piece.length;
      if (this.#length > most) return "too large";
      if (!this.#take(Math.max(this.#length, announced))) return "no memory";
      this.#pieces.push(piece);
    }
    return undefined;
  }

  /** Take what is missing to so many bytes. */
  #take(bytes: number): boolean {
    const missing = Math.max(bytes - this.#taken, 0);
    const left = bytes > SHORT_BYTES ? LEFT_BYTES : 0;
    if (missing === 0) return true;
    if (!this.#memory.take(missing + left)) return false;
    this.#memory.give(left);
    this.#taken += missing;
    return true;
  }

  #giveBack(): void {
    this.#memory.give(this.#taken);
    this.#taken = 0;
  }

  /**
   * Take its text out; the bytes are still counted as kept, for what is made of the text.
   *
   * @throws {TypeError} If it isn't UTF-8.
   */
  takeText(): string {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const pieces = this.#pieces;
    this.#pieces = [];
    if (pieces.length === 1) return decoder.decode(pieces[0]!);
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return decoder.decode(bytes);
  }

  /** Give back what was taken. */
  release(): void {
    this.#giveBack();
    this.#pieces = [];
  }
}
