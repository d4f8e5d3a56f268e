/**
 * The program's entry on Node: the command line on the real process. `tools/pack.ts` bundles it
 * into the npm package.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import process from "node:process";
import { Readable } from "node:stream";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import type { Io, Output, Thread, ThreadListener } from "./lib/cli/io.ts";
import { describeFailure } from "./lib/cli/failure.ts";
import { main } from "./lib/cli/main.ts";
import { serveWorker } from "./lib/cli/workers/worker.ts";
import { nodeRuntime } from "./lib/runtime/node.ts";

function outputOf(stream: NodeJS.WriteStream): Output {
  stream.on("error", () => {}); // each write hears of its own
  return {
    isTerminal: stream.isTTY === true,
    columns: () => stream.columns || 80,
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => error ? reject(error) : resolve());
      }),
  };
}

async function readFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (size <= maxBytes) {
      const chunk = new Uint8Array(Math.min(2 ** 16, maxBytes + 1 - size));
      const { bytesRead } = await file.read(chunk, 0, chunk.length);
      if (bytesRead === 0) break;
      chunks.push(chunk.subarray(0, bytesRead));
      size += bytesRead;
    }
    return new Uint8Array(Buffer.concat(chunks));
  } finally {
    await file.close();
  }
}

function startThread({ onMessage, onDeath }: ThreadListener): Thread {
  const thread = new Worker(new URL(import.meta.url));
  thread.on("message", onMessage);
  thread.on("error", (error) => onDeath(error instanceof Error ? error.message : String(error)));
  thread.on("exit", () => onDeath("it has ended"));
  return {
    post: (message) => thread.postMessage(message),
    terminate: () => void thread.terminate(),
  };
}

/** What each signal asks for. */
const SIGNALS = { SIGINT: "stop", SIGTERM: "stop", SIGHUP: "reload" } as const;

const io: Io = {
  stdin: {
    isTerminal: process.stdin.isTTY === true,
    get readable() {
      return Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
    },
  },
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  defaultBaseDir: process.env.OPTIMIZELYD_BASE_DIR || ".",
  defaultConfig: process.env.OPTIMIZELYD_CONFIG || undefined,
  credentialsDirectory: process.env.CREDENTIALS_DIRECTORY || undefined,
  permissions: [],
  readFile,
  onSignal(handler) {
    const listeners = Object.entries(SIGNALS).map(([signal, ask]) =>
      [signal, () => handler(ask)] as const
    );
    for (const [signal, listener] of listeners) process.on(signal, listener);
    return () => {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    };
  },
  cores: availableParallelism(),
  startThread,
};

if (isMainThread) {
  // with a listener SIGUSR1 doesn't open Node's inspector
  process.on("SIGUSR1", () => {});
  process.on("unhandledRejection", (reason) => {
    const { line, code } = describeFailure(reason);
    process.stderr.write(`${line}\n`);
    process.exit(code);
  });
  process.exit(await main(process.argv.slice(2), nodeRuntime(), io));
} else {
  serveWorker(
    {
      post: (message) => parentPort!.postMessage(message),
      listen: (onMessage) => void parentPort!.on("message", onMessage),
    },
    nodeRuntime(),
    io,
  );
}
