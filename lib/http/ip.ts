/**
 * IP addresses as bytes, and the addresses that stand inside of others: a policy about addresses
 * must see `10.0.0.1` in every form in which it can be connected to.
 *
 * | form | an IPv4 address stands in |
 * | --- | --- |
 * | IPv4-mapped, `::ffff:a.b.c.d` (RFC 4291) | its last 4 bytes |
 * | IPv4-compatible, `::a.b.c.d` (RFC 4291, deprecated) | its last 4 bytes |
 * | translated, `::ffff:0:a.b.c.d` (RFC 2765) | its last 4 bytes |
 * | NAT64, `64:ff9b::/96` (RFC 6052), `64:ff9b:1::/48` (RFC 8215) | its last 4 bytes |
 * | 6to4, `2002::/16` (RFC 3056) | bytes 2 to 5 |
 * | Teredo, `2001::/32` (RFC 4380) | bytes 4 to 7, its server; the last 4 inverted, its client |
 *
 * Pure.
 *
 * @module
 */

/** 4 bytes of an IPv4 address, 16 of an IPv6 one. */
export type Ip = readonly number[];

/** Addresses that begin alike. */
export interface Cidr {
  /** The first of them. */
  readonly ip: Ip;
  /** How many bits they have in common. */
  readonly bits: number;
}

const DECIMAL = /^(?:0|[1-9]\d{0,2})$/;

function readV4(text: string): Ip | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => DECIMAL.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

function readV6(text: string): Ip | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const read = halves.map((half, at) => {
    if (half === "") return [];
    return half.split(":").flatMap((group, n, all): (number | undefined)[] => {
      const isLast = at === halves.length - 1 && n === all.length - 1;
      if (isLast && group.includes(".")) return [...readV4(group) ?? [undefined]];
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return [undefined];
      const value = parseInt(group, 16);
      return [value >> 8, value & 255];
    });
  });
  const [start = [], end = []] = read;
  const bytes = halves.length === 1
    ? start
    : [...start, ...new Array<number>(Math.max(0, 16 - start.length - end.length)).fill(0), ...end];
  const isFull = halves.length === 1 || start.length + end.length <= 14;
  const isWhole = bytes.length === 16 && isFull && !bytes.includes(undefined);
  return isWhole ? bytes as number[] : undefined;
}

/**
 * Read an address, as a resolver gives it: no brackets, no shortened IPv4, no octal. A zone such as
 * `%eth0` is left out.
 *
 * @returns `undefined` when it is none.
 */
export function readIp(text: string): Ip | undefined {
  const [address = ""] = text.split("%", 1);
  return address.includes(":") ? readV6(address) : readV4(address);
}

/** Read `10.0.0.0/8`, `fd00::/8`, or one address. */
export function readCidr(text: string): Cidr | undefined {
  const [address = "", length, ...more] = text.split("/");
  const ip = address.includes("%") ? undefined : readIp(address);
  if (!ip || more.length > 0) return undefined;
  const most = ip.length * 8;
  if (length === undefined) return { ip, bits: most };
  if (!DECIMAL.test(length) || Number(length) > most) return undefined;
  return { ip, bits: Number(length) };
}

/** Whether an address is among others. One of the other family never is. */
export function isWithin(ip: Ip, { ip: first, bits }: Cidr): boolean {
  if (ip.length !== first.length) return false;
  for (let at = 0; at * 8 < bits; at++) {
    const unused = Math.max(0, 8 * (at + 1) - bits);
    if (ip[at]! >> unused !== first[at]! >> unused) return false;
  }
  return true;
}

const cidr = (text: string): Cidr => readCidr(text)!;

const LAST_FOUR = ["::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"]
  .map(cidr);
const SIX_TO_FOUR = cidr("2002::/16");
const TEREDO = cidr("2001::/32");
const UNSPECIFIED_AND_LOOPBACK = cidr("::/127");

/** The IPv4 addresses that stand inside of an IPv6 one: packets to it may end there. */
export function embeddedIn(ip: Ip): readonly Ip[] {
  if (ip.length !== 16 || isWithin(ip, UNSPECIFIED_AND_LOOPBACK)) return [];
  if (LAST_FOUR.some((form) => isWithin(ip, form))) return [ip.slice(12)];
  if (isWithin(ip, SIX_TO_FOUR)) return [ip.slice(2, 6)];
  if (isWithin(ip, TEREDO)) return [ip.slice(4, 8), ip.slice(12).map((byte) => 255 - byte)];
  return [];
}
