/**
 * One request for one or several events, and what becomes of each.
 *
 * A request starts only while the lease of each of its events outlives the time limit of an
 * attempt; otherwise the lease is renewed first. An event that was taken over says before that it
 * is being sent, so that another death counts against it and not against those that wait.
 *
 * @module
 */

import type { Attempt, Sender } from "../http/sender.ts";
import { LEASE_MARGIN_MS } from "../store/limits.ts";
import type { AnswerWriter, Claim, World } from "../store/store.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { Live } from "../config/settings.ts";
import type { Batcher } from "./batcher.ts";
import type { Prepared } from "./prepare.ts";
import type { Settler } from "./settle.ts";

/** How often leases are renewed that ran down while others were. */
const MOST_RENEWALS = 3;

/** What requests are made with. */
export interface OutgoingParts {
  /** Sends. */
  readonly sender: Sender;
  /** Settles what came of it. */
  readonly settler: Settler;
  /** Makes one request of several events, where they are batched. */
  readonly batcher: Batcher | undefined;
  /** Time. */
  readonly world: World;
}

/** What came of events that were to go out together. */
export interface Sent {
  /** The request; `undefined` when none was made. */
  readonly attempt: Attempt | undefined;
  /** Refused together, which says nothing of each: not settled. */
  readonly undecided: readonly Prepared[];
}

/** Sends events and settles them. */
export class Outgoing {
  readonly #sender: Sender;
  readonly #settler: Settler;
  readonly #batcher: Batcher | undefined;
  readonly #world: World;
  readonly #options: Live<ConsumerSettings>;
  readonly #stop: AbortSignal;

  /** @param stop Aborts when the consumer stops: nothing is sent after that. */
  constructor(parts: OutgoingParts, options: Live<ConsumerSettings>, stop: AbortSignal) {
    this.#sender = parts.sender;
    this.#settler = parts.settler;
    this.#batcher = parts.batcher;
    this.#world = parts.world;
    this.#options = options;
    this.#stop = stop;
  }

  /** Send events in one request and settle each. */
  async send(events: readonly Prepared[]): Promise<Sent> {
    const leased = this.#leased(events);
    const ready = leased instanceof Promise ? await leased : leased;
    if (ready.length === 0) return { attempt: undefined, undecided: [] };
    if (this.#stop.aborted) {
      await Promise.all(ready.map((event) => this.#settler.release(event)));
      return { attempt: undefined, undecided: [] };
    }
    const answer = ready.length === 1 ? answerTo(ready[0]!) : undefined;
    const attempt = await this.#attempt(ready, answer);
    if (isRefusalOfSeveral(attempt, ready)) return { attempt, undecided: ready };
    // Each on its own: none dies for another's sake.
    const settled = ready.map((event) =>
      this.#settler.settle(event, attempt, ready.length, answer)
    );
    await (settled.length === 1 ? settled[0] : Promise.all(settled));
    return { attempt, undecided: [] };
  }

  async #attempt(
    events: readonly Prepared[],
    answer: AnswerWriter | undefined,
  ): Promise<Attempt> {
    const [event] = events as [Prepared];
    if (events.length === 1) {
      return await this.#sender.send(event.request, event.claim.id, answer);
    }
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

  /** Those whose leases all outlive an attempt that begins now; the others are settled. */
  #leased(events: readonly Prepared[]): readonly Prepared[] | Promise<readonly Prepared[]> {
    const isReady = events.every(({ claim }) => claim.takeovers === 0 && this.#outlives(claim));
    return isReady ? events : this.#renewed(events);
  }

  async #renewed(events: readonly Prepared[]): Promise<readonly Prepared[]> {
    let ready = events;
    for (let times = 0; times < MOST_RENEWALS; times++) {
      const kept = await Promise.all(ready.map((event) => this.#isKept(event)));
      ready = ready.filter((_, n) => kept[n]);
      if (ready.every(({ claim }) => this.#outlives(claim))) return await this.#begun(ready);
    }
    const late = ready.filter(({ claim }) => !this.#outlives(claim));
    const why = "its lease can't be renewed in time";
    await Promise.all(late.map((event) => this.#settler.release(event, why)));
    return await this.#begun(ready.filter((event) => !late.includes(event)));
  }

  async #begun(events: readonly Prepared[]): Promise<readonly Prepared[]> {
    const begun = await Promise.all(events.map(async (event) => {
      const { claim } = event;
      const fate = claim.takeovers === 0 ? "done" : await claim.begin();
      if (fate !== "done") this.#settler.unsent(event, fate);
      return fate === "done";
    }));
    return events.filter((_, n) => begun[n]);
  }

  async #isKept(event: Prepared): Promise<boolean> {
    const { claim } = event;
    if (this.#outlives(claim)) return true;
    const fate = await claim.renew();
    if (fate !== "done") this.#settler.unsent(event, fate);
    return fate === "done";
  }

  #outlives({ leaseEndMs }: Claim): boolean {
    const { timeoutMs } = this.#options.current;
    return this.#world.clock.now() + timeoutMs + LEASE_MARGIN_MS <= leaseEndMs;
  }
}

/** Where the answer to an event is kept, when it is one that asks for something. */
function answerTo({ claim, request }: Prepared): AnswerWriter | undefined {
  return request.method === "GET" ? claim.answer() : undefined;
}

/** A refusal of several events settles none of them: it says nothing of each. */
function isRefusalOfSeveral({ outcome, status }: Attempt, events: readonly Prepared[]): boolean {
  return outcome === "refused" && status !== undefined && events.length > 1;
}
