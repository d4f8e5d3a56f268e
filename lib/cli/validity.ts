/**
 * Until when certificates are valid: as much of X.509 (RFC 5280, section 4.1) as that takes. Pure.
 *
 *     Certificate ::= { tbsCertificate { [0] version, serial, algorithm, issuer,
 *                                        validity { notBefore, notAfter }, … }, … }
 *
 * @module
 */

/** Tags of ASN.1, as they are written. */
const [VERSION, UTC_TIME, GENERALIZED_TIME] = [0xa0, 0x17, 0x18] as const;

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/** Until when each certificate of a PEM file is valid, Unix ms; what can't be read is left out. */
export function endsOfValidity(pem: string): readonly number[] {
  return [...pem.matchAll(PEM)].map(([, base64]) => {
    try {
      return notAfter(Uint8Array.from(atob(base64!), (char) => char.charCodeAt(0)));
    } catch {
      return NaN; // it is none
    }
  }).filter((ms) => !Number.isNaN(ms));
}

function notAfter(der: Uint8Array): number {
  const [certificate] = partsOf(der);
  const [tbs] = partsOf(certificate!.content);
  const fields = partsOf(tbs!.content);
  const validity = fields[fields[0]!.tag === VERSION ? 4 : 3]!;
  return timeOf(partsOf(validity.content)[1]!);
}

/** A value of ASN.1. */
interface Part {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** The values that stand one after the other. */
function partsOf(der: Uint8Array): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < der.length;) {
    const tag = der[at]!;
    let length = der[at + 1]!;
    at += 2;
    if (length > 0x80) {
      const digits = der.subarray(at, at += length - 0x80);
      length = digits.reduce((value, byte) => value * 256 + byte, 0);
    }
    if (at + length > der.length) throw new RangeError("it ends early");
    parts.push({ tag, content: der.subarray(at, at += length) });
  }
  return parts;
}

/** `270102030405Z` or `20270102030405Z`; a year of two digits is from 1950 to 2049. */
function timeOf({ tag, content }: Part): number {
  const text = String.fromCharCode(...content);
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) return NaN;
  const century = tag === GENERALIZED_TIME ? "" : text < "5" ? "20" : "19";
  const [, ...digits] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text) ?? [];
  const [year, month, day, hour, minute, second] = digits.map(Number);
  return Date.UTC(year!, month! - 1, day, hour, minute, second);
}
