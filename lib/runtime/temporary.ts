/**
 * A directory for a while, on Deno or Node: for tests. Loaded by their names, as no program but a
 * test's needs these modules.
 *
 * @module
 */

import type * as NodeFs from "node:fs";
import type * as NodeOs from "node:os";

/** A directory of one's own. */
export interface TemporaryDirectory {
  /** Where it is. */
  readonly path: string;
  /** Remove it, with all that is in it. */
  remove(): void;
}

const PREFIX = "optimizelyd-maildir-";

/**
 * Make a directory where the system has those that don't last.
 *
 * @throws The system's error.
 */
export function temporaryDirectory(): TemporaryDirectory {
  if ("Deno" in globalThis) {
    const path = Deno.makeTempDirSync({ prefix: PREFIX });
    return { path, remove: () => Deno.removeSync(path, { recursive: true }) };
  }
  // deno-lint-ignore no-process-global -- an import is what is to be avoided
  const node = (name: string) => process.getBuiltinModule(`node:${name}`) as unknown;
  const [fs, os] = [node("fs") as typeof NodeFs, node("os") as typeof NodeOs];
  const path = fs.mkdtempSync(`${os.tmpdir()}/${PREFIX}`);
  return { path, remove: () => fs.rmSync(path, { recursive: true }) };
}
