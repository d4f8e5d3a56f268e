/**
 * Attacks on `consume --accept` from outside, at full size, against any checkout of the program.
 *
 *     deno run -A tests/attack/accept.ts [--program PATH/cli.ts] [half-open|unfinished]...
 *
 *     half-open     300 connections that stall in the middle of the request line, while the program
 *                   may open 256 files
 *     unfinished    510 posts of 4.19 MB without their last bytes
 *
 * While they last events are put into `new/` and posted; told is what came of those, how the
 * program ended and what memory it took at most. Ends with 1 when it did not hold. The suite has
 * the same in small: `tests/accept/attack_test.ts`.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { print } from "../../tools/report.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { eventLine, PROGRAM } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

/** What the program may take, with its runtime. */
const MOST_MEGABYTES = 400;

/** How many events are put into `new/` and posted, and how far apart. */
const [EVENTS, PAUSE_MS] = [40, 500];

/** One way to attack. */
interface Attack {
  /** How many files the program may open. */
  readonly files: number;
  /** How many connections. */
  readonly connections: number;
  /** What each begins with. */
  readonly head: (port: number) => string;
  /** How many bytes follow. */
  readonly bodyBytes: number;
}

const BODY_BYTES = 4_190_000;

const ATTACKS: Readonly<Record<string, Attack>> = {
  "half-open": { files: 256, connections: 300, head: () => "POST /v1/eve", bodyBytes: 0 },
  "unfinished": {
    files: 4_096,
    connections: 510,
    head: (port) =>
      `POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${BODY_BYTES}\r\n\r\n{"x":"\u{20ac}`,
    bodyBytes: BODY_BYTES - 100,
  },
};

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/** A connection that is used so far and then left alone. */
async function stall({ head, bodyBytes }: Attack, port: number): Promise<void> {
  try {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(connection, new TextEncoder().encode(head(port)));
    const piece = new Uint8Array(64 * 1024).fill(0x78);
    for (let left = bodyBytes; left > 0; left -= piece.length) {
      await writeAll(connection, piece.subarray(0, Math.min(left, piece.length)));
    }
  } catch {
    // the program has ended it, or has ended itself
  }
}

/** Post a small event; the status, or what went wrong. */
async function post(url: string): Promise<string> {
  try {
    const headers = { "content-type": "application/json" };
    const signal = AbortSignal.timeout(5_000);
    const response = await fetch(url, { method: "POST", body: '{"good":true}', headers, signal });
    await response.body?.cancel();
    return `${response.status}`;
  } catch (error) {
    return (error as Error).name;
  }
}

/** A program that is attacked. */
class Victim {
  readonly child: Deno.ChildProcess;
  /** Where it takes events; empty when it ended before it could. */
  readonly url: Promise<string>;
  log = "";
  peakMegabytes = 0;
  hasEnded = false;
  readonly #watch: ReturnType<typeof setInterval>;

  constructor(program: string, base: string, forwardTo: string, files: number) {
    const flags = "run --no-prompt --quiet --allow-all";
    const options = ["--base-dir", base, "--accept", "127.0.0.1:0", "--forward-to", forwardTo];
    this.child = new Deno.Command("sh", {
      args: [
        ...["-c", `ulimit -n ${files}; exec "$0" ${flags} "$@"`, Deno.execPath(), program],
        ...options,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#watch = setInterval(() => this.#lookAtMemory(), 50);
    const accepting = Promise.withResolvers<string>();
    this.url = accepting.promise;
    void this.#read(accepting.resolve);
  }

  async #read(found: (url: string) => void): Promise<void> {
    const lines = this.child.stderr.pipeThrough(new TextDecoderStream() as TransformStream);
    for await (const text of lines) {
      this.log += text;
      const [, url] = / accepting url="([^"]+)"/.exec(this.log) ?? [];
      if (url !== undefined) found(url);
    }
    this.hasEnded = true;
    found("");
  }

  #lookAtMemory(): void {
    try {
      const status = Deno.readTextFileSync(`/proc/${this.child.pid}/status`);
      const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(status) ?? [];
      this.peakMegabytes = Math.max(this.peakMegabytes, Math.round(Number(kilobytes ?? 0) / 1_024));
    } catch {
      // it has ended
    }
  }

  async stop(): Promise<number> {
    if (!this.hasEnded) this.child.kill("SIGTERM");
    const { code } = await this.child.status;
    clearInterval(this.#watch);
    return code;
  }
}

/** Run one attack; whether the program held. */
async function attack(name: string, program: string): Promise<boolean> {
  const way = ATTACKS[name];
  if (way === undefined) throw new Error(`the attacks are ${Object.keys(ATTACKS).join(", ")}`);
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const victim = new Victim(program, dir.path, endpoint.url, way.files);
  const url = await victim.url;
  const startMs = performance.now();
  const port = Number(new URL(url).port);
  const attacked = Promise.all(Array.from({ length: way.connections }, () => stall(way, port)));

  const answers: { what: string; atMs: number }[] = [];
  while (answers.length < EVENTS && !victim.hasEnded) {
    const name = `e${answers.length}`;
    Deno.writeTextFileSync(`${dir.path}/tmp/${name}`, eventLine(endpoint.url, { dropped: true }));
    Deno.renameSync(`${dir.path}/tmp/${name}`, `${dir.path}/new/${name}`);
    answers.push({ what: await post(url), atMs: performance.now() - startMs });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await attacked;
  const code = await victim.stop();

  const dropped = endpoint.taken.filter(({ body }) => body.includes("dropped")).length;
  const taken = answers.filter(({ what }) => what === "204");
  print(`${name}: exit ${code}, peak ${victim.peakMegabytes} MB`);
  print(`  put into new/: ${answers.length}, of these delivered: ${dropped}`);
  print(`  posted: ${answers.length}, of these taken: ${taken.length}`);
  if (taken.length > 0) print(`  the first after ${(taken[0]!.atMs / 1_000).toFixed(1)} s`);
  const usual = / delivered | started | accepting | stopping | ended /;
  const lines = victim.log.split("\n").filter((line) => line !== "" && !usual.test(line));
  for (const line of lines.slice(0, 8)) print(`  | ${line.slice(0, 160)}`);
  return code === 0 && dropped === EVENTS && answers.at(-1)?.what === "204" &&
    victim.peakMegabytes <= MOST_MEGABYTES;
}

if (import.meta.main) {
  const { _: names, program } = parseArgs(Deno.args, { string: ["program"] });
  let held = true;
  for (const name of names.length === 0 ? Object.keys(ATTACKS) : names) {
    held = await attack(`${name}`, String(program ?? PROGRAM)) && held;
  }
  Deno.exit(held ? 0 : 1);
}
