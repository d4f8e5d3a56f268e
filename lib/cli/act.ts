/**
 * `requeue`, `retry`, `replay` and `delete`: what is to be done with which events is fixed first,
 * then done to each of them and to nothing else.
 *
 * @module
 */

import { type Act, actOn, settleActs, STATES_OF } from "../queue/acts.ts";
import type { FoundEvent } from "../queue/find/event.ts";
import { type Filter, findNames, type FindProgress } from "../queue/find/find.ts";
import { resolveIds } from "../queue/find/resolve.ts";
import { Queue } from "../queue/queue.ts";
import { replayedMs } from "../queue/replay.ts";
import { type Clock, errorCode, type Runtime } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import { confirm } from "./confirm.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { filterOf } from "./filter.ts";
import { readIds } from "./ids.ts";
import type { Io } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { ActInvocation } from "./options.ts";
import { printable, quoted } from "./printable.ts";
import { formatCount } from "./progress.ts";

/** Events that are refused and are named; further ones are only counted. */
const MOST_NAMED = 20;

/** What was done is put on stable storage, and told, after so many. */
const SETTLED_TOGETHER = 256;

/** How an act is spoken of. */
const WORDS: Readonly<Record<Act, { readonly done: string; readonly what: string }>> = {
  requeue: { done: "requeued", what: "dead letter" },
  retry: { done: "due now", what: "waiting event" },
  replay: { done: "replayed", what: "delivered event" },
  delete: { done: "deleted", what: "unclaimed event" },
};

/**
 * Act on events.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 * @throws {UsageError} If standard input is to hold ids and holds something else, or nobody has
 * said that it may be done.
 */
export async function act(
  invocation: ActInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const { command, dryRun, json } = invocation;
  const queue = await Queue.open(baseDir, runtime);
  const snapshot = await choose(invocation, queue, io);
  for (const text of snapshot.missing) await say(io, text);
  if (snapshot.leftOut) {
    await say(io, `${formatCount(snapshot.leftOut)} had been replayed since then and are left out`);
  }
  const isWhole = snapshot.missing.length === 0;
  if (dryRun) {
    await tell(snapshot.events, json, io);
    await say(io, `${formatCount(snapshot.events.length)} would be ${WORDS[command].done}`);
    return isWhole ? EXIT.ok : EXIT.badEvent;
  }
  if (snapshot.events.length > 0) await askFirst(invocation, snapshot.events.length, io);
  const left = await actOnAll(invocation, queue, snapshot.events, io);
  return isWhole && left === 0 ? EXIT.ok : EXIT.badEvent;
}

/** What is to be acted on, and what to say of the rest that was asked for. */
interface Snapshot {
  readonly events: readonly FoundEvent[];
  /** What is not there. */
  readonly missing: readonly string[];
  /** How many were replayed since the time in question, and so are left out. */
  readonly leftOut?: number;
}

async function choose(
  { command, ids: asked, filter: given }: ActInvocation,
  queue: Queue,
  io: Io,
): Promise<Snapshot> {
  const { clock } = queue.place.runtime;
  const progress = new Lengthy(io.stderr, clock, "names looked at");
  const states = STATES_OF[command];
  try {
    if (asked === undefined) {
      const filter: Filter = { ...await filterOf(given, queue), states: given.states ?? states };
      if (command === "replay") return await chooseDelivered(queue, filter, progress.report);
      const events: FoundEvent[] = [];
      for await (const event of findNames(queue, filter, progress.report)) events.push(event);
      return { events, missing: [] };
    }
    const ids = asked === "stdin" ? await readIds(io.stdin) : asked;
    const { events, unknown, ambiguous } = await resolveIds(queue, ids, states, progress.report);
    const { what } = WORDS[command];
    const missing = [
      ...unknown.map((id) => `there is no ${what} ${quoted(id)}`),
      ...ambiguous.map(({ asked, ids }) =>
        `several ids begin with ${quoted(asked)}, such as ${ids.map(printable).join(", ")}`
      ),
    ];
    return { events, missing };
  } finally {
    progress.end();
  }
}

/**
 * Delivered events, the first delivered first, but for those whose last delivery was one of a
 * replay that began later than the time in question: this is that replay, run again.
 */
async function chooseDelivered(
  queue: Queue,
  { limit = Infinity, ...filter }: Filter,
  onProgress: FindProgress,
): Promise<Snapshot> {
  const { sinceMs = -Infinity } = filter;
  const events: FoundEvent[] = [];
  let leftOut = 0;
  for await (const event of findNames(queue, filter, onProgress)) {
    if ((replayedMs(event.name) ?? -Infinity) >= sinceMs) leftOut++;
    else events.push(event);
  }
  events.sort((a, b) => (a.timeMs ?? 0) - (b.timeMs ?? 0));
  return { events: events.slice(0, limit), missing: [], leftOut };
}

async function askFirst(
  { command, ids, all, yes }: ActInvocation,
  count: number,
  io: Io,
): Promise<void> {
  if (ids !== undefined || all || yes || count <= 1) return;
  const { done, what } = WORDS[command];
  const events = `${formatCount(count)} ${what}s`;
  if (!io.stdin.isTerminal) {
    throw new UsageError(`${events} would be ${done}: --yes says that they may, --dry-run which`);
  }
  if (!await confirm(`${events} will be ${done}. Go on?`, io)) {
    throw new UsageError("nothing was done");
  }
}

/** @returns How many of them were not done. */
async function actOnAll(
  { command, json, pacePerSecond, newId }: ActInvocation,
  queue: Queue,
  events: readonly FoundEvent[],
  io: Io,
): Promise<number> {
  const { clock } = queue.place.runtime;
  const pace = new Pace(pacePerSecond, clock);
  const progress = new Lengthy(io.stderr, clock, WORDS[command].done);
  const refused: string[] = [];
  let [done, gone] = [0, 0];
  let some: FoundEvent[] = [];
  const settle = async () => {
    if (some.length === 0) return;
    await settleActs(queue, command, some);
    await tell(some, json, io);
    some = [];
  };
  try {
    for (const event of events) {
      await pace.wait();
      const fate = await actOn(queue, command, event, { newId });
      if (fate === "gone") gone++;
      else if (fate !== "done") refused.push(refusal(event, fate.refused));
      else {
        some.push(event);
        await progress.report(++done);
      }
      if (some.length >= SETTLED_TOGETHER) await settle();
    }
  } finally {
    progress.end();
    await settle();
  }
  for (const text of refused.slice(0, MOST_NAMED)) await say(io, text);
  const more = refused.length - MOST_NAMED;
  if (more > 0) await say(io, `${formatCount(more)} more stay as they are`);
  if (gone > 0) await say(io, `${formatCount(gone)} had moved on meanwhile and were left alone`);
  return refused.length + gone;
}

function refusal({ state, folder, name }: FoundEvent, error: unknown): string {
  const code = errorCode(error);
  const why = code === "ENAMETOOLONG"
    ? "a new name for it would be too long, so shorten it"
    : "this user may not move it, so run this as the user of the queue";
  const stays = state === "dead"
    ? `${quoted(name)} stays a dead letter`
    : `${quoted(`${folder}/${name}`)} stays where it is`;
  return `${stays}: ${why} (${code})`;
}

async function tell(events: readonly FoundEvent[], json: boolean, io: Io): Promise<void> {
  const lines = events.map(({ id, state, folder, name }) =>
    json ? printable(JSON.stringify({ id, state, file: `${folder}/${name}` })) : printable(id)
  );
  if (lines.length > 0) await io.stdout.write(`${lines.join("\n")}\n`);
}

async function say(io: Io, text: string): Promise<void> {
  await io.stderr.write(`optimizelyd-maildir: ${text}\n`);
}

/** Lets so many through a second. */
class Pace {
  readonly #everyMs: number;
  readonly #clock: Clock;
  #nextMs: number;

  constructor(perSecond: number | undefined, clock: Clock) {
    this.#everyMs = perSecond === undefined ? 0 : 1_000 / perSecond;
    this.#clock = clock;
    this.#nextMs = clock.monotonic();
  }

  async wait(): Promise<void> {
    if (this.#everyMs === 0) return;
    const waitMs = this.#nextMs - this.#clock.monotonic();
    if (waitMs > 0) await this.#clock.sleep(waitMs);
    this.#nextMs = Math.max(this.#nextMs, this.#clock.monotonic()) + this.#everyMs;
  }
}
