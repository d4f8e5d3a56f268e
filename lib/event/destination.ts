/**
 * The name of a destination, as people see it in `defer/` and in the log.
 *
 * A label only: where an event goes is read from the event, never from the name of a folder.
 *
 * @module
 */

/**
 * How much of a label a folder's name shows: with what follows it stays well under the 255 bytes of
 * a file name.
 */
const LABEL_MAX_LENGTH = 100;

/** Digits of the hash that tells apart what looks the same: 48 bits, for at most 1,000 folders. */
const HASH_DIGITS = 12;

/**
 * `<scheme>_<host>_<port>`, the port always written, with `_` for whatever is not `[a-z0-9.-]` in
 * the host.
 *
 * Two destinations can share a label; {@linkcode destinationFolder} tells them apart.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { destinationLabel } from "./destination.ts";
 *
 * assertEquals(destinationLabel(new URL("https://a.example/v1")), "https_a.example_443");
 * ```
 */
export function destinationLabel(url: URL): string {
  const scheme = url.protocol.slice(0, -1);
  const host = url.hostname.replaceAll(/[^a-z0-9.-]/g, "_");
  return `${scheme}_${host}_${url.port || (scheme === "https" ? "443" : "80")}`;
}

/**
 * The name of a destination's folder: its label, or the label's first 100 characters and 12 hex
 * digits of SHA-256(origin) when the label is longer or doesn't show the host as it is.
 *
 * Only then is `sha256` asked, so the answer is a promise only then, and only if that of `sha256`
 * is.
 *
 * @param sha256 Lower-case hex SHA-256 of a text's UTF-8.
 */
export function destinationFolder(
  url: URL,
  sha256: (text: string) => string | Promise<string>,
): string | Promise<string> {
  const label = destinationLabel(url);
  if (label.length <= LABEL_MAX_LENGTH && !/[^a-z0-9._-]/.test(url.hostname)) return label;
  const withHash = (hex: string) =>
    `${label.slice(0, LABEL_MAX_LENGTH)}_${hex.slice(0, HASH_DIGITS)}`;
  const hex = sha256(url.origin);
  return typeof hex === "string" ? withHash(hex) : hex.then(withHash);
}
