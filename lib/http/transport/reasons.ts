/**
 * What happened on the network, in sentences that an operator can act on.
 *
 * How an error is treated never depends on these words, nor on those they are made of.
 *
 * @module
 */

import { errorCode, OWN_CERTIFICATE } from "../../runtime/runtime.ts";

/** An address and a port as they are written. */
export function shownAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Why none of a host's addresses may be connected to. */
export function notAllowed(host: string, addresses: readonly string[]): string {
  const at = addresses.length === 1 && addresses[0] === host ? "" : ` at ${addresses.join(", ")}`;
  return `the egress rules don't let requests go to ${host}${at}`;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused by",
  ECONNRESET: "connection reset by",
  EHOSTUNREACH: "no route to",
  ENETUNREACH: "no network to",
  ETIMEDOUT: "no sign of life from",
  EADDRNOTAVAIL: "no port of this host is free for",
  EACCES: "this host's own rules forbid to connect to",
  EPERM: "this host's own rules forbid to connect to",
  ENETDOWN: "the network is down to",
};

/** Why there is no connection with an address. */
export function connectReason(error: unknown, address: string): string {
  const code = errorCode(error);
  const words = code === undefined ? undefined : WORDS[code];
  if (words !== undefined) return `${words} ${address}`;
  return `can't connect to ${address}: ${textOf(error)}`;
}

/** Why a host has no address. */
export function lookupReason(error: unknown, host: string): string {
  const code = errorCode(error) ?? "";
  if (code === "ENOTFOUND" || code === "EAI_NONAME" || code === "ENODATA") {
    return `the host ${host} has no address: its name isn't known`;
  }
  if (code === "EAI_AGAIN") return `the host ${host} can't be looked up: no name server answers`;
  return `the host ${host} can't be looked up: ${textOf(error)}`;
}

const CERTIFICATE = /certificate/i;

/** Why a connection could not be made secure. */
export function tlsReason(error: unknown, address: string, serverName: string): string {
  const text = textOf(error);
  const code = errorCode(error) ?? "";
  if (code === OWN_CERTIFICATE) {
    return `our own certificate for ${address} can't be used: it must be PEM, and that of its key`;
  }
  const about = (what: string) => `the certificate of ${address} ${what}`;
  if (/expired/i.test(text) || code === "CERT_HAS_EXPIRED") {
    return about(`has expired${onDate(/not valid after (\d+)/.exec(text)?.[1])}`);
  }
  const from = /not valid before (\d+)/.exec(text)?.[1];
  if (from !== undefined || /not ?valid ?yet/i.test(text) || code === "CERT_NOT_YET_VALID") {
    return about(`isn't valid yet${from === undefined ? "" : `, but from ${dateOf(from)} on`}`);
  }
  if (/not valid for|NotValidForName|altnames/i.test(text)) return about(`isn't for ${serverName}`);
  if (/UnknownIssuer|self.signed|unable to (?:verify|get)/i.test(text)) {
    return about("is signed by an authority that isn't known here: see --tls-ca");
  }
  if (/CertificateRequired|certificate required|HandshakeFailure/i.test(text)) {
    return `${address} ended TLS: ${text}`;
  }
  if (CERTIFICATE.test(text)) return about(`is refused: ${text}`);
  return `no TLS with ${address}: ${text}`;
}

function onDate(seconds: string | undefined): string {
  return seconds === undefined ? "" : ` on ${dateOf(seconds)}`;
}

function dateOf(seconds: string): string {
  return new Date(Number(seconds) * 1_000).toISOString().slice(0, 10);
}

/** How a connection ended that had still to bring an answer, or its rest. */
export function brokenReason(error: unknown, began: "none" | "head" | "body"): string {
  const code = errorCode(error);
  const how = error === undefined
    ? "the endpoint closed the connection"
    : code === "ECONNRESET" || code === "EPIPE"
    ? "the endpoint reset the connection"
    : `the connection broke (${textOf(error)})`;
  const when = {
    none: "before it answered",
    head: "in the middle of its answer's head",
    body: "in the middle of its answer's body",
  }[began];
  return `${how} ${when}`;
}

/** Why what came is no answer. */
export function invalidReason(message: string): string {
  return `the endpoint's answer isn't HTTP/1.1: ${message}`;
}

/** What the system said. */
function textOf(error: unknown): string {
  const said = error instanceof Error ? error.cause ?? error : error;
  return said instanceof Error ? said.message : String(said);
}

/** Such as `30 s`, `250 ms`. */
export function duration(ms: number): string {
  return ms % 1_000 === 0 && ms > 0 ? `${ms / 1_000} s` : `${ms} ms`;
}
