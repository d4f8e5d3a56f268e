/**
 * Tests of all rooms: group 2.
 *
 * @module
 */

import { defineGroup } from "./groups.ts";

await defineGroup(2);
