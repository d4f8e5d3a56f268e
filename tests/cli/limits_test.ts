/** Limits for producers, as they meet them: `client`, `--accept`, one file for all, a reload. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { HANG, startEndpoint } from "../support/endpoint.ts";
import { Program, runHere } from "../support/in_process.ts";
import { eventLine } from "../support/program.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const EVENT = eventLine("http://127.0.0.1:65000/", 1);

Deno.test("client is refused with 75 while the queue is full, and tells what is on it", async () => {
  await using dir = await tempDir();
  const base = join(dir.path, "queue");
  const put = (events: string, ...args: string[]) =>
    runHere(["client", "--base-dir", base, "-", ...args], { stdin: events });
  const full = await put(EVENT.repeat(3), "--max-events", "2");
  assertEquals([full.code, full.stdout], [75, ""]);
  assertEquals(
    full.stderr,
    "optimizelyd-maildir: Cannot enqueue: the queue is full: about 0 events wait, at most 2 may\n",
  );
  assertEquals((await put(EVENT.repeat(2), "--max-events", "2")).code, 0);
  assertEquals((await put(EVENT, "--max-events", "2")).code, 75);
  assertEquals((await put(EVENT, "--max-queue-bytes", "1MiB")).code, 0);
  assertEquals((await put(EVENT, "--max-queue-bytes", "40")).code, 75);
  assertEquals(namesIn(join(base, "new")).length, 3);
});

Deno.test("client finds its limits in the configuration, and loses no event to a mistake in it", async () => {
  await using dir = await tempDir();
  const [base, path] = [join(dir.path, "queue"), join(dir.path, "q.toml")];
  await Deno.writeTextFile(path, "[limits]\nmax-events = 1\n");
  const put = (...args: string[]) =>
    runHere(["client", "--base-dir", base, "-", ...args], { stdin: EVENT, defaultConfig: path });
  assertEquals((await put()).code, 0);
  assertEquals((await put()).code, 75);
  assertEquals((await put("--max-events", "2")).code, 0);
  await Deno.writeTextFile(path, "[limits]\nmax-event = 1\n");
  const { code, stderr } = await put();
  assertEquals(code, 0);
  assertStringIncludes(stderr, `${path}:2:1: unknown option "max-event"; did you mean max-events?`);
  assertEquals((await put("--config", path)).code, 64);
});

Deno.test("some room stays free, where the system tells how much there is", async () => {
  await using dir = await tempDir();
  const base = join(dir.path, "queue");
  const put = (free: string) =>
    runHere(["client", "--base-dir", base, "--min-free", free, "-"], { stdin: EVENT });
  assertEquals((await put("1MiB")).code, 0);
  const { code, stderr } = await put("1000000GiB");
  assertEquals(code, 75);
  assertMatch(
    stderr,
    / the queue is full: \d+ bytes are free on its disk, 107374182\d+ must stay so/,
  );
});

Deno.test("a full queue takes no more over HTTP, says when to come again, and takes more after a reload", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint(HANG);
  const [base, path] = [join(dir.path, "queue"), join(dir.path, "q.toml")];
  const configure = (events: number) =>
    Deno.writeTextFile(
      path,
      `[consume]\naccept = "127.0.0.1:0"\nforward-to = "${endpoint.url}"\ngrace = "0s"\n` +
        `[limits]\nmax-events = ${events}\n`,
    );
  await configure(3);
  const program = new Program();
  const running = program.run(["consume", "--base-dir", base, "--config", path]);
  await program.until(/ accepting /);
  const [, url] = / url="?(http:\S+?)"? /.exec(program.stderr)!;
  const post = async () => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url!, { method: "POST", headers, body: "{}" });
    await response.body?.cancel();
    return response;
  };
  const statuses = [];
  for (let n = 0; n < 5; n++) statuses.push((await post()).status);
  assertEquals(statuses, [204, 204, 204, 503, 503]);
  assertEquals((await post()).headers.get("retry-after"), "5");
  await program.until(/ disk-trouble .*code=EQUEUEFULL .*\n/);
  const told = program.stderr.match(/ disk-trouble .*code=EQUEUEFULL .*\n/g)!;
  assertEquals(told.length, 1, "it says so once a minute");
  assertStringIncludes(told[0]!, "about 3 events wait, at most 3 may");
  await configure(4);
  program.signal("reload");
  await program.until(/ reloaded /);
  assertEquals([(await post()).status, (await post()).status], [204, 503]);
  program.signal("stop");
  assertEquals(await running, 0);
});
