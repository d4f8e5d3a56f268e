/**
 * The options that only a destination has: what its requests bring along.
 *
 * @module
 */

import { isToken, readHeaders } from "../event/headers.ts";
import type { Auth, AuthOptions } from "../http/auth.ts";
import type { OAuth2 } from "../http/oauth2.ts";
import { COMPRESS_FROM_BYTES, type CompressOptions } from "../http/compress.ts";
import type { DefaultsOptions } from "../http/defaults.ts";
import type { Sign, SignOptions } from "../http/sign.ts";
import type { ConnectionOptions, ProxyOptions, TlsOptions } from "../http/transport/terms.ts";
import { choice, size } from "./kinds.ts";
import type { Kind, OptionsOf } from "./option.ts";
import { isReference } from "./reference.ts";

/** What a destination's requests bring along, and how they are carried. */
export interface RequestOptions
  extends DefaultsOptions, AuthOptions, CompressOptions, SignOptions, ConnectionOptions {}

/** How certificates and their keys may be: a path is no secret, what they hold may be one. */
const FILE = /^(?:file:.+|credential:[A-Za-z0-9._-]+|\/.+)$/;

/** A table, of which a text is the JSON; it may stand for a lone text as well. */
function table<T>(
  must: string,
  read: (members: Members, text: string | undefined) => T | undefined,
): Kind<T | undefined> {
  const readText = (text: string): T | undefined => {
    try {
      const value = JSON.parse(text);
      if (typeof value === "string") return read({}, value);
      return typeof value === "object" && value !== null ? read(value, undefined) : undefined;
    } catch {
      return undefined;
    }
  };
  return {
    takes: "value",
    isTable: true,
    valueName: "TABLE",
    textMust: must,
    valueMust: must,
    read: readText,
    accepts: (value) => value !== undefined && readText(JSON.stringify(value)) !== undefined,
    print: (value) => value === undefined ? "" : JSON.stringify(value),
  };
}

type Members = Readonly<Record<string, unknown>>;

function isHeaderName(value: unknown): value is string {
  return typeof value === "string" && isToken(value) &&
    typeof readHeaders(JSON.stringify({ [value]: "" })) !== "string";
}

function has(members: Members, ...names: readonly string[]): boolean {
  return Object.keys(members).length === names.length &&
    names.every((name) => members[name] !== undefined);
}

function readOwnHeaders(members: Members): Readonly<Record<string, string>> | undefined {
  const read = readHeaders(JSON.stringify(members));
  return typeof read === "string" ? undefined : Object.fromEntries(read);
}

function readAuth(members: Members): Auth | undefined {
  const { bearer, basic, header, value, oauth2 } = members;
  if (has(members, "oauth2")) {
    const read = typeof oauth2 === "object" ? readOAuth2(oauth2 as Members) : undefined;
    return read && { oauth2: read };
  }
  if (has(members, "bearer")) return isReference(bearer) ? { bearer } : undefined;
  if (has(members, "basic")) return isReference(basic) ? { basic } : undefined;
  if (!has(members, "header", "value")) return undefined;
  return isHeaderName(header) && isReference(value) ? { header, value } : undefined;
}

/** The names of members in a file, and in a program. */
const OAUTH2: Readonly<Record<string, keyof OAuth2>> = {
  "token-url": "tokenUrl",
  "client-id": "clientId",
  "client-secret": "clientSecret",
};

function readOAuth2(members: Members): OAuth2 | undefined {
  const named = Object.entries(members).map(([name, value]) => [OAUTH2[name] ?? name, value]);
  const { tokenUrl, clientId, clientSecret, scope, params, ...others } = Object.fromEntries(named);
  const isRight = isTokenUrl(tokenUrl) && isText(clientId) && isReference(clientSecret) &&
    (scope === undefined || isText(scope)) && (params === undefined || areTexts(params)) &&
    Object.keys(others).length === 0;
  if (!isRight) return undefined;
  return { tokenUrl, clientId, clientSecret, ...(scope && { scope }), ...(params && { params }) };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function areTexts(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every(isText);
}

function isTokenUrl(value: unknown): value is string {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password, hash } = new URL(value);
  return (protocol === "http:" || protocol === "https:") && username + password + hash === "";
}

function readSign(members: Members): Sign | undefined {
  const standard = members["standard-webhooks"] ?? members.standardWebhooks;
  const hmac = members["hmac-sha256"] ?? members.hmacSha256;
  const { header } = members;
  if (Object.keys(members).length === 1 && Array.isArray(standard) && standard.length > 0) {
    return standard.every(isReference) ? { standardWebhooks: standard } : undefined;
  }
  if (Object.keys(members).length !== 2) return undefined;
  return isReference(hmac) && isHeaderName(header) ? { hmacSha256: hmac, header } : undefined;
}

function readTls(members: Members): TlsOptions | undefined {
  const { ca, cert, key } = members;
  const files = Object.entries({ ca, cert, key }).filter(([, file]) => file !== undefined);
  const isWhole = files.length > 0 && files.length === Object.keys(members).length;
  const isPair = (cert === undefined) === (key === undefined);
  const areFiles = files.every(([, file]) => typeof file === "string" && FILE.test(file));
  return isWhole && isPair && areFiles ? Object.fromEntries(files) : undefined;
}

function readProxy(members: Members, text: string | undefined): ProxyOptions | undefined {
  if (text !== undefined) return isProxyUrl(text) ? text : undefined;
  const { url, basic } = members;
  if (!has(members, "url", "basic")) return undefined;
  return isProxyUrl(url) && isReference(basic) ? { url, basic } : undefined;
}

/** Without user info: that is a secret. */
function isProxyUrl(value: unknown): value is string {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, origin, href } = new URL(value);
  return (protocol === "http:" || protocol === "https:") && href === `${origin}/`;
}

/** No event file is larger. */
const LARGEST_BYTES = 256 * 2 ** 20;

/** What is the same for all. */
const DESTINATION = { commands: [], default: undefined, defaultText: "none" } as const;

/** The options that only a destination has, each declared once. */
export const DESTINATION_OPTIONS: OptionsOf<Required<RequestOptions>> = {
  headers: {
    ...DESTINATION,
    name: "headers",
    destinationName: "headers",
    kind: table('headers such as { x-tenant = "7" }', readOwnHeaders),
    help: "headers of every request, unless its event sets them",
  },
  auth: {
    ...DESTINATION,
    name: "auth",
    destinationName: "auth",
    kind: table(
      'one of { bearer = "REF" }, { basic = "REF" }, { header = "NAME", value = "REF" } and ' +
        '{ oauth2 = { token-url = "URL", client-id = "ID", client-secret = "REF" } } (and scope, ' +
        "params), where REF is file:PATH or credential:NAME",
      readAuth,
    ),
    help: "tells the endpoint who we are",
    secret: true,
  },
  sign: {
    ...DESTINATION,
    name: "sign",
    destinationName: "sign",
    kind: table(
      '{ standard-webhooks = ["REF"] } or { hmac-sha256 = "REF", header = "NAME" }, where REF is ' +
        "file:PATH or credential:NAME",
      readSign,
    ),
    help: "signs every request",
    secret: true,
  },
  compress: {
    ...DESTINATION,
    name: "compress",
    destinationName: "compress",
    kind: choice<"gzip">("gzip") as Kind<"gzip" | undefined>,
    help: "makes bodies smaller, as long as the endpoint takes them",
  },
  compressFromBytes: {
    ...DESTINATION,
    name: "compress-from",
    destinationName: "compress-from",
    kind: size(1, LARGEST_BYTES) as Kind<number | undefined>,
    default: COMPRESS_FROM_BYTES,
    defaultText: "1KiB",
    help: "smallest body that is made smaller",
  },
  tls: {
    ...DESTINATION,
    name: "tls",
    destinationName: "tls",
    kind: table(
      'any of ca, cert and key, cert with its key, such as { ca = "FILE", cert = "FILE", ' +
        'key = "FILE" }, where FILE is /PATH, file:PATH or credential:NAME',
      readTls,
    ),
    help: "authorities to trust, and the certificate to show",
    secret: true,
  },
  proxy: {
    ...DESTINATION,
    name: "proxy",
    destinationName: "proxy",
    kind: table(
      'the URL of a proxy such as "http://proxy.internal:3128", without a password, or ' +
        '{ url = "URL", basic = "REF" }, where REF is file:PATH or credential:NAME',
      readProxy,
    ),
    help: "the way that requests take",
    secret: true,
  },
};
