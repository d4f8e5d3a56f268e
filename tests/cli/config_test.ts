/** The configuration file, as an operator uses it: `config`, `consume --config`, SIGHUP. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { readConfig } from "../../lib/cli/config_file.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { command, eventLine, linesOf, run } from "../support/program.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

Deno.test("config check says that a file is in order, or what is wrong with it", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "q.toml");
  await Deno.writeTextFile(path, `[destination."http://a.test"]\ntimeout = "1s"\n`);
  const good = await run(["config", "check", "--config", path]);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertEquals(good.stdout, `${path} is in order: 1 destination of its own\n`);
  await Deno.writeTextFile(path, `[consume]\nconcurency = 1\n`);
  const bad = await run(["config", "check", "--config", path]);
  assertEquals([bad.code, bad.stdout], [64, ""]);
  const why = `${path}:2:1: unknown option "concurency"; did you mean concurrency?`;
  assertEquals(bad.stderr, `optimizelyd-maildir: ${why}\n`);
  const consuming = await run(["consume", "--base-dir", join(dir.path, "q"), "--config", path]);
  assertEquals([consuming.code, consuming.stderr], [64, bad.stderr]);
  assert(!namesIn(dir.path).includes("q"), "no queue is made");
});

Deno.test("config show prints all values, where each comes from, and no secret; it can be read again", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "q.toml");
  await Deno.writeTextFile(
    path,
    `[consume]\ntimeout = "5s"\naccept = "127.0.0.1:0"\n` +
      `forward-to = "http://user:secret@a.test/"\n[destination."http://a.test"]\nrate = "5/s"\n`,
  );
  const { code, stdout } = await run(["config", "show", "--config", path]);
  assertEquals(code, 0);
  assertMatch(stdout, /^timeout = "5s" +# \S+q\.toml:2:1$/m);
  assertMatch(stdout, /^poll = "1s" +# default$/m);
  assertMatch(stdout, /^forward-to = "…" +# \S+q\.toml:4:1$/m);
  assertStringIncludes(stdout, `[destination."http://a.test"]\nrate = "5/s"`);
  assert(!stdout.includes("secret"));
  const again = readConfig(stdout.replace("…", "http://a.test"), "shown");
  assertEquals(again.consume.get("timeout")?.texts, ["5s"]);
});

Deno.test({
  name:
    "SIGHUP reads the configuration again: what is right counts for what begins next, what is wrong changes nothing",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using dir = await tempDir();
    const status = { code: 404 };
    await using endpoint = startEndpoint(() => new Response(null, { status: status.code }));
    const [path, base] = [join(dir.path, "q.toml"), join(dir.path, "queue")];
    const section = `[destination."${endpoint.url}"]\n`;
    const refuse = `[consume]\npoll = "20ms"\n`;
    await Deno.writeTextFile(path, refuse);
    const env = { OPTIMIZELYD_CONFIG: path };
    const child = command(["consume", "--base-dir", base], { stdout: "null", env }).spawn();
    const log = linesOf(child.stderr);
    await log.until(/ started /);
    const put = async () => {
      const { stdout } = await run(
        ["client", "--base-dir", base, "-"],
        eventLine(endpoint.url, {}),
      );
      return stdout.trim();
    };
    const reload = async (text: string, until: RegExp) => {
      await Deno.writeTextFile(path, text);
      child.kill("SIGHUP");
      return await log.until(until);
    };
    const first = await put();
    await log.until(new RegExp(` dead ${first} .* 404 `));
    await reload(`${section}on-status = { 404 = "defer" }\n`, / reloaded config=/);
    const second = await put();
    await log.until(new RegExp(` deferred ${second} .* 404 `));
    const text = await reload(`${section}on-status = 5\n`, / not-reloaded reason=.*\n/);
    assertStringIncludes(text, `${path}:2:1: on-status must be STATUS=OUTCOME pairs`);
    const third = await put();
    await log.until(new RegExp(` deferred ${third} .* 404 `));
    await reload(
      `[consume]\nlog-format = "json"\n`,
      / reloaded config=\S+ restart-for=log-format\n/,
    );
    const fourth = await put();
    await log.until(new RegExp(` dead ${fourth} .* 404 `));
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0);
    await log.toEnd();
  },
});

Deno.test("a destination's token is read where the file says, again when it changes, and shows nowhere", async () => {
  await using dir = await tempDir();
  const token = join(dir.path, "hooks-token");
  const [first, second] = ["planted-secret-1", "planted-secret-2"];
  await Deno.writeTextFile(token, `${first}\n`);
  // an endpoint that repeats what it is told, in its answers' head and body
  await using endpoint = startEndpoint((request) => {
    const said = request.headers.get("authorization") ?? "nothing";
    if (said === `Bearer ${second}`) return new Response(null, { status: 204 });
    return new Response(`bad: ${said}`, { status: 401, headers: { "x-echo": said } });
  });
  const [path, base] = [join(dir.path, "q.toml"), join(dir.path, "queue")];
  const auth = `auth = { bearer = "credential:hooks-token" }`;
  const quick = `[consume]\nbackoff-base = "20ms"\nbackoff-cap = "20ms"\n`;
  await Deno.writeTextFile(path, `${quick}[destination."${endpoint.url}"]\n${auth}\n`);
  await run(["client", "--base-dir", base, "-"], eventLine(endpoint.url, {}));
  const env = { CREDENTIALS_DIRECTORY: dir.path };
  const args = ["consume", "--base-dir", base, "--config", path, "--until-empty"];
  const child = command(args, { stdout: "null", env }).spawn();
  const log = linesOf(child.stderr);
  await log.until(/ deferred .* 401 /);
  await Deno.writeTextFile(token, second);
  assertEquals((await child.status).code, 0);
  const text = await log.toEnd();
  assertMatch(text, / delivered .* 204 /);
  assertEquals(endpoint.taken[0]!.headers.get("authorization"), `Bearer ${first}`);
  const shown = await run(["config", "show", "--config", path]);
  assertStringIncludes(shown.stdout, auth);
  const journals = namesIn(join(base, "log"));
  assertEquals(filesBelow(base), journals);
  const files = journals.map((name) => Deno.readTextFileSync(join(base, "log", name)));
  assertMatch(files.join(""), /"deferred".*"status":401/);
  const everything = [text, shown.stdout, shown.stderr, ...files].join("\n");
  assert(!everything.includes("planted-secret"), everything);
});

Deno.test("a secret that can't be read puts the destination's events off and says which", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const [path, base] = [join(dir.path, "q.toml"), join(dir.path, "queue")];
  const reference = `file:${join(dir.path, "missing")}`;
  await Deno.writeTextFile(
    path,
    `[destination."${endpoint.url}"]\nsign = { hmac-sha256 = "${reference}", header = "x-mac" }\n`,
  );
  await run(["client", "--base-dir", base, "-"], eventLine(endpoint.url, {}));
  const { code, stderr } = await run(["consume", "--base-dir", base, "--config", path, "--once"]);
  assertEquals([code, endpoint.taken.length], [75, 0]);
  assertStringIncludes(stderr, `reason="the secret ${reference} can't be read: ENOENT"`);
});

Deno.test("what the egress rules don't let through dies with the reason, by either transport, and nobody hears of it", async () => {
  await using dir = await tempDir();
  const knocks: Deno.Conn[] = [];
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listening = (async () => {
    for await (const connection of listener) knocks.push(connection);
  })().catch(() => {});
  const [path, base] = [join(dir.path, "q.toml"), join(dir.path, "queue")];
  await Deno.writeTextFile(path, `[egress]\nallow = ["public", "10.20.0.0/16"]\n`);
  const { port } = listener.addr;
  for (const transport of ["sockets", "fetch"]) {
    await run(["client", "--base-dir", base, "-"], eventLine(`http://127.0.0.1:${port}/`, {}));
    const args = ["consume", "--base-dir", base, "--config", path, "--until-empty"];
    const { code, stderr } = await run([...args, "--transport", transport]);
    assertEquals(code, 0);
    assertMatch(
      stderr,
      / dead .* reason="the egress rules don't let requests go to 127\.0\.0\.1"\n/,
    );
  }
  listener.close();
  await listening;
  assertEquals(knocks.length, 0);
  const shown = await run(["config", "show", "--config", path]);
  assertStringIncludes(shown.stdout, `[egress]\nallow = ["public", "10.20.0.0/16"]`);
  const wrong = await run(["consume", "--base-dir", base, "--egress", "public,10.0.0"]);
  assertEquals(wrong.code, 64);
  assertStringIncludes(wrong.stderr, "--egress must be public, private, loopback, addresses");
});
