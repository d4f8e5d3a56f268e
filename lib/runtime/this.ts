/**
 * The runtime this process runs on, whichever it is.
 *
 * @module
 */

import { denoRuntime } from "./deno.ts";
import { nodeRuntime } from "./node.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Deno's where there is Deno, else Node's. Neither module touches its runtime before it is called.
 */
export function thisRuntime(): Runtime {
  return "Deno" in globalThis ? denoRuntime() : nodeRuntime();
}
