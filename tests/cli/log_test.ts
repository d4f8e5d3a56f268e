/**
 * How much a consumer logs, and how.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { startEndpoint } from "../support/endpoint.ts";
import { Program, runHere } from "../support/in_process.ts";
import { eventLine } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

/** The second word of each line: what it is about. */
const topics = (log: string) => log.trimEnd().split("\n").map((line) => line.split(" ")[1] ?? "");

/** A queue of one event that is delivered and one that dies, and how to deliver them. */
async function queueOf(path: string, url: string) {
  const base = join(path, "queue");
  const stdin = eventLine(`${url}/good`, {}) + eventLine(`${url}/bad`, {});
  assertEquals((await runHere(["client", "--base-dir", base, "-"], { stdin })).code, 0);
  return ["consume", "--base-dir", base];
}

const startHalfGood = () =>
  startEndpoint(({ path }) => new Response(null, { status: path === "/good" ? 204 : 404 }));

Deno.test("--log-level leaves out what matters less; --quiet is warn, whatever a file says", async () => {
  await using dir = await tempDir();
  await using endpoint = startHalfGood();
  const config = join(dir.path, "q.toml");
  await Deno.writeTextFile(config, `[consume]\nlog-level = "debug"\nlog-summary = "1m"\n`);
  const logged = async (...args: readonly string[]) => {
    const consume = await queueOf(dir.path, endpoint.url);
    const { code, stderr } = await runHere([...consume, "--until-empty", ...args]);
    assertEquals(code, 0);
    return topics(stderr).sort();
  };
  assertEquals(await logged(), ["dead", "delivered", "ended", "started"]);
  assertEquals(await logged("--log-level", "warn"), ["dead"]);
  assertEquals(await logged("--log-level", "error"), [""]);
  assertEquals(await logged("--quiet"), ["dead"]);
  assertEquals(await logged("--quiet", "--config", config), ["dead"]);
  assertEquals((await runHere(["--quiet", "--log-level", "warn"])).code, 64);
});

Deno.test("--quiet shows no progress on a terminal, and lets client print nothing", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const base = ["--base-dir", join(dir.path, "queue")];
  const file = join(dir.path, "event.json");
  await Deno.writeTextFile(file, eventLine(endpoint.url, {}));
  for (const args of [["client", file], ["consume", "--until-empty"]]) {
    const silent = await runHere([...args, ...base, "--quiet"], { isTerminal: true });
    assertEquals(silent, { code: 0, stdout: "", stderr: "" });
  }
  assertEquals(endpoint.taken.length, 1);
});

Deno.test("--log-summary counts what is delivered once in a while, and still names what died", async () => {
  await using dir = await tempDir();
  await using endpoint = startHalfGood();
  for (
    const [format, pattern] of [
      [
        "text",
        / summary of=25ms delivered=1 deferred=0 dead=\d released=0 down=0 held=0 throttled=0\n/,
      ],
      ["json", /"event":"summary","level":"info","ms":25,"delivered":1,"deferred":0,"dead":\d/],
    ] as const
  ) {
    const consume = await queueOf(dir.path, endpoint.url);
    const program = new Program();
    const ended = program.run([...consume, "--log-summary=25ms", `--log-format=${format}`]);
    await program.until(pattern);
    await program.until(format === "text" ? / dead \S+ http_127/ : /"event":"dead","level":"warn"/);
    program.signal("stop");
    assertEquals(await ended, 0);
    assertEquals(/ delivered [0-9a-f]|"event":"delivered"/.test(program.stderr), false);
    assertMatch(program.stderr, format === "text" ? / ended delivered=1 / : /"event":"ended"/);
  }
});

Deno.test("what goes wrong is JSON where the file says that the log is", async () => {
  await using dir = await tempDir();
  const config = join(dir.path, "q.toml");
  await Deno.writeTextFile(config, `[consume]\nlog-format = "json"\n`);
  const { code, stderr } = await runHere(["--base-dir", config, "--config", config]);
  assertEquals(code, 73);
  assertEquals(JSON.parse(stderr).level, "error");
});

Deno.test("a level that is configured otherwise counts for what is logged next", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const config = join(dir.path, "q.toml");
  const configure = (level: string) =>
    Deno.writeTextFile(config, `[consume]\nlog-level = "${level}"\n`);
  await configure("warn");
  const consume = await queueOf(dir.path, endpoint.url);
  const program = new Program();
  const ended = program.run([...consume, "--config", config]);
  await endpoint.arrived(2);
  await configure("info");
  program.signal("reload");
  await program.until(/^\S+ reloaded config=\S+\n/); // the first line there is
  program.signal("stop");
  assertEquals(await ended, 0);
});
