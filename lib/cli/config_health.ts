/**
 * What `doctor` and `check` look at of a configuration: whether it can be used, and until when its
 * certificates can.
 *
 * @module
 */

import { type CertificateFile, certificateFiles, certificateWarning } from "./certificates.ts";
import { configure } from "./configuration.ts";
import type { Io } from "./io.ts";

/** How a configuration does. */
export interface ConfigHealth {
  /** The files of certificates it names. */
  readonly certificates: readonly CertificateFile[];
  /** What an operator should be told, a sentence each. */
  readonly warnings: readonly string[];
}

/** Look at a configuration; at nothing where there is none. */
export async function configHealth(
  path: string | undefined,
  nowMs: number,
  io: Pick<Io, "credentialsDirectory" | "readFile">,
): Promise<ConfigHealth> {
  if (path === undefined) return { certificates: [], warnings: [] };
  try {
    const certificates = await certificateFiles(await configure(path, new Map(), io), io);
    const warnings = certificates.flatMap((each) => certificateWarning(each, nowMs) ?? []);
    return { certificates, warnings };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { certificates: [], warnings: [`the configuration can't be used: ${why}`] };
  }
}
