/**
 * Who consumes, and what has been left by consumers that are no more?
 *
 * @module
 */

import { isSameKernel, parseName, parseOwnerFile, parseTag } from "../name.ts";
import { isMissing } from "../place.ts";
import type { Queue } from "../queue.ts";
import { isSurvived, lockDeadOwner, TOUCH_EVERY_MS } from "../store/owner.ts";
import { counted, type Finding, type Findings, roughly } from "./finding.ts";

/** Of one who hasn't touched its file for so long nothing is known. */
const SILENT_MS = 2 * TOUCH_EVERY_MS;

/** What is known of an owner. */
interface Known {
  readonly state: "alive" | "dead" | "silent";
  readonly isHere: boolean;
  readonly silentMs: number;
}

/** The consumers of the queue, and the claims of those that are gone. */
export async function* ownerFindings(queue: Queue): Findings {
  const owners = new Map<string, Known>();
  const claims = new Map<string, number>();
  for await (const { name } of queue.place.runtime.disk.list(`${queue.place.base}/cur`)) {
    const owner = parseOwnerFile(name)?.owner;
    if (owner !== undefined) {
      const known = await look(queue, name);
      if (known) owners.set(owner, known);
      continue;
    }
    const { tag } = parseName(name);
    const of = tag === undefined ? undefined : parseTag(tag)?.owner;
    if (of !== undefined) claims.set(of, (claims.get(of) ?? 0) + 1);
  }
  yield aliveFinding([...owners.values()].filter(({ state }) => state === "alive"));
  for (const [owner, known] of owners) {
    if (known.state !== "alive") yield gone(owner, known, claims.get(owner) ?? 0);
  }
  for (const [owner, count] of claims) {
    if (!owners.has(owner)) yield unowned(owner, count);
  }
}

async function look(queue: Queue, name: string): Promise<Known | undefined> {
  const { disk, clock } = queue.place.runtime;
  try {
    const { mtimeMs } = await disk.lstat(queue.path("cur", name));
    const silentMs = clock.now() - mtimeMs;
    const isHere = isSameKernel(parseOwnerFile(name)!.host, queue.host);
    const found = await lockDeadOwner(queue, name);
    if (typeof found === "object") {
      found.lock.release();
      return { state: "dead", isHere, silentMs };
    }
    // its lock is held by whoever takes its claims over
    if (found === "alive" && await isSurvived(queue, name)) {
      return { state: "dead", isHere, silentMs };
    }
    const isSilent = found === "unknown" && silentMs > SILENT_MS;
    return { state: isSilent ? "silent" : "alive", isHere, silentMs };
  } catch (error) {
    if (isMissing(error)) return undefined; // it has just ended
    throw error;
  }
}

function aliveFinding(alive: readonly Known[]): Finding {
  const topic = "consumers";
  const here = alive.filter(({ isHere }) => isHere).length;
  if (alive.length === 0) {
    return { severity: "note", topic, text: "none is at work", advice: "start one: consume" };
  }
  const where = here === alive.length ? "on this machine" : `${here} of them on this machine`;
  return { severity: "ok", topic, text: `${alive.length} at work, ${where}` };
}

function gone(owner: string, { state, isHere, silentMs }: Known, claims: number): Finding {
  const topic = "owner file";
  const has = claims === 0 ? "it has no claims" : `it has ${counted(claims, "claim")}`;
  if (state === "dead") {
    return {
      severity: claims === 0 ? "note" : "warning",
      topic,
      text: `cur/.${owner} is that of a consumer that died; ${has}`,
      advice: "the next consumer here takes its claims over at once, and removes the file",
    };
  }
  const where = isHere ? "of this machine" : "of another machine, or of this one before a restart";
  return {
    severity: "warning",
    topic,
    text: `cur/.${owner}, ${where}, was last touched ${roughly(silentMs)} ago; ${has}`,
    advice: claims === 0
      ? `if that consumer is gone for good: rm cur/.${owner}`
      : "its claims are taken over 15 min after their leases have ended, the file is swept then",
  };
}

function unowned(owner: string, claims: number): Finding {
  return {
    severity: "note",
    topic: "claims",
    text: `${counted(claims, "claim")} of ${owner}, which has no owner file`,
    advice: "taken over once their leases have ended",
  };
}
