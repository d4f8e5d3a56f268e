/**
 * Where secrets are read from: a file, or what systemd hands to a service (`LoadCredential=`,
 * `$CREDENTIALS_DIRECTORY`).
 *
 * @module
 */

import type { ReadSecret } from "../http/credentials.ts";
import type { Io } from "./io.ts";

/** Longest secret, in bytes. */
const MOST_BYTES = 2 ** 20;

/** Reads `file:PATH`, `credential:NAME`, and of certificates a path. */
export function secretsOf(io: Pick<Io, "credentialsDirectory" | "readFile">): ReadSecret {
  return async (reference) => {
    const path = pathOf(reference, io.credentialsDirectory);
    const bytes = await io.readFile(path, MOST_BYTES);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  };
}

function pathOf(reference: string, directory: string | undefined): string {
  const [, kind, name] = /^(file|credential):(.*)$/s.exec(reference) ?? [];
  if (name === undefined) return reference;
  if (kind === "file") return name;
  if (directory !== undefined) return `${directory}/${name}`;
  throw new Error("there is no $CREDENTIALS_DIRECTORY, which systemd sets (LoadCredential=)");
}
