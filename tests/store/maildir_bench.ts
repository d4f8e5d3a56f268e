/**
 * The maildir on a bench: on the disk of this machine in a temporary directory, and on a simulated
 * one.
 *
 * @module
 */

import { hold, resume } from "../../lib/queue/hold.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { Maildir } from "../../lib/queue/store/maildir_store.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import type { Disk, Lock, Runtime, Stat } from "../../lib/runtime/runtime.ts";
import { CHANGING } from "../sim/faults.ts";
import { World, type WorldOptions } from "../sim/world.ts";
import { tempDir } from "../support/temp_dir.ts";
import {
  type Bench,
  type BenchOf,
  connect,
  type Dead,
  type Kept,
  type Peer,
  type PeerOptions,
  type Refusal,
  type Sight,
} from "./bench.ts";

/** A process on the queue's host. */
interface Process {
  readonly runtime: Runtime;
  kill(): void;
}

/** The world that a queue is in. */
interface Surroundings {
  readonly base: string;
  start(): Process;
  pass(ms: number): Promise<void>;
}

/** Verbs that there need not be: a bench does without. */
const OPTIONAL: ReadonlySet<string | symbol> = new Set(["take", "within", "limitWait"]);

/** Verbs by which a consumer finds out what there is. */
const LOOKING: ReadonlySet<string | symbol> = new Set(["list", "entries", "lstat"]);

/** Verbs that need room for one more name. */
const GROWING: ReadonlySet<string | symbol> = new Set(["create", "link", "makeDir", "rename"]);

type AnyVerb = (...args: unknown[]) => unknown;

/** A disk with something done before each verb. */
function before(disk: Disk, act: (verb: string, paths: readonly string[]) => void): Disk {
  return new Proxy(disk, {
    get(_, verb: string) {
      const does = Reflect.get(disk, verb) as AnyVerb | undefined;
      if (does === undefined || OPTIONAL.has(verb)) return undefined;
      if (verb === "list") {
        return async function* (dir: string) {
          act(verb, [dir]);
          yield* disk.list(dir);
        };
      }
      return (...args: unknown[]) => {
        act(verb, args.filter((arg): arg is string => typeof arg === "string"));
        return does.apply(disk, args);
      };
    },
  });
}

/** What a disk answers while something is refused; `undefined` while it is not. */
function codeOf(refusal: Refusal, verb: string, paths: readonly string[]): string | undefined {
  switch (refusal) {
    case "changes":
      return (CHANGING as ReadonlySet<string>).has(verb) ? "EIO" : undefined;
    case "room":
      return GROWING.has(verb) ? "ENOSPC" : undefined;
    case "looks":
      return LOOKING.has(verb) ? "EIO" : undefined;
    case "deferring":
      return GROWING.has(verb) && paths.at(-1)!.includes("/defer/") ? "EACCES" : undefined;
  }
}

class MaildirBench implements Bench {
  readonly #around: Surroundings;
  readonly #operator: Queue;
  readonly #peers: (Peer & { alive: boolean })[] = [];
  #refusal: Refusal | undefined;
  looks = 0;

  constructor(around: Surroundings, operator: Queue) {
    this.#around = around;
    this.#operator = operator;
  }

  static async of(around: Surroundings): Promise<MaildirBench> {
    const { runtime } = around.start();
    return new MaildirBench(around, await Queue.open(around.base, runtime, { create: true }));
  }

  get #runtime(): Runtime {
    return this.#operator.place.runtime;
  }

  get nowMs(): number {
    return this.#runtime.clock.now();
  }

  pass(ms: number): Promise<void> {
    return this.#around.pass(ms);
  }

  async put(text: string, notBeforeMs?: number): Promise<string> {
    const id = await this.#operator.enqueue(new TextEncoder().encode(text));
    const path = this.#operator.path("new", id);
    if (notBeforeMs !== undefined) {
      await this.#runtime.disk.rename(`${path}.json`, `${path}+0@${notBeforeMs}.json`);
    }
    return id;
  }

  async join(options: PeerOptions = {}): Promise<Peer> {
    const { runtime, kill } = this.#around.start();
    const held: (() => void)[] = [];
    const disk = this.#meddled(runtime.disk, held);
    const queue = await Queue.open(this.#around.base, { ...runtime, disk });
    const { store, trace } = await connect(new Maildir(queue), options);
    const peer = {
      store,
      trace,
      alive: true,
      get monotonicMs() {
        return runtime.clock.monotonic();
      },
      die() {
        peer.alive = false;
        kill();
        for (const letGo of held) letGo();
      },
    };
    this.#peers.push(peer);
    return peer;
  }

  /** A disk that refuses what it is to refuse, and whose locks can be taken away. */
  #meddled(real: Disk, held: (() => void)[]): Disk {
    const disk = before(real, (verb, paths) => {
      if (verb === "list" || verb === "entries") this.looks++;
      const code = this.#refusal && codeOf(this.#refusal, verb, paths);
      if (code !== undefined) throw Object.assign(new Error(`${verb}: ${code}`), { code });
    });
    const { tryLock, watch } = disk;
    return new Proxy(disk, {
      get(_, verb: string) {
        if (verb === "tryLock") return async (path: string) => holding(await tryLock(path));
        if (verb === "watch") {
          return (dir: string, onChange: () => void) => {
            const stop = watch(dir, onChange);
            held.push(stop);
            return stop;
          };
        }
        return Reflect.get(disk, verb);
      },
    });
    function holding(lock: Lock | undefined): Lock | undefined {
      if (lock) held.push(() => lock.release());
      return lock;
    }
  }

  hold(destination: string): Promise<void> {
    return hold(this.#operator, destination).then(() => {});
  }

  resume(destination: string): Promise<void> {
    return resume(this.#operator, destination).then(() => {});
  }

  refuse(what: Refusal | undefined): void {
    this.#refusal = what;
  }

  async see(): Promise<Sight> {
    const ids = async (folder: string) =>
      (await this.#namesIn(folder)).map((path) => parseName(path.split("/").at(-1)!).id);
    return {
      ready: await ids("new"),
      claimed: await ids("cur"),
      deferred: await ids("defer"),
      dead: await this.#dead(),
      answers: await this.#answers(),
    };
  }

  async #dead(): Promise<Dead[]> {
    const paths = await this.#namesIn("doa");
    return await Promise.all(
      paths.filter((path) => !path.endsWith(".why")).map(async (path) => {
        const { id, at: _, attempt: __, ...reason } = JSON.parse(await this.#read(`${path}.why`));
        return { id, text: await this.#read(path), reason };
      }),
    );
  }

  async #answers(): Promise<Kept[]> {
    const metas = (await this.#namesIn("res")).filter((path) => path.endsWith(".meta"));
    return await Promise.all(metas.map(async (path) => ({
      id: path.split("/").at(-1)!.split("+")[0]!,
      text: await this.#read(path.slice(0, -".meta".length)),
      meta: JSON.parse(await this.#read(path)),
    })));
  }

  /** The paths of all files below a folder but dot files, sorted. */
  async #namesIn(folder: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { name, kind } of this.#runtime.disk.list(`${this.#around.base}/${folder}`)) {
      if (kind === "directory") found.push(...await this.#namesIn(`${folder}/${name}`));
      else if (!name.startsWith(".")) found.push(`${folder}/${name}`);
    }
    return found.sort();
  }

  async #read(path: string): Promise<string> {
    const { bytes } = await this.#runtime.disk.read(`${this.#around.base}/${path}`, 1_000_000);
    return new TextDecoder().decode(bytes);
  }

  /** Let go of what is held of this machine. */
  async end(): Promise<void> {
    this.#refusal = undefined;
    for (const { alive, store } of this.#peers) if (alive) await store.close();
  }
}

/** In a temporary directory of this machine, on a clock that can be put forward. */
export const onRealDisk: BenchOf = async (body) => {
  await using dir = await tempDir();
  const real = denoRuntime();
  let aheadMs = 0;
  const clock = {
    ...real.clock,
    now: () => real.clock.now() + aheadMs,
    monotonic: () => real.clock.monotonic() + aheadMs,
  };
  // Files go on being as old as they are.
  const later = (stat: Stat): Stat => ({
    ...stat,
    mtimeMs: stat.mtimeMs + aheadMs,
    ctimeMs: stat.ctimeMs + aheadMs,
  });
  const disk: Disk = {
    ...real.disk,
    lstat: async (path) => later(await real.disk.lstat(path)),
    async read(path, maxBytes) {
      const { stat, bytes } = await real.disk.read(path, maxBytes);
      return { stat: later(stat), bytes };
    },
  };
  const bench = await MaildirBench.of({
    base: `${dir.path}/q`,
    start: () => ({ runtime: { ...real, clock, disk }, kill() {} }),
    pass(ms) {
      aheadMs += ms;
      return Promise.resolve();
    },
  });
  try {
    await body(bench);
  } finally {
    await bench.end();
  }
};

/** On a simulated disk, in a world of that kind. */
export function simulated(options: WorldOptions = {}): BenchOf {
  return (body) => {
    const world = new World(options);
    return world.run(async () => {
      await body(
        await MaildirBench.of({
          base: "/q",
          start: () => {
            const process = world.process();
            return { runtime: process.runtime, kill: () => process.kill() };
          },
          pass: (ms) => world.time.sleep(ms, world),
        }),
      );
    });
  };
}
