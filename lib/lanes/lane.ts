/**
 * A lane: what a consumer knows of one destination, and whether one more request may go there now.
 *
 * Four limits, each of which alone can say no:
 *
 * - **Breaker.** Five failures of the destination in a row, of more than one event, open it:
 *   nothing is sent but one probe at a time, after pauses that double from 1 s to 60 s. The first
 *   success closes it. Refusals of single events say nothing about their destination, and neither
 *   does one event that fails for ever: it has pauses of its own.
 * - **Ramp.** After an outage the rate starts at 10 a second and doubles every 5 s, so that the
 *   backlog doesn't arrive at once.
 * - **Concurrency.** Starts at 16. Each answer that comes as fast as before adds one request in
 *   flight, and once that had to be cut, one for each round of answers. A time-out, 429 or 503
 *   halves it, once a round. A fixed number switches this off.
 * - **Rate.** An upper limit per second, when one is set.
 *
 * And two words from outside: until when the endpoint asked to be left alone, and whether an
 * operator holds it.
 *
 * Pure: time and chance are arguments, all times in ms of the monotonic clock.
 *
 * @module
 */

/** What an attempt said about its destination. */
export type Verdict =
  /** It works. */
  | "success"
  /** It has too much to do: time-out, 429, 503. */
  | "overload"
  /** It doesn't work. */
  | "failure"
  /** Nothing: the event was refused, or the attempt called off. */
  | "nothing";

/** A change worth a line in the log. */
export type LaneChange = "opened" | "probing" | "recovered";

/** How a lane is limited. */
export interface LaneLimits {
  /** Requests in flight at most. */
  readonly most: number;
  /** Requests in flight, always; `undefined` to adapt. */
  readonly fixed: number | undefined;
  /** Requests a second at most; `Infinity` for no limit. */
  readonly ratePerSecond: number;
}

/** Failures in a row that open the breaker. */
const FAILURES_TO_OPEN = 5;

/** The first pause before a probe, which doubles up to the longest. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * By how much chance lengthens a pause: consumers that lost a destination together don't come back
 * together.
 */
const PAUSE_JITTER = 0.25;

/**
 * Closed for this long, a lane has forgotten its outages: the next one begins with the first pause
 * again.
 */
const FORGET_MS = 60_000;

/** Concurrency of a lane nobody has answered on yet. */
const FIRST_LIMIT = 16;

/** An answer is as fast as before within twice the best time and this. */
const SLACK_MS = 100;

/** How long the best time counts. */
const BEST_MS = 60_000;

/** The ramp after an outage: requests a second at its start, and in which time they double. */
const RAMP_START_PER_SECOND = 10;
const RAMP_DOUBLING_MS = 5_000;

/** When the ramp is over: 20 doublings are more than any endpoint takes. */
const RAMP_LENGTH_MS = 20 * RAMP_DOUBLING_MS;

/** How much of a second's requests may go at once. */
const BURST_SHARE = 0.1;

/** Tokens that come in at a rate which may change, and are spent one a request. */
class Bucket {
  #tokens = 1;
  #atMs: number;
  readonly #ratePerSecond: (nowMs: number) => number;

  constructor(nowMs: number, ratePerSecond: (nowMs: number) => number) {
    this.#atMs = nowMs;
    this.#ratePerSecond = ratePerSecond;
  }

  #fill(nowMs: number): void {
    // The rate may double meanwhile, so a long step is taken in short ones.
    while (this.#atMs < nowMs) {
      const stepMs = Math.min(nowMs - this.#atMs, 1_000);
      const rate = this.#ratePerSecond(this.#atMs);
      this.#tokens = Math.min(
        Math.max(1, rate * BURST_SHARE),
        this.#tokens + rate * stepMs / 1_000,
      );
      this.#atMs += stepMs;
      if (nowMs - this.#atMs > RAMP_LENGTH_MS) this.#atMs = nowMs - RAMP_LENGTH_MS;
    }
  }

  /** When there is a token, at `nowMs` or later. */
  readyMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#tokens >= 1
      ? nowMs
      : nowMs + (1 - this.#tokens) * 1_000 / this.#ratePerSecond(nowMs);
  }

  spend(nowMs: number): void {
    this.#fill(nowMs);
    this.#tokens--;
  }
}

/** One destination. */
export class Lane {
  readonly #limits: LaneLimits;
  #state: "closed" | "open" | "probing" = "closed";
  #failures = 0;
  /** Whose failure was the first in a row; `null` once others have failed as well. */
  #failedEvent: string | null | undefined;
  #trips = 0;
  #probeAtMs = 0;
  #closedAtMs = 0;
  #heldUntilMs = 0;
  #limit: number;
  #isStarting = true;
  #cutAtMs = -Infinity;
  #bestMs = Infinity;
  #bestAtMs = -Infinity;
  #ramp: { bucket: Bucket; untilMs: number } | undefined;
  readonly #rate: Bucket | undefined;
  #inFlight = 0;
  #hasAnswered = false;
  /** Held by an operator: nothing is sent. */
  isHeld = false;

  /** @param nowMs Monotonic ms. */
  constructor(limits: LaneLimits, nowMs: number) {
    this.#limits = limits;
    this.#limit = limits.fixed ?? Math.min(FIRST_LIMIT, limits.most);
    if (limits.ratePerSecond !== Infinity) {
      this.#rate = new Bucket(nowMs, () => limits.ratePerSecond);
    }
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether it has answered well, and not failed again and again since. */
  get isProven(): boolean {
    return this.#hasAnswered && this.#failures < FAILURES_TO_OPEN;
  }

  /** Whether it isn't proven, and has failed. */
  get isSuspect(): boolean {
    return this.#failures > 0 && !this.isProven;
  }

  /**
   * Whether events are better parked than waited with: nothing but a probe will be sent for a
   * while.
   */
  isClosedOff(nowMs: number): boolean {
    return this.isHeld || this.#state !== "closed" || nowMs < this.#heldUntilMs;
  }

  /** Whether the breaker is open, or waits for its probe. */
  get isDown(): boolean {
    return this.#state !== "closed";
  }

  /** The most requests in flight for now. */
  get limit(): number {
    return this.#state === "closed" ? Math.max(1, Math.floor(this.#limit)) : 1;
  }

  /**
   * When one more request may be sent as far as time goes: `nowMs` for now, `Infinity` while only
   * an operator or an answer can change that.
   */
  readyMs(nowMs: number): number {
    if (this.isHeld || this.#inFlight >= this.limit) return Infinity;
    let readyMs = Math.max(nowMs, this.#heldUntilMs);
    if (this.#state !== "closed") readyMs = Math.max(readyMs, this.#probeAtMs);
    if (this.#rate) readyMs = Math.max(readyMs, this.#rate.readyMs(nowMs));
    if (this.#ramp) readyMs = Math.max(readyMs, this.#ramp.bucket.readyMs(nowMs));
    return readyMs;
  }

  /**
   * Leave the destination alone until `untilMs`, which only ever gets later; the endpoint asked for
   * it.
   */
  holdUntil(untilMs: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs);
  }

  /** A request goes out; `readyMs` must have allowed it. */
  start(nowMs: number): LaneChange | undefined {
    this.#inFlight++;
    this.#rate?.spend(nowMs);
    if (this.#ramp && nowMs >= this.#ramp.untilMs) this.#ramp = undefined;
    this.#ramp?.bucket.spend(nowMs);
    if (this.#state !== "open") return undefined;
    this.#state = "probing";
    return "probing";
  }

  /**
   * A request has ended.
   *
   * @param ms How long it took.
   * @param random Uniform in [0, 1).
   * @param event Which event it was.
   */
  end(
    verdict: Verdict,
    ms: number,
    nowMs: number,
    random: number,
    event: string,
  ): LaneChange | undefined {
    this.#inFlight--;
    if (verdict === "success") return this.#succeed(ms, nowMs);
    if (verdict === "nothing") {
      // Ask again, with another event.
      if (this.#state === "probing" && this.#inFlight === 0) this.#state = "open";
      return undefined;
    }
    if (verdict === "overload") this.#cut(ms, nowMs);
    this.#failures++;
    if (this.#failures === 1) this.#failedEvent = event;
    else if (this.#failedEvent !== event) this.#failedEvent = null;
    const tripped = this.#state === "closed"
      ? this.#failures >= FAILURES_TO_OPEN && this.#failedEvent === null
      : this.#state === "probing";
    if (!tripped) return undefined;
    const wasClosed = this.#state === "closed";
    if (wasClosed && nowMs - this.#closedAtMs > FORGET_MS) this.#trips = 0;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#trips, 16));
    this.#trips++;
    this.#state = "open";
    this.#probeAtMs = nowMs + pauseMs * (1 + PAUSE_JITTER * random);
    return wasClosed ? "opened" : undefined;
  }

  #succeed(ms: number, nowMs: number): LaneChange | undefined {
    this.#failures = 0;
    this.#hasAnswered = true;
    this.#grow(ms, nowMs);
    if (this.#state === "closed") return undefined;
    this.#state = "closed";
    this.#closedAtMs = nowMs;
    const rate = (atMs: number) => RAMP_START_PER_SECOND * 2 ** ((atMs - nowMs) / RAMP_DOUBLING_MS);
    this.#ramp = { bucket: new Bucket(nowMs, rate), untilMs: nowMs + RAMP_LENGTH_MS };
    return "recovered";
  }

  #grow(ms: number, nowMs: number): void {
    if (this.#limits.fixed !== undefined) return;
    if (ms <= this.#bestMs || nowMs - this.#bestAtMs > BEST_MS) {
      this.#bestMs = ms;
      this.#bestAtMs = nowMs;
    }
    if (ms > 2 * this.#bestMs + SLACK_MS) return;
    const step = this.#isStarting ? 1 : 1 / this.#limit;
    this.#limit = Math.min(this.#limits.most, this.#limit + step);
  }

  #cut(ms: number, nowMs: number): void {
    // Sent before the last cut.
    if (this.#limits.fixed !== undefined || nowMs - this.#cutAtMs < ms) return;
    this.#cutAtMs = nowMs;
    this.#isStarting = false;
    this.#limit = Math.max(1, this.#limit / 2);
  }
}
