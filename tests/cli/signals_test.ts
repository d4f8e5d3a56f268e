/**
 * What signals other than those of the other tests do to a running consumer, on Deno and on Node.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { eventLine, linesOf, PROGRAM, run } from "../support/program.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const isWindows = Deno.build.os === "windows";
const root = fromFileUrl(new URL("../../", import.meta.url));

/** A consumer, started; its log is piped. */
type Started = (args: readonly string[]) => Deno.ChildProcess;

/** Not quiet, so that Deno tells when it opens a debugger. */
const onDeno: Started = (args) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--frozen", "-A", PROGRAM, ...args],
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).spawn();

/** The program for Node, as one file in `dir`. */
async function onNode(dir: string): Promise<Started> {
  const program = join(dir, "program.mjs");
  const args = ["bundle", "--quiet", "--frozen", "--platform=deno", `--output=${program}`];
  const bundled = await new Deno.Command(Deno.execPath(), {
    args: [...args, "cli_node.ts"],
    cwd: root,
  }).output();
  assertEquals(bundled.code, 0);
  return (args) =>
    new Deno.Command("node", { args: [program, ...args], stdout: "null", stderr: "piped" }).spawn();
}

for (const runtime of ["Deno", "Node"]) {
  Deno.test({
    name: `SIGHUP lets what is in flight end and then ends consume with 0 (${runtime})`,
    ignore: isWindows,
    async fn() {
      await using dir = await tempDir();
      const start = runtime === "Node" ? await onNode(dir.path) : onDeno;
      const answer = Promise.withResolvers<Response>();
      await using server = startEndpoint(() => answer.promise);
      const base = ["--base-dir", join(dir.path, "queue")];
      await run(["client", ...base, "--url", server.url]);
      const child = start([...base, "--workers", runtime === "Node" ? "2" : "1"]);
      const log = linesOf(child.stderr);
      await server.arrived(1);
      child.kill("SIGHUP");
      await Promise.race([log.until(/ stopping grace=10s\n/), child.status]);
      answer.resolve(new Response(null, { status: 204 }));
      assertEquals((await child.status).code, 0);
      assertMatch(await log.toEnd(), / ended delivered=1 deferred=0 dead=0 released=0\n$/);
      assertEquals(
        namesIn(join(dir.path, "queue", "cur")).filter((name) => !name.startsWith(".")),
        [],
      );
    },
  });
}

/** Ports a process listens on (Linux). */
function portsOf(pid: number): number[] {
  const sockets = new Set(
    namesIn(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [Deno.readLinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return []; // closed meanwhile
      }
    }),
  );
  const rows = Deno.readTextFileSync(`/proc/${pid}/net/tcp`).split("\n").slice(1, -1);
  return rows.map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === "0A" && sockets.has(`socket:[${inode}]`))
    .map(([, local]) => parseInt(local!.split(":")[1]!, 16));
}

/** Wait until `done`, looking again and again, for ten seconds at most. */
async function eventually(done: () => boolean): Promise<boolean> {
  for (const end = performance.now() + 10_000; performance.now() < end;) {
    if (done()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
}

/** Put one event on the queue and see the consumer deliver it, then stop it. */
async function goesOn(child: Deno.ChildProcess, base: string[]): Promise<void> {
  await using server = startEndpoint();
  await Deno.writeTextFile(join(base[1]!, "new", "after"), eventLine(server.url, "after"));
  await Promise.race([server.arrived(1), child.status]);
  assertEquals(server.taken.map(({ body }) => body), ['"after"']);
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 0);
}

Deno.test({
  name: "SIGUSR1 leaves no debugger open and the consumer running (Deno)",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using dir = await tempDir();
    const base = ["--base-dir", join(dir.path, "queue")];
    const child = onDeno(base);
    let log = "";
    const reading = child.stderr.pipeThrough(new TextDecoderStream() as TransformStream)
      .pipeTo(new WritableStream({ write: (text) => void (log += text) }));
    assertEquals(await eventually(() => log.includes(" started ")), true);
    // Deno listens for the signal half a second after its start, and says what it did
    const asked = await eventually(() => {
      child.kill("SIGUSR1");
      return /Debugger listening|Failed to start inspector/.test(log);
    });
    assertEquals(asked, true);
    assertEquals(await eventually(() => portsOf(child.pid).length === 0), true);
    await goesOn(child, base);
    await reading;
  },
});

Deno.test({
  name: "SIGUSR1 opens no debugger and leaves the consumer running (Node)",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using dir = await tempDir();
    const start = await onNode(dir.path);
    const base = ["--base-dir", join(dir.path, "queue")];
    const child = start(base);
    const log = linesOf(child.stderr);
    await log.until(/ started /);
    child.kill("SIGUSR1");
    await goesOn(child, base);
    assertEquals((await log.toEnd()).match(/Debugger listening/), null);
  },
});
