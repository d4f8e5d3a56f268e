/**
 * The answer to a GET on its way into `res/`: the body as it comes, then its `.meta`, which says
 * that the body is whole.
 *
 * @module
 */

import type { AnswerWriter } from "../../store/store.ts";
import type { Claim, Queue } from "../queue.ts";

/** An answer that is being kept. */
export class ResponseFile implements AnswerWriter {
  readonly #queue: Queue;
  readonly #claim: Claim;
  /** The last part, while it may be the only one: that is written in one go with its fsync. */
  #part: Uint8Array | undefined;
  #isBegun = false;
  /** The write under way, which a time limit doesn't wait for. */
  #adding: Promise<void> | undefined;

  /** Nothing is written yet. */
  constructor(queue: Queue, claim: Claim) {
    this.#queue = queue;
    this.#claim = claim;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const part = this.#part;
    this.#part = bytes;
    if (part) await this.#add(part);
  }

  #add(part: Uint8Array): Promise<void> {
    const isFirst = !this.#isBegun;
    this.#isBegun = true;
    return this.#adding = this.#queue.addToResponse(this.#claim, part, isFirst);
  }

  async finish(meta: Readonly<Record<string, unknown>>): Promise<void> {
    const part = this.#part ?? new Uint8Array();
    this.#part = undefined;
    if (!this.#isBegun) return await this.#queue.storeResponse(this.#claim, { body: part, meta });
    await this.#add(part);
    await this.#queue.finishResponse(this.#claim, meta);
  }

  async discard(): Promise<void> {
    this.#part = undefined;
    if (!this.#isBegun) return;
    await this.#adding?.catch(() => {});
    await this.#queue.dropResponse(this.#claim);
  }
}
