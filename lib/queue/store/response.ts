/**
 * The answer to a GET on its way into `res/`: the body first, then its `.meta`, which says that the
 * body is whole.
 *
 * @module
 */

import type { AnswerWriter } from "../../store/store.ts";
import type { Claim, Queue } from "../queue.ts";

/** An answer that is being kept. */
export class ResponseFile implements AnswerWriter {
  readonly #queue: Queue;
  readonly #claim: Claim;
  readonly #chunks: Uint8Array[] = [];

  /** Nothing is written yet. */
  constructor(queue: Queue, claim: Claim) {
    this.#queue = queue;
    this.#claim = claim;
  }

  write(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
  }

  async finish(meta: Readonly<Record<string, unknown>>): Promise<void> {
    const body = new Uint8Array(this.#chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      body.set(chunk, at);
      at += chunk.length;
    }
    await this.#queue.storeResponse(this.#claim, { body, meta });
  }

  discard(): Promise<void> {
    this.#chunks.length = 0;
    return Promise.resolve();
  }
}
