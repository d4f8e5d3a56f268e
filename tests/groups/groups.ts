/**
 * The test files, loaded in groups. Deno gives each file that it is told to test a worker of its
 * own, and starting one takes a third of a second of a core: with a worker for each file the suite
 * would do nothing else for a third of its time.
 *
 * `deno test tests/lanes` and `deno test tests/lanes/lane_test.ts` don't go through here.
 *
 * @module
 */

/** How many groups there are, each in a file of its own, so that they run side by side. */
export const GROUPS = 6;

const TESTS = new URL("../", import.meta.url);

/**
 * The folders whose files get a worker each, as `deno.json` says too: for what takes long anyway,
 * and for hooks (`Deno.test.beforeAll`), which are those of all tests of a worker.
 */
export const APART = new Set(["groups/", "sdk/", "sweeps/", "tools/"]);

/** The addresses of all files of tests below a folder, in order of their names. */
async function* testFiles(folder: URL): AsyncGenerator<string> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (isDirectory) {
      const inner = new URL(`${name}/`, folder);
      if (!APART.has(inner.href.slice(TESTS.href.length))) yield* testFiles(inner);
    } else if (name.endsWith("_test.ts")) {
      yield new URL(name, folder).href;
    }
  }
}

/** Define the tests of a group: 1, 2, … */
export async function defineGroup(number: number): Promise<void> {
  let dealt = 0;
  for await (const file of testFiles(TESTS)) {
    if (dealt++ % GROUPS === number - 1) await import(file);
  }
}
