/**
 * A destination: what events have in common that go to the same scheme, host and port.
 *
 * Its label is what people see in `defer/` and in the log. A label only: where an event goes is
 * read from the event, never from the name of a folder.
 *
 * @module
 */

/** Where events go. */
export interface Destination {
  /** Scheme, host and port, as `URL.origin` has them. */
  readonly origin: string;
  /**
   * The name of its folder in `defer/`, by which the log calls it; see {@linkcode
   * destinationFolder}.
   */
  readonly label: string;
}

/** Most destinations that are remembered. */
const MOST_DESTINATIONS = 4_096;

/**
 * The destinations seen lately, each one value: events of one destination share it. One forgotten
 * meanwhile is another value with the same members, so what must last is kept by label.
 */
export class Destinations {
  readonly #known = new Map<string, Destination>();
  readonly #origins = new Map<string, string>();
  readonly #sha256: Sha256;

  /** @param sha256 Lower-case hex SHA-256 of a text's UTF-8. */
  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /**
   * The destination of a URL. A promise only when it is not known yet and its label needs a hash,
   * and `sha256` answers with one.
   */
  of(url: URL): Destination | Promise<Destination> {
    const { origin } = url;
    const known = this.#known.get(origin);
    if (known) return known;
    const label = destinationFolder(url, this.#sha256);
    return typeof label === "string"
      ? this.#remember(origin, label)
      : label.then((label) => this.#remember(origin, label));
  }

  #remember(origin: string, label: string): Destination {
    const known = this.#known.get(origin); // somebody else may have asked meanwhile
    if (known) return known;
    if (this.#known.size >= MOST_DESTINATIONS) this.#forgetOldest();
    const destination: Destination = { origin, label };
    this.#known.set(origin, destination);
    this.#origins.set(label, origin);
    return destination;
  }

  #forgetOldest(): void {
    const [[origin, { label }]] = this.#known as unknown as [[string, Destination]];
    this.#known.delete(origin);
    this.#origins.delete(label);
  }

  /** The origin that has a label; `undefined` when the label doesn't show it, and it is unknown. */
  originOf(label: string): string | undefined {
    return this.#origins.get(label) ?? originShownBy(label);
  }
}

const SHOWS_ORIGIN = /^(https?)_([a-z0-9.-]+)_(\d{1,5})$/;

function originShownBy(label: string): string | undefined {
  const [, scheme, host, port] = SHOWS_ORIGIN.exec(label) ?? [];
  const url = `${scheme}://${host}:${port}`;
  return scheme !== undefined && URL.canParse(url) ? new URL(url).origin : undefined;
}

type Sha256 = (text: string) => string | Promise<string>;

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
  sha256: Sha256,
): string | Promise<string> {
  const label = destinationLabel(url);
  if (label.length <= LABEL_MAX_LENGTH && !/[^a-z0-9._-]/.test(url.hostname)) return label;
  const withHash = (hex: string) =>
    `${label.slice(0, LABEL_MAX_LENGTH)}_${hex.slice(0, HASH_DIGITS)}`;
  const hex = sha256(url.origin);
  return typeof hex === "string" ? withHash(hex) : hex.then(withHash);
}
