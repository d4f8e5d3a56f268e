/**
 * Who consumes, and what has been left by consumers that are no more?
 *
 * @module
 */

import { type ConsumerSign, consumersOf } from "../consumers.ts";
import type { Queue } from "../queue.ts";
import { counted, type Finding, type Findings, roughly } from "./finding.ts";

/** The consumers of the queue, and the claims of those that are gone. */
export async function* ownerFindings(queue: Queue): Findings {
  const { signs, claims } = await consumersOf(queue);
  yield aliveFinding(signs.filter(({ state }) => state === "alive"));
  for (const sign of signs) {
    if (sign.state !== "alive") yield gone(sign, claims.get(sign.owner) ?? 0);
  }
  for (const [owner, count] of claims) {
    if (!signs.some((sign) => sign.owner === owner)) yield unowned(owner, count);
  }
}

function aliveFinding(alive: readonly ConsumerSign[]): Finding {
  const topic = "consumers";
  const here = alive.filter(({ isHere }) => isHere).length;
  if (alive.length === 0) {
    return { severity: "note", topic, text: "none is at work", advice: "start one: consume" };
  }
  const where = here === alive.length ? "on this machine" : `${here} of them on this machine`;
  return { severity: "ok", topic, text: `${alive.length} at work, ${where}` };
}

function gone({ owner, state, isHere, silentMs }: ConsumerSign, claims: number): Finding {
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
