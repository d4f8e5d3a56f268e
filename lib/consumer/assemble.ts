/**
 * Puts a consumer's parts together; who works with whom can be read here.
 *
 * @module
 */

import type { ReadSecret } from "../http/credentials.ts";
import { Sender } from "../http/sender.ts";
import type { LaneLimits } from "../lanes/lane.ts";
import { Destinations } from "../event/destination.ts";
import { Lanes } from "../lanes/lanes.ts";
import type { ByteBudget } from "../store/budget.ts";
import type { Store, World } from "../store/store.ts";
import type { Trace } from "../telemetry/trace.ts";
import { Batcher } from "./batcher.ts";
import { Dispatcher } from "./dispatcher.ts";
import { LaneSync } from "./lane_sync.ts";
import { Leases } from "./leases.ts";
import { Maintenance } from "./maintenance.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { LiveOfDestinations } from "../config/settings.ts";
import { Outgoing } from "./outgoing.ts";
import { Prefetch } from "./prefetch.ts";
import { type Prepared, Preparer } from "./prepare.ts";
import type { Semaphore } from "./semaphore.ts";
import { Settler } from "./settle.ts";
import { WakeUps } from "./wakeups.ts";

/** What a consumer is made from. */
export interface ConsumerParts {
  /** Where its events are. */
  readonly store: Store;
  /** The world around it. */
  readonly world: World;
  /** What it was told. */
  readonly options: LiveOfDestinations<ConsumerSettings>;
  /** Counts what is in flight. */
  readonly semaphore: Semaphore;
  /** The memory that event bodies may take. */
  readonly budget: ByteBudget;
  /** Told of everything that happens. */
  readonly trace: Trace;
  /** Reads secrets; `undefined` where there are none. */
  readonly readSecret?: ReadSecret | undefined;
  /** Aborts when it stops. */
  readonly stop: AbortSignal;
  /** Whether it sends what is due once. */
  readonly once: boolean;
}

/** Put a consumer's parts together. */
export function assemble(
  { store, world, options, semaphore, budget, trace, readSecret, stop, once }: ConsumerParts,
): { readonly dispatcher: Dispatcher; readonly maintenance: Maintenance } {
  const { clock } = world;
  const batcher = options.current.merge && new Batcher(options, world, once);
  const destinations = new Destinations(world.sha256);
  const limits = liveLimits(() => options.current, (label) => {
    const origin = destinations.originOf(label);
    return liveLimits(() => origin === undefined ? options.current : options.of(origin));
  });
  const lanes = new Lanes<Prepared>(limits, batcher?.mostOfLane);
  const sender = new Sender(world, options, readSecret);
  const settler = new Settler(options, world, trace, budget);
  const preparer = new Preparer(options, world, destinations);
  const sync = new LaneSync({ store, lanes, settler, world, trace });
  const prefetch = new Prefetch(
    { store, preparer, settler, semaphore, lanes, budget },
    options,
    stop,
  );
  const wakeUps = new WakeUps({ clock, lanes, store, batcher }, once);
  const leases = new Leases(options, world, settler);
  const outgoing = new Outgoing({ leases, sender, settler, batcher }, stop);
  const dispatcher = new Dispatcher(
    { prefetch, lanes, sync, semaphore, outgoing, batcher, wakeUps },
    options,
    clock,
    stop,
    once,
  );
  const maintenance = new Maintenance(
    { store, lanes, sync, prefetch, settler, semaphore },
    options,
    clock,
  );
  return { dispatcher, maintenance };
}

/** The limits of a lane as its options say at each moment. */
function liveLimits(
  options: () => ConsumerSettings,
  ofDestination?: (label: string) => LaneLimits,
): LaneLimits {
  return {
    ...(ofDestination && { of: ofDestination }),
    get most() {
      return options().concurrency;
    },
    get fixed() {
      return options().perDestination || undefined;
    },
    get ratePerSecond() {
      return options().ratePerSecond;
    },
  };
}
