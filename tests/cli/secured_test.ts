/** Destinations that want more than a request: certificates, tokens, signatures, a proxy. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Webhook } from "standardwebhooks";
import { startAuthorizationServer } from "../support/authorization_server.ts";
import { Authority, isInstalled, type Pair } from "../support/certificates.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { Program, runHere } from "../support/in_process.ts";
import { eventLine } from "../support/program.ts";
import { SERVERS, startTinyproxy } from "../support/servers.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

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

/** A receiver of Standard Webhooks, which takes what is signed with one secret. */
function startReceiver(secret: string) {
  const webhook = new Webhook(secret);
  return startEndpoint(({ headers, body }) => {
    try {
      webhook.verify(body, Object.fromEntries(headers));
      return new Response(null, { status: 204 });
    } catch (error) {
      return new Response(`${error}: ${headers.get("webhook-signature")}`, { status: 401 });
    }
  });
}

/** All text that a consumer has left in its queue. */
function textBelow(dir: string): string {
  return [...Deno.readDirSync(dir)].map(({ name, isDirectory }) => {
    const path = join(dir, name);
    return isDirectory ? textBelow(path) : Deno.readTextFileSync(path);
  }).join("\n");
}

const isReady = hasOpenssl && isInstalled("nginx") && isInstalled("tinyproxy");

Deno.test({
  name:
    `one file is enough for certificates, a proxy, OAuth and signatures; with changed secrets nothing is lost, and none is shown${
      skipped(isReady, "openssl, nginx or tinyproxy")
    }`,
  ignore: !isReady,
  async fn() {
    await using dir = await tempDir();
    const at = (name: string) => join(dir.path, name);
    const ours = await Authority.make(dir.path, "ours");
    const other = await Authority.make(dir.path, "other");
    const server = await ours.issue("server");
    await using strict = await SERVERS[0]!.start(dir.path, server, ours.certFile);
    await using proxy = await startTinyproxy(dir.path, "user", "planted-right");
    await using plain = startEndpoint();
    await using authorization = startAuthorizationServer();
    authorization.state.client = btoa("me:planted-right");
    const [wrong, right] = [btoa("planted-wrong-signer"), btoa("planted-right-signer")];
    await using receiver = startReceiver(right);
    const use = async (word: string, { certFile, keyFile }: Pair, signer: string) => {
      await Deno.copyFile(certFile, at("client.pem"));
      await Deno.copyFile(keyFile, at("client-key"));
      await Deno.writeTextFile(at("proxy-password"), `user:planted-${word}\n`);
      await Deno.writeTextFile(at("client-secret"), `planted-${word}\n`);
      await Deno.writeTextFile(at("signer"), signer);
    };
    await use("wrong", await other.issue("wrong"), wrong);
    const sections = [
      [
        strict.url,
        `on-status = { 400 = "defer" }\n` +
        `tls = { ca = "${ours.certFile}", cert = "${at("client.pem")}", ` +
        `key = "credential:client-key" }`,
      ],
      [plain.url, `proxy = { url = "${proxy.url}", basic = "credential:proxy-password" }`],
      [
        authorization.endpoint.url,
        `auth.oauth2 = { token-url = "${authorization.url}", client-id = "me", ` +
        `client-secret = "file:${at("client-secret")}" }`,
      ],
      [receiver.url, `sign = { standard-webhooks = ["credential:signer"] }`],
    ] as const;
    const config = at("q.toml");
    await Deno.writeTextFile(
      config,
      `[consume]\npoll = "20ms"\nbackoff-base = "20ms"\nbackoff-cap = "20ms"\n` +
        sections.map(([url, lines]) => `[destination."${url}"]\n${lines}\n`).join(""),
    );
    const [base, program] = [at("queue"), new Program({ credentialsDirectory: dir.path })];
    const events = await Promise.all(sections.map(([url]) => put(base, `${url}/`)));
    const running = program.run(["consume", "--base-dir", base, "--config", config]);
    for (const id of events) await program.until(new RegExp(` deferred ${id} `));
    await use("right", await ours.issue("right"), right);
    program.signal("reload");
    await program.until(/ reloaded /);
    for (const id of events) await program.until(new RegExp(` delivered ${id} `));
    program.signal("stop");
    assertEquals(await running, 0);
    assertEquals(filesBelow(base), namesIn(join(base, "log")));
    assert(plain.taken.every(({ headers }) => headers.has("via")));
    const shown = await runHere(["config", "show", "--config", config]);
    const everything = `${program.stderr}${shown.stdout}${textBelow(base)}`;
    const secrets = [/planted/, /PRIVATE/, new RegExp(`${right}|${wrong}|v1,`)];
    for (const secret of secrets) assert(!secret.test(everything), everything);
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
    const base = join(dir.path, "queue");
    await put(base, "http://a.test/");
    const doctor = await runHere(["doctor", "--base-dir", base, "--config", path]);
    const [, ...found] = doctor.stdout.match(/^warning {2}configuration\s*(.*)$/gm)!;
    const texts = found.map((line) => line.replace(/^warning +configuration */, "warning: "));
    assertEquals([doctor.code, texts], [75, warnings]);
    const check = await runHere(["check", "--base-dir", base, "--config", path, "--prometheus"]);
    assertEquals(check.code, 1);
    assertStringIncludes(
      check.stdout,
      'optimizelyd_certificate_end_timestamp_seconds{destination="https://b.test",use="ca"} ' +
        `${Date.UTC(2020, 10, 2) / 1_000}\n`,
    );
    const line = await runHere(["check", "--base-dir", base, "--config", path]);
    assert(line.stdout.startsWith("WARNING: --tls-ca can't be used"), line.stdout);
    const shown = await runHere(["config", "show", "--config", path]);
    assertStringIncludes(shown.stdout, `\ntls = { ca = "${ended.certFile}" }`);
  },
});

Deno.test("a destination that doesn't take compressed bodies is told of once, and gets all of its events", async () => {
  await using dir = await tempDir();
  await using endpoint = startEndpoint(({ headers }) =>
    new Response(null, { status: headers.has("content-encoding") ? 415 : 204 })
  );
  const [path, base] = [join(dir.path, "q.toml"), join(dir.path, "queue")];
  const section = `[destination."${endpoint.url}"]\ncompress = "gzip"\ncompress-from = "1"\n`;
  await Deno.writeTextFile(path, section);
  const events = Array.from(
    { length: 5 },
    (_, n) => eventLine(endpoint.url, n.toString().repeat(99)),
  );
  await runHere(["client", "--base-dir", base, "-"], { stdin: events.join("") });
  const args = ["--base-dir", base, "--config", path, "--concurrency", "1", "--once"];
  const { code, stderr } = await runHere(["consume", ...args]);
  assertEquals([code, endpoint.taken.length], [0, 6]);
  assertEquals(stderr.match(/ lane \S+ uncompressed\n/g)?.length, 1, stderr);
});
