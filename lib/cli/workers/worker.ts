/**
 * A worker: one consumer, in a thread of its own, which does as it is told and tells what happens.
 *
 * @module
 */

import type { ConsumerOptions, DestinationOptions } from "../../config/consumer.ts";
import { Consumer } from "../../consumer/consumer.ts";
import type { ReadSecret } from "../../http/credentials.ts";
import { Queue } from "../../queue/queue.ts";
import { Maildir } from "../../queue/store/maildir_store.ts";
import type { Clock, Runtime } from "../../runtime/runtime.ts";
import type { Trace, TraceEvent } from "../../telemetry/trace.ts";
import { describeFailure } from "../failure.ts";
import type { Io, Port } from "../io.ts";
import { secretsOf } from "../secrets.ts";
import { type Order, received, type Report, type Start, type Told } from "./messages.ts";

/** How long something that happened may wait for more: to wake a thread costs more than to tell. */
const COLLECT_MS = 50;

/** So many things are told at once. */
const MOST_COLLECTED = 512;

/** Serve in this thread, until it is ended from outside. */
export function serveWorker(
  port: Port,
  runtime: Runtime,
  io: Pick<Io, "readFile" | "credentialsDirectory">,
): void {
  const stop = new AbortController();
  const collector = new Collector(runtime.clock, (report) => port.post(report));
  const end = (report: Report) => {
    collector.flush();
    port.post(report);
  };
  let consumer: Promise<Consumer>;
  port.listen((message) => {
    const order = message as Order;
    switch (order.kind) {
      case "start":
        consumer = consumerFor(order, runtime, secretsOf(io), (event) => collector.add(event));
        return void consumer.then((consumer) => consumer.run(order.mode, stop.signal)).then(
          (summary) => end({ kind: "ended", summary }),
          (error) => end({ kind: "failed", ...describeFailure(error) }),
        );
      case "replace": {
        const { options } = order;
        const replace = ({ settings }: Consumer) => {
          settings.replace(received(options), options.destinations);
          port.post({ kind: "replaced" } satisfies Report);
        };
        return void consumer.then(replace, () => {}); // it has told why there is none
      }
      case "stop":
        return stop.abort("stopped");
    }
  });
}

async function consumerFor(
  { baseDir, group, ownerName, options }: Start,
  runtime: Runtime,
  readSecret: ReadSecret,
  trace: Trace,
): Promise<Consumer> {
  const queue = await Queue.open(baseDir, runtime, { create: true, group, ownerName });
  return new Consumer(new Maildir(queue), {
    ...received(options) as ConsumerOptions, // it holds just what was given
    readSecret,
    destinations: options.destinations as Readonly<Record<string, DestinationOptions>>,
    trace,
  });
}

/** Collects what happens, and tells it together. */
class Collector {
  readonly #clock: Clock;
  readonly #tell: (report: Report) => void;
  #events: Told[] = [];

  constructor(clock: Clock, tell: (report: Report) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Something has happened. */
  add(event: TraceEvent): void {
    this.#events.push([this.#clock.now(), event]);
    if (this.#events.length >= MOST_COLLECTED) this.flush();
    else if (this.#events.length === 1) void this.#clock.sleep(COLLECT_MS).then(() => this.flush());
  }

  /** Tell all of it now. */
  flush(): void {
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    this.#tell({ kind: "told", events });
  }
}
