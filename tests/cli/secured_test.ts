/** Destinations that want more than a request: certificates, tokens, signatures, a proxy. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Authority, isInstalled, type Pair } from "../support/certificates.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { Program, runHere } from "../support/in_process.ts";
import { eventLine } from "../support/program.ts";
import { SERVERS, startTinyproxy } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";

const hasOpenssl = isInstalled("openssl");
const skipped = (isReady: boolean, what: string) =>
  isReady ? "" : ` (skipped: ${what} is not installed)`;

/** Put an event on the queue; its id. */
async function put(base: string, url: string): Promise<string> {
  const { stdout } = await runHere(["client", "--base-dir", base, "-"], {
    stdin: eventLine(url, {}),
  });
  return stdout.trim();
}

const isReady = hasOpenssl && isInstalled("nginx") && isInstalled("tinyproxy");

Deno.test({
  name: `one file is enough for an endpoint that wants certificates and one behind a proxy${
    skipped(isReady, "openssl, nginx or tinyproxy")
  }`,
  ignore: !isReady,
  async fn() {
    await using dir = await tempDir();
    const at = (name: string) => join(dir.path, name);
    const ours = await Authority.make(dir.path, "ours");
    const other = await Authority.make(dir.path, "other");
    const [nginx] = SERVERS;
    const server = await ours.issue("server");
    await using strict = await nginx!.start(dir.path, server, ours.certFile);
    await using proxy = await startTinyproxy(dir.path, "user", "planted-password");
    await using plain = startEndpoint();
    const use = async ({ certFile, keyFile }: Pair, password: string) => {
      await Deno.copyFile(certFile, at("client.pem"));
      await Deno.copyFile(keyFile, at("client-key"));
      await Deno.writeTextFile(at("proxy-password"), `user:${password}\n`);
    };
    await use(await other.issue("wrong"), "planted-wrong");
    const config = at("q.toml");
    const quick = `[consume]\npoll = "20ms"\nbackoff-base = "20ms"\nbackoff-cap = "20ms"\n`;
    await Deno.writeTextFile(
      config,
      `${quick}[destination."${strict.url}"]\non-status = { 400 = "defer" }\n` +
        `tls = { ca = "${ours.certFile}", cert = "${at("client.pem")}", ` +
        `key = "credential:client-key" }\n` +
        `[destination."${plain.url}"]\n` +
        `proxy = { url = "${proxy.url}", basic = "credential:proxy-password" }\n`,
    );
    const [base, program] = [at("queue"), new Program({ credentialsDirectory: dir.path })];
    const events = [await put(base, `${strict.url}/`), await put(base, plain.url)];
    const running = program.run(["consume", "--base-dir", base, "--config", config]);
    await program.until(new RegExp(` deferred ${events[0]} .* 400 `));
    await program.until(new RegExp(` deferred ${events[1]} `));
    assertEquals(plain.taken.length, 0);
    await use(await ours.issue("right"), "planted-password");
    for (const id of events) await program.until(new RegExp(` delivered ${id} `));
    program.signal("reload");
    await program.until(/ reloaded /);
    program.signal("stop");
    assertEquals(await running, 0);
    assert(plain.taken.at(-1)!.headers.has("via"));
    assert(!/planted|BEGIN/.test(program.stderr), program.stderr);
  },
});

Deno.test({
  name: `config check warns of certificates that end soon, have ended or can't be read${
    skipped(hasOpenssl, "openssl")
  }`,
  ignore: !hasOpenssl,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const ended = await ours.issue("ended", undefined, "20201102000000Z");
    const soon = new Date(Date.now() + 13 * 24 * 3_600_000).toISOString();
    const ends = await ours.issue("ends", undefined, `${soon.replace(/\D/g, "").slice(0, 14)}Z`);
    const renewed = join(dir.path, "renewed.pem");
    await Deno.writeTextFile(renewed, ended.cert + ours.cert);
    const path = join(dir.path, "q.toml");
    const section = (host: string, tls: string) =>
      `[destination."https://${host}"]\ntls = ${tls}\n`;
    await Deno.writeTextFile(
      path,
      `[consume]\ntls-ca = "/nowhere.pem"\n` +
        section("a.test", `{ cert = "${ends.certFile}", key = "credential:k" }`) +
        section("b.test", `{ ca = "${ended.certFile}" }`) +
        section("c.test", `{ ca = "${renewed}", cert = "${renewed}", key = "credential:k" }`) +
        section("d.test", `{ ca = "${ours.certFile}" }`) +
        section("e.test", `{ ca = "file:${path}" }`),
    );
    const { code, stdout, stderr } = await runHere(["config", "check", "--config", path]);
    assertEquals([code, stdout], [0, `${path} is in order: 5 destinations of its own\n`]);
    const [nowhere, ...warnings] = stderr.trimEnd().split("\n");
    assertMatch(nowhere!, /^warning: --tls-ca can't be used: \/nowhere\.pem: No such file/);
    assertEquals(warnings, [
      `warning: tls.cert of https://a.test ends on ${soon.slice(0, 10)}: ${ends.certFile}`,
      `warning: tls.ca of https://b.test has ended on 2020-11-02: ${ended.certFile}`,
      `warning: tls.cert of https://c.test has ended on 2020-11-02: ${renewed}`,
      `warning: tls.ca of https://e.test can't be used: file:${path}: there is no certificate in it`,
    ]);
    const shown = await runHere(["config", "show", "--config", path]);
    assertStringIncludes(shown.stdout, `\ntls = { ca = "${ended.certFile}" }`);
  },
});
