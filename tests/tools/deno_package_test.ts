/**
 * Deno for an executable is the one that was looked at, and no other.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ToolError } from "../../tools/compile/child.ts";
import { fetchDenoPackage } from "../../tools/compile/deno_package.ts";
import { targets } from "../../tools/compile/targets.ts";
import { tempDir } from "../support/temp_dir.ts";

Deno.test("a package that isn't the one it was is refused in one line", async () => {
  await using dir = await tempDir();
  const name = "@parcel/watcher-linux-x64-glibc@2.6.0";
  const integrity = `sha512-${"A".repeat(86)}==`;
  const error = await assertRejects(() => fetchDenoPackage({ name, integrity }, dir.path));
  if (!(error instanceof ToolError)) throw error;
  assertMatch(
    error.message,
    /^@parcel\S+@2\.6\.0 is not the package it was .*: it must have \S+, .*$/,
  );
});

Deno.test("every portable form has a Deno of the version that the docs run", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/deploy.md", import.meta.url));
  const version = /npx -y deno@(\S+) task compile/.exec(page)?.[1];
  const pinned = targets.flatMap(({ portable }) => portable?.deno ?? []);
  assertEquals(pinned.length, 4);
  for (const { name, integrity } of pinned) {
    assertEquals(name.split("@").at(-1), version?.replace(/`.*/, ""));
    assertMatch(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
  }
});
