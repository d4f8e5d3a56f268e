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
import type { DirEntry } from "../runtime.ts";
import {
  type Answers,
  type Burst,
  type Failure,
  type More,
  type Names,
  SETTINGS,
  type Settings,
} from "./protocol.ts";

/**
 * The thread's program. It runs there and knows nothing of this module but what it is given.
 *
 * Removals that are slow, as where each waits for the device to discard the file's blocks, or for a
 * server, go to Deno's thread pool, several at a time, and the rest doesn't wait for them.
 */
function serve(
  thread: Worker,
  verbs: typeof THREAD_VERBS,
  settings: Settings,
): void {
  const { separator, numbers: width, kinds } = settings;
  const folders = new Map<number, AsyncIterator<DirEntry>>();
  let [removals, slow] = [0, 0];

  thread.onmessage = ({ data }: MessageEvent<Burst | More>) => {
    if ("folder" in data) {
      if (data.isOver) folders.delete(data.folder);
      else list(data);
      return;
    }
    if (data.calls !== "") thread.postMessage(serveCalls(data.burst, data.calls.split(separator)));
    if (data.removals !== "") remove(data.burst, data.removals.split(separator));
  };
  thread.postMessage("ready");

  function serveCalls(answers: number, parts: readonly string[]): Answers {
    const numbers = new Float64Array(parts.length / 4 * width);
    const contents: Uint8Array[] = [];
    const failures: Failure[] = [];
    for (let n = 0, at = 0; n < parts.length; n += 4, at += width) {
      const [verb, from, to, maxBytes] = [parts[n]!, parts[n + 1]!, parts[n + 2]!, parts[n + 3]!];
      let path = from;
      numbers[at] = 3;
      try {
        if (verb !== "read") {
          verbs.rename(from, to);
          path = to;
          numbers[at] = 0;
        }
        if (verb === "rename") continue;
        numbers[at] = 2;
        const { stat, bytes } = (verb === "take" ? verbs.readOwn : verbs.read)(
          path,
          Number(maxBytes),
        );
        if (bytes) contents.push(bytes);
        const { kind, size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid } = stat;
        const [code, length] = [kinds.indexOf(kind), bytes ? bytes.length : -1];
        numbers.set([1, length, code, size, mtimeMs, ctimeMs, ino, dev, nlink, mode, uid, gid], at);
      } catch (error) {
        failures.push(failureOf(error));
      }
    }
    return { answers, numbers, bytes: joined(contents), failures };
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
    for (const [n, path] of paths.entries()) {
      const failed = (error: unknown) => void failures.set(n, failureOf(error));
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
      if (dir !== undefined) folders.set(folder, verbs.list(dir)[Symbol.asyncIterator]());
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

/** Start the thread. */
export function startThread(slowRemovalMs: number): Worker {
  // by the names they have here, which a bundler may have changed
  const verbs = Object.entries(THREAD_VERBS).map(([verb, { name }]) => `${verb}: ${name}`);
  const settings = JSON.stringify({ ...SETTINGS, slowRemovalMs });
  const program = [...THREAD_PARTS, ...Object.values(THREAD_VERBS), serve].join("\n") +
    `\n${serve.name}(self, { ${verbs.join()} }, ${settings});`;
  const url = `data:text/javascript,${encodeURIComponent(program)}`;
  return new Worker(url, { type: "module", name: "disk" });
}
