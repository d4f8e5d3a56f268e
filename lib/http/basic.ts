/**
 * HTTP Basic credentials, RFC 7617.
 *
 * @module
 */

/** Base64 of the UTF-8 of `user:password`. */
export function basicCredential(userAndPassword: string): string {
  const bytes = new TextEncoder().encode(userAndPassword);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
