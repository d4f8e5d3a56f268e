/**
 * Attacks on `consume --accept` from outside, at full size, against any checkout of the program.
 *
 *     deno run -A tests/attack/accept.ts [--program PATH/cli.ts] [half-open|unfinished]...
 *
 *     half-open     300 connections that stall in the middle of the request line, while the program
 *                   may open 256 files
 *     unfinished    510 posts of 4.19 MB without their last bytes
 *
 * While they last events are put into `new/` and posted; said is what came of those, how the
 * program ended and what memory it took at most. Ends with 1 when it did not hold. The suite has
 * the same in small: `tests/accept/attack_test.ts`.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { startEndpoint } from "../support/endpoint.ts";
import { PROGRAM } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

/** What the program may take, with its runtime. */
const MOST_MEGABYTES = 400;

const ENCODER = new TextEncoder();

/** A connection that is opened and then left alone. */
async function stall(port: number, text: string, bodyBytes = 0): Promise<Deno.TcpConn | undefined> {
  try {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(connection, ENCODER.encode(text));
    const piece = new Uint8Array(64 * 1024).fill(0x78);
    for (let left = bodyBytes; left > 0; left -= piece.length) {
      await writeAll(connection, piece.subarray(0, Math.min(left, piece.length)));
    }
    return connection;
  } catch {
    return undefined; // the program has ended it, or has ended itself
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
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

/** The most memory a process ever had, in MB; 0 once it has ended. */
function peakMegabytes(pid: number): number {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    return Math.round(Number(kilobytes ?? 0) / 1_024);
  } catch {
    return 0;
  }
}

const ATTACKS: Readonly<
  Record<string, { files: number; run: (port: number) => Promise<unknown> }>
> = {
  "half-open": {
    files: 256,
    run: (port) => Promise.all(Array.from({ length: 300 }, () => stall(port, "POST /v1/eve"))),
  },
  "unfinished": {
    files: 4_096,
    run: (port) => {
      const bytes = 4_190_000;
      const head = `POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n{"x":"\u{20ac}`;
      return Promise.all(
        Array.from({ length: 510 }, () => stall(port, head, bytes - 100)),
      );
    },
  },
};

/** Run one attack; whether the program held. */
async function attack(name: string, program: string): Promise<boolean> {
  const { files, run } = ATTACKS[name]!;
  await using dir = await tempDir();
  await using endpoint = startEndpoint();
  const { args, url } = {
    args: ["--base-dir", dir.path, "--accept", "127.0.0.1:0", "--forward-to", endpoint.url],
    url: Promise.withResolvers<string>(),
  };
  const flags = "run --no-prompt --quiet --allow-all";
  const child = new Deno.Command("sh", {
    args: ["-c", `ulimit -n ${files}; exec "$0" ${flags} "$@"`, Deno.execPath(), program, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  const logged = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream() as TransformStream)) {
      log += text;
      const [, accepting] = / accepting url="([^"]+)"/.exec(log) ?? [];
      if (accepting !== undefined) url.resolve(accepting);
    }
    url.resolve("");
  })();
  const target = await url.promise;
  const startMs = performance.now();
  const seconds = () => ((performance.now() - startMs) / 1_000).toFixed(1);
  let peak = 0;
  const watch = setInterval(() => peak = Math.max(peak, peakMegabytes(child.pid)), 50);
  let hasEnded = false;
  void child.status.then(() => hasEnded = true);

  const attacked = run(Number(new URL(target).port)).catch(() => {});
  const answers: string[] = [];
  for (let n = 0; n < 40 && !hasEnded; n++) {
    const event = JSON.stringify({ url: endpoint.url, requestBody: { n } });
    Deno.writeTextFileSync(`${dir.path}/tmp/e${n}`, event);
    Deno.renameSync(`${dir.path}/tmp/e${n}`, `${dir.path}/new/e${n}`);
    answers.push(`${await post(target)} after ${seconds()} s`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await attacked;
  const dropped = endpoint.taken.filter(({ body }) => body.includes('"n"')).length;
  const lastAnswer = answers.at(-1) ?? "none";
  if (!hasEnded) child.kill("SIGTERM");
  const { code } = await child.status;
  clearInterval(watch);
  await logged;
  const trouble = log.split("\n").filter((line) => !/ delivered | started | accepting /.test(line));
  const counts = new Map<string, number>();
  for (const answer of answers) {
    const [what] = answer.split(" ");
    counts.set(what!, (counts.get(what!) ?? 0) + 1);
  }
  console.log(`${name}: exit ${code} after ${seconds()} s, peak ${peak} MB`);
  console.log(`  of ${answers.length} events put into new/ ${dropped} were delivered`);
  console.log(`  posts: ${[...counts].map(([what, n]) => `${n} × ${what}`).join(", ")}`);
  const first = answers.find((answer) => answer.startsWith("204"));
  console.log(`  first 204: ${first ?? "none"}; last answer: ${lastAnswer}`);
  for (const line of trouble.slice(0, 8)) console.log(`  | ${line.slice(0, 160)}`);
  return code === 0 && dropped === answers.length && lastAnswer.startsWith("204") &&
    peak <= MOST_MEGABYTES;
}

if (import.meta.main) {
  const { _: names, program } = parseArgs(Deno.args, { string: ["program"] });
  let held = true;
  for (const name of names.length === 0 ? Object.keys(ATTACKS) : names) {
    held = await attack(`${name}`, String(program ?? PROGRAM)) && held;
  }
  Deno.exit(held ? 0 : 1);
}
