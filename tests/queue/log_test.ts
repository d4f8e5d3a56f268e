/** The journal's files, in a real directory. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Consumer, openQueue, type TraceEvent } from "../../mod.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { logDayMs, logName, pruneLog } from "../../lib/queue/log.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const DAY_MS = 24 * 60 * 60_000;

Deno.test("a file's name is the day, UTC, and the owner; other names are left alone", () => {
  const name = logName(Date.UTC(2026, 10, 27, 23, 59), "edge7-4242-k3x9");
  assertEquals(name, "20261127~edge7-4242-k3x9.jsonl");
  assertEquals(logDayMs(name), Date.UTC(2026, 10, 27));
  for (const other of ["20261127.jsonl", "20269999~a.jsonl", "20261127~a.jsonl.gz", "x"]) {
    assertEquals(logDayMs(other), undefined, other);
  }
});
