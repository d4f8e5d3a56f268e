/**
 * Wrong queues: the product with one place of its source changed. Whoever breaks the product in
 * such a way must hear of it, so the sweeps are tried on each.
 *
 * @module
 */

import { dirname } from "@std/path";
import type { CrashModel } from "./disk.ts";
import type { Product } from "./workload.ts";

/**
 * How a mutant is found out: in a run in which nothing goes wrong, of one process or several, by a
 * crash, by a fault, or by a bad neighbour.
 */
export type Model = "run" | "race" | CrashModel | "fault" | "neighbour";

/** A change of one place. */
export interface Mutation {
  /** What is wrong with it. */
  readonly name: string;
  /** Below `lib/`. */
  readonly file: string;
  /** The text that is there, its first occurrence. */
  readonly from: string;
  /** What stands there instead. */
  readonly to: string;
  /** Beginnings of the names of the scenarios that come by there. */
  readonly scenarios: readonly string[];
  /** What it takes to find it out: the simplest that does. */
  readonly by: Model;
}

const LIB = new URL("../../lib/", import.meta.url);

/** A relative import, with what stands around its specifier. */
const IMPORT = /(\bfrom\s+"|\bimport\s*\(?\s*")(\.[^"]+)(?=")/g;

function* filesBelow(folder: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(`./${folder}`, LIB))) {
    if (isDirectory) yield* filesBelow(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

/** The modules of the product, by their paths below `lib/`. */
const SOURCES: ReadonlyMap<string, string> = new Map(
  Array.from(filesBelow(""), (path) => [path, Deno.readTextFileSync(new URL(path, LIB))]),
);

const targetOf = (path: string, specifier: string) =>
  new URL(specifier, new URL(path, LIB)).href.slice(LIB.href.length);

/** A module and all that reach it by their imports. */
function dependentsOf(file: string): ReadonlySet<string> {
  const found = new Set([file]);
  for (const each of found) {
    for (const [path, source] of SOURCES) {
      const imports = [...source.matchAll(IMPORT)].map(([, , specifier]) => specifier!);
      if (imports.some((specifier) => targetOf(path, specifier) === each)) found.add(path);
    }
  }
  return found;
}

/** The place that is changed, and how. */
export type Change = Pick<Mutation, "file" | "from" | "to">;

/** Load the product with a mutation. */
export async function mutantOf(change: Change): Promise<Product> {
  return await withMutation(change, async (load) => {
    const { Queue } = await load("queue/queue.ts");
    const { Consumer } = await load("consumer/consumer.ts");
    const { Maildir } = await load("queue/store/maildir_store.ts");
    const { requeue } = await load("queue/requeue.ts");
    const { sweep } = await load("queue/sweep.ts");
    const { actOn } = await load("queue/acts.ts");
    return { Queue, Consumer, Maildir, requeue, sweep, actOn } as Product;
  });
}

/**
 * Load modules, by their paths below `lib/`, with a mutation: from a copy of what depends on it
 * that is removed again; the rest is the product's own.
 *
 * @throws {Error} If the text to replace isn't in the file.
 */
export async function withMutation<T>(
  { file, from, to }: Change,
  // deno-lint-ignore no-explicit-any -- as `import` has it
  use: (load: (path: string) => Promise<any>) => Promise<T>,
): Promise<T> {
  const source = SOURCES.get(file) ?? "";
  if (!source.includes(from)) throw new Error(`Cannot mutate ${file}: it has no ${from}`);
  const copied = dependentsOf(file);
  const dir = await Deno.makeTempDir();
  const placeOf = (path: string) => copied.has(path) ? `file://${dir}/${path}` : LIB.href + path;
  try {
    for (const path of copied) {
      const text = path === file ? source.replace(from, () => to) : SOURCES.get(path)!;
      await Deno.mkdir(dirname(`${dir}/${path}`), { recursive: true });
      await Deno.writeTextFile(
        `${dir}/${path}`,
        text.replace(IMPORT, (_, start, specifier) => start + placeOf(targetOf(path, specifier))),
      );
    }
    return await use((path) => import(placeOf(path)));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const TAKE_OVER = "if (tag && this.#deadOwners.has(tag.owner)) return true;";
const SYNC_NEW = "if (durable) yield* syncNew(place);";

/** The wrong queues. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "no fsync of the file",
    file: "queue/enqueue.ts",
    from: "yield* createEvent(place.runtime.disk, tmp, bytes, place.modes, durable);",
    to: "yield* createEvent(place.runtime.disk, tmp, bytes, place.modes, false);",
    scenarios: ["producers"],
    by: "power",
  },
  {
    name: "no fsync of new/ for one event",
    file: "queue/enqueue.ts",
    from: SYNC_NEW,
    to: "",
    scenarios: ["producers"],
    by: "power",
  },
  {
    name: "no fsync of new/ for many events",
    file: "queue/enqueue.ts",
    from: "if (published.length > 0) yield* syncNew(place);",
    to: "",
    scenarios: ["producers"],
    by: "power",
  },
  {
    name: "no second fsync of an event that is dropped",
    file: "queue/enqueue.ts",
    from: "if (place.modes.isDrop) yield* step(place.runtime.disk.syncFile(event.tmp));",
    to: "",
    scenarios: ["a producer that may only drop"],
    by: "power",
  },
  {
    name: "an error of the fsync of new/ ignored",
    file: "queue/enqueue.ts",
    from: SYNC_NEW,
    to: `try { ${SYNC_NEW} } catch { /* never mind */ }`,
    scenarios: ["producers"],
    by: "fault",
  },
  {
    name: "written into new/ instead of tmp/",
    file: "queue/enqueue.ts",
    from: "tmp: `${place.base}/tmp/${own}`",
    to: "tmp: `${place.base}/new/${own}-draft`",
    scenarios: ["a first event"],
    by: "run",
  },
  {
    name: "acknowledged early",
    file: "queue/queue.ts",
    from: "return await this.#admit([bytes], () => enqueue(this.place, bytes, options));",
    to: 'run(enqueue(this.place, bytes, options)).catch(() => {}); return "early";',
    scenarios: ["a first event"],
    by: "power",
  },
  {
    name: "acknowledged although the disk refused",
    file: "queue/enqueue.ts",
    from: "if (published.length === 0) throw cause;",
    to: "if (published.length === 0) return drafts.map(({ id }) => id);",
    scenarios: ["producers"],
    by: "fault",
  },
  {
    name: "renamed over an existing id",
    file: "queue/enqueue.ts",
    from: "yield* step(disk.link(event.tmp, event.target));",
    to: "return yield* step(disk.rename(event.tmp, event.target));",
    scenarios: ["producers"],
    by: "run",
  },
  {
    name: "removed before the 2xx",
    file: "consumer/outgoing.ts",
    from: "if (ready.length === 1) {",
    to: "if (ready.length === 1) { await ready[0]!.claim.complete();",
    scenarios: ["events delivered", "a consumer that dies in the middle"],
    by: "run",
  },
  {
    name: "removed before its response is kept",
    file: "consumer/settle.ts",
    from: "await answer.finish(response.meta);",
    to: "await event.claim.complete(); await answer.finish(response.meta);",
    scenarios: ["events delivered"],
    by: "run",
  },
  {
    name: "a .meta that is written in place",
    file: "queue/queue.ts",
    from: 'await this.#createWhole("res", `${name}.meta`, asJson(response.meta));',
    to: 'await this.#createIn("res", `${name}.meta`, asJson(response.meta));',
    scenarios: ["events delivered"],
    by: "kill",
  },
  {
    name: "a .meta before its response",
    file: "queue/queue.ts",
    from: 'await this.#createIn("res", name, response.body);',
    to:
      'await this.#createWhole("res", `${name}.meta`, asJson(response.meta)); await this.#createIn("res", name, response.body); return;',
    scenarios: ["events delivered"],
    by: "kill",
  },
  {
    name: "no fsync of a response in parts",
    file: "queue/queue.ts",
    from: 'await this.place.runtime.disk.syncFile(this.path("res", name));',
    to: "",
    scenarios: ["events delivered"],
    by: "power",
  },
  {
    name: "no fsync of responses and reasons",
    file: "queue/queue.ts",
    from: "    durable = true,",
    to: "    durable = false,",
    scenarios: ["events delivered", "events that die"],
    by: "power",
  },
  {
    name: "no take-over",
    file: "queue/store/recovery.ts",
    from: TAKE_OVER,
    to: "if (tag) return false;",
    scenarios: ["events delivered"],
    by: "kill",
  },
  {
    name: "take-over by mtime alone",
    file: "queue/store/recovery.ts",
    from: TAKE_OVER,
    to: "if (tag) return await this.#isStranded(name);",
    scenarios: ["two consumers"],
    by: "race",
  },
  {
    name: "every owner on this host taken for dead",
    file: "queue/store/owner.ts",
    from: 'return lock ? { owner: parsed.owner, lock } : "alive";',
    to: "return { owner: parsed.owner, lock: lock ?? { release() {} } };",
    scenarios: ["a consumer that dies in the middle"],
    by: "race",
  },
  {
    name: "a label that forgets the boot's id",
    file: "queue/host.ts",
    from: "return `boot ${bootId}`;",
    to: 'return "boot";',
    scenarios: ["consumers with one host name"],
    by: "race",
  },
  {
    name: "a take-over that counts what merely waited",
    file: "queue/queue.ts",
    from: "isBegun ? takeovers + 1 : Math.max(1, takeovers);",
    to: "takeovers + 1;",
    scenarios: ["three consumers that die"],
    by: "race",
  },
  {
    name: "what was taken over sent without saying so",
    file: "consumer/leases.ts",
    from: 'claim.takeovers === 0 ? "done" : await claim.begin()',
    to: '"done" as const',
    scenarios: ["three consumers that die"],
    by: "race",
  },
  {
    name: "settled by id instead of by claimed name",
    file: "queue/queue.ts",
    from: 'await this.place.runtime.disk.remove(this.path("cur", claim.name));',
    to: 'for await (const { name } of this.place.runtime.disk.list(this.path("cur", ""))) {' +
      ' if (name.startsWith(claim.id)) await this.place.runtime.disk.remove(this.path("cur", name)); }',
    scenarios: ["two consumers"],
    by: "race",
  },
  {
    name: "a tag that repeats",
    file: "queue/queue.ts",
    from: "this.#claims++;",
    to: "this.#claims = 1;",
    scenarios: ["a name dropped twice"],
    by: "run",
  },
  {
    name: "an attempt counted when it has failed",
    file: "queue/queue.ts",
    from: "attempt: event.attempt + 1,",
    to: "attempt: event.attempt,",
    scenarios: ["events delivered"],
    by: "run",
  },
  {
    name: "an attempt that was sent given back",
    file: "queue/queue.ts",
    from: "return isCounted ? claim.attempt : Math.max(0, claim.attempt - 1);",
    to: "return Math.max(0, claim.attempt - 1);",
    scenarios: ["a stop"],
    by: "fault",
  },
  {
    name: "the reason written after the rename",
    file: "queue/queue.ts",
    from: "let refusal: { error?: unknown } = {};",
    to: 'let refusal: { error?: unknown } = {}; await this.#move(claim, "doa", name);',
    scenarios: ["events that die"],
    by: "kill",
  },
  {
    name: "what the disk refuses to defer removed",
    file: "queue/queue.ts",
    from: "return { settled: await this.release(claim, dueMs, sent)",
    to: "return { settled: await this.complete(claim)",
    scenarios: ["events deferred"],
    by: "fault",
  },
  {
    name: "a dead letter's reason removed before it is back",
    file: "queue/requeue.ts",
    from: "await renameIntoNew(queue, from, fresh);",
    to: "await removeReason(queue, `${from}.why`); await renameIntoNew(queue, from, fresh);",
    scenarios: ["dead letters"],
    by: "kill",
  },
  {
    name: "drafts swept while they are being written",
    file: "queue/sweep.ts",
    from: "> SWEEP_AGE_MS",
    to: ">= 0",
    scenarios: ["two consumers"],
    by: "race",
  },
  {
    name: "a parked event's attempt not given back",
    file: "queue/store/claim.ts",
    from: "await queue.defer(this.#claim, label, dueMs, false);",
    to: "await queue.defer(this.#claim, label, dueMs, true);",
    scenarios: ["a destination that is down"],
    by: "run",
  },
  {
    name: "another's `.after` not heeded",
    file: "consumer/lane_sync.ts",
    from: "if (afterMs > clock.now()) lane.holdUntil(",
    to: "if (afterMs < 0) lane.holdUntil(",
    scenarios: ["a destination that asks to be left alone"],
    by: "run",
  },
  {
    name: "`.after` not written",
    file: "consumer/lane_sync.ts",
    from: "await this.#store.markAfter(destination, untilMs);",
    to: "",
    scenarios: ["a destination that asks to be left alone"],
    by: "run",
  },
  {
    name: "`.away` not heeded",
    file: "consumer/lane_sync.ts",
    from: "else if (!lane.wasAway(awaySinceMs - aheadMs))",
    to: "else if (awaySinceMs < 0)",
    scenarios: ["a destination that was away"],
    by: "run",
  },
  {
    name: "no slow start after an outage",
    file: "lanes/slow_start.ts",
    from: "if (outageMs < SHORTEST_OUTAGE_MS) return undefined;",
    to: "if (outageMs < Infinity) return undefined;",
    scenarios: ["a destination that was away"],
    by: "run",
  },
  {
    name: "marks left behind when nothing waits any more",
    file: "queue/store/deferred.ts",
    from: "if (folder.awaySinceMs > 0) await this.#marks.takeBack(destination, AWAY_FILE);",
    to: "",
    scenarios: ["a destination that was away"],
    by: "run",
  },
  {
    name: "a hold not heeded",
    file: "consumer/lane_sync.ts",
    from: "this.#lanes.setHeld(destination, isHeld);",
    to: "",
    scenarios: ["a destination that is held"],
    by: "run",
  },
  {
    name: "another's mark of an open breaker left behind",
    file: "queue/store/marks.ts",
    from: 'if (kind === "file" && marks.test(name)) {',
    to: 'if (kind === "file" && (name.startsWith(".away@") || name.endsWith(this.#queue.owner))) {',
    scenarios: ["a destination that is down"],
    by: "kill",
  },
  {
    name: "a symlinked folder is followed",
    file: "queue/queue.ts",
    from: "const disk = within(runtime.disk, base);",
    to: "const disk = runtime.disk;",
    scenarios: ["a first event"],
    by: "neighbour",
  },
  {
    name: "a dead letter brought back as old as it was",
    file: "queue/requeue.ts",
    from: "queue.nextTag({ takeovers: 0, isBegun: false, requeuedMs: nowMs })",
    to: "queue.nextTag()",
    scenarios: ["dead letters"],
    by: "run",
  },
  {
    name: "an event that is postponed to another time",
    file: "queue/queue.ts",
    from: "const later = formatName(event, event.attempt, dueMs,",
    to: "const later = formatName(event, event.attempt, dueMs - 60_000,",
    scenarios: ["events that are due later"],
    by: "race",
  },
  {
    name: "an event that is postponed and blamed for nothing any more",
    file: "queue/queue.ts",
    from: "dueMs, this.nextTag(fate));",
    to: "dueMs, this.nextTag({ ...UNSUSPECTED, requeuedMs: fate?.requeuedMs }));",
    scenarios: ["events that are due later"],
    by: "race",
  },
  {
    name: "a claim that forgets when its event was brought back",
    file: "queue/queue.ts",
    from: "requeuedMs,\n      isReplay,",
    to: "requeuedMs: undefined,\n      isReplay,",
    scenarios: ["dead letters"],
    by: "run",
  },
  {
    name: "a missing directory taken for a lost lease",
    file: "queue/queue.ts",
    from: "if (!isMissing(error) || !await this.#isLost(claim)) throw error;",
    to: "if (!isMissing(error)) throw error;",
    scenarios: ["a directory that is unmounted"],
    by: "run",
  },
  {
    name: "a queue made anew in the place of one that is away",
    file: "queue/place.ts",
    from: "if (dev === identity.dev && ino === identity.ino) return;",
    to: "if (dev > 0) return;",
    scenarios: ["a directory that is unmounted"],
    by: "run",
  },
  {
    name: "deferred events sent before their time",
    file: "queue/store/listing.ts",
    from: "if (at > nowMs) {",
    to: "if (at > Infinity) {",
    scenarios: ["events deferred"],
    by: "kill",
  },
  {
    name: "a replay that says nothing of itself",
    file: "queue/replay.ts",
    from: "requeuedMs: nowMs, isReplay: true",
    to: "requeuedMs: nowMs",
    scenarios: ["delivered events replayed"],
    by: "run",
  },
  {
    name: "a replay that is forgotten at the claim",
    file: "queue/queue.ts",
    from: "requeuedMs,\n      isReplay,",
    to: "requeuedMs,\n      isReplay: false,",
    scenarios: ["delivered events replayed"],
    by: "run",
  },
  {
    name: "removed although it is to be kept",
    file: "queue/store/claim.ts",
    from: "await this.#keep() ?? await",
    to: "await",
    scenarios: ["delivered events kept"],
    by: "run",
  },
  {
    name: "delivered events pruned while their hour isn't over",
    file: "queue/prune.ts",
    from: "startMs + SENT_HOUR_MS > beforeMs",
    to: "startMs > beforeMs",
    scenarios: ["delivered events kept"],
    by: "run",
  },
  {
    name: "dead letters pruned by the time of their event",
    file: "queue/prune.ts",
    from: "|| (parseName(name).timeMs ?? 0) > beforeMs",
    to: "",
    scenarios: ["delivered events kept"],
    by: "run",
  },
  {
    name: "a reason pruned before its letter",
    file: "queue/prune.ts",
    from: "paths: [path, `${path}.why`]",
    to: "paths: [`${path}.why`, path]",
    scenarios: ["delivered events kept"],
    by: "kill",
  },
  {
    name: "an answer pruned before its .meta",
    file: "queue/prune.ts",
    from: "paths: [`${path}.meta`, path]",
    to: "paths: [path, `${path}.meta`]",
    scenarios: ["delivered events kept"],
    by: "kill",
  },
  {
    name: "a journal that the disk refuses without a word",
    file: "telemetry/journal.ts",
    from: "this.#options.onRefused(error);",
    to: "",
    scenarios: ["a journal"],
    by: "fault",
  },
  {
    name: "a journal whose refusal ends the consumer",
    file: "telemetry/journal.ts",
    from: "this.#options.onRefused(error);",
    to: "throw error;",
    scenarios: ["a journal"],
    by: "fault",
  },
  {
    name: "a retry that begins the attempts anew",
    file: "queue/queue.ts",
    from: "const due = formatName(event, event.attempt, nowMs,",
    to: "const due = formatName(event, 0, nowMs,",
    scenarios: ["waiting events let go"],
    by: "run",
  },
  {
    name: "a deleted letter's reason goes first",
    file: "queue/acts.ts",
    from: "const isRemoved = await queue.discard(folder, name);",
    to: 'if (state === "dead") await removeReason(queue, `${queue.path(folder, name)}.why`);\n' +
      "    const isRemoved = await queue.discard(folder, name);",
    scenarios: ["waiting events let go"],
    by: "kill",
  },
];
