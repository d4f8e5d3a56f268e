/**
 * Torture on the real thing: real files, consumers and producers as real processes, an endpoint
 * that misbehaves at random, `kill -9` at random moments, and attackers beside them.
 *
 * At the end every acknowledged id must have been received (or be in `doa/`), every second delivery
 * has a cause, and what is beside the queue is as it was.
 *
 * @module
 */

import { join } from "@std/path";
import { EXIT } from "../../lib/cli/exit_code.ts";
import { FOLDERS } from "../../lib/queue/layout.ts";
import { seeded } from "../sim/choices.ts";
import { command } from "../support/program.ts";
import type { Attacker, Target } from "./attackers.ts";
import { differences, listTree, makeCanary } from "./canary.ts";
import { type Duplicates, Evidence } from "./duplicates.ts";
import { Endpoint, eventLine, sleep } from "./endpoint.ts";
import { lines, Supervised } from "./supervised.ts";

const CONSUMERS = 3;
const PRODUCERS = 2;
const BATCH = 25;

/** So many of what went wrong are named. */
const MOST_NAMED = 5;

/** What to do. */
export interface TortureOptions {
  /** How many processes to kill. */
  readonly kills: number;
  /** Where chance comes from, as far as processes leave it to us. */
  readonly seed: number;
  /** An empty directory for the queue and what is beside it. */
  readonly dir: string;
  /** Who runs beside it. @default none */
  readonly attackers?: readonly Attacker[];
  /** Longest pause between two kills, ms. @default 700 */
  readonly pauseMs?: number;
  /** Told how far it is. */
  readonly onProgress?: (line: string) => void;
}

/** What it came to. */
export interface TortureResult {
  /** Ids that a producer was told. */
  readonly acknowledged: number;
  /** Acknowledged, never received, and not in `doa/`. */
  readonly lost: readonly string[];
  /** Event files that the last consumer left in the queue although it said that none is left. */
  readonly left: readonly string[];
  /** In `doa/`. */
  readonly dead: number;
  /** Received without having been acknowledged: the producer was killed before it could tell. */
  readonly unacknowledged: number;
  /** What was changed outside of the queue. */
  readonly touched: readonly string[];
  /** Bodies that were not as they were put in. */
  readonly damaged: number;
  /** Producers' calls that the disk refused. */
  readonly refused: number;
  /** Deliveries beyond the first, by cause. */
  readonly duplicates: Duplicates;
  /** How many of each kind of process were killed. */
  readonly killed: { readonly consumers: number; readonly producers: number };
  /** How long it took. */
  readonly ms: number;
}

/** The options of all consumers: impatient, and in small steps. */
const CONSUME = [
  ...["--log-format", "json", "--concurrency", "8", "--timeout", "1s", "--lease", "11s"],
  ...["--poll", "200ms", "--grace", "1s", "--backoff-base", "100ms", "--backoff-cap", "1s"],
];

/** Longer than any stop, and than what is left takes: whoever needs it is stuck. */
const PATIENCE_MS = 60_000;

/** @throws {Error} When something takes too long. */
async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  const stop = new AbortController();
  const late = sleep(PATIENCE_MS, stop.signal).then(() => {
    throw new Error(`${what} took longer than ${PATIENCE_MS / 1_000} s`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

/** The processes of one torture, and what they said. */
class Cast {
  readonly acknowledged = new Set<string>();
  readonly evidence = new Evidence();
  readonly killed = { consumers: 0, producers: 0 };
  /** Where consumers took events over HTTP, the latest last. */
  readonly ports: number[] = [];
  refused = 0;
  readonly #base: string;
  readonly #url: string;
  readonly #consumers: readonly Supervised[];
  readonly #producers: readonly Supervised[];
  #number = 0;

  constructor(base: string, url: string) {
    this.#base = base;
    this.#url = url;
    const accept = ["--accept", "127.0.0.1:0", "--forward-to", url];
    const consumer = () =>
      new Supervised(() => this.#consumer(...accept), (child) => this.#watchConsumer(child));
    const producer = () =>
      new Supervised(() => this.#producer(), (child) => this.#watchProducer(child));
    this.#consumers = Array.from({ length: CONSUMERS }, consumer);
    this.#producers = Array.from({ length: PRODUCERS }, producer);
  }

  #consumer(...options: readonly string[]): Deno.ChildProcess {
    return command(["consume", "--base-dir", this.#base, ...CONSUME, ...options]).spawn();
  }

  #producer(): Deno.ChildProcess {
    return command(["client", "--base-dir", this.#base, "-"], { stdin: "piped" }).spawn();
  }

  async #watchConsumer(child: Deno.ChildProcess): Promise<void> {
    const onLine = (line: string) => {
      const port = /"event":"accepting","url":"http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) this.ports.push(Number(port));
      else this.evidence.note(line);
    };
    await Promise.all([lines(child.stderr, onLine), lines(child.stdout, () => {})]);
  }

  async #watchProducer(child: Deno.ChildProcess): Promise<void> {
    const events = Array.from({ length: BATCH }, () => eventLine(this.#url, ++this.#number));
    await Promise.all([
      new Blob(events).stream().pipeTo(child.stdin).catch(() => {}),
      lines(child.stdout, (id) => this.acknowledged.add(id)),
      lines(child.stderr, () => {}),
    ]);
    if ((await child.status).code === EXIT.diskError) this.refused++;
  }

  get kills(): number {
    return this.killed.consumers + this.killed.producers;
  }

  /** Kill one by chance. */
  kill(random: () => number): void {
    const kind = random() < 0.7 ? "consumers" : "producers";
    const pool = kind === "consumers" ? this.#consumers : this.#producers;
    if (!pool[Math.floor(random() * pool.length)]!.kill()) return;
    this.evidence.noteKill();
    this.killed[kind]++;
  }

  /** End in good order. */
  async end(): Promise<void> {
    for (const producer of this.#producers) producer.stop();
    await Promise.all(this.#producers.map(({ ended }) => ended));
    for (const consumer of this.#consumers) consumer.stop("SIGTERM");
    await soon(Promise.all(this.#consumers.map(({ ended }) => ended)), "A consumer's stop");
  }

  /** Let one more consumer deliver what is left. */
  async drain(): Promise<void> {
    const last = this.#consumer("--until-empty");
    try {
      await soon(this.#watchConsumer(last), "The last consumer");
    } catch (error) {
      last.kill("SIGKILL");
      throw error;
    }
    const { code } = await last.status;
    if (code !== EXIT.ok) throw new Error(`The last consumer ended with ${code}`);
  }

  /** End at once. */
  abort(): void {
    for (const process of [...this.#producers, ...this.#consumers]) {
      process.stop();
      process.kill();
    }
  }
}

/** One torture, from an empty directory to an empty queue. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seed, dir } = options;
  const startedMs = performance.now();
  const endpoint = new Endpoint(seeded(seed + 1));
  const queue = join(dir, "queue");
  const canary = join(dir, "canary");
  makeSharedQueue(queue);
  makeCanary(canary, eventLine(endpoint.url, 0));
  const before = listTree(canary);
  const cast = new Cast(queue, endpoint.url);
  try {
    await killAll(
      cast,
      endpoint,
      { queue, canary, ports: cast.ports, random: seeded(seed + 2) },
      options,
    );
    await cast.end();
    endpoint.kind = true;
    endpoint.letGo();
    options.onProgress?.("delivering what is left");
    await cast.drain();
  } finally {
    cast.abort();
    endpoint.close();
  }
  const { acknowledged, evidence, refused, killed } = cast;
  const { receipts, damaged } = endpoint;
  const dead = deadIn(queue);
  return {
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((id) => !receipts.has(id) && !dead.has(id)),
    left: leftIn(queue),
    dead: dead.size,
    unacknowledged: [...receipts.keys()].filter((id) => !acknowledged.has(id)).length,
    touched: differences(before, listTree(canary)),
    damaged,
    refused,
    duplicates: evidence.explain(receipts),
    killed,
    ms: performance.now() - startedMs,
  };
}

/** A queue that a group shares: attackers may write to it. */
function makeSharedQueue(queue: string): void {
  for (const path of [queue, ...FOLDERS.map((folder) => join(queue, folder))]) {
    Deno.mkdirSync(path);
    Deno.chmodSync(path, 0o2770);
  }
}

/** Kill as many as are to be killed, with attackers beside them. */
async function killAll(
  cast: Cast,
  { receipts }: Endpoint,
  target: Target,
  { kills, seed, attackers = [], pauseMs = 700, onProgress = () => {} }: TortureOptions,
): Promise<void> {
  const random = seeded(seed);
  for (const attacker of attackers) await attacker.start(target);
  while (cast.kills < kills) {
    await sleep(random() * pauseMs);
    cast.kill(random);
    onProgress(
      `${cast.kills} of ${kills} killed, ${cast.acknowledged.size} events acknowledged, ` +
        `${receipts.size} received`,
    );
  }
  for (const attacker of attackers) await attacker.stop();
}

function leftIn(queue: string, folders: readonly string[] = ["new", "cur", "defer"]): string[] {
  return folders.flatMap((folder) =>
    [...Deno.readDirSync(join(queue, folder))].flatMap(({ name, isDirectory, isFile }) => {
      const path = join(folder, name);
      if (isDirectory) return leftIn(queue, [path]);
      return isFile && !name.startsWith(".") ? [path] : [];
    })
  );
}

function deadIn(queue: string): Set<string> {
  const names = Array.from(Deno.readDirSync(join(queue, "doa")), ({ name }) => name);
  return new Set(
    names.filter((name) => !name.endsWith(".why")).map((name) => name.replace(/\+.*/, "")),
  );
}

/** How many there are, and which. */
function few(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? ", …" : "";
  const named = names.slice(0, MOST_NAMED).join(", ");
  return names.length === 0 ? "0" : `${names.length} (${named}${more})`;
}

/** A result for people. */
export function describeTorture(result: TortureResult): string {
  const { duplicates, killed } = result;
  const sum = Object.values(duplicates).reduce((a, b) => a + b);
  return [
    `killed        ${killed.consumers} consumers and ${killed.producers} producers in ${
      (result.ms / 1_000).toFixed(0)
    } s`,
    `acknowledged  ${result.acknowledged} events` +
    (result.refused > 0 ? `; the disk refused ${result.refused} calls of producers` : ""),
    `lost          ${few(result.lost)}`,
    `left          ${few(result.left)} in the queue`,
    `touched       ${few(result.touched)} outside of the queue`,
    `damaged       ${result.damaged}`,
    `dead          ${result.dead}`,
    `unannounced   ${result.unacknowledged} delivered though their producer died before it said so`,
    `duplicates    ${sum}`,
    ...Object.entries(duplicates).map(([cause, n]) => `  ${n} ${cause}`),
  ].join("\n");
}

/** Whether nothing went wrong that must not. */
export function isSound({ lost, left, touched, damaged, duplicates }: TortureResult): boolean {
  return [...lost, ...left, ...touched].length === 0 && damaged === 0 &&
    duplicates["no cause known"] === 0;
}
