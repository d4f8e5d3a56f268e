/** Times that files may have and dates can't. */

import { assertEquals } from "@std/assert";
import { asyncDisk, blockingDisk } from "../../lib/runtime/deno.ts";
import { workerDisk } from "../../lib/runtime/disk_thread/client.ts";
import { nodeDisk } from "../../lib/runtime/node.ts";

/** A file system whose files may have times beyond the calendar, as most may, but ext4. */
const MEMORY = "/dev/shm";

function isWritable(dir: string): boolean {
  try {
    Deno.removeSync(Deno.makeTempDirSync({ dir }));
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "a file from beyond the calendar has a time all the same, on each disk",
  ignore: !isWritable(MEMORY),
  fn: async () => {
    const dir = await Deno.makeTempDir({ dir: MEMORY });
    const thread = workerDisk({ leastBurst: 1 });
    try {
      await thread.start();
      Deno.writeTextFileSync(`${dir}/a`, "x");
      await new Deno.Command("touch", { args: ["-d", "@8640000000001", `${dir}/a`] }).output();
      for (const disk of [blockingDisk, asyncDisk, nodeDisk, thread]) {
        const { mtimeMs } = (await disk.read(`${dir}/a`, 10)).stat;
        assertEquals([(await disk.lstat(`${dir}/a`)).mtimeMs, mtimeMs], [0, 0]);
      }
    } finally {
      thread.close();
      await Deno.remove(dir, { recursive: true });
    }
  },
});
