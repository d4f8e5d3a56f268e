/** The sentences about connections in `lib/runtime/runtime.ts`, on Deno. */

import { assertEquals, assertRejects } from "@std/assert";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { RawClient } from "../support/raw_client.ts";
import { tempDir } from "../support/temp_dir.ts";

const ADDRESS = { hostname: "127.0.0.1", port: 0 };
const listen = denoRuntime().listen!;
const spareFiles = denoRuntime().spareFiles!;

Deno.test("a connection is a stream of bytes each way, and ends on each side by itself", async () => {
  const listener = listen(ADDRESS);
  const client = await RawClient.connect(listener.port);
  const connection = await listener.accept();
  assertEquals([connection.localAddress, listener.hostname], ["127.0.0.1", "127.0.0.1"]);
  await client.send("hello");
  const into = new Uint8Array(100);
  assertEquals(await connection.read(into), 5);
  assertEquals(new TextDecoder().decode(into.subarray(0, 5)), "hello");
  assertEquals(await connection.write(new TextEncoder().encode("bye")), 3);
  await connection.closeWrite();
  assertEquals(await client.toEnd(), "bye");
  client.close();
  assertEquals(await connection.read(into), null);
  connection.close();
  connection.close();
  listener.close();
});

Deno.test("what is waited for rejects when the connection or the listener is closed", async () => {
  const listener = listen(ADDRESS);
  const client = await RawClient.connect(listener.port);
  const connection = await listener.accept();
  const reading = assertRejects(() => connection.read(new Uint8Array(1)));
  connection.close();
  await reading;
  const accepting = assertRejects(() => listener.accept());
  listener.close();
  await accepting;
  client.close();
});

Deno.test("spareFiles() counts up to what is asked, also where it can't look", async () => {
  await using dir = await tempDir();
  assertEquals([spareFiles(dir.path, 50), spareFiles(`${dir.path}/none`, 50)], [50, 50]);
});

Deno.test("spareFiles() counts what the limit of open files leaves, and leaves nothing open", async () => {
  const { href } = new URL("../../lib/runtime/deno.ts", import.meta.url);
  const program = `import { denoRuntime } from "${href}";
    const spare = denoRuntime().spareFiles("/", 500);
    console.log(spare > 0 && spare < 100, denoRuntime().spareFiles("/", 500) === spare);`;
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 100; exec "$0" eval --quiet "$1"', Deno.execPath(), program],
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "true true\n");
});
