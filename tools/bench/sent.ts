/**
 * `deno task bench:sent`: what it costs a drain to keep what is delivered, see `compare.ts`.
 *
 * @module
 */

import { runTool } from "../options.ts";
import { compareDrains } from "./compare.ts";

if (import.meta.main) {
  await runTool(() =>
    compareDrains(Deno.args, {
      what: "what is delivered kept",
      with: ["--keep-sent=3d"],
      without: [],
      target: 0.9,
    })
  );
}
