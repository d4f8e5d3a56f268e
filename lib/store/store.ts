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
 *                                      complete   it is delivered: gone for good
 *                                      defer      again at a later time, the attempt counts
 *                                      park       again later, unsent: the attempt is given back
 *                                      bury       dead, with the reason
 *                                      release    ready again, from a time on
 *
 * @module
 */

import type { Awaitable, Runtime } from "../runtime/runtime.ts";
import type { Trace } from "../telemetry/trace.ts";
import type { DiskFailure } from "./failure.ts";

/** What a consumer needs of the world besides its store. */
export type World = Pick<
  Runtime,
  | "clock"
  | "closeIdle"
  | "decodes"
  | "fetch"
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

/** An event that is this consumer's, for as long as its lease lasts. */
export interface Claim {
  /** The event's id. */
  readonly id: string;
  /** Attempts begun, this one included. */
  readonly attempt: number;
  /** Until when nobody else may take it, Unix ms. */
  readonly leaseEndMs: number;
  /** How many consumers in a row have died while it was being sent. */
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
  /** It is delivered. `"kept"`: its removal is tried again by the store itself. */
  complete(): Promise<"done" | "lost" | "kept">;
  /** Let it wait for its next attempt until `dueMs`, Unix ms. */
  defer(destination: string, dueMs: number): Promise<Settled>;
  /**
   * Let it wait unsent for its destination, which may be sent to again in `pauseMs`, or when it
   * recovers.
   */
  park(destination: string, pauseMs: number): Promise<Settled>;
  /** Give it up, with the reason; refused, it is due again at `dueMs`, Unix ms. */
  bury(reason: Reason, dueMs: number): Promise<Settled>;
  /**
   * Put it back, not before `dueMs` (Unix ms).
   *
   * @param sent Whether the attempt was; one that was not is given back.
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

/** The events of one destination that wait, and what others have said of it. */
export interface Deferred {
  /** The destination's label. */
  readonly destination: string;
  /** Whether an operator holds it. */
  readonly isHeld: boolean;
  /** Until when the endpoint asked to be left alone, Unix ms; 0 for not. */
  readonly afterMs: number;
  /** Whether some consumer says that it is down. */
  readonly isMarkedOpen: boolean;
  /** When the first of them may be due, Unix ms; `Infinity` for none. */
  readonly nextDueMs: number;
  /** No event in it has waited since before this, Unix ms; `Infinity` for none. */
  readonly oldestMs: number;
}

/** What a consumer wants of its store; may change while it works. */
export interface StoreLimits {
  /** How long a claim is exclusive. */
  readonly leaseMs: number;
  /** Largest event. */
  readonly maxBytes: number;
  /** How often to look when nothing tells of a change, and how long what is refused is left alone. */
  readonly pollMs: number;
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

/** A place that events are kept in. */
export interface Storage {
  /** The world it is in. */
  readonly world: World;
  /** What one consumer uses it through. Nothing is done yet. */
  connect(options: StoreOptions): Store;
}

/** A consumer's way to its events. */
export interface Store {
  /**
   * Announce this consumer to its peers.
   *
   * @throws The store's error, when it isn't fit to be used.
   */
  open(): Promise<void>;
  /** Take leave of the peers. Nothing may be claimed any more. */
  close(): Promise<void>;

  /**
   * What is due of destinations that have no backlog of their own here, and claims nobody works on
   * any more: at most `most`.
   *
   * @param mayWait Whether the store may be asked; otherwise only what is at hand is returned.
   */
  candidates(most: number, mayWait: boolean): readonly Candidate[] | Promise<readonly Candidate[]>;
  /** When there may be new candidates, monotonic ms; the past when there may be some now. */
  readonly restUntilMs: number;
  /** Whether everything that was due has been offered once. */
  readonly hasOfferedAll: boolean;
  /** Claim candidates side by side. */
  claim(candidates: readonly Candidate[]): Promise<ClaimedMany>;

  /** The destinations that events wait for, or that others have left word about. */
  readonly deferred: Iterable<Deferred>;
  /** One of them, by its label. */
  deferredOf(destination: string): Deferred | undefined;
  /** Whether events of a destination are due that this run is to send. */
  hasDue(deferred: Deferred): boolean;
  /** The next event of a destination that is due. */
  nextDue(deferred: Deferred): Promise<Candidate | undefined>;

  /** Look at what others may have changed. Refusals are reported, and looked at again later. */
  refresh(): Promise<void>;
  /** Look at what others have said of a destination just now. */
  look(destination: string): Promise<Deferred | undefined>;
  /** Tell everybody to leave a destination alone until then, Unix ms, also after a restart. */
  markAfter(destination: string, untilMs: number): Promise<void>;
  /** Tell that the destination is down, and why. */
  markOpen(destination: string, error: string): Promise<void>;
  /** The destination has answered: whoever said that it was down, it no longer is. */
  unmarkOpen(destination: string): Promise<void>;

  /** Whether other consumers are at work. */
  readonly hasPeers: boolean;
  /**
   * Have `onChange` called when something may have come: a hint that can fail. A busy store stops
   * that by itself, for it looks again anyway.
   *
   * @returns Whether it was not so before; then look once more for what came in between.
   */
  watch(onChange: () => void): boolean;
  /** What is left, whoever holds it. */
  left(): Promise<"nothing" | "held" | "more">;
  /** Remove what crashes have left behind. */
  sweep(signal: AbortSignal): Promise<void>;
}
