/**
 * Tests of all rooms: group 6.
 *
 * @module
 */

import { defineGroup } from "./groups.ts";

await defineGroup(6);
