/**
 * The program of a disk's thread, and how it is started.
 *
 * The program is a text, made of functions of this module and of `deno.ts`: Deno loads a module
 * from a file only with the permission to read it, which a consumer locked to its queue has not,
 * and an executable has no such file.
 *
 * @module
 */

import { THREAD_PARTS, THREAD_VERBS } from "../deno.ts";
import type { DirEntry, FileContent } from "../runtime.ts";
import { foldersOn, notAFolder } from "../within.ts";
import {
  type Answers,
  type Burst,
  type Failure,
  type More,
  type Names,
  type Root,
  SETTINGS,
  type Settings,
} from "./protocol.ts";

/**
 * The thread's program. It runs there and knows nothing of this module but what it is given.
 *
 * Removals that are slow, as where each waits for the device to discard the file's blocks, or for a
 * server, go to Deno's thread pool, several at a time, and the rest doesn't wait for them.
 *
 * The folders on the way of some verbs are looked at before the first of them and after the last.
 */
function serve(
  thread: Worker,
  verbs: typeof THREAD_VERBS & Pick<typeof WITHIN, "foldersOn" | "notAFolder">,
  settings: Settings,
): void {
  const { separator, numbers: width, kinds } = settings;
  const roots = [...settings.roots];
  const folders = new Map<number, AsyncIterator<DirEntry>>();
  const DONE = { code: 0 } as const;
  let [removals, slow] = [0, 0];

  thread.onmessage = ({ data }: MessageEvent<Burst | More | Root>) => {
    if ("root" in data) return void roots.push(data.root);
    if ("folder" in data) {
      if (data.isOver) folders.delete(data.folder);
      else list(data);
      return;
    }
    if (data.calls !== "") thread.postMessage(serveCalls(data.burst, data.calls.split(separator)));
    if (data.removals !== "") remove(data.burst, data.removals.split(separator));
  };
  thread.postMessage("ready");

  /** What became of a call: `code` as in `NUMBERS`. */
  interface Served {
    readonly code: 0 | 1 | 2 | 3;
    readonly content?: FileContent | undefined;
    readonly error?: unknown;
  }

  function serveCalls(answers: number, parts: readonly string[]): Answers {
    const numbers = new Float64Array(parts.length / 4 * width);
    const contents: Uint8Array[] = [];
    const failures: Failure[] = [];
    for (let from = 0; from < parts.length; from += 4 * settings.look) {
      const until = Math.min(from + 4 * settings.look, parts.length);
      const some = serveSome(parts, from, until);
      for (let n = 0; n < some.length; n++) {
        tell(some[n]!, numbers, (from / 4 + n) * width, contents, failures);
      }
    }
    return { answers, numbers, bytes: joined(contents), failures };
  }

  function tell(
    { code, content, error }: Served,
    numbers: Float64Array,
    at: number,
    contents: Uint8Array[],
    failures: Failure[],
  ): void {
    numbers[at] = code;
    if (code >= 2) failures.push(failureOf(error));
    if (!content) return;
    const { stat, bytes } = content;
    if (bytes) contents.push(bytes);
    const { kind, size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid } = stat;
    const length = bytes ? bytes.length : -1;
    numbers.set(
      [length, kinds.indexOf(kind), size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid],
      at + 1,
    );
  }

  /** Calls that share a look before the first of them and one after the last. */
  function serveSome(parts: readonly string[], from: number, until: number): Served[] {
    const some: Served[] = [];
    const before = look();
    for (let at = from; at < until; at += 4) {
      const isRead = parts[at] === "read";
      const error = before(parts[at + 1]!) ?? (isRead ? undefined : before(parts[at + 2]!));
      some.push(error ? { code: 3, error } : serveOne(parts, at));
    }
    const after = look();
    for (let at = from, n = 0; at < until; at += 4, n++) {
      if (some[n]!.code === 3) continue;
      const astray = parts[at] === "read" ? undefined : after(parts[at + 2]!);
      if (astray) takeBack(parts[at + 1]!, parts[at + 2]!);
      const error = astray ?? after(parts[at + 1]!);
      if (error) some[n] = { code: 3, error };
    }
    return some;
  }

  function serveOne(parts: readonly string[], at: number): Served {
    const [verb, from, to] = [parts[at]!, parts[at + 1]!, parts[at + 2]!];
    let code: 2 | 3 = 3;
    try {
      if (verb !== "read") verbs.rename(from, to);
      code = 2;
      if (verb === "rename") return DONE;
      const maxBytes = Number(parts[at + 3]);
      const content = verb === "take" ? verbs.readOwn(to, maxBytes) : verbs.read(from, maxBytes);
      return { code: 1, content };
    } catch (error) {
      return { code, error };
    }
  }

  /** Of a move that went through what is no folder any more, if it is still that. */
  function takeBack(from: string, to: string): void {
    try {
      verbs.rename(to, from);
    } catch {
      // it is wherever the folder went
    }
  }

  /** Says why a path is not to be used; looks at each folder once. */
  function look(): (path: string) => unknown {
    const faults = new Map<string, unknown>();
    const faultOf = (folder: string): unknown => {
      try {
        const { kind } = verbs.lstat(folder);
        return kind === "directory" ? undefined : verbs.notAFolder(folder, kind);
      } catch (error) {
        return (error as Failure).code === "ENOENT" ? undefined : error;
      }
    };
    const faultOn = (path: string): unknown => {
      for (const root of roots) {
        for (const folder of verbs.foldersOn(root, path)) {
          if (!faults.has(folder)) faults.set(folder, faultOf(folder));
          const fault = faults.get(folder);
          if (fault) return fault;
        }
      }
      return undefined;
    };
    // most paths of a burst are in one of two folders
    const known: { folder: string; fault: unknown }[] = [];
    return (path) => {
      for (const { folder, fault } of known) {
        if (path.startsWith(folder) && path.indexOf("/", folder.length) < 0) return fault;
      }
      const folder = path.slice(0, path.lastIndexOf("/") + 1);
      const fault = faultOn(path);
      known.push({ folder, fault });
      return fault;
    };
  }

  function joined(contents: readonly Uint8Array[]): Uint8Array {
    const bytes = new Uint8Array(contents.reduce((sum, { length }) => sum + length, 0));
    let filled = 0;
    for (const content of contents) {
      bytes.set(content, filled);
      filled += content.length;
    }
    return bytes;
  }

  async function remove(removed: number, paths: readonly string[]): Promise<void> {
    const failures = new Map<number, Failure>();
    const pooled: Promise<void>[] = [];
    let fault = look();
    for (const [n, path] of paths.entries()) {
      const failed = (error: unknown) => void failures.set(n, failureOf(error));
      if (n % settings.look === 0) fault = look();
      const error = fault(path);
      if (error) {
        failed(error);
        continue;
      }
      const turn = removals++ % settings.removals;
      if (turn === 0) slow = 0;
      if (turn >= settings.timed && slow > settings.timed / 2) {
        pooled.push(verbs.removeInPool(path).catch(failed));
        continue;
      }
      const startMs = verbs.monotonicMs();
      try {
        verbs.remove(path);
      } catch (error) {
        failed(error);
      }
      if (turn < settings.timed && verbs.monotonicMs() - startMs >= settings.slowRemovalMs) slow++;
    }
    if (pooled.length > 0) await Promise.all(pooled);
    thread.postMessage({ removed, failures });
  }

  async function list({ folder, dir }: More): Promise<void> {
    const entries: string[] = [];
    let found: Omit<Names, "entries">;
    try {
      if (dir !== undefined) {
        const error = look()(`${dir}/`);
        if (error) throw error;
        folders.set(folder, verbs.list(dir)[Symbol.asyncIterator]());
      }
      const names = folders.get(folder)!;
      for (let next; entries.length < settings.names && !(next = await names.next()).done;) {
        const { name, kind } = next.value;
        entries.push(`${kinds.indexOf(kind)}${name}`);
      }
      found = { names: folder, isLast: entries.length < settings.names };
    } catch (error) {
      found = { names: folder, isLast: true, failure: failureOf(error) };
    }
    if (found.isLast) folders.delete(folder);
    thread.postMessage({ ...found, entries: entries.join(separator) });
  }

  function failureOf(error: unknown): Failure {
    const { code, name, message } = error as Failure;
    return { code, name, message };
  }
}

const WITHIN = { foldersOn, notAFolder };

/** The program, with its settings; `roots` are the folders below which it follows no symlink. */
export function programOf(slowRemovalMs: number, roots: readonly string[]): string {
  // by the names they have here, which a bundler may have changed
  const given = { ...THREAD_VERBS, ...WITHIN };
  const verbs = Object.entries(given).map(([verb, { name }]) => `${verb}: ${name}`);
  const settings = JSON.stringify({ ...SETTINGS, slowRemovalMs, roots });
  return [...THREAD_PARTS, ...Object.values(given), serve].join("\n") +
    `\n${serve.name}(self, { ${verbs.join()} }, ${settings});`;
}

/** Start a thread with a program. */
export function startThread(program: string): Worker {
  const url = `data:text/javascript,${encodeURIComponent(program)}`;
  return new Worker(url, { type: "module", name: "disk" });
}
