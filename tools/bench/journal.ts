/**
 * `deno task bench:journal`: what the journal costs a drain, see `compare.ts`.
 *
 * @module
 */

import { runTool } from "../options.ts";
import { compareDrains } from "./compare.ts";

if (import.meta.main) {
  await runTool(() =>
    compareDrains(Deno.args, {
      what: "a journal",
      with: ["--keep-log=7d"],
      without: ["--keep-log=0s"],
      target: 0.97,
    })
  );
}
