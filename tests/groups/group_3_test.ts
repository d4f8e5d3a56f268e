/**
 * Tests of all rooms: group 3.
 *
 * @module
 */

import { defineGroup } from "./groups.ts";

await defineGroup(3);
