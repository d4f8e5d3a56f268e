/** A short run of the torture, so that it doesn't fall into decay, and what it must see. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { namesIn, tempDir } from "../support/temp_dir.ts";
import { attackers, repeating } from "./attackers.ts";
import { differences, listTree, makeCanary } from "./canary.ts";
import { Evidence } from "./duplicates.ts";
import { describeTorture, isSound, torture, type TortureResult } from "./torture.ts";

Deno.test("killed at random, with attackers beside them, real processes lose and touch nothing", async () => {
  await using dir = await tempDir();
  const result = await torture({ kills: 3, seed: 5, dir: dir.path, attackers: attackers() });
  assert(isSound(result), describeTorture(result));
  const left = namesIn(join(dir.path, "queue", "new"));
  assert(left.some((name) => name.startsWith("link-")), `${left}`);
  assert(left.some((name) => name.startsWith("fifo-")), `${left}`);
});

Deno.test("the canary's listing sees whatever is done to the tree, and not that it was read", async () => {
  await using dir = await tempDir();
  const canary = join(dir.path, "canary");
  const at = (...names: string[]) => join(canary, ...names);
  makeCanary(canary, "{}\n");
  const now = () => differences(before, listTree(canary));
  let before = listTree(canary);
  Deno.readTextFileSync(at("secret"));
  assertEquals([...Deno.readDirSync(canary)].length, 4);
  assertEquals(now(), []);
  const touches: [touch: () => void, seen: string][] = [
    [() => Deno.chmodSync(at("secret"), 0o660), "secret"],
    [() => Deno.writeTextFileSync(at("folder", "open"), "for ALL\n"), join("folder", "open")],
    [() => Deno.utimeSync(at("empty"), 1, 1), "empty"],
    [() => Deno.linkSync(at("secret"), join(dir.path, "stolen")), "secret"],
    [() => Deno.writeTextFileSync(at("empty", "new"), ""), join("empty", "new")],
    [() => Deno.removeSync(at("event.json")), "event.json"],
    [() => Deno.renameSync(at("secret"), at("folder", "secret")), join("folder", "secret")],
  ];
  for (const [touch, seen] of touches) {
    before = listTree(canary);
    touch();
    assert(now().includes(seen), seen);
  }
});

Deno.test("a torture that loses, leaves, touches, damages, or delivers twice without a cause isn't sound", () => {
  const sound: TortureResult = {
    acknowledged: 1,
    lost: [],
    left: [],
    touched: [],
    dead: 0,
    unacknowledged: 0,
    damaged: 0,
    refused: 0,
    duplicates: new Evidence().explain(new Map([["a", [{ atMs: 1, answered: true }]]])),
    killed: { consumers: 1, producers: 1 },
    ms: 1,
  };
  assert(isSound(sound));
  for (
    const wrong of [
      { lost: ["a"] },
      { left: ["new/a"] },
      { touched: ["secret"] },
      { damaged: 1 },
      { duplicates: { ...sound.duplicates, "no cause known": 1 } },
    ]
  ) assert(!isSound({ ...sound, ...wrong }), describeTorture({ ...sound, ...wrong }));
});

Deno.test("a second delivery is explained once by each thing that was seen", () => {
  const twice = (answered: boolean) =>
    new Map([["a", [1, 2, 3].map((atMs) => ({ atMs, answered }))]]);
  const explained = (evidence: Evidence, answered = true) =>
    Object.entries(evidence.explain(twice(answered))).filter(([, count]) => count > 0);
  const evidence = new Evidence();
  assertEquals(explained(evidence), [["no cause known", 2]]);
  assertEquals(explained(evidence, false), [["the 2xx did not arrive", 2]]);
  evidence.note("not JSON");
  evidence.note('{"event":"lease-lost","id":"a"}');
  evidence.note('{"event":"taken-over","id":"b"}');
  assertEquals(explained(evidence), [["its lease was lost", 1], ["no cause known", 1]]);
  evidence.note('{"event":"taken-over","id":"a"}');
  assertEquals(explained(evidence), [["its consumer was killed", 1], ["its lease was lost", 1]]);
});

Deno.test("an attacker that fails says so when it is stopped", async () => {
  const attacker = repeating("none", () => Promise.reject(new Error("no more")), 1);
  await attacker.start({ queue: "", canary: "", ports: [], random: () => 0 });
  await assertRejects(() => attacker.stop(), Error, "no more");
});
