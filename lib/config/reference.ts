/**
 * References to secrets, as a configuration has them in the place of the secrets.
 *
 * @module
 */

const REFERENCE = /^(?:file:.+|credential:[A-Za-z0-9._-]+)$/s;

/** Whether a value refers to a secret: `file:PATH` or `credential:NAME`. */
export function isReference(value: unknown): value is string {
  return typeof value === "string" && REFERENCE.test(value);
}
