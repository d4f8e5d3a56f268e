/**
 * Tests of all rooms: group 4.
 *
 * @module
 */

import { defineGroup } from "./groups.ts";

await defineGroup(4);
