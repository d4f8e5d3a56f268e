/**
 * The store without files on a bench.
 *
 * @module
 */

import { World } from "../sim/world.ts";
import { type Bench, type BenchOf, connect } from "./bench.ts";
import { type MemoryEvent, MemoryStorage } from "./memory_store.ts";

const decoder = new TextDecoder();

/** In memory, on simulated time. */
export const inMemory: BenchOf = (body) => {
  const world = new World();
  const storage = new MemoryStorage(world.process().runtime);
  const ids = (state: MemoryEvent["state"]) =>
    [...storage.events].filter((event) => event.state === state).map(({ id }) => id);
  const bench: Bench = {
    get nowMs() {
      return storage.nowMs;
    },
    get looks() {
      return storage.asked;
    },
    put: (text, notBeforeMs) => Promise.resolve(storage.put(text, notBeforeMs)),
    async join(options = {}) {
      const { store, trace } = await connect(storage, options);
      return {
        store,
        trace,
        get monotonicMs() {
          return storage.world.clock.monotonic();
        },
        die: () => void storage.consumers.delete(store),
      };
    },
    pass: (ms) => world.time.sleep(ms, world),
    refuse() {
      throw new TypeError("Memory refuses nothing");
    },
    hold: (destination) => Promise.resolve(storage.hold(destination, true)),
    resume: (destination) => Promise.resolve(storage.hold(destination, false)),
    see: () =>
      Promise.resolve({
        ready: ids("ready"),
        claimed: ids("claimed"),
        deferred: ids("deferred"),
        dead: [...storage.events].filter(({ state }) => state === "dead").map((event) => ({
          id: event.id,
          text: decoder.decode(event.bytes),
          reason: event.reason!,
        })),
        answers: storage.answers.map(({ id, bytes, meta }) => ({
          id,
          text: decoder.decode(bytes),
          meta,
        })),
      }),
  };
  return world.run(() => body(bench));
};
