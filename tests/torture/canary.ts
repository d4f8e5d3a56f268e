/**
 * The canary: a tree beside the queue that nobody has any business with. It is listed before and
 * after; whatever differs was touched by somebody who was led out of the queue.
 *
 * @module
 */

import { join } from "@std/path";

/** Make a tree that would be worth following a link into. */
export function makeCanary(dir: string, event: string): void {
  Deno.mkdirSync(dir, { mode: 0o700 });
  Deno.writeTextFileSync(join(dir, "secret"), "hunter2\n", { mode: 0o600 });
  // an event that must not be sent, and folders an event could be moved into
  Deno.writeTextFileSync(join(dir, "event.json"), event, { mode: 0o600 });
  Deno.mkdirSync(join(dir, "folder", "below"), { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(join(dir, "folder", "open"), "for all\n", { mode: 0o644 });
  Deno.mkdirSync(join(dir, "empty"), { mode: 0o755 });
}

/** What there is to be known of a tree without reading it again: a line for each file. */
export function listTree(dir: string, path = "."): Map<string, string> {
  const found = new Map<string, string>();
  const own = join(dir, path);
  const info = Deno.lstatSync(own);
  const { mode, uid, gid, ino, nlink, size, mtime, ctime, isDirectory, isFile } = info;
  const line = { mode, uid, gid, ino, nlink, size, mtime, ctime };
  // an atime is left alone: looking at a file is no crime
  found.set(path, JSON.stringify({ ...line, text: isFile ? Deno.readTextFileSync(own) : "" }));
  if (!isDirectory) return found;
  for (const { name } of Deno.readDirSync(own)) {
    for (const [below, line] of listTree(dir, join(path, name))) found.set(below, line);
  }
  return found;
}

/** The paths at which two listings differ, sorted. */
export function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all].filter((path) => before.get(path) !== after.get(path)).sort();
}
