/**
 * Where to accept: `HOST:PORT`, an IPv4 address, an IPv6 address in brackets, or `localhost`.
 *
 * @module
 */

import { hostName } from "../server/host.ts";

/** A place to listen. */
export interface ListenAddress {
  /** Without brackets. */
  readonly hostname: string;
  /** 0 leaves it to the system. */
  readonly port: number;
}

const ADDRESS = /^(localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\]):(\d{1,5})$/i;

/** Read an address; `undefined` when it isn't one. */
export function parseAddress(text: string): ListenAddress | undefined {
  const [, host, digits] = ADDRESS.exec(text) ?? [];
  if (host === undefined || Number(digits) > 65_535 || !URL.canParse(`http://${host}/`)) {
    return undefined;
  }
  return { hostname: host.replace(/^\[|\]$/g, "").toLowerCase(), port: Number(digits) };
}

/** Whether only processes on this host can reach it. */
export function isLoopback({ hostname }: ListenAddress): boolean {
  return hostname === "localhost" || hostname.startsWith("127.") ||
    hostname.includes(":") && new URL(`http://[${hostname}]/`).hostname === "[::1]";
}

/** Whether clients can call a server by it: a name or an address, without a port. */
export function isHostName(text: string): boolean {
  return hostName(text) !== undefined;
}

/** The start of a URL at which it is reached. */
export function originOf({ hostname, port }: ListenAddress): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
