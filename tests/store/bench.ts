/**
 * What a suite needs of a store from outside: to put events in, to look at where they are, to let
 * time pass, to kill a consumer, to be an operator, to make the store refuse.
 *
 * A store passes `conformance.ts` by way of one of these.
 *
 * @module
 */

import type { Reason, Storage, Store, StoreLimits } from "../../lib/store/store.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";

/** The limits of a consumer, unless a sentence wants others. */
export const LIMITS: StoreLimits = { leaseMs: 30_000, maxBytes: 1_000, pollMs: 1_000 };

/** A dead event. */
export interface Dead {
  readonly id: string;
  readonly text: string;
  readonly reason: Reason;
}

/** An answer that is kept. */
export interface Kept {
  readonly id: string;
  readonly text: string;
  readonly meta: Readonly<Record<string, unknown>>;
}

/** Where all events are, by id, and what else is kept. */
export interface Sight {
  readonly ready: readonly string[];
  readonly claimed: readonly string[];
  readonly deferred: readonly string[];
  readonly dead: readonly Dead[];
  readonly answers: readonly Kept[];
}

/** What a store refuses. */
export type Refusal =
  /** Whatever would change something. */
  | "changes"
  /** One more of anything: it is full. What is there may still go. */
  | "room"
  /** To tell what there is. */
  | "looks"
  /** To let anything wait for a destination; all else works. */
  | "deferring";

/** How a consumer uses the store. */
export interface PeerOptions {
  readonly once?: boolean;
  readonly limits?: Partial<StoreLimits>;
}

/** A consumer: its process, as far as the store is concerned. */
export interface Peer {
  /** Its way to the store, open. */
  readonly store: Store;
  /** What it was told. */
  readonly trace: readonly TraceEvent[];
  /** Its clock, monotonic ms. */
  readonly monotonicMs: number;
  /** It is killed. Nothing of it may be used any more. */
  die(): void;
}

/** A store to be looked at from outside. */
export interface Bench {
  /** The time, Unix ms. */
  readonly nowMs: number;
  /** How often consumers have asked for what there is. */
  readonly looks: number;
  /**
   * Put an event in, not to be sent before `notBeforeMs`, Unix ms.
   *
   * @returns Its id.
   */
  put(text: string, notBeforeMs?: number): Promise<string>;
  /** Begin a consumer. */
  join(options?: PeerOptions): Promise<Peer>;
  /** Let so many ms pass. */
  pass(ms: number): Promise<void>;
  /** As an operator: nothing is to be sent to a destination, named by its label, until... */
  hold(destination: string): Promise<void>;
  /** ...it may be again. */
  resume(destination: string): Promise<void>;
  /** Look at everything. */
  see(): Promise<Sight>;
  /** Refuse from now on; `undefined`: no longer. Throws where a store can't be made to. */
  refuse(what: Refusal | undefined): void;
}

/** What not every store can show. */
export type Capability =
  /** It can be made to refuse. */
  "refusals";

/** Makes a bench with an empty store, and takes it down after the body. */
export type BenchOf = (body: (bench: Bench) => Promise<void>) => Promise<void>;

/** Connect a consumer to a storage. */
export async function connect(
  storage: Storage,
  { once = false, limits = {} }: PeerOptions,
): Promise<{ readonly store: Store; readonly trace: TraceEvent[] }> {
  const trace: TraceEvent[] = [];
  const store = storage.connect({
    limits: { current: { ...LIMITS, ...limits } },
    trace: (event) => void trace.push(event),
    once,
  });
  await store.open();
  return { store, trace };
}
