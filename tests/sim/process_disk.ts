/**
 * A process's view of the simulated disk: each verb is announced, may fail, may have to wait its
 * turn, and stops for ever when the process is dead.
 *
 * @module
 */

import type {
  Awaitable,
  CreateOptions,
  DirEntry,
  Disk,
  FileContent,
  Lock,
  Stat,
} from "../../lib/runtime/runtime.ts";
import { never } from "./clock.ts";
import type { SimDisk } from "./disk.ts";
import type { NetworkView } from "./network_view.ts";
import { canonical, parentOf, PosixError } from "./tree.ts";
import type { SimProcess } from "./process.ts";

/**
 * A verb of `Disk`; `entries` goes as a `list`. Releasing a lock is none: it can't fail, and a
 * crash releases it too.
 */
export type Verb = Exclude<keyof Disk, "watch" | "entries" | "within" | "limitWait">;

/** A verb that waits for its turn. */
export interface PendingCall {
  /** The verb. */
  readonly verb: Verb;
  /** What it is about. */
  readonly path: string;
  /** The second path of `rename` and `link`. */
  readonly to: string | undefined;
  /** Whose it is. */
  readonly process: SimProcess;
}

/** A verb whose turn it is. */
export interface Call extends PendingCall {
  /** Its number, in the order of effect, over all processes of the world. */
  readonly index: number;
}

/** How a verb fails. */
export interface Fault {
  /** The POSIX name of the error. */
  readonly code: string;
  /**
   * Whether its effect is made first: a lost reply. `"partly"`: a `create` or `append` leaves half
   * its bytes, any other verb nothing. @default false
   */
  readonly applied?: boolean | "partly";
}

/**
 * Before a verb's effect, after it (also when it failed), or within `create` and `append`: the name
 * made, half the bytes there, all there but not synced.
 */
export type Phase = "before" | "named" | "half" | "unsynced" | "after";

/** What the views of all processes share. */
export interface DiskWorld {
  /** The disk. */
  readonly disk: SimDisk;
  /** The caches of the hosts, on a network file system. */
  readonly view: NetworkView | undefined;
  /** How many names a listing fetches in one step. */
  readonly listChunk: number;
  /** Wait for the turn; `undefined` goes on at once. */
  turn(call: PendingCall): Promise<void> | undefined;
  /** Number of the call whose turn it is. */
  nextIndex(): number;
  /** A moment at which a crash can strike. */
  point(call: Call, phase: Phase): void;
  /** How the call is to fail. */
  faultOf(call: Call): Fault | undefined;
  /** Names in a folder have changed. */
  announce(path: string, process: SimProcess): void;
  /** Wall clock by which `process`'s changes are dated. */
  stampMs(process: SimProcess): number;
  /** Call back when names in the folder change; how to stop. */
  watch(dir: string, process: SimProcess, onChange: () => void): () => void;
}

/** Stops a verb within its effect: its process is dead. */
const DEAD = Symbol("dead");

/** The disk as `process` has it. */
export class ProcessDisk implements Disk {
  readonly #world: DiskWorld;
  readonly #process: SimProcess;
  readonly #root: string | undefined;

  /** The view of one process; no symlink below `root` is followed. */
  constructor(world: DiskWorld, process: SimProcess, root?: string) {
    this.#world = world;
    this.#process = process;
    this.#root = root;
  }

  within(root: string): ProcessDisk {
    return new ProcessDisk(this.#world, this.#process, canonical(root));
  }

  /** Where a path leads; that of a folder is followed to its end. */
  #at(path: string, isFolder = false): string {
    const through = this.#world.disk.through(isFolder ? `${path}/-` : path, this.#root);
    return isFolder ? through.slice(0, -2) : through;
  }

  async *list(dir: string): AsyncIterable<DirEntry> {
    let cursor: number | undefined = -1;
    while (cursor !== undefined) {
      const from: number = cursor;
      const { listChunk, disk } = this.#world;
      const slice = await this.#verb(
        "list",
        dir,
        () => disk.slice(this.#at(dir, true), from, listChunk),
      );
      yield* slice.entries;
      cursor = slice.cursor;
    }
  }

  entries(dir: string): Awaitable<readonly DirEntry[]> {
    const { disk } = this.#world;
    return this.#verb("list", dir, () => disk.slice(this.#at(dir, true), -1, Infinity).entries);
  }

  lstat(path: string): Awaitable<Stat> {
    return this.#verb("lstat", path, () => this.#look(this.#at(path)));
  }

  read(path: string, maxBytes: number): Awaitable<FileContent> {
    return this.#verb("read", path, () => {
      const at = this.#at(path);
      const seen = this.#look(at);
      if (seen.kind !== "file" || seen.size > maxBytes) return { stat: seen, bytes: undefined };
      const stat = this.#world.disk.stat(at); // the open: it asks the server
      if (stat.ino !== seen.ino) return { stat, bytes: undefined };
      return { stat, bytes: this.#world.disk.bytes(stat.ino).slice() };
    });
  }

  create(path: string, bytes: Uint8Array, options: CreateOptions): Awaitable<void> {
    const { disk } = this.#world;
    const copy = bytes.slice();
    return this.#change("create", path, undefined, (step, fault) => {
      const ino = disk.make(this.#at(path), options.mode, this.#now(), options.exact);
      step("named");
      if (copy.length > 1) {
        disk.write(ino, copy.slice(0, copy.length >> 1));
        step("half");
      }
      if (fault?.applied === "partly") return;
      disk.write(ino, copy);
      if (!options.durable) return;
      step("unsynced");
      disk.sync(ino);
    });
  }

  readPart(path: string, at: number, length: number): Awaitable<Uint8Array> {
    return this.#verb("readPart", path, () => {
      const { ino, kind } = this.#look(this.#at(path));
      if (kind !== "file") throw new PosixError("ELOOP", path);
      return this.#world.disk.bytes(ino).slice(at, at + length);
    });
  }

  append(path: string, bytes: Uint8Array): Awaitable<void> {
    const { disk } = this.#world;
    const copy = bytes.slice();
    return this.#change("append", path, undefined, (step, fault) => {
      const half = copy.length >> 1;
      disk.append(this.#at(path), copy.subarray(0, half));
      if (fault?.applied === "partly") return;
      step("half");
      disk.append(this.#at(path), copy.subarray(half));
    });
  }

  rename(from: string, to: string): Awaitable<void> {
    const { disk } = this.#world;
    return this.#change("rename", from, to, () => {
      this.#keepOpen(to, from);
      disk.rename(this.#at(from), this.#at(to), this.#now());
    });
  }

  link(from: string, to: string): Awaitable<void> {
    const { disk } = this.#world;
    const make = () => disk.link(this.#at(from), this.#at(to), this.#now());
    return this.#change("link", from, to, make);
  }

  remove(path: string): Awaitable<void> {
    const { disk } = this.#world;
    return this.#change("remove", path, undefined, () => {
      if (!this.#keepOpen(path)) disk.remove(this.#at(path), this.#now());
    });
  }

  makeDir(path: string, mode: number, exact?: boolean): Awaitable<void> {
    const { disk } = this.#world;
    const make = () => disk.makeDir(this.#at(path), mode, this.#now(), exact);
    return this.#change("makeDir", path, undefined, make);
  }

  removeDir(path: string): Awaitable<void> {
    const { disk } = this.#world;
    const act = () => disk.removeDir(this.#at(path), this.#now());
    return this.#change("removeDir", path, undefined, act);
  }

  touch(path: string, mtimeMs: number): Awaitable<void> {
    const { disk } = this.#world;
    const act = () => disk.touch(this.#at(path), mtimeMs, this.#now());
    return this.#change("touch", path, undefined, act);
  }

  chmod(path: string, mode: number): Awaitable<void> {
    const { disk } = this.#world;
    const act = () => disk.chmod(this.#at(path), mode, this.#now());
    return this.#change("chmod", path, undefined, act);
  }

  chown(path: string, uid: number, gid: number): Awaitable<void> {
    const { disk } = this.#world;
    const act = () => disk.chown(this.#at(path), uid, gid, this.#now());
    return this.#change("chown", path, undefined, act);
  }

  syncDir(path: string): Awaitable<void> {
    return this.#verb("syncDir", path, () => this.#world.disk.syncDir(this.#at(path)));
  }

  syncFile(path: string): Awaitable<void> {
    return this.#verb("syncFile", path, () => this.#world.disk.syncFile(this.#at(path)));
  }

  tryLock(path: string): Awaitable<Lock | undefined> {
    const { disk } = this.#world;
    return this.#verb("tryLock", path, () => {
      const { ino, kind } = disk.stat(this.#at(path));
      if (kind === "directory") throw new PosixError("EISDIR", path);
      if (kind !== "file") throw new PosixError("ELOOP", path);
      if (!disk.lock(ino, this.#lockScope, this.#process)) return undefined;
      let isHeld = true;
      return {
        release: () => {
          if (!isHeld || !this.#process.alive) return;
          isHeld = false;
          disk.unlock(ino, this.#lockScope, this.#now());
        },
      };
    });
  }

  watch(dir: string, onChange: () => void): () => void {
    return this.#world.watch(dir, this.#process, onChange);
  }

  get #lockScope(): string {
    return this.#world.view === undefined ? "" : this.#process.host.kernel;
  }

  #now(): number {
    return this.#world.stampMs(this.#process);
  }

  /** `lstat` as this host's cache has it. */
  #look(path: string): Stat {
    const { disk, view } = this.#world;
    if (view === undefined) return disk.stat(path);
    const stat = view.look(path, this.#statOrNothing(path), this.#process.host.kernel);
    if (stat !== undefined) return stat;
    disk.stat(path); // the true error, if there is one
    throw new PosixError("ENOENT", path);
  }

  #statOrNothing(path: string): Stat | undefined {
    return this.#world.disk.peek(path);
  }

  /**
   * On a network file system: if a process of this host has the file at `path` open, it gets a
   * hidden name instead of none.
   */
  #keepOpen(path: string, exchangedFor?: string): boolean {
    const { disk, view } = this.#world;
    if (view === undefined) return false;
    const stat = this.#statOrNothing(path);
    if (stat === undefined || stat.nlink > 1 || stat.kind === "directory") return false;
    if (!disk.isLocked(stat.ino, this.#lockScope)) return false;
    if (exchangedFor !== undefined && this.#statOrNothing(exchangedFor)?.ino === stat.ino) {
      return false;
    }
    disk.hide(path, this.#now());
    return true;
  }

  #change(
    verb: Verb,
    path: string,
    to: string | undefined,
    effect: (step: (phase: Phase) => void, fault: Fault | undefined) => void,
  ): Awaitable<void> {
    const { view } = this.#world;
    return this.#verb(verb, path, (step, fault) => {
      const before = view && this.#statOrNothing(path);
      const beforeTo = view && to !== undefined ? this.#statOrNothing(to) : undefined;
      effect(step, fault);
      const host = fault === undefined ? this.#process.host.kernel : undefined;
      view?.changed(path, before, host);
      if (to !== undefined) view?.changed(to, beforeTo, host);
      this.#world.announce(parentOf(path), this.#process);
      if (to !== undefined) this.#world.announce(parentOf(to), this.#process);
    }, to);
  }

  #verb<T>(
    verb: Verb,
    path: string,
    effect: (step: (phase: Phase) => void, fault: Fault | undefined) => T,
    to?: string,
  ): Awaitable<T> {
    if (!this.#process.alive) return never();
    const pending: PendingCall = { verb, path, to, process: this.#process };
    const turn = this.#world.turn(pending);
    if (turn === undefined) return this.#perform(pending, effect);
    return turn.then(() => this.#perform(pending, effect));
  }

  #perform<T>(
    pending: PendingCall,
    effect: (step: (phase: Phase) => void, fault: Fault | undefined) => T,
  ): Awaitable<T> {
    const call: Call = { ...pending, index: this.#world.nextIndex() };
    const step = (phase: Phase) => {
      this.#world.point(call, phase);
      if (!this.#process.alive) throw DEAD;
    };
    try {
      step("before");
      const fault = this.#world.faultOf(call);
      if (!this.#process.alive) throw DEAD;
      const isApplied = fault === undefined || fault.applied === true ||
        fault.applied === "partly" && (call.verb === "create" || call.verb === "append");
      let result: T | undefined;
      try {
        if (isApplied) result = effect(step, fault);
      } catch (error) {
        if (error !== DEAD) step("after");
        throw error;
      }
      step("after");
      if (fault !== undefined) throw new PosixError(fault.code, `${call.verb} ${call.path}`);
      return result as T;
    } catch (error) {
      if (error === DEAD) return never();
      throw error;
    }
  }
}
