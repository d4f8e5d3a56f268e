/**
 * Constants of the format: every consumer of a directory relies on every other keeping to them, so
 * they are no options; options are checked against them.
 *
 * @module
 */

/** How far the clocks of two hosts that share a directory may differ. */
export const CLOCK_SKEW_MS = 15 * 60_000;

/**
 * What is this old in `tmp/`, or a reason whose dead letter never came, is left over from a crash.
 */
export const SWEEP_AGE_MS = 36 * 60 * 60_000;

/** Most folders in `defer/`; further destinations share `defer/others/`. */
export const MOST_DESTINATION_FOLDERS = 1_000;
