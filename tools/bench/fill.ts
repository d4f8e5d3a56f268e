/**
 * Queues to measure on: made quickly, with events of about 800 bytes.
 *
 * @module
 */

import { join } from "@std/path";
import { FOLDERS } from "../../lib/queue/layout.ts";
import { uuidv7 } from "../../lib/queue/uuid.ts";

/** A queue directory that is removed at the end of the scope. */
export interface QueueDir extends AsyncDisposable {
  readonly path: string;
}

/** What a measurement's disk is. */
export type Disk = "tmpfs" | "disk";

const TMPFS = "/dev/shm";

/** Whether there is a tmpfs to measure on. */
export function hasTmpfs(): boolean {
  try {
    return Deno.statSync(TMPFS).isDirectory;
  } catch {
    return false;
  }
}

/** An empty queue on the tmpfs, or on the disk of the temporary directory. */
export async function makeQueue(disk: Disk): Promise<QueueDir> {
  const options = { prefix: "maildir-bench-", ...(disk === "tmpfs" ? { dir: TMPFS } : {}) };
  const path = await Deno.makeTempDir(options);
  for (const folder of FOLDERS) await Deno.mkdir(join(path, folder), { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What is sent: the body of an impression, padded so that an event file has about 800 bytes. */
export function eventBody(): string {
  return JSON.stringify({
    account_id: "10367498574",
    project_id: "10431130345",
    revision: "241",
    client_name: "node-sdk",
    client_version: "5.0.0",
    anonymize_ip: true,
    enrich_decisions: true,
    visitors: [{
      snapshots: [{
        decisions: [{
          campaign_id: "10420273888",
          experiment_id: "10390977673",
          variation_id: "10416523121",
          metadata: { flag_key: "checkout", rule_key: "rollout-3", rule_type: "rollout" },
        }],
        events: [{ entity_id: "10420273888", timestamp: 1795294104369, key: "campaign_activated" }],
      }],
      visitor_id: "0193c2b5-7d5e-7c11-9c3a-4f2f6b1d9a10",
      attributes: [{ entity_id: "device", key: "device", type: "custom", value: "x".repeat(140) }],
    }],
  });
}

/** The file of such an event. */
export function eventFile(url: string): Uint8Array {
  return new TextEncoder().encode(`{"url":${JSON.stringify(url)},"requestBody":${eventBody()}}\n`);
}

/**
 * Put events into `new/`, as fast as files can be made; none is on stable storage until {@linkcode
 * syncAll}.
 */
export function fill(queue: string, url: string, events: number): void {
  const bytes = eventFile(url);
  const nowMs = Date.now();
  for (let n = 0; n < events; n++) {
    // as if one had come each millisecond: a backlog that grew
    const id = uuidv7(nowMs - events + n, Math.random);
    Deno.writeFileSync(join(queue, "new", `${id}.json`), bytes, { createNew: true, mode: 0o600 });
  }
}

/**
 * Put everything on stable storage, so that a measurement doesn't pay for what was written before.
 */
export async function syncAll(): Promise<void> {
  const { success } = await new Deno.Command("sync").output();
  if (!success) throw new Error("sync failed");
}

/** How many events are left anywhere in a queue but in `doa/`. */
export function leftIn(queue: string): number {
  let left = 0;
  for (const folder of ["new", "cur"]) {
    for (const { name } of Deno.readDirSync(join(queue, folder))) {
      if (!name.startsWith(".")) left++;
    }
  }
  return left;
}
