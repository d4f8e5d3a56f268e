/**
 * What kind of file system a path is on, by way of Node's modules: on Node, and on Deno, which has
 * no such call of its own. Loaded by their names, as few programs ever ask.
 *
 * @module
 */

import type * as NodeFs from "node:fs";
import type { Volume } from "./runtime.ts";

/** Of Linux's `statfs(2)`: kinds whose name can't be read elsewhere. */
const MAGIC: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0xf2f52010, "f2fs"],
  [0x2fc12fc1, "zfs"],
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x794c7630, "overlay"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb3"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
  [0x4d44, "vfat"],
  [0x2011bab0, "exfat"],
  [0x7366746e, "ntfs3"],
]);

function node(): typeof NodeFs {
  // deno-lint-ignore no-process-global -- an import is what is to be avoided
  return process.getBuiltinModule("node:fs") as typeof NodeFs;
}

/** As `Runtime.volume`, on a system by that name. What may not be asked is left out. */
export function volumeOf(system: string): (path: string) => Volume {
  return (path) => ({ ...spaceOf(path, system), ...mountOf(path) });
}

function spaceOf(path: string, system: string): Volume {
  try {
    const { type, bsize, blocks, bavail, files, ffree } = node().statfsSync(path);
    const kind = system === "linux" ? MAGIC.get(type >>> 0) : undefined;
    return {
      ...kind !== undefined && { kind },
      bytes: { total: blocks * bsize, free: bavail * bsize },
      ...files > 0 && { files: { total: files, free: ffree } },
    };
  } catch {
    return {}; // no such call here, or not for us
  }
}

function mountOf(path: string): Volume {
  try {
    const fs = node();
    const mounts = readMounts(fs.readFileSync("/proc/self/mountinfo", "utf8"));
    const mount = mountHolding(fs.realpathSync(path), mounts);
    return mount ? { kind: mount.kind, options: mount.options } : {};
  } catch {
    return {}; // not Linux, or not for us
  }
}

/** Something that is mounted. */
export interface Mount {
  /** Where. */
  readonly at: string;
  /** What kind of file system it is. */
  readonly kind: string;
  /** Its options, of the mount and of the file system. */
  readonly options: readonly string[];
}

/** Read Linux's `mountinfo`, proc(5). */
export function readMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , , at, options] = left.split(" ");
    const [kind, , more] = right.split(" ");
    if (at === undefined || options === undefined || kind === undefined) return [];
    const all = [...options.split(","), ...(more ?? "").split(",")].filter(Boolean);
    return [{ at: unescaped(at), kind, options: [...new Set(all)] }];
  });
}

/** Blanks and the like are written in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/** The mount that a path without symlinks is on: of several at one place the last. */
export function mountHolding(path: string, mounts: readonly Mount[]): Mount | undefined {
  const holds = ({ at }: Mount) => path === at || path.startsWith(at === "/" ? at : `${at}/`);
  return mounts.filter(holds).reduce<Mount | undefined>(
    (found, mount) => found && found.at.length > mount.at.length ? found : mount,
    undefined,
  );
}
