/**
 * Collects the body of a request, each byte taken from a budget before it is kept.
 *
 * @module
 */

import type { Budget } from "./budget.ts";

/** Why a body was not collected. */
export type Uncollected = "too large" | "no memory";

/** What was collected of a body; must be let go of. */
export class Body {
  readonly #memory: Budget;
  #pieces: Uint8Array[] = [];
  #length = 0;

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
    // nothing is reserved for a body that may never come, but what can't fit needn't be sent
    if (!this.#memory.take(announced)) return "no memory";
    this.#memory.give(announced);
    for await (const piece of body ?? []) {
      if (this.#length + piece.length > most) return "too large";
      if (!this.#memory.take(piece.length)) return "no memory";
      this.#pieces.push(piece);
      this.#length += piece.length;
    }
    return undefined;
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
    this.#memory.give(this.#length);
    this.#length = 0;
    this.#pieces = [];
  }
}
