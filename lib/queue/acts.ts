/**
 * What operators do with events that they have chosen: bring back dead ones, let waiting ones be
 * due now, deliver once more those that were delivered, remove what is dead or waits.
 *
 * Each acts on exactly the name that was found: what has moved on meanwhile is left alone. So does
 * what has come in the meantime, whatever it is called.
 *
 * @module
 */

import { errorCode } from "../runtime/runtime.ts";
import type { EventState, FoundEvent } from "./find/event.ts";
import type { Queue } from "./queue.ts";
import { replay } from "./replay.ts";
import { raise, removeReason } from "./requeue.ts";

/** What is done. */
export type Act = "requeue" | "retry" | "replay" | "delete";

/** How it is done. */
export interface ActOptions {
  /** Whether a replayed event gets an id of its own. @default {false} */
  readonly newId?: boolean;
}

/** The states of events that an act is for. */
export const STATES_OF: Readonly<Record<Act, readonly EventState[]>> = {
  requeue: ["dead"],
  retry: ["deferred"],
  replay: ["sent"],
  delete: ["dead", "deferred", "ready"],
};

/** What came of it: done, moved on meanwhile, or refused by the disk. */
export type ActResult = "done" | "gone" | { readonly refused: unknown };

/** What is wrong with one file, and nothing that others need suffer from. */
const OF_THE_FILE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "ENAMETOOLONG"]);

/** The folder, below the base directory, whose names the act changes last. */
const FOLDER_OF: Readonly<Record<Act, (event: FoundEvent) => string>> = {
  requeue: () => "new",
  retry: () => "new",
  replay: () => "new",
  delete: ({ folder }) => folder,
};

const DO: Readonly<
  Record<Act, (queue: Queue, event: FoundEvent, options: ActOptions) => Promise<boolean>>
> = {
  requeue: (queue, { name }) => raise(queue, name),
  retry: (queue, { folder, name }) => queue.hasten(folder, name),
  replay: (queue, { folder, name }, { newId }) => replay(queue, folder, name, newId),
  delete: async (queue, { state, folder, name }) => {
    const isRemoved = await queue.discard(folder, name);
    if (isRemoved && state === "dead") await removeReason(queue, `${queue.path(folder, name)}.why`);
    return isRemoved;
  },
};

/**
 * Act on one event that was found in a state that the act is for.
 *
 * @throws The disk's error, when it concerns more than this event.
 */
export async function actOn(
  queue: Queue,
  act: Act,
  event: FoundEvent,
  options: ActOptions = {},
): Promise<ActResult> {
  try {
    return await DO[act](queue, event, options) ? "done" : "gone";
  } catch (error) {
    if (!OF_THE_FILE.has(errorCode(error) ?? "")) throw error;
    return { refused: error };
  }
}

/** Put on stable storage what was done with some events. */
export async function settleActs(
  queue: Queue,
  act: Act,
  events: readonly FoundEvent[],
): Promise<void> {
  for (const folder of new Set(events.map(FOLDER_OF[act]))) {
    try {
      await queue.place.runtime.disk.syncDir(`${queue.place.base}/${folder}`);
    } catch (error) {
      // a consumer has removed the empty folder
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
}
