/**
 * What a consumer needs of a place that holds events: to find what is due, to claim it, to settle
 * each claim, and to leave word about destinations for other consumers.
 *
 * Interfaces only. `lib/queue/store/` implements them on a maildir; the tests have a small one in
 * memory; one suite of sentences, `tests/store/conformance.ts`, holds for all of them. A store
 * reports what its disk or its server refuses to the trace itself, and answers with what that means
 * for the event; it throws {@linkcode DiskFailure} only when nothing works any more.
 *
 * The life of an event, as seen from here:
 *
 *     candidates ─► claim ─► read ─► (begin) ─► settled by exactly one of
 *                                      complete   it is delivered: gone, or kept out of the way
 *                                      defer      again at a later time, the attempt counts
 *                                      park       again later, unsent: the attempt is given back
 *                                      bury       dead, with the reason
 *                                      release    ready again, from a time on
 *
 * @module
 */

import type { Awaitable, Runtime } from "../runtime/runtime.ts";
import type { Trace, TraceEvent } from "../telemetry/trace.ts";
import type { DiskFailure } from "./failure.ts";

/** What a consumer needs of the world besides its store. */
export type World = Pick<
  Runtime,
  | "clock"
  | "closeIdle"
  | "decodes"
  | "fetch"
  | "gzip"
  | "hmacSha256"
  | "mayReach"
  | "memoryBytes"
  | "random"
  | "sha256"
>;

/** An event that is due and may be claimed. What it is made of is the store's. */
export interface Candidate {
  /** Where it is, for people. */
  readonly folder: string;
  /** Its name there. */
  readonly name: string;
}

/** What became of a claim that was to be settled. */
export type Settled =
  /** It is where it should be. */
  | "done"
  /** The lease was lost: another consumer has the event; nothing was touched. */
  | "lost"
  /** Refused; the event is ready again, from its due time on. */
  | "returned"
  /** Refused, and that too; the claim stays and the end of its lease is the retry. */
  | "kept";

/** The content of an event, or what its way is without it. */
export type Content =
  /** What the producer wrote. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly mayBeUnfinished: boolean }
  /** Another consumer has it. */
  | { readonly kind: "lost" }
  /** Too many files or connections are open here: it is tried again soon, fewer at a time. */
  | { readonly kind: "crowded"; readonly reason: string; readonly pauseMs: number }
  /** It can't be read now, and may be later. */
  | { readonly kind: "deferred"; readonly reason: string }
  /** It is no event, or may still be being written: put back for a while. */
  | { readonly kind: "released"; readonly reason: string; readonly pauseMs: number }
  /** It never will be readable. */
  | { readonly kind: "refused"; readonly reason: string };

/** Why an event died. */
export interface Reason {
  /** In which outcome its last attempt ended. */
  readonly outcome: "deferred" | "refused";
  /** One sentence somebody can act on. */
  readonly reason: string;
  /** The destination's label. */
  readonly destination?: string | undefined;
  /** HTTP status of the last answer. */
  readonly status?: number | undefined;
  /**
   * Where there was no answer: whether the request was certainly not sent, or may have been taken.
   * Missing where nobody knows.
   */
  readonly reach?: "unsent" | "unanswered" | undefined;
  /** The first kilobyte of the last answer. */
  readonly answer?: string | undefined;
}

/** Where the answer to a GET is kept while it comes. */
export interface AnswerWriter {
  /**
   * Add to the body.
   *
   * @throws The store's error; {@linkcode AnswerWriter.discard} it then.
   */
  write(bytes: Uint8Array): Awaitable<void>;
  /**
   * The body is whole: keep it, with what is known of it.
   *
   * @throws The store's error; nothing of the answer is left then.
   */
  finish(meta: Readonly<Record<string, unknown>>): Promise<void>;
  /** Nothing of it is wanted. */
  discard(): Promise<void>;
}

/**
 * An event that is this consumer's, until somebody else takes it over, which nobody does before its
 * lease has ended unless this consumer is dead.
 *
 * It is settled once. Whatever else is asked of it then is `"lost"`.
 */
export interface Claim {
  /** The event's id. */
  readonly id: string;
  /** Attempts begun, this one included. */
  readonly attempt: number;
  /** Until when nobody else may take it, Unix ms. */
  readonly leaseEndMs: number;
  /**
   * How many consumers in a row have died while it was being sent; of the first it isn't known
   * whether it was. 0 again once a consumer has begun it and not died.
   */
  readonly takeovers: number;
  /**
   * When it was put on the queue, or back on it, Unix ms; known once it has been read. `-Infinity`
   * when nothing tells that can be believed: what is dated in the future would never be too old.
   */
  readonly enqueuedMs: number;
  /** How many bytes {@linkcode Claim.read} would read, at most: 0 for what is at hand. */
  readonly unreadBytes: number;
  /** Its content. A promise only when the store has to be asked. */
  read(): Content | Promise<Content>;
  /** Start the lease anew. `"kept"`: refused, so it can't be sent now. */
  renew(): Promise<"done" | "lost" | "kept">;
  /**
   * Before it is sent, when {@linkcode Claim.takeovers} is not 0: should this consumer die now, the
   * event is one of those to blame.
   */
  begin(): Promise<"done" | "lost" | "kept">;
  /** After {@linkcode Claim.begin}: it waits after all, and isn't to blame for what comes. */
  setAside(): Promise<"done" | "lost" | "kept">;
  /** It is delivered. `"kept"`: its removal is tried again by the store itself. */
  complete(): Promise<"done" | "lost" | "kept">;
  /**
   * Let it wait for its next attempt until `dueMs`, Unix ms. It is offered by
   * {@linkcode Store.nextDue} then, or, where that destination has no backlog of its own, by
   * {@linkcode Store.candidates}.
   *
   * @param destination Its label; `undefined` when it isn't known.
   */
  defer(destination: string | undefined, dueMs: number): Promise<Settled>;
  /**
   * Let it wait unsent for its destination: the attempt is given back. Where that destination has a
   * backlog of its own it is due at once, and whoever looks at the lane knows when to send it.
   *
   * @param pauseMs When the destination may be sent to again; until then it isn't offered by
   * {@linkcode Store.candidates}, or for a while at least.
   */
  park(destination: string, pauseMs: number): Promise<Settled>;
  /** Give it up, with the reason; refused, it is due again at `dueMs`, Unix ms. */
  bury(reason: Reason, dueMs: number): Promise<Settled>;
  /**
   * Put it back, not before `dueMs` (Unix ms).
   *
   * @param sent Whether the attempt was; one that was not is given back, here as in
   * {@linkcode Claim.park}, but of a claim that was taken over: nobody knows whether it was sent.
   */
  release(dueMs: number, sent: boolean): Promise<"done" | "lost" | "kept">;
  /** Begin to keep the answer it gets. */
  answer(): AnswerWriter;
}

/** What came of a candidate. */
export type Claimed =
  | Claim
  /** Somebody else has it. */
  | "gone"
  /** It can't be claimed; the store tries it again later. */
  | "resists"
  /** There is no room to claim it: try again when something has been settled. */
  | "no room";

/** What came of candidates, in the order given. */
export interface ClaimedMany {
  /** Of each. */
  readonly claimed: readonly Claimed[];
  /** Claims have been refused for so long that the consumer had better end. */
  readonly failure?: DiskFailure;
}

/**
 * The events of one destination that wait, and what others have said of it: as the last
 * {@linkcode Store.refresh} or {@linkcode Store.look} found it, and with what this consumer has
 * done since.
 */
export interface Deferred {
  /** The destination's label. */
  readonly destination: string;
  /** Whether an operator holds it. */
  readonly isHeld: boolean;
  /** Until when the endpoint asked to be left alone, Unix ms; 0 for not. */
  readonly afterMs: number;
  /** Whether some consumer says that it is down. */
  readonly isMarkedOpen: boolean;
  /** Whether some consumer says that it is struggling. */
  readonly isMarkedStruggling: boolean;
  /** Since when it was away, and may not take everything at once again, Unix ms; 0 for not. */
  readonly awaySinceMs: number;
  /**
   * When the first of them may be due, Unix ms: not later than it is; `Infinity` for none. May be
   * too early, until {@linkcode Store.nextDue} has found nothing.
   */
  readonly nextDueMs: number;
  /** No event in it has been due since before this, Unix ms; `Infinity` for none. */
  readonly oldestMs: number;
}

/** What a consumer wants of its store; may change while it works. */
export interface StoreLimits {
  /** How long a claim is exclusive. */
  readonly leaseMs: number;
  /** Largest event. */
  readonly maxBytes: number;
  /** How often to look when nothing tells of a change; what is refused is left alone as long. */
  readonly pollMs: number;
  /** How long delivered events are kept; 0: they aren't. A store may have no place for them. */
  readonly keepSentMs?: number;
  /** How long dead events are kept; 0 for as long as nobody removes them. */
  readonly keepDeadMs?: number;
  /** How long answers are kept; 0 for as long as nobody removes them. */
  readonly keepResMs?: number;
  /** How long the journal is kept; 0 for none. Means nothing to a store without one. */
  readonly keepLogMs?: number;
}

/** How a consumer uses its store. */
export interface StoreOptions {
  /** Its limits, as they are at each moment. */
  readonly limits: { readonly current: StoreLimits };
  /** Told of what is refused and of what is out of the ordinary. */
  readonly trace: Trace;
  /** Whether what is due now is offered once, and nothing after that. */
  readonly once: boolean;
}

/** Writes down what a consumer reports; nothing depends on it. */
export interface Recorder {
  /** Write it down some time soon. Never throws, and is not waited for. */
  note(event: TraceEvent): void;
  /** Write what is left; what comes later is lost. Never rejects. */
  close(): Promise<void>;
}

/** A place that events are kept in. */
export interface Storage {
  /** The world it is in. */
  readonly world: World;
  /** What one consumer uses it through. Nothing is done yet. */
  connect(options: StoreOptions): Store;
  /** What a consumer's journal is kept in; missing where a storage has no place for one. */
  readonly journal?: (options: Pick<StoreOptions, "limits" | "trace">) => Recorder;
}

/** A consumer's way to its events. */
export interface Store {
  /**
   * Announce this consumer to its peers.
   *
   * @throws The store's error, when it isn't fit to be used.
   */
  open(): Promise<void>;
  /** The consumer stops: nothing is waited for longer than this any more, while it is silent. */
  limitWait(ms: number): void;
  /**
   * Take leave of the peers, and take back what was said by {@linkcode Store.markOpen} and
   * {@linkcode Store.markStruggling}. All claims must be settled; nothing may be claimed any more.
   */
  close(): Promise<void>;

  /**
   * What is due of destinations that have no backlog of their own here, and claims nobody works on
   * any more: at most `most`, the oldest first as far as the store looks ahead. What is offered and
   * not claimed is offered again later.
   *
   * None, although the store may be asked: there is nothing before {@linkcode Store.restUntilMs}.
   *
   * @param mayWait Whether the store may be asked; otherwise only what is at hand is returned, and
   * not as a promise.
   */
  candidates(most: number, mayWait: boolean): readonly Candidate[] | Promise<readonly Candidate[]>;
  /**
   * When there may be new candidates, monotonic ms; the past when there may be some now. As far as
   * this consumer can know: others may put something in at any time, see {@linkcode Store.watch}.
   */
  readonly restUntilMs: number;
  /** Whether everything that was due has been offered once. */
  readonly hasOfferedAll: boolean;
  /** Claim candidates side by side. Each that is claimed begins an attempt, which is counted. */
  claim(candidates: readonly Candidate[]): Promise<ClaimedMany>;

  /**
   * The destinations that events wait for, or that others have left word about. It may change while
   * it is gone through: copy it before anything is waited for.
   */
  readonly deferred: Iterable<Deferred>;
  /** One of them, by its label. */
  deferredOf(destination: string): Deferred | undefined;
  /**
   * Whether events of a destination may be due that this run is to send. A guess, as
   * {@linkcode Deferred.nextDueMs} is: `true` may be too early, `false` is not too late.
   */
  hasDue(deferred: Deferred): boolean;
  /**
   * The next event of a destination that is due. To be claimed before another is asked for, or it
   * may come again.
   */
  nextDue(deferred: Deferred): Promise<Candidate | undefined>;

  /**
   * Look at what others may have changed. Refusals are reported, and looked at again later. What
   * others add to a backlog that is known may take a minute to be seen.
   */
  refresh(): Promise<void>;
  /** Look at what others have said of a destination just now; `undefined` for nothing at all. */
  look(destination: string): Promise<Deferred | undefined>;
  /**
   * Tell everybody to leave a destination alone until then, Unix ms, also after a restart. Of two
   * such times the later one counts.
   */
  markAfter(destination: string, untilMs: number): Promise<void>;
  /**
   * Tell that the destination is down, and why: until {@linkcode Store.unmarkOpen} or
   * {@linkcode Store.close}. It may be forgotten when no event waits for the destination.
   */
  markOpen(destination: string, error: string): Promise<void>;
  /** The destination has answered: whoever said that it was down, it no longer is. */
  unmarkOpen(destination: string): Promise<void>;
  /**
   * Tell that a part of the requests to a destination succeeds, 0 to 1, and why the others don't:
   * until {@linkcode Store.unmarkStruggling} or {@linkcode Store.close}. What was said before is no
   * more. It may be forgotten when no event waits for the destination.
   */
  markStruggling(destination: string, share: number, error: string): Promise<void>;
  /** Nearly all requests succeed, or none: whoever said that it was struggling, it no longer is. */
  unmarkStruggling(destination: string): Promise<void>;
  /**
   * Tell everybody that the destination has been away since then, Unix ms, also after a restart, so
   * that nobody sends all at once when it comes back. Of two such times the earlier one counts. It
   * may be forgotten when no event waits for the destination.
   */
  markAway(destination: string, sinceMs: number): Promise<void>;
  /** It takes all it gets again. */
  unmarkAway(destination: string): Promise<void>;

  /** Whether other consumers are at work, as the last look for candidates found it. */
  readonly hasPeers: boolean;
  /**
   * Have `onChange` called when something may have come: a hint that can fail. A busy store stops
   * that by itself, for it looks again anyway.
   *
   * @returns Whether it was not so before; then look once more for what came in between.
   */
  watch(onChange: () => void): boolean;
  /**
   * What is left to be delivered, whoever has it; `"held"` when all of it waits for destinations
   * that an operator holds.
   *
   * @throws {DiskFailure} If the store has refused to tell for too long.
   */
  left(): Promise<"nothing" | "held" | "more">;
  /** Remove what crashes have left behind, and no event in any state. */
  sweep(signal: AbortSignal): Promise<void>;
  /** Remove what has been kept for as long as the limits say. */
  prune(signal: AbortSignal): Promise<void>;
  /**
   * Correct what producers think of how much waits, where they keep to limits. Missing where they
   * needn't think.
   */
  recount?(signal: AbortSignal): Promise<void>;
}
