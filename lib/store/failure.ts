/**
 * The one way in which a consumer fails.
 *
 * @module
 */

/** The disk has refused to list the queue, or to let claim from it, for too long. */
export class DiskFailure extends Error {
  /** The class, for `catch`. */
  override readonly name = "DiskFailure";
}
