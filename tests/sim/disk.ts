/**
 * A simulated disk, shared by the processes of a world.
 *
 * # The fault model
 *
 * **Process kill.** All effects so far stay: the names, and the bytes handed to the operating
 * system, synced or not. A kill inside `create` leaves the name with none, half or all of the
 * bytes. The kernel lets go of the locks of the dead.
 *
 * **Power loss, on a journaled file system** (ext4 with ordered data, xfs, btrfs). Changes of names
 * (create, link, rename, remove, makeDir, removeDir) and of attributes (touch, chmod) go into one
 * journal in the order they were made, and each is atomic. After the loss a *prefix* of the journal
 * is there, no shorter than what is synced:
 *
 * - `syncDir(d)` makes durable the prefix up to the last change that touched `d`: of a name in it,
 *   or of itself. A change made after that one is not covered, and syncing a folder nothing
 *   happened in does nothing. (ext4 commits the transaction of the folder's last change, xfs the
 *   log up to it. Both often make more durable: that is a longer prefix, and those images are taken
 *   too. btrfs's log tree can bring a synced folder's changes ahead of earlier ones elsewhere; such
 *   images are not in the model.)
 * - `syncFile(f)` makes durable the bytes of `f` and the prefix up to the last change that touched
 *   it: of one of its names too (so ext4, xfs and btrfs, whatever POSIX leaves open).
 * - `create` with `durable` makes the file's *bytes* durable, not its name. (So btrfs; ext4 and xfs
 *   make the name durable as well, which is among the images.)
 * - The bytes of a file that was not synced are, whatever became of its name, absent (size 0), half
 *   there or all there. Its attributes are as the journal has them.
 *
 * Assumed not to happen: bytes that were synced change; a rename is half done; a later change of a
 * name is there without an earlier one; the disk answers that it synced and did not.
 *
 * **Faults.** Any verb may fail with any code, without its effect, after its effect (a lost reply),
 * or with a part of it (`create`). See `faults.ts`. **A network file system** is a third model: see
 * `network_view.ts`.
 *
 * A file's bytes are written by its `create`, and added to by `append`, as the product does it.
 *
 * @module
 */

import type { DirEntry, Stat } from "../../lib/runtime/runtime.ts";
import { DiskImage, type Snapshot } from "./image.ts";
import { canonical, PosixError, Tree } from "./tree.ts";

/** The two kinds of crash. */
export type CrashModel = "kill" | "power";

/** With more unsynced files than this not all combinations of their damage are taken. */
const COMBINED_FILES = 2;

const umask = 0o022;
const hashes = new Map<string, number>();

/** Where a name stands in the order in which its folder is listed. */
function hashOf(name: string): number {
  let hash = hashes.get(name);
  if (hash === undefined) {
    hash = 0x811c9dc5;
    for (let index = 0; index < name.length; index++) {
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    }
    hash >>>= 0;
    if (hashes.size > 100_000) hashes.clear();
    hashes.set(name, hash);
  }
  return hash;
}

/** A slice of a listing, and where the next one begins; `undefined` after the last. */
export interface Slice {
  /** The names. */
  readonly entries: readonly DirEntry[];
  /** The position to go on from. */
  readonly cursor: number | undefined;
}

/** The disk: what the processes' verbs do to it, without faults. */
export class SimDisk {
  readonly #tree: Tree;
  readonly #unsynced = new Set<number>();
  readonly #locks = new Map<string, unknown>();
  /** Files without a name that are held open, and the hidden name they have instead. */
  readonly #hidden = new Map<number, string>();
  readonly #lastChange = new Map<number, number>();
  /** All states a power loss may fall back to, the durable one first; empty until `record`. */
  #history: Snapshot[] = [];
  /** How many states went before the first in the history. */
  #forgotten = 0;
  #version = 0;
  #hasSymlinks = false;

  /** An empty disk, or what a crash left of one. */
  constructor(nowMs: number, image?: DiskImage) {
    this.#tree = new Tree(nowMs, image);
    for (const { kind } of this.#tree.inodes.values()) this.#hasSymlinks ||= kind === "symlink";
  }

  /** Goes up with every change. */
  get version(): number {
    return this.#version;
  }

  /** From here on keep what {@linkcode images} needs. All there is so far counts as durable. */
  record(): void {
    if (this.#history.length > 0) return;
    this.#unsynced.clear();
    this.#history = [this.#snapshot(this.#tree.inodes.keys())];
  }

  /** The disk as it is, to start another world with. */
  image(): DiskImage {
    const snapshot = this.#history.at(-1) ?? this.#snapshot(this.#tree.inodes.keys());
    return new DiskImage(snapshot, this.#tree.bytes, this.#writtenSoFar(snapshot));
  }

  /** Every image that a crash at this moment may leave. */
  *images(model: CrashModel): Generator<DiskImage> {
    if (this.#history.length === 0) throw new Error("Cannot take images: not recording");
    if (model === "kill") return yield this.image();
    for (const snapshot of this.#history.toReversed()) {
      const written = this.#writtenSoFar(snapshot);
      for (const damage of damages([...written.values()].map((bytes) => bytes.length))) {
        const cut = new Map(
          [...written].map(([ino, bytes], index) => [ino, bytes.slice(0, damage[index])]),
        );
        yield new DiskImage(snapshot, this.#tree.bytes, cut);
      }
    }
  }

  /** The path without symlinks in the place of folders; those below `within` stay. */
  through(path: string, within?: string): string {
    return this.#hasSymlinks ? this.#tree.through(path, within) : path;
  }

  /** As `lstat`. */
  stat(path: string): Stat {
    return this.#tree.statOf(this.#tree.find(path));
  }

  /** As `lstat`; `undefined` when there is nothing. */
  peek(path: string): Stat | undefined {
    const ino = this.#tree.peek(path);
    return ino === undefined ? undefined : this.#tree.statOf(ino);
  }

  /** What is in a file. */
  bytes(ino: number): Uint8Array {
    return this.#tree.bytes.get(ino) ?? new Uint8Array();
  }

  /**
   * Up to `count` names from `cursor` on; begin at -1. What is renamed in meanwhile may come up,
   * like on a real disk.
   */
  slice(path: string, cursor: number, count: number): Slice {
    const names = this.#tree.folder(path).names!;
    let rest = [...names.keys()];
    if (cursor >= 0) rest = rest.filter((name) => hashOf(name) > cursor);
    if (rest.length > 1) rest.sort((a, b) => hashOf(a) - hashOf(b));
    let end = Math.min(count, rest.length);
    // names with one hash stay together: the cursor can't part them
    while (end < rest.length && hashOf(rest[end]!) === hashOf(rest[end - 1]!)) end++;
    const entries = rest.slice(0, end)
      .map((name) => ({ name, kind: this.#tree.get(names.get(name)!).kind }));
    return { entries, cursor: end < rest.length ? hashOf(rest[end - 1]!) : undefined };
  }

  /** Make an empty file. */
  make(path: string, mode: number, nowMs: number, exact = false): number {
    const ino = this.#tree.make(path, "file", exact ? mode : mode & ~umask, nowMs);
    this.#unsynced.add(ino);
    this.#changed();
    return ino;
  }

  /** Hand bytes to the operating system; they replace what was in the file. */
  write(ino: number, bytes: Uint8Array): void {
    this.#tree.bytes.set(ino, bytes);
    this.#version++;
  }

  /** Hand bytes to the operating system; they come after those in the file. */
  append(path: string, bytes: Uint8Array): void {
    const { ino, kind } = this.stat(path);
    if (kind !== "file") throw new PosixError(kind === "directory" ? "EISDIR" : "ELOOP", path);
    const before = this.bytes(ino);
    const after = new Uint8Array(before.length + bytes.length);
    after.set(before);
    after.set(bytes, before.length);
    this.#unsynced.add(ino);
    this.write(ino, after);
  }

  /** Put the bytes of a file on stable storage. */
  sync(ino: number): void {
    this.#unsynced.delete(ino);
    this.#version++;
  }

  /** Put the names in a folder on stable storage. */
  syncDir(path: string): void {
    this.#syncNames(this.#tree.folder(path).ino);
  }

  /** Put a file's bytes and the names it has got on stable storage. */
  syncFile(path: string): void {
    const { ino, kind } = this.stat(path);
    if (kind !== "file") throw new PosixError(kind === "directory" ? "EISDIR" : "ELOOP", path);
    this.sync(ino);
    this.#syncNames(ino);
  }

  #syncNames(ino: number): void {
    const upTo = this.#lastChange.get(ino) ?? 0;
    if (upTo <= this.#forgotten) return;
    this.#history.splice(0, upTo - this.#forgotten);
    this.#forgotten = upTo;
    this.#version++;
  }

  /** As `rename`. */
  rename(from: string, to: string, nowMs: number): void {
    const lost = this.#tree.rename(from, to, nowMs);
    if (lost === false) return;
    this.#changed();
    if (lost !== undefined) this.#forget(lost);
  }

  /** As `link`. */
  link(from: string, to: string, nowMs: number): void {
    this.#tree.link(from, to, nowMs);
    this.#changed();
  }

  /** As `unlink`. */
  remove(path: string, nowMs: number): void {
    const ino = this.#tree.remove(path, nowMs);
    this.#changed();
    this.#forget(ino);
  }

  /** As `mkdir`. */
  makeDir(path: string, mode: number, nowMs: number, exact = false): void {
    this.#tree.make(path, "directory", exact ? mode : mode & ~umask, nowMs);
    this.#changed();
  }

  /** As `rmdir`. */
  removeDir(path: string, nowMs: number): void {
    this.#tree.removeDir(path, nowMs);
    this.#changed();
  }

  /** As `utime`. */
  touch(path: string, mtimeMs: number, nowMs: number): void {
    const inode = this.#tree.own(this.#tree.find(path));
    inode.mtimeMs = mtimeMs;
    inode.ctimeMs = nowMs;
    this.#changed();
  }

  /** As `chmod` of a folder. */
  chmod(path: string, mode: number, nowMs: number): void {
    const inode = this.#tree.own(this.#tree.folder(path).ino);
    inode.mode = mode;
    inode.ctimeMs = nowMs;
    this.#changed();
  }

  /** As `symlink`. */
  symlink(target: string, path: string, nowMs: number): void {
    const ino = this.#tree.make(path, "symlink", 0o777, nowMs);
    this.#tree.bytes.set(ino, new TextEncoder().encode(target));
    this.#hasSymlinks = true;
    this.#changed();
  }

  /** As `chown` by somebody who may give away nothing. */
  chown(path: string, uid: number, gid: number, nowMs: number): void {
    const stat = this.stat(path);
    if (stat.kind === "symlink") throw new PosixError("ELOOP", path);
    if (stat.kind !== "directory" && stat.nlink > 1) throw new PosixError("EMLINK", path);
    if (uid !== stat.uid || gid !== stat.gid) throw new PosixError("EPERM", path);
    this.#tree.own(stat.ino).ctimeMs = nowMs;
    this.#changed();
  }

  /** Take the lock of a file, among those who share `scope`; false when it is held. */
  lock(ino: number, scope: string, holder: unknown): boolean {
    const key = `${scope}/${ino}`;
    if (this.#locks.has(key)) return false;
    this.#locks.set(key, holder);
    return true;
  }

  /** Give a lock back. */
  unlock(ino: number, scope: string, nowMs: number): void {
    this.#locks.delete(`${scope}/${ino}`);
    this.#closed(ino, nowMs);
  }

  /** Whether somebody within `scope` holds the lock of a file. */
  isLocked(ino: number, scope: string): boolean {
    return this.#locks.has(`${scope}/${ino}`);
  }

  /** The kernel lets go of all that `holder` held. */
  unlockAll(holder: unknown, nowMs: number): void {
    for (const [key, owner] of this.#locks) {
      if (owner !== holder) continue;
      this.#locks.delete(key);
      this.#closed(Number(key.slice(key.lastIndexOf("/") + 1)), nowMs);
    }
  }

  /** Give a file that is held open a hidden name in its folder, until it is closed. */
  hide(path: string, nowMs: number): void {
    const { ino } = this.stat(path);
    const folder = canonical(path).replace(/\/[^/]*$/, "");
    const hidden = `${folder}/.nfs${ino.toString(16).padStart(24, "0")}`;
    this.rename(path, hidden, nowMs);
    this.#hidden.set(ino, hidden);
  }

  /**
   * Put something on the disk, `text` for a file, where it leads for a symlink; it and all before
   * it count as durable. For tests that prepare.
   */
  plant(
    path: string,
    what: { kind?: Stat["kind"]; text?: string; mtimeMs?: number; mode?: number } = {},
  ): void {
    const kind = what.kind ?? "file";
    const nowMs = what.mtimeMs ?? 0;
    const ino = this.#tree.make(path, kind, what.mode ?? 0o600, nowMs);
    if (kind === "symlink") this.#hasSymlinks = true;
    if (kind === "file" || kind === "symlink") {
      this.#tree.bytes.set(ino, new TextEncoder().encode(what.text ?? ""));
    }
    this.#changed();
    if (this.#history.length === 0) return;
    this.#forgotten += this.#history.length - 1;
    this.#history = [this.#history.at(-1)!];
  }

  #closed(ino: number, nowMs: number): void {
    const hidden = this.#hidden.get(ino);
    if (hidden === undefined) return;
    this.#hidden.delete(ino);
    this.remove(hidden, nowMs);
  }

  #changed(): void {
    this.#version++;
    const { touched } = this.#tree;
    if (this.#history.length > 0) {
      const index = this.#forgotten + this.#history.length;
      for (const ino of touched) this.#lastChange.set(ino, index);
      this.#history.push(this.#snapshot(touched));
    }
    touched.length = 0;
  }

  #snapshot(changed: Iterable<number>): Snapshot {
    for (const ino of changed) {
      const inode = this.#tree.inodes.get(ino);
      if (inode !== undefined) inode.frozen = true;
    }
    return { inodes: new Map(this.#tree.inodes) };
  }

  #writtenSoFar(snapshot: Snapshot): Map<number, Uint8Array> {
    const written = new Map<number, Uint8Array>();
    for (const ino of this.#unsynced) {
      if (snapshot.inodes.has(ino)) written.set(ino, this.bytes(ino));
    }
    return written;
  }

  /** Free the memory of a file without names, unless an image may still show it. */
  #forget(ino: number): void {
    if (this.#history.length > 0 || this.#tree.inodes.has(ino)) return;
    this.#tree.bytes.delete(ino);
    this.#unsynced.delete(ino);
  }
}

/**
 * How much of each unsynced file is left: all combinations for a few files; else all alike, and
 * each one alone absent.
 */
function* damages(sizes: readonly number[]): Generator<number[]> {
  const levels = (size: number) => [...new Set([size, size >> 1, 0])];
  if (sizes.length <= COMBINED_FILES) {
    let all: number[][] = [[]];
    for (const size of sizes) {
      all = all.flatMap((left) => levels(size).map((level) => [...left, level]));
    }
    return yield* all;
  }
  yield [...sizes];
  yield sizes.map((size) => size >> 1);
  yield sizes.map(() => 0);
  for (const lost of sizes.keys()) yield sizes.map((size, index) => index === lost ? 0 : size);
}
