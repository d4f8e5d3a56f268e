/**
 * A disk that answers no more, here a thread that waits for the other end of a FIFO: a stop must
 * end the process all the same.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Consumer } from "../../mod.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { threadedDisk } from "../../lib/runtime/disk_thread/client.ts";
import { startThread } from "../../lib/runtime/disk_thread/program.ts";
import { linesOf } from "../support/program.ts";
import { filesBelow, tempDir } from "../support/temp_dir.ts";

const EVENTS = 20;

/** Serves nothing: the first burst gets it stuck. */
const stuckIn = (fifo: string) => `
  self.onmessage = () => {
    console.error("waits for the FIFO");
    Deno.openSync(${JSON.stringify(fifo)});
  };
  self.postMessage("ready");
`;

/** Consume until SIGTERM, and end as the program does. */
async function consume(base: string, fifo: string): Promise<never> {
  const stop = new AbortController();
  Deno.addSignalListener("SIGTERM", () => stop.abort());
  const url = "http://a.invalid/";
  const producer = await Queue.open(base, denoRuntime(), { create: true });
  await producer.enqueueMany(Array.from({ length: EVENTS }, () => ({ url, requestBody: {} })));
  const disk = threadedDisk({}, () => startThread(stuckIn(fifo)));
  await disk.start();
  const queue = await Queue.open(base, denoRuntime(disk));
  // deno-lint-ignore no-console -- what the test reads
  const consumer = new Consumer(queue, { graceMs: 0, trace: (event) => console.error(event) });
  await consumer.run("forever", stop.signal);
  Deno.exit(7);
}

if (import.meta.main) await consume(Deno.args[0]!, Deno.args[1]!);

Deno.test("a stop doesn't wait for a disk that answers no more: it says so, and nothing is lost", async () => {
  await using dir = await tempDir();
  const [base, fifo] = [`${dir.path}/q`, `${dir.path}/fifo`];
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--frozen", new URL(import.meta.url).pathname, base, fifo],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(20_000),
    env: { NO_COLOR: "1" },
  }).spawn();
  const lines = linesOf(child.stderr);
  await lines.until(/waits for the FIFO/);
  child.kill("SIGTERM");
  const text = await lines.toEnd();
  assertEquals((await child.status).code, 7);
  assertStringIncludes(text, "the disk has not answered for 1 s and is given up");
  assert(!text.includes("lease-lost"), text);
  assertEquals(filesBelow(base).length, EVENTS);
});
