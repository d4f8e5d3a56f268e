/**
 * Torture on the real thing: real files, three consumers and two producers as real processes, an
 * endpoint that misbehaves at random, and `kill -9` at random moments.
 *
 *     deno task torture [--kills N] [--seed N] [--only disk|tmpfs]
 *
 * At the end every acknowledged id must have been received (or be in `doa/`). Prints what was lost
 * (must be nothing), the second deliveries, and how many of them each cause explains. Then the same
 * once more on a small, full tmpfs, where mounting is allowed. Exit code 1 if anything is lost, or
 * if a second delivery has no cause.
 *
 * @module
 */

import { readSettings, runTool } from "./options.ts";
import { print, progress } from "./report.ts";

const PROGRAM = new URL("../cli.ts", import.meta.url).pathname;
const CONSUMERS = 3;
const PRODUCERS = 2;
const BATCH = 25;
const BODY = /^\{"n":\d+,"big":90071992547409931\}$/;

/** What to do. */
export interface TortureOptions {
  /** How many processes to kill. */
  readonly kills: number;
  /** Where chance comes from, as far as processes leave it to us. */
  readonly seed: number;
  /** An empty directory for the queue. */
  readonly dir: string;
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
  /** In `doa/`. */
  readonly dead: number;
  /** Received without having been acknowledged: the producer was killed before it could tell. */
  readonly unacknowledged: number;
  /** Bodies that were not as they were put in. */
  readonly damaged: number;
  /** Producers' calls that the disk refused. */
  readonly refused: number;
  /** Deliveries beyond the first, by cause. */
  readonly duplicates: Readonly<Record<Cause, number>>;
  /** How many of each kind of process were killed. */
  readonly killed: { readonly consumers: number; readonly producers: number };
  /** How long it took. */
  readonly ms: number;
}

/** Why an event was received once more. */
export type Cause =
  | "the 2xx did not arrive"
  | "its consumer was killed"
  | "its lease was lost"
  | "no cause known";

interface Receipt {
  readonly atMs: number;
  /** Whether a 2xx was written, as far as the endpoint knows. */
  answered: boolean;
}

function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** An endpoint on plain TCP, so that it can break off wherever it likes. */
class Endpoint {
  readonly receipts = new Map<string, Receipt[]>();
  damaged = 0;
  /** From now on every event is answered 204 at once. */
  kind = false;
  readonly #random: () => number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #hanging = new Set<Deno.Conn>();

  constructor(random: () => number) {
    this.#random = random;
    this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}/`;
  }

  close(): void {
    this.#listener.close();
    this.letGo();
  }

  /** Break off all that hangs. */
  letGo(): void {
    for (const connection of this.#hanging) closed(connection);
    this.#hanging.clear();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#serve(connection);
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    try {
      const request = await read(connection);
      if (request) await this.#answer(connection, request.id, request.body);
    } catch {
      // the sender is gone
    }
    if (!this.#hanging.has(connection)) closed(connection);
  }

  async #answer(connection: Deno.Conn, id: string, body: string): Promise<void> {
    const chance = this.kind ? 1 : this.#random();
    if (chance < 0.08) return await write(connection, "503 Service Unavailable");
    if (chance < 0.12) {
      return await write(connection, "429 Too Many Requests", "retry-after: 1\r\n");
    }
    if (chance < 0.16) return; // reset before the endpoint took it
    if (!BODY.test(body)) this.damaged++;
    const receipt: Receipt = { atMs: performance.now(), answered: false };
    this.receipts.set(id, [...this.receipts.get(id) ?? [], receipt]);
    if (chance < 0.20) return; // took it, the answer is lost
    if (chance < 0.23) return void this.#hanging.add(connection);
    if (chance < 0.40) await sleep(this.#random() * 400);
    await write(connection, "204 No Content");
    receipt.answered = true;
  }
}

function closed(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // it is
  }
}

async function read(connection: Deno.Conn): Promise<{ id: string; body: string } | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(8_192);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return undefined;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    const body = text.slice(end + 4);
    if (body.length < length) continue;
    return { id: /\r\nidempotency-key: (\S+)/i.exec(text)?.[1] ?? "", body };
  }
}

async function write(connection: Deno.Conn, status: string, headers = ""): Promise<void> {
  const length = status.startsWith("204") ? "" : "content-length: 0\r\n";
  await connection.write(
    new TextEncoder().encode(`HTTP/1.1 ${status}\r\n${headers}${length}connection: close\r\n\r\n`),
  );
}

function command(args: readonly string[], stdin: "null" | "piped"): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--frozen", "--allow-all", PROGRAM, ...args],
    stdin,
    stdout: "piped",
    stderr: "piped",
    env: { OPTIMIZELYD_BASE_DIR: "", NO_COLOR: "1" },
  }).spawn();
}

/** Every whole line of a stream: what a killed process wrote half of doesn't count. */
async function lines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    for (const part of parts) onLine(part);
  }
}

/** A process that is started again whenever it ends, until told to stop. */
class Supervised {
  child: Deno.ChildProcess | undefined;
  #stopping = false;
  readonly ended: Promise<void>;

  constructor(start: () => Deno.ChildProcess, watch: (child: Deno.ChildProcess) => Promise<void>) {
    this.ended = this.#run(start, watch);
  }

  /** Kill it, if it runs. */
  kill(): boolean {
    if (!this.child) return false;
    try {
      this.child.kill("SIGKILL");
      return true;
    } catch {
      return false; // it has just ended
    }
  }

  /** Don't start it again. */
  stop(signal?: Deno.Signal): void {
    this.#stopping = true;
    try {
      if (signal) this.child?.kill(signal);
    } catch {
      // it has just ended
    }
  }

  async #run(
    start: () => Deno.ChildProcess,
    watch: (child: Deno.ChildProcess) => Promise<void>,
  ): Promise<void> {
    while (!this.#stopping) {
      const child = this.child = start();
      await watch(child);
      await child.status;
      this.child = undefined;
    }
  }
}

/** One torture, from an empty directory to an empty queue. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { kills, seed, dir, pauseMs = 700, onProgress = () => {} } = options;
  const startedMs = performance.now();
  const random = seeded(seed);
  const endpoint = new Endpoint(seeded(seed + 1));
  const base = `${dir}/queue`;
  const acknowledged = new Set<string>();
  const takenOver = new Map<string, number>();
  const leaseLost = new Map<string, number>();
  const count = (map: Map<string, number>, id: string) => map.set(id, (map.get(id) ?? 0) + 1);
  const killed = { consumers: 0, producers: 0 };
  const killsMs: number[] = [];
  let [refused, number] = [0, 0];

  const onLog = (line: string) => {
    if (!line.startsWith("{")) return;
    const { event, id } = JSON.parse(line);
    if (event === "taken-over") count(takenOver, id);
    if (event === "lease-lost") count(leaseLost, id);
  };
  const consumeArgs = ["consume", "--base-dir", base, "--log-format", "json", "--threads", "8"];
  consumeArgs.push("--timeout", "1s", "--lease", "11s", "--poll", "200ms", "--grace", "1s");
  consumeArgs.push("--backoff-base", "100ms", "--backoff-cap", "1s");
  const watchConsumer = async (child: Deno.ChildProcess) => {
    await Promise.all([lines(child.stderr, onLog), lines(child.stdout, () => {})]);
  };
  const watchProducer = async (child: Deno.ChildProcess) => {
    const events = Array.from(
      { length: BATCH },
      () => `{"url":"${endpoint.url}","requestBody":{"n":${++number},"big":90071992547409931}}\n`,
    );
    const feeding = new Blob(events).stream().pipeTo(child.stdin).catch(() => {});
    await Promise.all([
      feeding,
      lines(child.stdout, (id) => acknowledged.add(id)),
      lines(child.stderr, () => {}),
    ]);
    if ((await child.status).code === 74) refused++;
  };
  const consumers = Array.from(
    { length: CONSUMERS },
    () => new Supervised(() => command(consumeArgs, "null"), watchConsumer),
  );
  const producers = Array.from(
    { length: PRODUCERS },
    () =>
      new Supervised(() => command(["client", "--base-dir", base, "-"], "piped"), watchProducer),
  );
  const progress = () =>
    onProgress(
      `${
        killed.consumers + killed.producers
      } of ${kills} killed, ${acknowledged.size} events acknowledged, ` +
        `${endpoint.receipts.size} received`,
    );
  try {
    while (killed.consumers + killed.producers < kills) {
      await sleep(random() * pauseMs);
      const isConsumer = random() < 0.7;
      const pool = isConsumer ? consumers : producers;
      if (!pool[Math.floor(random() * pool.length)]!.kill()) continue;
      killsMs.push(performance.now());
      killed[isConsumer ? "consumers" : "producers"]++;
      progress();
    }
    for (const producer of producers) producer.stop();
    await Promise.all(producers.map(({ ended }) => ended));
    for (const consumer of consumers) consumer.stop("SIGTERM");
    await Promise.all(consumers.map(({ ended }) => ended));
    endpoint.kind = true;
    endpoint.letGo();
    onProgress("delivering what is left");
    const last = command([...consumeArgs, "--until-empty"], "null");
    await watchConsumer(last);
    const { code } = await last.status;
    if (code !== 0) throw new Error(`The last consumer ended with ${code}`);
  } finally {
    for (const process of [...producers, ...consumers]) {
      process.stop();
      process.kill();
    }
    endpoint.close();
  }

  const dead = new Set<string>();
  for (const { name } of Deno.readDirSync(`${base}/doa`)) {
    if (!name.endsWith(".why")) dead.add(name.replace(/\+.*/, ""));
  }
  const duplicates: Record<Cause, number> = {
    "the 2xx did not arrive": 0,
    "its consumer was killed": 0,
    "its lease was lost": 0,
    "no cause known": 0,
  };
  for (const [id, receipts] of endpoint.receipts) {
    let takeovers = takenOver.get(id) ?? 0;
    let leases = leaseLost.get(id) ?? 0;
    for (const [index, receipt] of receipts.slice(0, -1).entries()) {
      const nextMs = receipts[index + 1]!.atMs;
      const sawKill = killsMs.some((atMs) => atMs > receipt.atMs - 5 && atMs < nextMs);
      if (!receipt.answered) duplicates["the 2xx did not arrive"]++;
      else if (leases-- > 0) duplicates["its lease was lost"]++;
      // who took it over may have been killed before its log line was out
      else if (takeovers-- > 0 || sawKill) duplicates["its consumer was killed"]++;
      else duplicates["no cause known"]++;
    }
  }
  return {
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((id) => !endpoint.receipts.has(id) && !dead.has(id)),
    dead: dead.size,
    unacknowledged: [...endpoint.receipts.keys()].filter((id) => !acknowledged.has(id)).length,
    damaged: endpoint.damaged,
    refused,
    duplicates,
    killed,
    ms: performance.now() - startedMs,
  };
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
    `lost          ${result.lost.length}${result.lost.length > 0 ? `: ${result.lost}` : ""}`,
    `damaged       ${result.damaged}`,
    `dead          ${result.dead}`,
    `unannounced   ${result.unacknowledged} delivered though their producer died before it said so`,
    `duplicates    ${sum}`,
    ...Object.entries(duplicates).map(([cause, n]) => `  ${n} ${cause}`),
  ].join("\n");
}

/** Whether nothing went wrong that must not. */
export function isSound({ lost, damaged, duplicates }: TortureResult): boolean {
  return lost.length === 0 && damaged === 0 && duplicates["no cause known"] === 0;
}

/** Mount a small tmpfs with hardly any room left; `undefined` where that isn't allowed. */
async function fullTmpfs(dir: string): Promise<(() => Promise<void>) | undefined> {
  const call = async (name: string, ...args: string[]) =>
    (await new Deno.Command(name, { args, stdout: "null", stderr: "null" }).output()).success;
  try {
    if (!await call("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", dir)) return undefined;
  } catch {
    return undefined; // no such program
  }
  Deno.writeFileSync(`${dir}/ballast`, new Uint8Array(256 * 1024));
  return async () => {
    if (!await call("umount", dir)) throw new Error(`Cannot unmount ${dir}`);
  };
}

async function main(args: readonly string[]): Promise<void> {
  const { numbers, wants } = readSettings(
    args,
    { kills: 200, seed: 1 + Date.now() % 1_000_000 },
    { parts: ["disk", "tmpfs"], byChance: ["seed"] },
  );
  const { kills, seed } = numbers;
  let saidMs = -Infinity;
  const onProgress = (line: string) => {
    progress(line);
    if (Deno.stdout.isTerminal() || performance.now() - saidMs < 10_000) return;
    saidMs = performance.now();
    print(line);
  };
  const run = async (title: string, dir: string, count: number) => {
    print(`${title}, ${count} kills, seed ${seed}`);
    const result = await torture({ kills: count, seed, dir, onProgress });
    print(describeTorture(result));
    return isSound(result);
  };
  let sound = true;
  if (wants("disk")) {
    const dir = await Deno.makeTempDir({ prefix: "maildir-torture-" });
    sound = await run("on disk", dir, kills);
    await Deno.remove(dir, { recursive: true });
  }
  if (wants("tmpfs")) {
    const small = await Deno.makeTempDir({ prefix: "maildir-torture-" });
    const unmount = await fullTmpfs(small);
    if (unmount) {
      try {
        sound = await run("on a full tmpfs", small, Math.ceil(kills / 4)) && sound;
      } finally {
        await unmount();
      }
    } else print("on a full tmpfs: skipped, mounting is not allowed here");
    await Deno.remove(small);
  }
  Deno.exit(sound ? 0 : 1);
}

if (import.meta.main) await runTool(() => main(Deno.args));
