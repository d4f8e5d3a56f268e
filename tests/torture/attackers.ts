/**
 * Who runs beside the torture and tries to make it lose something, or touch what isn't the queue's.
 *
 * @module
 */

import { join } from "@std/path";
import { sleep } from "./endpoint.ts";

/** What is attacked. */
export interface Target {
  /** The queue's directory. */
  readonly queue: string;
  /** A tree that must stay as it is; what leads out of the queue leads there. */
  readonly canary: string;
  /** Where consumers take events over HTTP, or did: some are dead by now. */
  readonly ports: readonly number[];
  /** Chance. */
  readonly random: () => number;
}

/** Somebody who can write to the queue, or reach its consumers. */
export interface Attacker {
  /** What it does, for people. */
  readonly name: string;
  /** Begin; the queue is there. */
  start(target: Target): Promise<void>;
  /** End. What it left behind stays. @throws What went wrong with it meanwhile. */
  stop(): Promise<void>;
}

/**
 * An attacker that does one thing again and again.
 *
 * @param pauseMs Longest pause in between.
 */
export function repeating(
  name: string,
  attack: (target: Target, round: number) => Promise<void> | void,
  pauseMs: number,
): Attacker {
  let isStopping = false;
  let running = Promise.resolve();
  return {
    name,
    start(target) {
      running = (async () => {
        for (let round = 0; !isStopping; round++) {
          await attack(target, round);
          await sleep(target.random() * pauseMs);
        }
      })();
      running.catch(() => {}); // stop() tells
      return Promise.resolve();
    },
    async stop() {
      isStopping = true;
      await running;
    },
  };
}

/** As many of a kind are dropped: they stay, and each consumer lists them again and again. */
const MOST_OF_A_KIND = 20;

/** Longest pause before the next, ms. */
const PAUSE_MS = 50;

/** Make a FIFO, where there are any. */
async function makeFifo(path: string): Promise<void> {
  try {
    await new Deno.Command("mkfifo", { args: [path], stderr: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Drops symlinks into `new/` that look like events: to an event, a secret and a folder outside of
 * the queue, to nothing, to themselves.
 */
export function symlinks(): Attacker {
  return repeating("symlinks in new/", async ({ queue, canary }, round) => {
    if (round >= MOST_OF_A_KIND) return;
    const path = join(queue, "new", `link-${round}.json`);
    const aims = ["event.json", "secret", "folder", "nothing"].map((name) => join(canary, name));
    aims.push(path);
    await Deno.symlink(aims[round % aims.length]!, path);
  }, PAUSE_MS);
}

/** Drops FIFOs into `new/` that nobody writes to: whoever opens one waits for ever. */
export function fifos(): Attacker {
  return repeating("FIFOs in new/", async ({ queue }, round) => {
    if (round < MOST_OF_A_KIND) await makeFifo(join(queue, "new", `fifo-${round}.json`));
  }, PAUSE_MS);
}

/** Most connections that are open at a time. */
const MOST_CONNECTIONS = 200;

/** Connects to the latest consumers, begins a request, and leaves it at that. */
export function halfOpenClients(): Attacker {
  const open: Deno.TcpConn[] = [];
  const begun = new TextEncoder().encode("POST / HTTP/1.1\r\nHost: 127");
  const attacker = repeating("half-open clients", async ({ ports, random }) => {
    const port = ports.at(-1 - Math.floor(random() * 3));
    if (port === undefined) return;
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      open.push(connection);
      await connection.write(begun);
    } catch {
      // the consumer is dead, or has had enough
    }
    if (open.length > MOST_CONNECTIONS) open.shift()!.close();
  }, PAUSE_MS / 5);
  return {
    ...attacker,
    async stop() {
      await attacker.stop();
      for (const connection of open) connection.close();
    },
  };
}

/** All there are, each anew. */
export const attackers = (): readonly Attacker[] => [symlinks(), fifos(), halfOpenClients()];
