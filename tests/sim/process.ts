/**
 * A process of a world: a `Runtime`, until it is killed.
 *
 * @module
 */

import { createHash, createHmac } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { never, type SimHost, type SimTime } from "./clock.ts";
import type { SimNetwork } from "./network.ts";
import type { SimSockets } from "./sockets.ts";
import { type DiskWorld, ProcessDisk } from "./process_disk.ts";

/** What a process needs of its world. */
export interface ProcessWorld extends DiskWorld {
  /** Time. */
  readonly time: SimTime;
  /** The endpoints. */
  readonly network: SimNetwork;
  /** Connections with them. */
  readonly sockets: SimSockets;
  /** Somebody asked the time: with nothing else happening, asking for ever is a livelock. */
  asked(): void;
  /** Take away all that a process holds and waits for. */
  bury(process: SimProcess): void;
}

/** A simulated process. */
export class SimProcess {
  /** Where it runs. */
  readonly host: SimHost;
  /** Its number. */
  readonly pid: number;
  /** Its whole world. */
  readonly runtime: Runtime;
  #alive = true;
  readonly #world: ProcessWorld;

  /** A process on a host, with a source of chance of its own. */
  constructor(world: ProcessWorld, host: SimHost, pid: number, random: () => number) {
    this.#world = world;
    this.host = host;
    this.pid = pid;
    this.runtime = {
      disk: new ProcessDisk(world, this),
      clock: {
        now: () => {
          world.asked();
          return host.now();
        },
        monotonic: () => {
          world.asked();
          return world.time.nowMs;
        },
        sleep: (ms, signal) => this.#alive ? world.time.sleep(ms, this, signal) : never(),
      },
      lookup: world.sockets.lookup(this),
      connect: world.sockets.connect(this),
      fetch: (url, init) => world.network.fetch(this, url, init),
      mayReach: (url) => world.network.mayReach(url),
      random,
      sha256: (text) => createHash("sha256").update(text).digest("hex"),
      gzip: (bytes) => gzipSync(bytes),
      hmacSha256: (key, message) => createHmac("sha256", key).update(message).digest(),
      hostname: host.hostname,
      bootId: host.bootId,
      machineId: host.machineId,
      ownsDevice: () => false, // a network file system, or one without a device
      pid,
    };
  }

  /** Whether it has not been killed. */
  get alive(): boolean {
    return this.#alive;
  }

  /** `host-pid`, for messages. */
  get name(): string {
    return `${this.host.name}-${this.pid}`;
  }

  /**
   * As SIGSTOP, and SIGCONT so many ms later: from its next verb on nothing it waits for comes
   * before, be it a verb, a sleep or an answer; its locks stay held and the clocks go on.
   */
  pause(ms: number): void {
    this.#world.time.hold(this, ms);
  }

  /**
   * As `kill -9`: nothing it waits for ever comes, so nothing it does after its next `await` has an
   * effect; no `finally` tidies up. Its locks are free. Code of it that runs on without waiting can
   * still call back into the test: look at `alive` there.
   */
  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#world.bury(this);
  }
}
