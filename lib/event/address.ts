/**
 * Which URLs an event may name: those that `fetch` can really send to.
 *
 * The URL parser accepts more than a request can use: `file:`, a host named `..`, a port for mail.
 * `fetch` reports some of that with the error it also uses for a refused connection, and an event
 * that can never be sent would be tried for days. So everything is checked here, before anything is
 * sent.
 *
 * @module
 */

/**
 * Longest URL in bytes. The HTTP library below Deno's `fetch` ends at 65,534; most servers end at
 * 8,000.
 */
export const URL_MAX_BYTES = 65_000;

/**
 * Longest text that is parsed as a URL, in characters: with escapes, user info and a fragment much
 * more than what is left of it may be long, and parsing 4 MiB takes a tenth of a second.
 */
export const URL_TEXT_MAX_LENGTH = 4 * URL_MAX_BYTES;

/** Says that a URL is too long. */
export function urlTooLong(length: number): string {
  return `the URL must be at most ${URL_MAX_BYTES} bytes long, current value is ${length}`;
}

/** Longest label of a host name, RFC 1035, section 2.3.4. */
const LABEL_MAX_LENGTH = 63;

/** Longest host name without its final dot: 255 bytes on the wire, RFC 1035, section 2.3.4. */
const HOST_MAX_LENGTH = 253;

/**
 * The "bad ports" of the Fetch standard, https://fetch.spec.whatwg.org/#port-blocking: other
 * services' ports, which could take an HTTP request for their own protocol.
 */
// deno-fmt-ignore
const BLOCKED_PORTS: ReadonlySet<string> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
].map(String));

/** Characters the URL parser takes in a host but the HTTP library below `fetch` does not. */
const UNSENDABLE_IN_HOST = /["`{}]/;

/**
 * What is wrong with an address, and what would be right; never shows user info. `undefined` when
 * nothing is.
 */
export function addressProblem(url: URL): string | undefined {
  if (url.href.length > URL_MAX_BYTES) return urlTooLong(url.href.length);
  if (url.port !== "" && BLOCKED_PORTS.has(url.port)) {
    return `the URL's port must not be on the Fetch standard's list of blocked ports, current value is ${url.port}`;
  }
  return url.hostname.startsWith("[") ? undefined : hostProblem(url.hostname);
}

function hostProblem(hostname: string): string | undefined {
  const host = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  if (host.length > HOST_MAX_LENGTH) {
    return `the URL's host must be at most ${HOST_MAX_LENGTH} characters long, current value is ${host.length}`;
  }
  if (UNSENDABLE_IN_HOST.test(host)) {
    return `the URL's host must be made of letters, digits, hyphens and dots, current value is ${hostname}`;
  }
  for (const label of host.split(".")) {
    if (label.length === 0 || label.length > LABEL_MAX_LENGTH) {
      return `each part of the URL's host must be 1 to ${LABEL_MAX_LENGTH} characters long, current value is ${hostname}`;
    }
  }
  return undefined;
}

/** A URL's user info, percent-encoded as the URL parser leaves it. */
export interface UserInfo {
  /** Before the colon. */
  readonly username: string;
  /** After the colon. */
  readonly password: string;
}

/**
 * Take from a URL what is not sent as a part of it: the fragment, and the user info, which is
 * returned if there is any.
 */
export function stripUrl(url: URL): UserInfo | undefined {
  if (url.href.includes("#")) url.hash = "";
  const { username, password } = url;
  if (username === "" && password === "") return undefined;
  url.username = "";
  url.password = "";
  return { username, password };
}

/**
 * The value of the `Authorization` header for user info: RFC 7617, "Basic", in UTF-8.
 *
 * Percent-encoded bytes are sent as they are, so a password in another encoding arrives as it was
 * meant.
 *
 * @returns `undefined` when the user name has a colon in it, which Basic can't express.
 */
export function basicAuthorization(user: UserInfo): string | undefined {
  const name = percentDecode(user.username);
  return name.includes(":")
    ? undefined
    : `Basic ${btoa(`${name}:${percentDecode(user.password)}`)}`;
}

/** Percent-decodes user info, which is ASCII, into one character per byte. */
function percentDecode(text: string): string {
  return text.replaceAll(
    /%([0-9a-f]{2})/gi,
    (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
