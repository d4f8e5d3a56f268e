/**
 * Tests of all rooms: group 5.
 *
 * @module
 */

import { defineGroup } from "./groups.ts";

await defineGroup(5);
