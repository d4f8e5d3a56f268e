/**
 * Where secrets are read from: a file, or what systemd hands to a service (`LoadCredential=`,
 * `$CREDENTIALS_DIRECTORY`).
 *
 * @module
 */

import type { ReadSecret } from "../http/credentials.ts";
import type { Io } from "./io.ts";

/** Longest secret, in bytes. */
const MOST_BYTES = 64 * 1024;

/** Reads `file:PATH` and `credential:NAME`. */
export function secretsOf(io: Pick<Io, "credentialsDirectory" | "readFile">): ReadSecret {
  return async (reference) => {
    const path = pathOf(reference, io.credentialsDirectory);
    const bytes = await io.readFile(path, MOST_BYTES);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  };
}

function pathOf(reference: string, directory: string | undefined): string {
  const [kind, ...rest] = reference.split(":");
  const name = rest.join(":");
  if (kind === "file") return name;
  if (directory !== undefined) return `${directory}/${name}`;
  throw new Error("there is no $CREDENTIALS_DIRECTORY, which systemd sets (LoadCredential=)");
}
