/**
 * A disk on which no verb leaves a folder by a symlink: whoever may write into a queue may put one
 * in the place of any of its folders, and must not get at anything outside with the rights of
 * whoever works on the queue.
 *
 * No runtime here opens a name *within* an open folder, so the folders on a path are looked at just
 * before a verb and again after it, and what it did is undone when one of them is no folder any
 * more. What remains to somebody who exchanges a folder after the first look and puts it back
 * before the second (a few microseconds for one verb, up to a millisecond for sixteen of a burst):
 * - an event may be moved to where the symlink led; who writes into the folder could remove it too;
 * - a file outside, of a name that the neighbour knows, may be moved into the queue and be an event
 *   there if it looks like one, or be removed if it is old and its name was being swept;
 * - a file of ours may be made outside, under a name that nobody chose.
 *
 * None of this is possible to who may write neither into the folder that holds the queue's folders
 * nor into `defer/`: where producers may only drop events.
 *
 * The folder itself and those above it are whoever's who named it: a symlink there is followed.
 *
 * @module
 */

import type { Awaitable, DirEntry, Disk, Move, Taken } from "./runtime.ts";
import { errorCode, take } from "./runtime.ts";

/** Moves between two looks at their folders. */
const MOVES_PER_LOOK = 16;

/** A path was to be followed through what is no folder. */
export function notAFolder(path: string, kind: string): Error {
  const message = `ENOTDIR: ${path} must be a folder, it is a ${kind}, which is not followed`;
  return Object.assign(new Error(message), { code: "ENOTDIR" });
}

/** The folders on the way from `root` to a path, neither of them included. */
export function foldersOn(root: string, path: string): string[] {
  const folders: string[] = [];
  if (!path.startsWith(`${root}/`)) return folders;
  for (let at = root.length; (at = path.indexOf("/", at + 1)) !== -1;) {
    if (path[at - 1] !== "/") folders.push(path.slice(0, at));
  }
  return folders;
}

/** Go on with a value, at once unless it is a promise. */
function then<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** As `then`, with the error of a verb as a value. */
function settled<T>(verb: () => Awaitable<T>): Awaitable<{ value?: T; error?: unknown }> {
  try {
    const value = verb();
    if (!(value instanceof Promise)) return { value };
    return value.then((value) => ({ value }), (error) => ({ error }));
  } catch (error) {
    return { error };
  }
}

/** One look at the folders on some paths; no folder is looked at twice. */
class Look {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #faults = new Map<string, Awaitable<Error | undefined>>();

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.#root = root;
  }

  /**
   * Why a path is not to be used; `undefined` when it may be. A folder that isn't there is left to
   * the verb, which will say so.
   */
  fault(path: string): Awaitable<Error | undefined> {
    const folders = foldersOn(this.#root, path);
    const from = (at: number): Awaitable<Error | undefined> => {
      const folder = folders[at];
      if (folder === undefined) return undefined;
      return then(this.#faultOf(folder), (fault) => fault ?? from(at + 1));
    };
    return from(0);
  }

  #faultOf(folder: string): Awaitable<Error | undefined> {
    let fault = this.#faults.get(folder);
    if (fault === undefined && !this.#faults.has(folder)) {
      fault = then(settled(() => this.#disk.lstat(folder)), ({ value, error }) => {
        if (value) return value.kind === "directory" ? undefined : notAFolder(folder, value.kind);
        return errorCode(error) === "ENOENT" ? undefined : error as Error;
      });
      this.#faults.set(folder, fault);
    }
    return fault;
  }
}

/**
 * The disk on which no verb follows a symlink below `root`: it fails with `ENOTDIR`. Only `lstat`
 * looks past one, and `watch`, whose hints mean nothing.
 */
export function within(disk: Disk, root: string): Disk {
  return disk.within?.(root) ?? guarded(disk, root);
}

/** As {@linkcode within}, by looking at the folders before and after each verb. */
export function guarded(disk: Disk, root: string): Disk {
  const fault = (...paths: string[]): Awaitable<Error | undefined> => {
    const look = new Look(disk, root);
    return paths.reduce<Awaitable<Error | undefined>>(
      (found, path) => then(found, (error) => error ?? look.fault(path)),
      undefined,
    );
  };
  /** Do `verb` if all folders on the paths are some. */
  const before = <T>(paths: readonly string[], verb: () => Awaitable<T>): Awaitable<T> =>
    then(fault(...paths), (error) => {
      if (error) throw error;
      return verb();
    });
  /** As `before`, and undo it if one of them no longer is. */
  const around = <T>(
    paths: readonly string[],
    verb: () => Awaitable<T>,
    undo: (result: T) => Awaitable<unknown>,
  ): Awaitable<T> =>
    before(paths, () =>
      then(verb(), (result) =>
        then(fault(...paths), (error) => {
          if (!error) return result;
          return then(settled(() => undo(result)), () => {
            throw error;
          });
        })));
  const inside = (dir: string) => `${dir}/`;
  /**
   * A move that went astray is taken back, as long as the way it went is still there. One whose
   * source was exchanged may have brought in what isn't the queue's: it stays where it is, for it
   * isn't known where it came from.
   */
  const moveBack = (from: string, to: string) =>
    then(fault(to), (error) => error && disk.rename(to, from));
  const limitWait = disk.limitWait?.bind(disk);
  return {
    list: (dir) => listed(() => fault(inside(dir)), () => disk.list(dir)),
    entries: (dir) => before([inside(dir)], () => disk.entries(dir)),
    lstat: (path) => disk.lstat(path),
    read: (path, maxBytes) => around([path], () => disk.read(path, maxBytes), () => {}),
    create: (path, bytes, options) =>
      around([path], () => disk.create(path, bytes, options), () => disk.remove(path)),
    readPart: (path, at, length) => before([path], () => disk.readPart(path, at, length)),
    append: (path, bytes) => before([path], () => disk.append(path, bytes)),
    rename: (from, to) => around([from, to], () => disk.rename(from, to), () => moveBack(from, to)),
    take: (moves, maxBytes) => takeWithin(disk, root, moves, maxBytes, moveBack),
    link: (from, to) => around([from, to], () => disk.link(from, to), () => disk.remove(to)),
    remove: (path) => before([path], () => disk.remove(path)),
    makeDir: (path, mode, exact) =>
      around([path], () => disk.makeDir(path, mode, exact), () => disk.removeDir(path)),
    removeDir: (path) => before([path], () => disk.removeDir(path)),
    touch: (path, mtimeMs) => before([path], () => disk.touch(path, mtimeMs)),
    chmod: (path, mode) => before([path], () => disk.chmod(path, mode)),
    chown: (path, uid, gid) => before([path], () => disk.chown(path, uid, gid)),
    syncDir: (path) => before([path], () => disk.syncDir(path)),
    syncFile: (path) => before([path], () => disk.syncFile(path)),
    tryLock: (path) => around([path], () => disk.tryLock(path), (lock) => lock?.release()),
    watch: (dir, onChange) => disk.watch(dir, onChange),
    ...limitWait && { limitWait },
  };
}

/** A listing that looks at its folder when the first name is asked for. */
function listed(
  fault: () => Awaitable<Error | undefined>,
  list: () => AsyncIterable<DirEntry>,
): AsyncIterable<DirEntry> {
  return {
    [Symbol.asyncIterator]() {
      let names: AsyncIterator<DirEntry> | undefined;
      const begin = async () => {
        const error = await fault();
        if (error) throw error;
        names = list()[Symbol.asyncIterator]();
        return await names.next();
      };
      return {
        next: () => names ? names.next() : begin(),
        return: async () => await names?.return?.() ?? { done: true, value: undefined },
      };
    },
  };
}

async function takeWithin(
  disk: Disk,
  root: string,
  moves: readonly Move[],
  maxBytes: number,
  moveBack: (from: string, to: string) => Awaitable<unknown>,
): Promise<Taken[]> {
  const all: Taken[] = [];
  for (let at = 0; at < moves.length; at += MOVES_PER_LOOK) {
    const some = moves.slice(at, at + MOVES_PER_LOOK);
    const look = new Look(disk, root);
    const faultOf = (look: Look, { from, to }: Move) =>
      then(look.fault(from), (error) => error ?? look.fault(to));
    const faults: (Error | undefined)[] = [];
    for (const move of some) faults.push(await faultOf(look, move));
    const taken = await take(disk, some.filter((_, n) => !faults[n]), maxBytes);
    const again = new Look(disk, root);
    let n = 0;
    for (const [at, move] of some.entries()) {
      const before = faults[at];
      const answer: Taken = before ? { refused: before } : taken[n++]!;
      const after = "refused" in answer ? undefined : await faultOf(again, move);
      if (after) await settled(() => moveBack(move.from, move.to));
      all.push(after ? { refused: after } : answer);
    }
  }
  return all;
}
