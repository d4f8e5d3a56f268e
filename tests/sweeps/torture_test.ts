/** A short run of the torture, so that it doesn't fall into decay. */

import { assert } from "@std/assert";
import { describeTorture, isSound, torture } from "../../tools/torture.ts";
import { tempDir } from "../support/temp_dir.ts";

Deno.test("killed at random, real processes lose nothing", async () => {
  await using dir = await tempDir();
  const result = await torture({ kills: 3, seed: 5, dir: dir.path });
  assert(isSound(result), describeTorture(result));
});
