/**
 * The processes of a measurement: the endpoint, the bare loop, and the real consumer.
 *
 * @module
 */

import { MEMORY_FLAG } from "../compile/memory.ts";
import type { Count } from "./endpoint.ts";
import type { FlakyCount } from "./flaky_endpoint.ts";

const HERE = new URL(".", import.meta.url);
const CONSUMER = new URL("../../cli.ts", import.meta.url);

function program(file: URL, permissions: readonly string[], args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--frozen", ...permissions, file.href, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
}

/** An endpoint that runs. */
export interface Endpoint extends AsyncDisposable {
  /** Where events are sent to. */
  readonly url: string;
  /** What has arrived since the last reset. */
  count(): Promise<Count>;
  /** As {@linkcode Endpoint.count}, once there is a first event. */
  first(): Promise<Count>;
  /** Count anew. */
  reset(): Promise<void>;
}

/** Start an endpoint that answers 204 after `delayMs`. */
export async function startEndpoint(delayMs = 0): Promise<Endpoint> {
  const { url, ask, end } = await startServer("endpoint.ts", [String(delayMs)]);
  return {
    url: `${url}/events`,
    count: () => ask("/count"),
    first: () => ask("/first"),
    reset: () => ask("/reset"),
    [Symbol.asyncDispose]: end,
  };
}

/** A server that runs. */
interface Server {
  readonly url: string;
  /** The JSON that it answers to a GET of a path. */
  readonly ask: <T>(path: string) => Promise<T>;
  readonly end: () => Promise<void>;
}

/** Start a file beside this one that serves, and says its port first. */
async function startServer(name: string, args: readonly string[]): Promise<Server> {
  const child = program(new URL(name, HERE), ["--allow-net=127.0.0.1"], args).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error("the endpoint did not start");
  const url = `http://127.0.0.1:${parseInt(new TextDecoder().decode(value))}`;
  return {
    url,
    ask: async (path) => await (await fetch(`${url}${path}`)).json(),
    end: async () => {
      child.kill("SIGKILL");
      await Promise.all([reader.cancel(), child.status]);
    },
  };
}

/** An endpoint that fails a share of requests. */
export interface FlakyEndpoint extends AsyncDisposable {
  /** Where events are sent to. */
  readonly url: string;
  /** What has arrived so far. */
  count(): Promise<FlakyCount>;
}

/** Start an endpoint that fails requests as `flaky_endpoint.ts` says. */
export async function startFlakyEndpoint(...args: readonly number[]): Promise<FlakyEndpoint> {
  const { url, ask, end } = await startServer("flaky_endpoint.ts", args.map(String));
  return { url: `${url}/events`, count: () => ask("/count"), [Symbol.asyncDispose]: end };
}

/** Run the bare loop to its end. */
export async function runFetchLoop(url: string, events: number, threads: number): Promise<void> {
  const args = [url, String(events), String(threads)];
  await runLoop("fetch_loop.ts", ["--allow-net=127.0.0.1"], args);
}

/** Run the bare loop over a queue to its end. */
export async function runQueueLoop(queue: string, threads: number): Promise<void> {
  await runLoop("queue_loop.ts", permissionsFor(queue), [queue, String(threads)]);
}

async function runLoop(
  name: string,
  permissions: readonly string[],
  args: readonly string[],
): Promise<void> {
  const { success } = await program(new URL(name, HERE), permissions, args).output();
  if (!success) throw new Error(`${name} failed`);
}

/**
 * What `deno task consume` grants; below `/dev`, the usual tmpfs, Deno asks for everything instead.
 */
function permissionsFor(queue: string): readonly string[] {
  return [queue.startsWith("/dev/") ? "--allow-all" : "-P=consume"];
}

/** A consumer that runs; killed at the end of the scope if it still does. */
export interface RunningConsumer extends AsyncDisposable {
  readonly pid: number;
  /** Its exit code, once it has ended. */
  readonly code: Promise<number>;
  /** Send it a signal. */
  kill(signal: Deno.Signal): void;
  /** Let it end in good order. */
  stop(): Promise<void>;
}

/**
 * Start `cli.ts` with the flags it is shipped with, the permissions of `deno task consume`, and its
 * log to nowhere.
 */
export function startConsumer(
  queue: string,
  threads: number,
  ...options: readonly string[]
): RunningConsumer {
  const args = ["--base-dir", queue, "--threads", String(threads), "--log-format=json", ...options];
  const child = program(CONSUMER, [...permissionsFor(queue), MEMORY_FLAG], args).spawn();
  let runs = true;
  const code = child.output().then((output) => {
    runs = false;
    return output.code;
  });
  const kill = (signal: Deno.Signal) => {
    if (runs) child.kill(signal);
  };
  return {
    pid: child.pid,
    code,
    kill,
    async stop() {
      kill("SIGTERM");
      await code;
    },
    async [Symbol.asyncDispose]() {
      kill("SIGKILL");
      await code;
    },
  };
}

/** Events a second, from the arrival of the first to that of the last. */
export function rateOf({ events, firstMs, lastMs }: Count): number {
  return (events - 1) * 1_000 / (lastMs - firstMs);
}
