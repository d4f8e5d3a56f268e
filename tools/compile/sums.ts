/**
 * `SHA256SUMS`: what `sha256sum --check` reads.
 *
 * @module
 */

import { join } from "@std/path";
import { sha256Hex } from "./portable.ts";

/** Write the sums of all executables in `directory`, those of earlier runs included. */
export async function writeSums(directory: string): Promise<void> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const isOurs = /^optimizelyd-maildir-(?!.*\.part$)/.test(entry.name);
    if (entry.isFile && isOurs) names.push(entry.name);
  }
  let text = "";
  for (const name of names.sort()) {
    text += `${await sha256Hex(await Deno.readFile(join(directory, name)))}  ${name}\n`;
  }
  await Deno.writeTextFile(join(directory, "SHA256SUMS"), text);
}
