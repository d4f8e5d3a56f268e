/**
 * A tree of folders and files in memory with POSIX's answers, as Linux and Deno give them.
 *
 * No time, no faults and no processes here: a change is made at once or fails without effect.
 * Symlinks can be planted; their bytes are where they lead. Paths are followed through them by
 * `through` only: all else takes one in the middle of a path for what it is (`ENOTDIR`). `..` is
 * not understood.
 *
 * @module
 */

import type { Kind, Stat } from "../../lib/runtime/runtime.ts";

/**
 * A disk error as Deno has it: an `Error` with a `code`. Made without the constructor of `Error`,
 * which takes 6 µs to look at the stack, whatever its limit: a sweep makes millions of them.
 */
export class PosixError {
  /** As of any error. */
  readonly name = "PosixError";
  /** As of any error. */
  readonly message: string;
  /** The POSIX name. */
  readonly code: string;

  /** `code` and what it befell. */
  constructor(code: string, what: string) {
    this.message = `${code}: ${what}`;
    this.code = code;
  }
}
Object.setPrototypeOf(PosixError.prototype, Error.prototype);

/**
 * What an inode number stands for. Once `frozen` a snapshot shares it, and a change makes a new
 * one.
 */
export interface Inode {
  /** Its number. */
  readonly ino: number;
  /** What it is. */
  readonly kind: Kind;
  /** Last modification, Unix ms. */
  mtimeMs: number;
  /** Last change of anything about it, Unix ms. */
  ctimeMs: number;
  /** Number of names. */
  nlink: number;
  /** Permission bits. */
  mode: number;
  /** A folder's names. */
  readonly names: Map<string, number> | undefined;
  /** A snapshot shares it. */
  frozen: boolean;
}

/** Number of the root folder. */
export const ROOT = 1;
const DEVICE = 7;
const LONGEST_NAME = 255;
const MOST_SYMLINKS = 40;

/** Where a path leads: its folder, its last name, and what that stands for, if anything. */
interface Place {
  readonly dir: number;
  readonly name: string;
  readonly ino: number | undefined;
}

const splitPaths = new Map<string, readonly string[]>();

/** The names along a path. */
export function partsOf(path: string): readonly string[] {
  let parts = splitPaths.get(path);
  if (parts === undefined) {
    parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (splitPaths.size > 50_000) splitPaths.clear();
    splitPaths.set(path, parts);
  }
  return parts;
}

/**
 * The names along the way to the last, and the last: `undefined` for the root. There are few ways,
 * and many last names.
 */
function splitLast(
  path: string,
): { readonly parts: readonly string[]; readonly name: string | undefined } {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name !== "" && name !== ".") return { parts: partsOf(path.slice(0, slash + 1)), name };
  const parts = partsOf(path);
  return { parts: parts.slice(0, -1), name: parts.at(-1) };
}

/** The path in the one spelling by which paths are compared. */
export function canonical(path: string): string {
  const isCanonical = path.startsWith("/") && !/\/\.?(?:\/|$)/.test(path);
  return isCanonical ? path : `/${partsOf(path).join("/")}`;
}

/** The canonical path of the folder that a path lies in. */
export function parentOf(path: string): string {
  const whole = canonical(path);
  return whole.slice(0, whole.lastIndexOf("/")) || "/";
}

/** The tree. */
export class Tree {
  /** All inodes with a name. */
  readonly inodes: Map<number, Inode>;
  /**
   * The bytes of each file; of files whose last name has gone too, for a snapshot may still have
   * one.
   */
  readonly bytes: Map<number, Uint8Array>;
  /** The inodes changed since this was last cleared, in order. */
  readonly touched: number[] = [];
  #nextIno: number;

  /** An empty root folder, or what a snapshot holds. */
  constructor(
    nowMs: number,
    from?: { readonly inodes: ReadonlyMap<number, Inode>; bytesOf(ino: number): Uint8Array },
  ) {
    this.inodes = new Map(from?.inodes);
    this.bytes = new Map();
    this.#nextIno = ROOT;
    for (const ino of this.inodes.keys()) {
      this.#nextIno = Math.max(this.#nextIno, ino + 1);
      if (from !== undefined) this.bytes.set(ino, from.bytesOf(ino));
    }
    if (from === undefined) this.#add("directory", 0o755, nowMs);
  }

  /** The inode, for reading. */
  get(ino: number): Inode {
    return this.inodes.get(ino)!;
  }

  /** The folder at `path`. */
  folder(path: string): Inode {
    const inode = this.get(this.find(path));
    if (inode.kind !== "directory") throw new PosixError("ENOTDIR", path);
    return inode;
  }

  /** The inode number at `path`. */
  find(path: string): number {
    if (/^[./]*$/.test(path) && partsOf(path).length === 0) return ROOT;
    const { ino } = this.#place(path);
    if (ino === undefined) throw new PosixError("ENOENT", path);
    return ino;
  }

  /** The inode number at `path`, if there is one. */
  peek(path: string): number | undefined {
    const { parts, name } = splitLast(path);
    const dir = this.#walk(parts);
    if (name === undefined || typeof dir === "string") return undefined;
    return this.get(dir).names?.get(name);
  }

  /**
   * The path that a path leads to through symlinks in the place of its folders, as Linux follows
   * them; those below `within` are not followed.
   */
  through(path: string, within?: string): string {
    const kept = within === undefined ? Infinity : partsOf(within).length;
    const isBelow = within !== undefined && `${canonical(path)}/`.startsWith(`${within}/`);
    let parts = [...partsOf(path)];
    for (let [depth, followed] = [1, 0]; depth < parts.length; depth++) {
      const folder = parts.slice(0, depth);
      let ino: number;
      try {
        ino = this.find(folder.join("/"));
      } catch {
        break; // who follows the path will say why
      }
      if (this.get(ino).kind !== "symlink" || isBelow && followed === 0 && depth > kept) continue;
      const target = new TextDecoder().decode(this.bytes.get(ino));
      if (target === "") continue; // leads nowhere
      if (++followed > MOST_SYMLINKS) throw new PosixError("ELOOP", path);
      parts = [...partsOf(target), ...parts.slice(depth)];
      depth = 0;
    }
    return `/${parts.join("/")}`;
  }

  /** As `lstat` of an inode. */
  statOf(ino: number): Stat {
    const { kind, mtimeMs, ctimeMs, nlink, mode } = this.get(ino);
    const size = this.bytes.get(ino)?.length ?? 0;
    const at = { mtimeMs, ctimeMs, ino, dev: DEVICE, nlink, mode, uid: 1000, gid: 1000 };
    return { kind, size, ...at };
  }

  /** Make a new name with nothing in it; its number. */
  make(path: string, kind: Kind, mode: number, nowMs: number): number {
    const place = this.#place(path);
    if (place.ino !== undefined) throw new PosixError("EEXIST", path);
    const { ino } = this.#add(kind, mode, nowMs);
    this.#name(place, ino, nowMs);
    return ino;
  }

  /**
   * As `rename`; the number of the file that lost its name to it, if one did. False: nothing to do.
   */
  rename(from: string, to: string, nowMs: number): number | undefined | false {
    const source = this.#place(from);
    if (source.ino === undefined) throw new PosixError("ENOENT", from);
    const target = this.#place(to);
    if (target.ino === source.ino) return false;
    const isFolder = this.get(source.ino).kind === "directory";
    if (isFolder && canonical(to).startsWith(`${canonical(from)}/`)) {
      throw new PosixError("EINVAL", to);
    }
    if (target.ino !== undefined) {
      const { kind, names } = this.get(target.ino);
      if (kind === "directory" && !isFolder) throw new PosixError("EISDIR", to);
      if (kind !== "directory" && isFolder) throw new PosixError("ENOTDIR", to);
      if (names !== undefined && names.size > 0) throw new PosixError("ENOTEMPTY", to);
      this.#unname(target, target.ino, nowMs);
    }
    this.#unname(source, source.ino, nowMs, true);
    this.#name(target, source.ino, nowMs);
    return target.ino;
  }

  /** As `link`. */
  link(from: string, to: string, nowMs: number): void {
    const source = this.#place(from);
    if (source.ino === undefined) throw new PosixError("ENOENT", from);
    const target = this.#place(to);
    if (target.ino !== undefined) throw new PosixError("EEXIST", to);
    if (this.get(source.ino).kind === "directory") throw new PosixError("EPERM", from);
    this.#name(target, source.ino, nowMs);
  }

  /** As `unlink`; the number of the file. */
  remove(path: string, nowMs: number): number {
    const place = this.#place(path);
    if (place.ino === undefined) throw new PosixError("ENOENT", path);
    if (this.get(place.ino).kind === "directory") throw new PosixError("EISDIR", path);
    this.#unname(place, place.ino, nowMs);
    return place.ino;
  }

  /** As `rmdir`. */
  removeDir(path: string, nowMs: number): void {
    const place = this.#place(path);
    if (place.ino === undefined) throw new PosixError("ENOENT", path);
    const { names } = this.get(place.ino);
    if (names === undefined) throw new PosixError("ENOTDIR", path);
    if (names.size > 0) throw new PosixError("ENOTEMPTY", path);
    this.#unname(place, place.ino, nowMs);
  }

  /** The inode, to change it: a copy in place of one that a snapshot shares. */
  own(ino: number): Inode {
    this.touched.push(ino);
    const inode = this.get(ino);
    if (!inode.frozen) return inode;
    const names = inode.names === undefined ? undefined : new Map(inode.names);
    const copy = { ...inode, names, frozen: false };
    this.inodes.set(ino, copy);
    return copy;
  }

  #place(path: string): Place {
    const { parts, name } = splitLast(path);
    if (name === undefined) throw new PosixError("EBUSY", path);
    const dir = this.#walk(parts);
    if (typeof dir === "string") throw new PosixError(dir, path);
    const { names } = this.get(dir);
    if (names === undefined) throw new PosixError("ENOTDIR", path);
    if (name.length > LONGEST_NAME) throw new PosixError("ENAMETOOLONG", path);
    return { dir, name, ino: names.get(name) };
  }

  /** The inode number at the end of a way, or why it has no end. */
  #walk(parts: readonly string[]): number | "ENOENT" | "ENOTDIR" {
    let ino = ROOT;
    for (const part of parts) {
      const { names } = this.get(ino);
      if (names === undefined) return "ENOTDIR";
      const next = names.get(part);
      if (next === undefined) return "ENOENT";
      ino = next;
    }
    return ino;
  }

  #add(kind: Kind, mode: number, nowMs: number): Inode {
    const names = kind === "directory" ? new Map<string, number>() : undefined;
    const ino = this.#nextIno++;
    const nlink = kind === "directory" ? 1 : 0;
    const times = { mtimeMs: nowMs, ctimeMs: nowMs };
    const inode: Inode = { ino, kind, ...times, nlink, mode, names, frozen: false };
    this.inodes.set(ino, inode);
    this.touched.push(ino);
    if (kind !== "directory") this.bytes.set(ino, new Uint8Array());
    return inode;
  }

  #name(place: Place, ino: number, nowMs: number): void {
    const dir = this.own(place.dir);
    dir.names!.set(place.name, ino);
    dir.mtimeMs = dir.ctimeMs = nowMs;
    const inode = this.own(ino);
    inode.nlink++;
    inode.ctimeMs = nowMs;
  }

  #unname(place: Place, ino: number, nowMs: number, moves = false): void {
    const dir = this.own(place.dir);
    dir.names!.delete(place.name);
    dir.mtimeMs = dir.ctimeMs = nowMs;
    const inode = this.own(ino);
    inode.nlink -= 1;
    inode.ctimeMs = nowMs;
    const gone = inode.kind === "directory" ? inode.nlink <= 1 : inode.nlink <= 0;
    if (gone && !moves) this.inodes.delete(ino);
  }
}
