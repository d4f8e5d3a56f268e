/** The command lines of the tools: what isn't understood is refused before anything long begins. */

import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/args.ts";
import { readSettings } from "../../tools/options.ts";

const read = (...args: string[]) =>
  readSettings(args, { kills: 200, seed: 7 }, { parts: ["disk", "tmpfs"], flags: ["dry"] });

Deno.test("what is not set is as it was, and every part is wanted", () => {
  const { numbers, wants, has } = read();
  assertEquals(numbers, { kills: 200, seed: 7 });
  assertEquals([wants("disk"), wants("tmpfs"), has("dry")], [true, true, false]);
});

Deno.test("numbers, one part alone and flags are set", () => {
  const { numbers, wants, has } = read("--kills", "3", "--only=tmpfs", "--dry");
  assertEquals(numbers, { kills: 3, seed: 7 });
  assertEquals([wants("disk"), wants("tmpfs"), has("dry")], [false, true, true]);
});

Deno.test("what isn't understood is refused with what would be", () => {
  const refusal = (...args: string[]) => assertThrows(() => read(...args), UsageError).message;
  assertEquals(refusal("--kils", "3"), "unknown option --kils; did you mean --kills?");
  assertEquals(refusal("--no-dry"), "unknown option --no-dry; see --help");
  assertEquals(refusal("--seed", "abc"), '--seed must be a positive whole number, not "abc"');
  assertEquals(refusal("--only", "ram"), '--only must be one of disk, tmpfs, not "ram"');
  assertEquals(refusal("more"), 'unexpected "more"');
});
