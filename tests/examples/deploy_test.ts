/**
 * What `examples/deploy/` offers works as it is.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { writeSums } from "../../tools/compile/sums.ts";
import { type Ended, run, whereIs } from "../tools/fixtures.ts";
import { namesIn, type TempDir, tempDir } from "../support/temp_dir.ts";

const deploy = fromFileUrl(new URL("../../examples/deploy/", import.meta.url));
const name = "optimizelyd-maildir-0.0.0-anywhere";

/** A directory as `deno task compile` leaves it. */
async function built(): Promise<TempDir> {
  const directory = await tempDir();
  await Deno.writeTextFile(join(directory.path, name), "#!/bin/sh\necho genuine\n");
  await writeSums(directory.path);
  return directory;
}

function install(...args: string[]): Promise<Ended> {
  return run(`${deploy}install.sh`, { args, env: { PATH: Deno.env.get("PATH") ?? "" } });
}

Deno.test({
  name: "install.sh installs the file that SHA256SUMS names",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using dist = await built();
    const prefix = join(dist.path, "prefix");
    const ended = await install("--prefix", prefix, join(dist.path, name));
    const installed = join(prefix, "bin", "optimizelyd-maildir");
    assertEquals(ended, { code: 0, stdout: `${installed}\n`, stderr: "" });
    assertEquals((await run(installed, { env: {} })).stdout, "genuine\n");
  },
});

Deno.test({
  name: "install.sh installs nothing that SHA256SUMS doesn't name, and leaves nothing behind",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using dist = await built();
    const prefix = join(dist.path, "prefix");
    const file = join(dist.path, name);
    await Deno.writeTextFile(file, "#!/bin/sh\necho tampered\n");
    const tampered = await install("--prefix", prefix, file);
    assertEquals([tampered.code, tampered.stdout], [65, ""]);
    assertMatch(tampered.stderr, /is not the file that .*SHA256SUMS names/);
    await Deno.rename(file, `${file}-renamed`);
    assertEquals((await install("--prefix", prefix, `${file}-renamed`)).code, 65);
    assertEquals(namesIn(join(prefix, "bin")), []);
  },
});

const systemdAnalyze = whereIs("systemd-analyze");

Deno.test({
  name: "systemd has nothing to say against the unit, with and without what it recommends",
  ignore: systemdAnalyze === undefined,
  async fn() {
    await using dist = await built();
    const text = await Deno.readTextFile(`${deploy}optimizelyd-maildir.service`);
    // it wants to see the executable, which isn't installed where this runs
    const present = text.replace("/usr/local/bin/optimizelyd-maildir", "/bin/sh");
    const recommended = present.replace(/^#(?=[A-Z]\w+=)/gm, "");
    for (const setting of ["MemoryMax=", "IPAddressDeny=", "IPAddressAllow="]) {
      assertStringIncludes(recommended, `\n${setting}`);
    }
    const units = await Promise.all([present, recommended].map(async (text, n) => {
      const unit = `${dist.path}/optimizelyd-maildir-${n}.service`;
      await Deno.writeTextFile(unit, text);
      return unit;
    }));
    const { code, stdout, stderr } = await run(systemdAnalyze!, {
      args: ["verify", ...units],
      env: {},
    });
    assertEquals([code, stdout, stderr], [0, "", ""]);
  },
});
