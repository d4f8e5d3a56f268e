/**
 * Ids on standard input, one a line, as other programs and other commands print them.
 *
 * All are read before the first is acted on: an input that breaks off or is wrong changes nothing.
 *
 * @module
 */

import { UsageError } from "./args.ts";
import type { Input } from "./io.ts";
import { splitLines } from "./lines.ts";

/** Longest line: no file has a longer name. */
const LONGEST_BYTES = 1_024;

/**
 * Read ids, each once, in the order of their first lines. Blank lines don't count.
 *
 * @throws {UsageError} If a line is too long to be an id or isn't UTF-8.
 */
export async function readIds(stdin: Input): Promise<readonly string[]> {
  const ids = new Set<string>();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const { signal } = new AbortController();
  for await (const lines of splitLines(stdin.readable, LONGEST_BYTES, signal)) {
    for (const { number, bytes } of lines) {
      const id = idOf(decoder, number, bytes);
      if (id !== "") ids.add(id);
    }
  }
  return [...ids];
}

function idOf(decoder: TextDecoder, number: number, bytes: Uint8Array | undefined): string {
  if (bytes === undefined) {
    throw new UsageError(
      `line ${number} of standard input must be an id, it is longer than ${LONGEST_BYTES} bytes`,
    );
  }
  try {
    return decoder.decode(bytes).trim();
  } catch (cause) {
    throw new UsageError(`line ${number} of standard input must be an id, it isn't UTF-8`, {
      cause,
    });
  }
}
