/**
 * Where requests may go, by the address that is connected to: an operator's rules.
 *
 * | rule | lets through |
 * | --- | --- |
 * | `public` | addresses that the internet routes |
 * | `private` | a site's own: RFC 1918, RFC 6598, RFC 4193 |
 * | `loopback` | this machine: `127.0.0.0/8`, `::1` |
 * | `10.20.0.0/16`, `fd00::/8`, `192.0.2.7` | these addresses |
 * | `hooks.example.com` | whatever addresses this host has, but those that nothing lets through |
 *
 * Nothing lets through link-local addresses, at which clouds tell a machine's credentials, but a
 * rule that names them (`169.254.1.0/24`). Without rules everything else goes. An address that has
 * another inside, as IPv6 has IPv4 in several forms, must be let through in each.
 *
 * The tables are IANA's registries of special-purpose addresses, RFC 6890 and its successors.
 *
 * Pure.
 *
 * @module
 */

import { type Cidr, embeddedIn, type Ip, isWithin, readCidr, readIp } from "./ip.ts";

const all = (...texts: readonly string[]): readonly Cidr[] => texts.map((text) => readCidr(text)!);

const LOOPBACK = all("127.0.0.0/8", "::1");

const PRIVATE = all("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7");

/** Also the metadata addresses of clouds that aren't link-local. */
const LINK_LOCAL = all("169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "100.100.100.200");

/** Neither of the three above, nor the internet's. */
const SPECIAL = all(
  "0.0.0.0/8", // this network
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays, deprecated
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast included
  "::", // unspecified
  "100::/64", // discard
  "2001::/23", // protocol assignments, Teredo included
  "2001:db8::/32", // documentation
  "3fff::/20",
  "5f00::/16", // segment routing
  "fec0::/10", // site-local, deprecated
  "ff00::/8", // multicast
);

const GLOBAL_IPV6 = all("2000::/3", "64:ff9b::/96");

const isIn = (ip: Ip, some: readonly Cidr[]) => some.some((one) => isWithin(ip, one));

function isPublic(ip: Ip): boolean {
  if (isIn(ip, [...LOOPBACK, ...PRIVATE, ...LINK_LOCAL, ...SPECIAL])) return false;
  return ip.length === 4 || isIn(ip, GLOBAL_IPV6);
}

const HOST =
  /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** One rule, read. */
type Rule =
  | { readonly kind: "public" | "private" | "loopback" }
  | { readonly kind: "addresses"; readonly cidr: Cidr }
  | { readonly kind: "host"; readonly name: string };

function readRule(text: string): Rule | undefined {
  if (text === "public" || text === "private" || text === "loopback") return { kind: text };
  const cidr = readCidr(text);
  if (cidr) return { kind: "addresses", cidr };
  // what looks like an address, or a part of one, is no name
  const isName = HOST.test(text) && !/^[0-9.]+$/.test(text);
  return isName ? { kind: "host", name: text.toLowerCase() } : undefined;
}

/** Whether a text is a rule. */
export function isRule(text: string): boolean {
  return readRule(text) !== undefined;
}

/** An operator's rules. */
export class EgressRules {
  readonly #rules: readonly Rule[] | undefined;

  /**
   * Rules as the table above has them; none at all lets through what isn't link-local.
   *
   * @throws {RangeError} If one is none.
   */
  constructor(texts?: readonly string[]) {
    this.#rules = texts?.map((text) => {
      const rule = readRule(text);
      if (rule) return rule;
      throw new RangeError(
        "an egress rule must be public, private, loopback, addresses such as 10.0.0.0/8, or a " +
          `host, current value is ${JSON.stringify(text)}`,
      );
    });
  }

  /**
   * Whether a connection may be made.
   *
   * @param host The name that was asked for, or the address when there was none.
   * @param address The address that it has.
   */
  allows(host: string, address: string): boolean {
    const ip = readIp(address);
    if (!ip) return false;
    return [ip, ...embeddedIn(ip)].every((each) => this.#lets(host.toLowerCase(), each));
  }

  #lets(host: string, ip: Ip): boolean {
    const rules = this.#rules ?? [];
    if (rules.some((rule) => rule.kind === "addresses" && isWithin(ip, rule.cidr))) return true;
    if (isIn(ip, LINK_LOCAL)) return false;
    if (!this.#rules) return true;
    return rules.some((rule) => {
      switch (rule.kind) {
        case "public":
          return isPublic(ip);
        case "private":
          return isIn(ip, PRIVATE);
        case "loopback":
          return isIn(ip, LOOPBACK);
        case "host":
          return rule.name.startsWith("*.")
            ? host.endsWith(rule.name.slice(1))
            : host === rule.name;
        case "addresses":
          return false; // looked at above
      }
    });
  }
}
