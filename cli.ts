/**
 * The program's entry: the command line on the real process.
 *
 * @module
 */

import type { Ask, Io, Output, Port, Thread, ThreadListener } from "./lib/cli/io.ts";
import { describeFailure } from "./lib/cli/failure.ts";
import { main } from "./lib/cli/main.ts";
import { serveWorker } from "./lib/cli/workers/worker.ts";
import { denoRuntime } from "./lib/runtime/deno.ts";
import { workerDisk } from "./lib/runtime/disk_thread/client.ts";

const encoder = new TextEncoder();

type Stream = typeof Deno.stdout | typeof Deno.stderr;

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80; // some terminals have no size
  } catch {
    return 80; // not a terminal
  }
}

function outputOf(stream: Stream): Output {
  return {
    isTerminal: stream.isTerminal(),
    columns,
    async write(text) {
      const bytes = encoder.encode(text);
      for (let written = 0; written < bytes.length;) {
        written += await stream.write(bytes.subarray(written));
      }
    },
  };
}

function variable(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch {
    return undefined; // this build may not read the environment
  }
}

async function readFile(path: string, maxBytes: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size <= maxBytes) {
    const chunk = new Uint8Array(Math.min(2 ** 16, maxBytes + 1 - size));
    const count = await file.read(chunk);
    if (count === null) break;
    chunks.push(chunk.subarray(0, count));
    size += count;
  }
  return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

const IS_WINDOWS = Deno.build.os === "windows";

/** What asks the program to stop. Windows knows no SIGTERM. */
const STOPS: readonly Deno.Signal[] = IS_WINDOWS ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];

/** What asks it to read its configuration again. */
const RELOADS: readonly Deno.Signal[] = IS_WINDOWS ? [] : ["SIGHUP"];

function onSignal(handler: (ask: Ask) => void): () => void {
  const [stop, reload] = [() => handler("stop"), () => handler("reload")];
  for (const signal of STOPS) Deno.addSignalListener(signal, stop);
  for (const signal of RELOADS) Deno.addSignalListener(signal, reload);
  return () => {
    for (const signal of STOPS) Deno.removeSignalListener(signal, stop);
    for (const signal of RELOADS) Deno.removeSignalListener(signal, reload);
  };
}

/** When to close an inspector that SIGUSR1 has opened or is about to, in ms from the signal. */
const CLOSE_INSPECTOR_AT_MS = [0, 10, 100, 1000] as const;

/**
 * Let SIGUSR1 do nothing. Left alone it ends a young process, and makes `deno run` open its
 * inspector on a loopback port, where any user of the machine may run code in this process. Deno
 * has no switch for that and tells listeners first, so what it opens next is closed at once.
 */
function refuseInspector(): void {
  if (IS_WINDOWS) return;
  Deno.addSignalListener("SIGUSR1", async () => {
    const inspector = await import("node:inspector");
    for (const ms of CLOSE_INSPECTOR_AT_MS) setTimeout(() => inspector.close(), ms);
  });
}

/** What a thread of this program is called: it is how the program knows that it is one. */
const THREAD_NAME = "optimizelyd-maildir worker";

/**
 * Where an executable keeps its own text: it may read no file but the queue's, so a thread is given
 * the program itself.
 */
const PROGRAM = Symbol.for("optimizelyd-maildir program");

/** The program, for a thread. */
function programUrl(): string {
  const text = (globalThis as { [PROGRAM]?: string })[PROGRAM];
  return text === undefined
    ? import.meta.url
    : `data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`;
}

function startThread({ onMessage, onDeath }: ThreadListener): Thread {
  const thread = new Worker(programUrl(), { type: "module", name: THREAD_NAME });
  thread.onmessage = ({ data }) => onMessage(data);
  thread.onerror = (event) => {
    event.preventDefault();
    onDeath(event.message);
  };
  return { post: (message) => thread.postMessage(message), terminate: () => thread.terminate() };
}

/** This thread's own port. */
const port: Port = {
  post: (message) => (globalThis as unknown as Worker).postMessage(message),
  listen(onMessage) {
    globalThis.addEventListener("message", (event) => onMessage((event as MessageEvent).data));
  },
};

const isThread = globalThis.name === THREAD_NAME;

const io: Io = {
  stdin: {
    isTerminal: Deno.stdin.isTerminal(),
    get readable() {
      return Deno.stdin.readable;
    },
  },
  stdout: outputOf(Deno.stdout),
  stderr: outputOf(Deno.stderr),
  defaultBaseDir: variable("OPTIMIZELYD_BASE_DIR") ?? ".",
  defaultConfig: variable("OPTIMIZELYD_CONFIG"),
  credentialsDirectory: variable("CREDENTIALS_DIRECTORY"),
  permissions: [],
  readFile,
  onSignal,
  cores: navigator.hardwareConcurrency,
  startThread,
};

/** What `tools/compile.ts` bakes into an executable. */
export type Build = Partial<Pick<Io, "defaultBaseDir" | "permissions">>;

/**
 * Run the program on this process, and end it; in one of its threads, serve there. An executable's
 * own entry calls this with its {@linkcode Build}.
 */
export async function run(build: Build = {}): Promise<void> {
  if (isThread) return serveWorker(port, denoRuntime(workerDisk()), io);
  refuseInspector();
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const { line, code } = describeFailure(event.reason);
    try {
      Deno.stderr.writeSync(encoder.encode(`${line}\n`));
    } catch {
      // nobody reads; the exit code still says it
    }
    Deno.exit(code);
  });
  Deno.exit(await main(Deno.args, denoRuntime(workerDisk()), { ...io, ...build }));
}

if (import.meta.main || isThread) await run();
