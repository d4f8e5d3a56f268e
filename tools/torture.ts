/**
 * Torture on the real thing: real files, three consumers and two producers as real processes, an
 * endpoint that misbehaves at random, `kill -9` at random moments, and attackers beside them.
 *
 *     deno task torture [--kills N] [--seed N] [--only disk|tmpfs] [--unattacked]
 *
 * At the end every acknowledged id must have been received (or be in `doa/`), and nothing beside the
 * queue may have been touched. Prints what was lost (must be nothing), the second deliveries, and
 * how many of them each cause explains. Then the same once more on a small, full tmpfs, where
 * mounting is allowed. Exit code 1 if anything is lost or touched, or if a second delivery has no
 * cause.
 *
 * @module
 */

import { attackers } from "../tests/torture/attackers.ts";
import { fullTmpfs } from "../tests/torture/full_tmpfs.ts";
import { describeTorture, isSound, torture } from "../tests/torture/torture.ts";
import { readSettings, runTool } from "./options.ts";
import { print, progress } from "./report.ts";

async function main(args: readonly string[]): Promise<void> {
  const { numbers, wants, has } = readSettings(
    args,
    { kills: 200, seed: 1 + Date.now() % 1_000_000 },
    { parts: ["disk", "tmpfs"], flags: ["unattacked"], byChance: ["seed"] },
  );
  const { kills, seed } = numbers;
  let saidMs = -Infinity;
  const onProgress = (line: string) => {
    progress(line);
    if (Deno.stdout.isTerminal() || performance.now() - saidMs < 10_000) return;
    saidMs = performance.now();
    print(line);
  };
  const run = async (title: string, dir: string, kills: number) => {
    const beside = has("unattacked") ? [] : attackers();
    print(`${title}, ${kills} kills, seed ${seed}`);
    for (const { name } of beside) print(`beside it: ${name}`);
    const result = await torture({ kills, seed, dir, attackers: beside, onProgress });
    print(describeTorture(result));
    return isSound(result);
  };
  let sound = true;
  if (wants("disk")) {
    const dir = await Deno.makeTempDir({ prefix: "maildir-torture-" });
    sound = await run("on disk", dir, kills);
    await Deno.remove(dir, { recursive: true });
  }
  if (wants("tmpfs")) {
    const small = await Deno.makeTempDir({ prefix: "maildir-torture-" });
    const unmount = await fullTmpfs(small);
    if (unmount) {
      try {
        sound = await run("on a full tmpfs", small, Math.ceil(kills / 4)) && sound;
      } finally {
        await unmount();
      }
    } else print("on a full tmpfs: skipped, mounting is not allowed here");
    await Deno.remove(small);
  }
  Deno.exit(sound ? 0 : 1);
}

await runTool(() => main(Deno.args));
