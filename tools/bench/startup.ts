/**
 * How long `--version` takes, at the first start and when warm, and how large the thing is: the
 * portable form beside `deno run`.
 *
 *     deno run -A tools/bench/startup.ts
 *
 * Builds a portable executable into a temporary directory. First starts have an empty cache of
 * their own (`deno run`: its dependencies downloaded, nothing of ours prepared). Warm starts take
 * turns, so that a busy moment hits all alike; what is shown is the median, and the ratio to `deno
 * run` in the same turns.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command that talks to its user
import { fromFileUrl, join } from "@std/path";

const FIRST_STARTS = 5;
const WARM_STARTS = 41;
const root = fromFileUrl(new URL("../../", import.meta.url));

/** One way to start the program. */
interface Way {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What has to be on a machine for it, in bytes. */
  readonly size: number;
  /** The environment of a start that has this directory for its cache. */
  readonly env: (cache: string) => Record<string, string>;
  /** Do what is not part of a first start. */
  readonly prepare?: (cache: string) => Promise<void>;
}

async function portable(scratch: string): Promise<Way> {
  await run(Deno.execPath(), [
    "run",
    "-A",
    "tools/compile.ts",
    "--form=portable",
    `--out=${scratch}`,
  ]);
  const names = await Array.fromAsync(Deno.readDir(scratch), (entry) => entry.name);
  const name = names.find((name) => name.endsWith(`-${Deno.build.target}`));
  if (name === undefined) throw new Error("Cannot measure the portable form: none was made");
  const program = join(scratch, name);
  return {
    name: "portable",
    program,
    args: ["--version"],
    size: (await Deno.stat(program)).size,
    env: (cache) => ({ XDG_CACHE_HOME: cache }),
  };
}

async function denoRun(): Promise<Way> {
  const env = (cache: string) => ({ DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1" });
  const program = Deno.execPath();
  return {
    name: "deno run cli.ts",
    program,
    args: ["run", "--allow-all", `${root}cli.ts`, "--version"],
    size: (await Deno.stat(program)).size,
    env,
    prepare: async (cache) => {
      await run(program, ["install", "--quiet", "--frozen"], env(cache));
    },
  };
}

/** Run to the end; returns how long that took, in ms. */
async function run(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<number> {
  const command = new Deno.Command(program, { args: [...args], cwd: root, env, stdin: "null" });
  const start = performance.now();
  const { success, stderr } = await command.output();
  const ms = performance.now() - start;
  if (!success) {
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  return ms;
}

async function firstStart(way: Way, scratch: string): Promise<number> {
  const cache = await Deno.makeTempDir({ dir: scratch });
  await way.prepare?.(cache);
  const ms = await run(way.program, way.args, way.env(cache));
  await Deno.remove(cache, { recursive: true });
  return ms;
}

async function warmStarts(ways: readonly Way[], scratch: string): Promise<number[][]> {
  const caches = await Promise.all(ways.map(() => Deno.makeTempDir({ dir: scratch })));
  const times: number[][] = ways.map(() => []);
  for (let turn = -2; turn < WARM_STARTS; turn++) {
    for (const [i, way] of ways.entries()) {
      if (turn === -2) await way.prepare?.(caches[i]!);
      const ms = await run(way.program, way.args, way.env(caches[i]!));
      if (turn >= 0) times[i]!.push(ms);
    }
  }
  return times;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

async function main(scratch: string): Promise<void> {
  const ways = [await denoRun(), await portable(scratch)];
  const first: number[] = [];
  for (const way of ways) {
    const times: number[] = [];
    for (let n = 0; n < FIRST_STARTS; n++) times.push(await firstStart(way, scratch));
    first.push(median(times));
  }
  const warm = (await warmStarts(ways, scratch)).map(median);
  console.log("| | size | first `--version` | warm `--version` | warm, ratio |");
  console.log("| --- | ---: | ---: | ---: | ---: |");
  for (const [i, { name, size }] of ways.entries()) {
    const ratio = (warm[i]! / warm[0]!).toFixed(2);
    const megabytes = (size / 1e6).toFixed(1);
    const times = `${first[i]!.toFixed(0)} ms | ${warm[i]!.toFixed(0)} ms`;
    console.log(`| ${name} | ${megabytes} MB | ${times} | ${ratio} |`);
  }
}

const scratch = await Deno.makeTempDir({ prefix: "startup-" });
try {
  await main(scratch);
} finally {
  await Deno.remove(scratch, { recursive: true });
}
