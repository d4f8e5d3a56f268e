/**
 * The one place where what an application's trace throws is caught.
 *
 * @module
 */

import type { Trace } from "./trace.ts";

/** A trace that never throws, and knows whether it would have. */
export class GuardedTrace {
  readonly #trace: Trace;
  #failure: { readonly error: unknown } | undefined;

  /** @param trace The application's. */
  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** What it threw first, if it ever did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Tell the application; what it throws is told to itself once, and changes nothing. */
  readonly tell: Trace = (event) => {
    try {
      this.#trace(event);
    } catch (error) {
      if (this.#failure) return;
      this.#failure = { error };
      this.tell({ type: "trace-failed", of: event.type, error });
    }
  };
}
