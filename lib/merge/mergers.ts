/**
 * The formats of merged requests that have a name, as in `--merge NAME`.
 *
 * @module
 */

import type { Merger } from "./merger.ts";
import { optimizelyMerger } from "./optimizely.ts";

/** What makes a merger, by name. */
export const MERGERS: Readonly<Record<string, () => Merger>> = { optimizely: optimizelyMerger };
