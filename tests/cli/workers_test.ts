/**
 * `consume --workers`: several consumers in one process, each in a real thread.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import type { Ask, Io, Thread, ThreadListener } from "../../lib/cli/io.ts";
import { main } from "../../lib/cli/main.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { type Answer, startEndpoint } from "../support/endpoint.ts";
import { eventLine, PROGRAM } from "../support/program.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

/** Starts threads as the program does, and can end one as a crash would. */
class Threads {
  readonly #started: { readonly worker: Worker; readonly listener: ThreadListener }[] = [];

  start(listener: ThreadListener): Thread {
    const worker = new Worker(PROGRAM, { type: "module", name: "optimizelyd-maildir worker" });
    worker.onmessage = ({ data }) => listener.onMessage(data);
    worker.onerror = (event) => listener.onDeath(event.message);
    this.#started.push({ worker, listener });
    return { post: (message) => worker.postMessage(message), terminate: () => worker.terminate() };
  }

  /** One dies. */
  kill(at: number): void {
    const { worker, listener } = this.#started[at]!;
    worker.terminate();
    listener.onDeath("out of memory");
  }
}

/** A program that is told what to do by a test. */
class Program {
  readonly threads = new Threads();
  log = "";
  #ask: (ask: Ask) => void = () => {};
  readonly #files: Readonly<Record<string, () => string>>;

  constructor(files: Readonly<Record<string, () => string>> = {}) {
    this.#files = files;
  }

  signal(ask: Ask): void {
    this.#ask(ask);
  }

  /** Run to the end; its exit code. */
  run(args: readonly string[], startThread?: Io["startThread"]): Promise<number> {
    const output = {
      isTerminal: false,
      columns: () => 80,
      write: (text: string) => Promise.resolve(void (this.log += text)),
    };
    return main(args, denoRuntime(), {
      stdin: { isTerminal: false, readable: new Blob([]).stream() },
      stdout: output,
      stderr: output,
      defaultBaseDir: ".",
      defaultConfig: undefined,
      credentialsDirectory: undefined,
      permissions: [],
      readFile: (path) => Promise.resolve(new TextEncoder().encode(this.#files[path]!())),
      onSignal: (handler) => {
        this.#ask = handler;
        return () => {};
      },
      cores: 2,
      startThread: startThread ?? ((listener) => this.threads.start(listener)),
    });
  }
}

/** Put events on a new queue. */
function fill(base: string, url: string, count: number): void {
  for (const folder of ["tmp", "new", "cur", "doa", "res"]) {
    Deno.mkdirSync(join(base, folder), { recursive: true });
  }
  for (let n = 0; n < count; n++) {
    Deno.writeTextFileSync(join(base, "new", `e${n}`), eventLine(url, n));
  }
}

/** Answers 204, but none before it is let go. */
function gate(): readonly [answer: Answer, go: () => void] {
  const { promise, resolve } = Promise.withResolvers<void>();
  const answer = async () => {
    await promise;
    return new Response(null, { status: 204 });
  };
  return [answer, resolve];
}

/** How often each body arrived. */
function counted(taken: readonly { readonly body: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { body } of taken) counts.set(body, (counts.get(body) ?? 0) + 1);
  return counts;
}

const FOLDERS = ["new", "cur", "defer", "doa"] as const;

/** What is left of events. */
function left(base: string): string[] {
  return FOLDERS.flatMap((folder) => namesIn(join(base, folder)))
    .filter((name) => !name.startsWith("."));
}

Deno.test("two workers share a queue: each event is delivered once, with one log and one summary", async () => {
  await using dir = await tempDir();
  await using server = startEndpoint();
  fill(dir.path, server.url, 200);
  const program = new Program();
  const code = await program.run(["--base-dir", dir.path, "--workers", "auto", "--until-empty"]);
  assertEquals([code, left(dir.path)], [0, []]);
  assertEquals([server.taken.length, counted(server.taken).size], [200, 200]);
  assertMatch(program.log, /^\S+ started queue="\S+" workers=2 concurrency=64 /);
  assertEquals(program.log.match(/ delivered e/g)?.length, 200);
  assertMatch(program.log, / ended delivered=200 deferred=0 dead=0 released=0\n$/);
});

Deno.test("a worker that dies is reported, and the other takes its claims over", async () => {
  await using dir = await tempDir();
  const [answer, go] = gate();
  await using server = startEndpoint(answer);
  fill(dir.path, server.url, 64);
  const program = new Program();
  const args = ["--base-dir", dir.path, "--workers", "2", "--concurrency", "4", "--poll", "50ms"];
  const ended = program.run([...args, "--until-empty"]);
  await server.arrived(8); // both have all they may in flight
  program.threads.kill(0);
  go();
  assertEquals([await ended, left(dir.path)], [0, []]);
  assertMatch(program.log, / worker-died worker=1 reason=".* has died: out of memory"\n/);
  assertMatch(program.log, / taken-over e/);
  const counts = counted(server.taken);
  const twice = [...counts.values()].filter((count) => count > 1);
  assertEquals(counts.size, 64, "nothing is lost");
  assert(twice.length <= 4, `${twice.length} more than once: only what it had in flight may be`);
});

Deno.test("a signal stops all workers in good order", async () => {
  await using dir = await tempDir();
  const [answer, go] = gate();
  await using server = startEndpoint(answer);
  fill(dir.path, server.url, 64);
  const program = new Program();
  const ended = program.run(["--base-dir", dir.path, "--workers", "2", "--concurrency", "4"]);
  await server.arrived(8);
  program.signal("stop");
  go();
  assertEquals(await ended, 0);
  assertEquals(namesIn(join(dir.path, "cur")), []);
  assertEquals(left(dir.path).length, 64 - server.taken.length);
  assertMatch(program.log, new RegExp(` ended delivered=${server.taken.length} `));
  assertEquals(namesIn(join(dir.path, "log")).length, 2, "each has a journal of its own");
});

Deno.test("what is read again reaches every worker", async () => {
  await using dir = await tempDir();
  await using server = startEndpoint();
  fill(dir.path, server.url, 0);
  let tenant = 1;
  const config = () => `[destination."${server.url}"]\nheaders = { x-tenant = "${tenant}" }\n`;
  const program = new Program({ "/config": config });
  const args = ["--base-dir", dir.path, "--workers", "2", "--config", "/config", "--poll", "10ms"];
  const ended = program.run(args);
  fill(dir.path, server.url, 20);
  await server.arrived(20);
  tenant = 2;
  program.signal("reload");
  while (!/ reloaded config=/.test(program.log)) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  fill(dir.path, server.url, 40);
  await server.arrived(60);
  program.signal("stop");
  assertEquals(await ended, 0);
  const tenants = server.taken.map(({ headers }) => headers.get("x-tenant"));
  assertEquals(tenants, [...Array(20).fill("1"), ...Array(40).fill("2")]);
});

Deno.test("when no worker can work the first failure is the program's", async () => {
  await using dir = await tempDir();
  const startThread = ({ onDeath }: ThreadListener): Thread => {
    queueMicrotask(() => onDeath("no memory"));
    return { post() {}, terminate() {} };
  };
  const program = new Program();
  const code = await program.run(["--base-dir", dir.path, "--workers", "3"], startThread);
  assertEquals(code, 70);
  assertMatch(program.log, /\noptimizelyd-maildir: a worker has died: no memory\n$/);
});
