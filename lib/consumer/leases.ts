/**
 * A request starts only while the lease of each of its events outlives the time limit of an
 * attempt; otherwise the lease is renewed first. An event that was taken over says before that it
 * is being sent, so that another death counts against it and not against those that wait.
 *
 * @module
 */

import { LEASE_MARGIN_MS } from "../store/limits.ts";
import type { World } from "../store/store.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { LiveOfDestinations } from "../config/settings.ts";
import type { Prepared } from "./prepare.ts";
import type { Settler } from "./settle.ts";

/** How often leases are renewed that ran down while others were. */
const MOST_RENEWALS = 3;

/** Keeps the leases of events that are about to be sent. */
export class Leases {
  readonly #options: LiveOfDestinations<ConsumerSettings>;
  readonly #world: World;
  readonly #settler: Settler;

  /** @param settler Told of events that can't be sent. */
  constructor(options: LiveOfDestinations<ConsumerSettings>, world: World, settler: Settler) {
    this.#options = options;
    this.#world = world;
    this.#settler = settler;
  }

  /** Those whose leases all outlive an attempt that begins now; the others are settled. */
  ready(events: readonly Prepared[]): readonly Prepared[] | Promise<readonly Prepared[]> {
    const isReady = events.every((event) => event.claim.takeovers === 0 && this.#outlives(event));
    return isReady ? events : this.#renewed(events);
  }

  async #renewed(events: readonly Prepared[]): Promise<readonly Prepared[]> {
    let ready = events;
    for (let times = 0; times < MOST_RENEWALS; times++) {
      const kept = await Promise.all(ready.map((event) => this.#isKept(event)));
      ready = ready.filter((_, n) => kept[n]);
      if (ready.every((event) => this.#outlives(event))) return await this.#begun(ready);
    }
    const late = ready.filter((event) => !this.#outlives(event));
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
    if (this.#outlives(event)) return true;
    const fate = await event.claim.renew();
    if (fate !== "done") this.#settler.unsent(event, fate);
    return fate === "done";
  }

  #outlives({ claim, request }: Prepared): boolean {
    const { timeoutMs } = this.#options.of(request.url.origin);
    return this.#world.clock.now() + timeoutMs + LEASE_MARGIN_MS <= claim.leaseEndMs;
  }
}
