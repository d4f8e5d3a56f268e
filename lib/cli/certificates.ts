/**
 * The files of certificates that the command line or a configuration names: what is in them, and
 * until when it is valid.
 *
 * @module
 */

import type { ConsumerSettings } from "../config/consumer.ts";
import type { Given } from "../config/resolve.ts";
import type { Awaitable } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import type { ConsumeOptions } from "./consume_options.ts";
import type { Io } from "./io.ts";
import { secretsOf } from "./secrets.ts";
import { endsOfValidity } from "./validity.ts";

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

/** A file of certificates, and until when what is in it serves. */
export interface CertificateFile {
  /** The destination it is for, as its section is called; `undefined` for all. */
  readonly destination: string | undefined;
  /** Authorities that are trusted, or what is shown. */
  readonly use: "ca" | "cert";
  /** Where it is: a path, or a reference to one. */
  readonly file: string;
  /** Unix ms; `undefined` where it can't be told. */
  readonly endsMs: number | undefined;
  /** Why it can't be told. */
  readonly reason: string | undefined;
}

/** Whoever looks after certificates wants to know so long before they end. */
const EARLY_MS = 14 * 24 * 60 * 60 * 1_000;

/**
 * The files of certificates that options name, as they are at this moment. Of authorities the one
 * that is valid longest counts, of what is shown all of the chain.
 */
export async function certificateFiles(
  { consumer, destinations }: Pick<ConsumeOptions, "consumer" | "destinations">,
  io: Pick<Io, "credentialsDirectory" | "readFile">,
): Promise<readonly CertificateFile[]> {
  const named = [
    { destination: undefined, use: "ca", file: consumer.tlsCa },
    ...Object.entries(destinations).flatMap(([destination, { tls }]) =>
      [
        { destination, use: "ca", file: tls?.ca },
        { destination, use: "cert", file: tls?.cert },
      ] as const
    ),
  ] as const;
  const read = secretsOf(io);
  const files = named.flatMap(({ file, ...whose }) =>
    file === undefined ? [] : [{ ...whose, file }]
  );
  return await Promise.all(
    files.map(async (each) => ({ ...each, ...await validityOf(each.use, () => read(each.file)) })),
  );
}

async function validityOf(
  use: CertificateFile["use"],
  read: () => Awaitable<string>,
): Promise<Pick<CertificateFile, "endsMs" | "reason">> {
  try {
    const ends = endsOfValidity(await read());
    if (ends.length === 0) return { endsMs: undefined, reason: "there is no certificate in it" };
    const endsMs = use === "ca" ? Math.max(...ends) : Math.min(...ends);
    return { endsMs, reason: undefined };
  } catch (error) {
    return { endsMs: undefined, reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * What an operator should be told of a file of certificates: that it ends within two weeks, has
 * ended, or can't be used. `undefined` when all is well.
 */
export function certificateWarning(
  { destination, use, file, endsMs, reason }: CertificateFile,
  nowMs: number,
): string | undefined {
  const whose = destination === undefined ? "--tls-ca" : `tls.${use} of ${destination}`;
  if (endsMs === undefined) return `${whose} can't be used: ${file}: ${reason}`;
  if (endsMs >= nowMs + EARLY_MS) return undefined;
  const when = endsMs < nowMs ? "has ended" : "ends";
  return `${whose} ${when} on ${new Date(endsMs).toISOString().slice(0, 10)}: ${file}`;
}
