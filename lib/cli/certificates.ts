/**
 * The files of certificates that the command line or a configuration names, read.
 *
 * @module
 */

import type { ConsumerSettings } from "../config/consumer.ts";
import type { Given } from "../config/resolve.ts";
import { UsageError } from "./args.ts";
import type { Io } from "./io.ts";

/** Largest file of certificates: those everybody trusts take 200 KiB. */
const MOST_BYTES = 4 * 2 ** 20;

/**
 * The options of a consumer, with certificates in the place of the file's name.
 *
 * @throws {UsageError} If the file can't be read, or isn't one of certificates.
 */
export async function withCertificates(
  given: Given<ConsumerSettings>,
  io: Pick<Io, "readFile">,
): Promise<Given<ConsumerSettings>> {
  const { tlsCa: path } = given;
  if (path === undefined) return given;
  const bytes = await io.readFile(path, MOST_BYTES).catch((cause) => {
    const why = cause instanceof Error ? cause.message : cause;
    throw new UsageError(`--tls-ca must be a file that can be read: ${why}`, { cause });
  });
  const tlsCa = new TextDecoder().decode(bytes);
  if (bytes.length <= MOST_BYTES && tlsCa.includes("-----BEGIN CERTIFICATE-----")) {
    return { ...given, tlsCa };
  }
  throw new UsageError(`--tls-ca must be a file of certificates as PEM, current value is ${path}`);
}
