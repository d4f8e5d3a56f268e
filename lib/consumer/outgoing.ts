/**
 * One request for one or several events, and what becomes of each: their leases are made sure of,
 * the request goes out, and each event is settled by itself.
 *
 * @module
 */

import type { Attempt, Sender } from "../http/sender.ts";
import type { AnswerWriter } from "../store/store.ts";
import type { Batcher } from "./batcher.ts";
import type { Leases } from "./leases.ts";
import type { Prepared } from "./prepare.ts";
import type { Settler } from "./settle.ts";

/** What requests are made with. */
export interface OutgoingParts {
  /** Renews leases that would not outlive a request. */
  readonly leases: Leases;
  /** Sends. */
  readonly sender: Sender;
  /** Settles what came of it. */
  readonly settler: Settler;
  /** Makes one request of several events, where they are batched. */
  readonly batcher: Batcher | undefined;
}

/** What came of events that were to go out together. */
export interface Sent {
  /** The request; `undefined` when none was made. */
  readonly attempt: Attempt | undefined;
  /** Refused together, which says nothing of each: not settled. */
  readonly undecided: readonly Prepared[];
}

const NONE: readonly Prepared[] = [];

/** Sends events and settles them. */
export class Outgoing {
  readonly #leases: Leases;
  readonly #sender: Sender;
  readonly #settler: Settler;
  readonly #batcher: Batcher | undefined;
  readonly #stop: AbortSignal;

  /** @param stop Aborts when the consumer stops: nothing is sent after that. */
  constructor(parts: OutgoingParts, stop: AbortSignal) {
    this.#leases = parts.leases;
    this.#sender = parts.sender;
    this.#settler = parts.settler;
    this.#batcher = parts.batcher;
    this.#stop = stop;
  }

  /** Send events in one request and settle each. */
  async send(events: readonly Prepared[]): Promise<Sent> {
    const leased = this.#leases.ready(events);
    const ready = leased instanceof Promise ? await leased : leased;
    if (ready.length === 0) return { attempt: undefined, undecided: NONE };
    if (this.#stop.aborted) {
      await Promise.all(ready.map((event) => this.#settler.release(event)));
      return { attempt: undefined, undecided: NONE };
    }
    const answer = ready.length === 1 ? answerTo(ready[0]!) : undefined;
    const attempt = await this.#attempt(ready, answer);
    if (ready.length === 1) {
      await this.#settler.settle(ready[0]!, attempt, 1, answer);
      return { attempt, undecided: NONE };
    }
    if (isRefusalOfSeveral(attempt, ready)) return { attempt, undecided: ready };
    // Each on its own: none dies for another's sake.
    await Promise.all(ready.map((event) => this.#settler.settle(event, attempt, ready.length)));
    return { attempt, undecided: NONE };
  }

  #attempt(events: readonly Prepared[], answer: AnswerWriter | undefined): Promise<Attempt> {
    const [event] = events as [Prepared];
    if (events.length > 1) return this.#attemptMerged(events);
    return this.#sender.send(event.request, event.claim.id, answer);
  }

  async #attemptMerged(events: readonly Prepared[]): Promise<Attempt> {
    const { request, key } = await this.#batcher!.batchOf(events);
    return await this.#sender.send(request, key);
  }

  /** Put back an event that was not sent. */
  release(event: Prepared): Promise<void> {
    return this.#settler.release(event);
  }

  /** Call off what is in flight. */
  abort(): void {
    this.#sender.abortAll();
  }

  /** Let go of what is held of the runtime. Nothing may be in flight. */
  close(): void {
    this.#sender.close();
  }
}

/** Where the answer to an event is kept, when it is one that asks for something. */
function answerTo({ claim, request }: Prepared): AnswerWriter | undefined {
  return request.method === "GET" ? claim.answer() : undefined;
}

/** The outcomes of which an event dies. Of several it is asked first which one is meant. */
const IS_DEADLY: Readonly<Record<Attempt["outcome"], boolean>> = {
  delivered: false,
  deferred: false,
  refused: true,
  aborted: false,
  crowded: false,
};

/** A refusal of several events settles none of them: it says nothing of each. */
function isRefusalOfSeveral({ outcome, status }: Attempt, events: readonly Prepared[]): boolean {
  return IS_DEADLY[outcome] && status !== undefined && events.length > 1;
}
