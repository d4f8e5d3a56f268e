/**
 * What every store keeps to, and every consumer relies on: they are no options; options are checked
 * against them.
 *
 * @module
 */

/** Longest lease. */
export const LONGEST_LEASE_MS = 60 * 60_000;

/** Longest wait for a later attempt; a due time further ahead is due now. */
export const LONGEST_WAIT_MS = 7 * 24 * 60 * 60_000;

/**
 * A lease must outlive the attempt's timeout by this much when the request starts; otherwise it is
 * renewed first.
 */
export const LEASE_MARGIN_MS = 5_000;

/** An event whose consumers died this many times in a row while it was being sent is dead. */
export const MOST_TAKEOVERS = 5;
