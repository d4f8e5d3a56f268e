/**
 * What happened, as a closed union: the consumer reports through one callback and prints nothing
 * itself.
 *
 * No variant carries a header value, a URL's user info or a body.
 *
 * @module
 */

/** An event was answered 2xx and removed. */
export interface Delivered {
  /** The variant. */
  readonly type: "delivered";
  /** The event's id. */
  readonly id: string;
  /** The destination's folder name, e.g. `https_logx.optimizely.com_443`. */
  readonly destination: string;
  /** HTTP status. */
  readonly status: number;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** Duration of the attempt. */
  readonly ms: number;
  /** How many events shared the request, when it was more than one. */
  readonly merged?: number;
}

/** An attempt failed in a way that may pass; the event waits until `dueMs`. */
export interface Deferred {
  /** The variant. */
  readonly type: "deferred";
  /** The event's id. */
  readonly id: string;
  /** The destination's folder name. */
  readonly destination: string;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /**
   * Where there was no answer: whether the request was certainly not sent, or may have been taken.
   */
  readonly reach?: "unsent" | "unanswered";
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** Duration of the attempt. */
  readonly ms: number;
  /** How many events shared the request, when it was more than one. */
  readonly merged?: number;
  /** Why. */
  readonly reason: string;
  /** When it is tried again, Unix ms. */
  readonly dueMs: number;
}

/** An event was given up and is in `doa/`. */
export interface Died {
  /** The variant. */
  readonly type: "dead";
  /** The event's id. */
  readonly id: string;
  /** The destination's folder name, when the event has one. */
  readonly destination?: string;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /**
   * Where there was no answer: whether the request was certainly not sent, or may have been taken.
   */
  readonly reach?: "unsent" | "unanswered";
  /** Attempts begun. */
  readonly attempt: number;
  /** Duration of the last attempt; 0 when nothing was sent. */
  readonly ms: number;
  /** How many events shared the request, when it was more than one. */
  readonly merged?: number;
  /** Why. */
  readonly reason: string;
}

/** An event went back to `new/`, unsent or cut short by a stop. */
export interface Released {
  /** The variant. */
  readonly type: "released";
  /** The event's id. */
  readonly id: string;
  /** Why. */
  readonly reason: string;
  /** Not before, Unix ms. */
  readonly dueMs: number;
}

/** An event waits unsent in `defer/` until its destination can be sent to. */
export interface Parked {
  /** The variant. */
  readonly type: "parked";
  /** The event's id. */
  readonly id: string;
  /** The destination's folder name. */
  readonly destination: string;
}

/** An event stays claimed: the disk refused to settle it; the end of its lease is the retry. */
export interface Kept {
  /** The variant. */
  readonly type: "kept";
  /** The event's id. */
  readonly id: string;
}

/** The application's trace threw; told once. Nothing else came of it. */
export interface TraceFailed {
  /** The variant. */
  readonly type: "trace-failed";
  /** What it was told when it threw first. */
  readonly of: string;
  /** What it threw. */
  readonly error: unknown;
}

/** A claim ended without its owner: another consumer's lease was over, or its process died. */
export interface TakenOver {
  /** The variant. */
  readonly type: "taken-over";
  /** The event's id. */
  readonly id: string;
  /** Whose it was, from the claimed name; `undefined` for a claim without a tag. */
  readonly owner: string | undefined;
  /** How many times in a row by now. */
  readonly takeovers: number;
}

/**
 * This consumer's own claim had been taken over when it wanted to settle it; nothing was touched.
 */
export interface LeaseLost {
  /** The variant. */
  readonly type: "lease-lost";
  /** The event's id. */
  readonly id: string;
  /** What was to be done. */
  readonly verb: "read" | "renew" | "complete" | "defer" | "bury" | "release";
}

/** A name that can't be an id was replaced at the claim. */
export interface IdReplaced {
  /** The variant. */
  readonly type: "id-replaced";
  /** The new id. */
  readonly id: string;
  /** The name the producer chose. */
  readonly name: string;
}

/** Something in a folder of the queue is not ours to touch, or resists; told once a path. */
export interface Skipped {
  /** The variant. */
  readonly type: "skipped";
  /** Path below the base directory. */
  readonly path: string;
  /** Why. */
  readonly reason: string;
  /** How many others like it have been skipped untold. */
  readonly more?: number;
}

/** The disk refused something; what that meant for the event is in `reason`. */
export interface DiskTrouble {
  /** The variant. */
  readonly type: "disk-trouble";
  /** What was being done, e.g. `defer`, `list new/`. */
  readonly verb: string;
  /** POSIX error name. */
  readonly code: string;
  /** What it meant. */
  readonly reason: string;
  /** The event's id, when one was concerned. */
  readonly id?: string;
  /** How often it has happened untold since it was told last. */
  readonly more?: number;
}

/** What a consumer thinks of a destination has changed. */
export interface LaneChanged {
  /** The variant. */
  readonly type: "lane";
  /** The destination's folder name. */
  readonly destination: string;
  /**
   * `opened`: nothing gets through and it gets only probes; `probing`: one is on its way;
   * `recovered`: it works again and gets the backlog bit by bit; `struggling`: a part of the
   * requests gets through, and many don't; `healthy`: nearly all do again; `throttled`: it asked to
   * be left alone; `held`, `resumed`: an operator said so; `uncompressed`: it doesn't take
   * compressed bodies, and gets them as they are.
   */
  readonly change:
    | "opened"
    | "probing"
    | "recovered"
    | "struggling"
    | "healthy"
    | "throttled"
    | "held"
    | "resumed"
    | "uncompressed";
  /** The part of the requests that succeeded lately, 0 to 1, where that is the change. */
  readonly share?: number;
  /** Why, where there is something to say. */
  readonly reason?: string;
  /** Until when it is left alone, Unix ms. */
  readonly untilMs?: number;
}

/** Everything a consumer reports. */
export type TraceEvent =
  | LaneChanged
  | Delivered
  | Deferred
  | Died
  | Released
  | Parked
  | Kept
  | TraceFailed
  | TakenOver
  | LeaseLost
  | IdReplaced
  | Skipped
  | DiskTrouble;

/** Where a consumer reports to. */
export type Trace = (event: TraceEvent) => void;
