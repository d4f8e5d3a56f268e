/**
 * How a claim ends, and telling it: every outcome of an attempt, and every reason not to attempt
 * one, has its line here. A new outcome doesn't compile until it has one.
 *
 * @module
 */

import { givesUp, retryDelayMs } from "../http/schedule.ts";
import type { Attempt } from "../http/sender.ts";
import { errorCode } from "../runtime/runtime.ts";
import { type Budget, memoryFor } from "../store/budget.ts";
import type { AnswerWriter, Claim, Reason, Settled, World } from "../store/store.ts";
import type { LeaseLost, Trace } from "../telemetry/trace.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { LiveOfDestinations } from "../config/settings.ts";
import type { Prepared, Rejection } from "./prepare.ts";

/** What events are said to wait for whose own destination isn't known. */
const NO_DESTINATION = "others";

/** How long an event is left alone that there was no connection for. */
const CROWDED_PAUSE_MS = 1_000;

/** Settles claims. */
export class Settler {
  readonly #options: LiveOfDestinations<ConsumerSettings>;
  readonly #world: World;
  readonly #trace: Trace;
  readonly #budget: Budget;

  /**
   * @param trace Told how each event ends.
   * @param budget Gets back the memory of each prepared event.
   */
  constructor(
    options: LiveOfDestinations<ConsumerSettings>,
    world: World,
    trace: Trace,
    budget: Budget,
  ) {
    this.#options = options;
    this.#world = world;
    this.#trace = trace;
    this.#budget = budget;
  }

  /**
   * @param merged How many events shared the attempt.
   * @param answer Where its answer has gone, when that is to be kept.
   */
  settle(
    event: Prepared,
    attempt: Attempt,
    merged = 1,
    answer?: AnswerWriter,
  ): Promise<void> {
    this.#forget(event);
    return answer
      ? this.#settleAnswer(event, attempt, answer)
      : this.#settle(event, attempt, merged);
  }

  /** Its bytes are of no use any more. */
  #forget({ bytes }: Prepared): void {
    this.#budget.give(memoryFor(bytes));
  }

  #settle(event: Prepared, attempt: Attempt, merged: number): Promise<void> {
    const { outcome } = attempt;
    switch (outcome) {
      case "delivered":
        return this.#complete(event, attempt, merged);
      case "deferred":
        return this.#retry(event, attempt, merged);
      case "refused":
        return this.#bury(
          event.claim,
          reasonOf(outcome, attempt, event.destination),
          attempt.ms,
          merged,
        );
      case "aborted":
        return this.#release(event.claim, "the consumer is stopping", 0, true);
      case "crowded":
        return this.#release(event.claim, attempt.reason, CROWDED_PAUSE_MS, false);
      default:
        return unhandled(outcome);
    }
  }

  /** Settle what can't be sent. */
  reject(claim: Claim, rejection: Rejection): Promise<void> {
    switch (rejection.kind) {
      case "lost":
        return Promise.resolve(this.#lost(claim, "read"));
      case "crowded":
      case "released":
        return this.#release(claim, rejection.reason, rejection.pauseMs, false);
      case "deferred":
        return this.#defer(claim, undefined, rejection, this.#options.current);
      case "refused":
        return this.#bury(claim, {
          outcome: "refused",
          reason: rejection.reason,
          destination: rejection.destination,
        });
      default:
        return unhandled(rejection);
    }
  }

  /** Put a prepared event back, unsent. */
  release(event: Prepared, reason = "the consumer is stopping"): Promise<void> {
    this.#forget(event);
    return this.#release(event.claim, reason, 0, false);
  }

  /** Let a prepared event wait, unsent, for its destination: ready in `pauseMs` at best. */
  async park(event: Prepared, pauseMs: number): Promise<void> {
    this.#forget(event);
    const { claim, destination } = event;
    const settled = await claim.park(destination, pauseMs);
    this.#tell(claim, "defer", settled, () => {
      this.#trace({ type: "parked", id: claim.id, destination });
    });
  }

  /**
   * Give a prepared event up that has waited too long for its destination.
   *
   * @returns `false` when it has not.
   */
  async expire(event: Prepared, why: string): Promise<boolean> {
    const { claim, destination } = event;
    const ageMs = this.#ageMs(claim);
    if (ageMs < this.#optionsOf(event).maxAgeMs) return false;
    this.#forget(event);
    const waited = ageMs === Infinity
      ? "its dates lie in the future, so nobody knows how long it has waited"
      : `it has waited for ${Math.round(ageMs / 3_600_000)} h`;
    const reason = `${waited} for its destination, which is down: ${why}`;
    await this.#bury(claim, { outcome: "deferred", reason, destination });
    return true;
  }

  /** Tell that a lease was lost, or kept by a disk that refuses, before its event was sent. */
  unsent(event: Prepared, fate: "lost" | "kept"): void {
    this.#forget(event);
    this.unread(event.claim, fate);
  }

  /** Tell the same of a claim that was not read. */
  unread(claim: Claim, fate: "lost" | "kept"): void {
    if (fate === "lost") this.#lost(claim, "renew");
    else this.#trace({ type: "kept", id: claim.id });
  }

  /** An answer is kept, whole, before its event is removed. */
  async #settleAnswer(event: Prepared, attempt: Attempt, answer: AnswerWriter): Promise<void> {
    const { response } = attempt;
    if (attempt.outcome !== "delivered" || !response) {
      await answer.discard();
      if (attempt.error !== undefined) this.#unkept(event.claim, attempt.error);
      return await this.#settle(event, attempt, 1);
    }
    try {
      await answer.finish(response.meta);
    } catch (error) {
      const code = this.#unkept(event.claim, error);
      await answer.discard();
      const { response: _, ...failed } = attempt;
      const reason = `the response can't be written to res/: ${code}`;
      return await this.#retry(event, { ...failed, outcome: "deferred", reason }, 1);
    }
    await this.#complete(event, attempt, 1);
  }

  /** Tell that an answer can't be kept; anything but the disk's error is a bug and thrown on. */
  #unkept({ id }: Claim, error: unknown): string {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const reason = "asked again later";
    this.#trace({ type: "disk-trouble", verb: "store response", code, reason, id });
    return code;
  }

  async #complete({ claim, destination }: Prepared, attempt: Attempt, merged: number) {
    const { id } = claim;
    this.#trace({
      type: "delivered",
      id,
      destination,
      status: attempt.status ?? 0,
      attempt: claim.attempt,
      ms: attempt.ms,
      ...(merged > 1 ? { merged } : {}),
    });
    if (await claim.complete() === "lost") this.#lost(claim, "complete");
  }

  async #retry(event: Prepared, attempt: Attempt, merged: number): Promise<void> {
    const { claim, destination } = event;
    const options = this.#optionsOf(event);
    const { maxAttempts, maxAgeMs } = options;
    const ageMs = this.#ageMs(claim);
    const givenUp = givesUp({ attempt: claim.attempt, ageMs, maxAttempts, maxAgeMs });
    if (givenUp === undefined) {
      return await this.#defer(claim, destination, attempt, options, merged);
    }
    const reason = `${givenUp}; the last answer: ${attempt.reason}`;
    await this.#bury(
      claim,
      { ...reasonOf("deferred", attempt, destination), reason },
      attempt.ms,
      merged,
    );
  }

  #optionsOf({ request }: Prepared): ConsumerSettings {
    return this.#options.of(request.url.origin);
  }

  #ageMs({ enqueuedMs }: Claim): number {
    return this.#world.clock.now() - enqueuedMs;
  }

  async #defer(
    claim: Claim,
    destination: string | undefined,
    failed: { readonly reason: string } & Partial<Attempt>,
    { backoffBaseMs: baseMs, backoffCapMs: capMs }: ConsumerSettings,
    merged = 1,
  ): Promise<void> {
    const { reason, status, reach, retryAfterMs, ms = 0 } = failed;
    const random = this.#world.random();
    const delayMs = retryDelayMs({ attempt: claim.attempt, random, baseMs, capMs, retryAfterMs });
    const dueMs = this.#world.clock.now() + delayMs;
    const settled = await claim.defer(destination, dueMs);
    this.#tell(claim, "defer", settled, () => {
      this.#trace({
        type: "deferred",
        id: claim.id,
        destination: destination ?? NO_DESTINATION,
        attempt: claim.attempt,
        ms,
        reason,
        dueMs,
        ...(merged > 1 ? { merged } : {}),
        ...(status === undefined ? {} : { status }),
        ...(reach === undefined ? {} : { reach }),
      });
    });
  }

  async #bury(claim: Claim, why: Reason, ms = 0, merged = 1): Promise<void> {
    const dueMs = this.#world.clock.now() + this.#options.current.backoffCapMs;
    const settled = await claim.bury(why, dueMs);
    this.#tell(claim, "bury", settled, () => {
      const { status, reach, destination, reason } = why;
      this.#trace({
        type: "dead",
        id: claim.id,
        attempt: claim.attempt,
        ms,
        reason,
        ...(status === undefined ? {} : { status }),
        ...(reach === undefined ? {} : { reach }),
        ...(destination === undefined ? {} : { destination }),
        ...(merged > 1 ? { merged } : {}),
      });
    });
  }

  async #release(claim: Claim, reason: string, pauseMs: number, sent: boolean): Promise<void> {
    const { id } = claim;
    const dueMs = this.#world.clock.now() + pauseMs;
    const settled = await claim.release(dueMs, sent);
    this.#tell(claim, "release", settled, () => {
      this.#trace({ type: "released", id, reason, dueMs });
    });
  }

  #tell(claim: Claim, verb: LeaseLost["verb"], settled: Settled, done: () => void): void {
    const { id } = claim;
    switch (settled) {
      case "done":
        return done();
      case "lost":
        return this.#lost(claim, verb);
      case "returned": {
        const reason = `the disk refused to ${verb} it`;
        return this.#trace({ type: "released", id, reason, dueMs: this.#world.clock.now() });
      }
      case "kept":
        return this.#trace({ type: "kept", id });
      default:
        return unhandled(settled);
    }
  }

  #lost({ id }: Claim, verb: LeaseLost["verb"]): void {
    this.#trace({ type: "lease-lost", id, verb });
  }
}

function reasonOf(outcome: Reason["outcome"], attempt: Attempt, destination: string): Reason {
  const { reason, status, reach, answer } = attempt;
  return { outcome, status, reach, reason, destination, answer };
}

/** Not reached: what isn't handled above doesn't compile. */
function unhandled(value: never): never {
  throw new TypeError(`Cannot settle: there is no rule for ${JSON.stringify(value)}`);
}
