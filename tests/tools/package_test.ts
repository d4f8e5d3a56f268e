/** The Debian package: what is in it, and that its parts are of use. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { readConfig } from "../../lib/cli/config_file.ts";
import { readConsumeOptions } from "../../lib/cli/consume_options.ts";
import { makeDeb } from "../../tools/package/deb.ts";
import { configText, packagedFiles, unitText } from "../../tools/package/tree.ts";
import { isInstalled } from "../support/certificates.ts";
import { tempDir } from "../support/temp_dir.ts";

const PROGRAM = new TextEncoder().encode("#!/bin/sh\necho genuine\n");

/** Make a package with a program that does nothing much; its path. */
async function made(dir: string, name: string): Promise<string> {
  const scratch = join(dir, `scratch-${name}`);
  await Deno.mkdir(scratch);
  const options = { version: "1.2.3", architecture: "amd64", atSeconds: 1_700_000_000 };
  await makeDeb({ ...options, files: packagedFiles(PROGRAM) }, join(dir, name), scratch);
  return join(dir, name);
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const DEB = { ignore: !isInstalled("dpkg-deb") };

Deno.test({
  name: "the Debian package holds the program and all around it, root's, with the right modes",
  ...DEB,
  async fn() {
    await using dir = await tempDir();
    const deb = await made(dir.path, "a.deb");
    const listing = await output("dpkg-deb", "-c", deb);
    const entries = listing.trim().split("\n").map((line) => line.split(/\s+/));
    for (const [mode, owner] of entries) {
      assertEquals(owner, "root/root");
      assert(/^(?:drwxr-xr-x|-rw-r--r--|-rwxr-xr-x)$/.test(mode!), mode);
    }
    const modeOf = new Map(entries.map((entry) => [entry.at(-1)!.slice(1), entry[0]!]));
    assertEquals(modeOf.get("/usr/bin/optimizelyd-maildir"), "-rwxr-xr-x");
    for (
      const path of [
        "/etc/optimizelyd-maildir.toml",
        "/lib/systemd/system/optimizelyd-maildir.service",
        "/usr/lib/sysusers.d/optimizelyd-maildir.conf",
        "/usr/lib/tmpfiles.d/optimizelyd-maildir.conf",
        "/usr/share/bash-completion/completions/optimizelyd-maildir",
        "/usr/share/doc/optimizelyd-maildir/copyright",
        "/usr/share/fish/vendor_completions.d/optimizelyd-maildir.fish",
        "/usr/share/man/man1/optimizelyd-maildir.1.gz",
        "/usr/share/zsh/vendor-completions/_optimizelyd-maildir",
      ]
    ) assertEquals(modeOf.get(path), "-rw-r--r--", path);
    const control = await output("dpkg-deb", "-f", deb);
    assertStringIncludes(control, "Version: 1.2.3\nArchitecture: amd64\n");
    assertEquals(
      await output("dpkg-deb", "-I", deb, "conffiles"),
      "/etc/optimizelyd-maildir.toml\n",
    );
  },
});

Deno.test({
  name: "the same files and time make the same Debian package",
  ...DEB,
  async fn() {
    await using dir = await tempDir();
    const [one, other] = [await made(dir.path, "a.deb"), await made(dir.path, "b.deb")];
    assertEquals(await Deno.readFile(one), await Deno.readFile(other));
  },
});

Deno.test("the package's configuration sets nothing, and all of it can be taken", () => {
  const text = configText();
  const { consume, destinations } = readConfig(text, "as it is");
  assertEquals([consume.size, destinations.length], [0, 0]);
  const shown = text.split("\n").slice(4).map((line) => line.replace(/^#(?=[\w[])/, ""));
  const all = readConfig(shown.join("\n"), "all of it");
  assert(all.consume.size > 10 && all.destinations.length === 2);
  readConsumeOptions(new Map(), all);
});

Deno.test("the package's unit starts the package's program with the package's configuration", () => {
  const unit = unitText();
  const program = "/usr/bin/optimizelyd-maildir consume --config /etc/optimizelyd-maildir.toml";
  assertStringIncludes(unit, `\nExecStart=${program} --base-dir /var/spool/optimizelyd --group `);
  assert(!unit.includes("/usr/local/") && unit.startsWith("[Unit]\n"));
});

Deno.test({
  name: "the package's scripts are shell, and purge keeps a queue that holds events",
  ignore: Deno.build.os === "windows",
  async fn() {
    const scripts = new URL("../../tools/package/debian/", import.meta.url).pathname;
    for (const name of ["postinst", "prerm", "postrm"]) await output("sh", "-n", scripts + name);
    await using dir = await tempDir();
    const queue = join(dir.path, "queue");
    // the script as it is, on a queue of our own
    const text = (await Deno.readTextFile(`${scripts}postrm`))
      .replace("queue=/var/spool/optimizelyd", `queue=${queue}`)
      .replace("/var/cache/optimizelyd-maildir", join(dir.path, "cache"))
      .replaceAll("deb-systemd-helper", "no-such-helper")
      .replace("/run/systemd/system", "/nowhere");
    await Deno.mkdir(`${queue}/defer/http_a.test_80`, { recursive: true });
    await Deno.writeTextFile(`${queue}/defer/http_a.test_80/.hold`, "");
    const event = `${queue}/defer/http_a.test_80/a+1@1~edge-1-abcdefgh-1`;
    await Deno.writeTextFile(event, "{}");
    for (const action of ["remove", "upgrade", "purge"]) {
      await output("sh", "-c", text, "x", action);
    }
    assert((await Deno.stat(event)).isFile);
    await Deno.remove(event);
    await output("sh", "-c", text, "x", "remove");
    assert((await Deno.stat(queue)).isDirectory);
    await output("sh", "-c", text, "x", "purge");
    assertEquals([...Deno.readDirSync(dir.path)], []);
  },
});
