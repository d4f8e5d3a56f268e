/**
 * Constants of the format: every consumer of a directory relies on every other keeping to them, so
 * they are no options; options are checked against them.
 *
 * @module
 */

/** Longest lease. */
export const LONGEST_LEASE_MS = 60 * 60_000;

/** Longest wait for a later attempt; a due time further ahead is due now. */
export const LONGEST_WAIT_MS = 7 * 24 * 60 * 60_000;

/** How far the clocks of two hosts that share a directory may differ. */
export const CLOCK_SKEW_MS = 15 * 60_000;

/**
 * A lease must outlive the attempt's timeout by this much when the request starts; otherwise it is
 * renewed first.
 */
export const LEASE_MARGIN_MS = 5_000;

/** A claim taken over this many times in a row is dead: its event kills its consumers. */
export const MOST_TAKEOVERS = 5;

/**
 * What is this old in `tmp/`, or a reason whose dead letter never came, is left over from a crash.
 */
export const SWEEP_AGE_MS = 36 * 60 * 60_000;

/** Most folders in `defer/`; further destinations share `defer/others/`. */
export const MOST_DESTINATION_FOLDERS = 1_000;
