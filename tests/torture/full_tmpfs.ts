/**
 * A place where the disk is nearly full.
 *
 * @module
 */

import { join } from "@std/path";

/**
 * Mount a small tmpfs with hardly any room left.
 *
 * @returns What unmounts it; `undefined` where mounting isn't allowed.
 */
export async function fullTmpfs(dir: string): Promise<(() => Promise<void>) | undefined> {
  const call = async (name: string, ...args: string[]) =>
    (await new Deno.Command(name, { args, stdout: "null", stderr: "null" }).output()).success;
  try {
    if (!await call("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", dir)) return undefined;
  } catch {
    return undefined; // no such program
  }
  Deno.writeFileSync(join(dir, "ballast"), new Uint8Array(256 * 1024));
  return async () => {
    if (!await call("umount", dir)) throw new Error(`Cannot unmount ${dir}`);
  };
}
