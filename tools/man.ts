/**
 * `deno task man`: writes the manual page, `dist/optimizelyd-maildir.1`, or wherever the first
 * argument says.
 *
 * @module
 */

import { dirname } from "@std/path";
import { manual } from "../lib/cli/manual.ts";
import { runTool } from "./options.ts";

async function write(path: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, manual());
}

if (import.meta.main) await runTool(() => write(Deno.args[0] ?? "dist/optimizelyd-maildir.1"));
