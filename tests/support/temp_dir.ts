/** A directory for one test: `await using dir = await tempDir()`. */

import { join } from "@std/path";

/** A temporary directory that is removed at the end of the scope. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** Make one. */
export async function tempDir(): Promise<TempDir> {
  const path = await Deno.makeTempDir({ prefix: "maildir-" });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}

/** The names in a folder, sorted; empty where there is no folder. */
export function namesIn(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The names of all files below a directory but dot files, sorted. */
export function filesBelow(dir: string): string[] {
  const found: string[] = [];
  for (const name of namesIn(dir)) {
    if (name.startsWith(".")) continue;
    const path = join(dir, name);
    if (Deno.lstatSync(path).isDirectory) found.push(...filesBelow(path));
    else found.push(name);
  }
  return found.sort();
}
