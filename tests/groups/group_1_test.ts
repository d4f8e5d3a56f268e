/**
 * Tests of all rooms: group 1.
 *
 * @module
 */

import { defineGroup } from "./groups.ts";

await defineGroup(1);
