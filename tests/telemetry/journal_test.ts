/** The journal as such, on a clock and a disk that a test sets. */

import { assert, assertEquals } from "@std/assert";
import { Journal } from "../../lib/telemetry/journal.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { World } from "../sim/world.ts";

const SECOND_MS = 1_000;
const REFUSED = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });

function delivered(id: string): TraceEvent {
  return {
    type: "delivered",
    id,
    destination: "http_a.test_80",
    status: 204,
    attempt: 1,
    ms: 35.4,
  };
}

/** A journal whose writes a test sees, and can let fail or take long. */
function bench() {
  const world = new World();
  const { clock } = world.process().runtime;
  const written: string[] = [];
  const refused: unknown[] = [];
  const disk: { fails: boolean; isWanted: boolean; busy: Promise<void> } = {
    fails: false,
    isWanted: true,
    busy: Promise.resolve(),
  };
  const journal = new Journal({
    write: async (_, lines) => {
      await disk.busy;
      if (disk.fails) throw REFUSED;
      written.push(new TextDecoder().decode(lines));
    },
    isWanted: () => disk.isWanted,
    onRefused: (error) => void refused.push(error),
  }, clock);
  return { world, journal, written, refused, disk };
}

Deno.test("lines are written together after a second, each whole, as the log has them", async () => {
  const { world, journal, written } = bench();
  journal.note(delivered("a"));
  journal.note(delivered("b"));
  await world.advance(SECOND_MS - 1);
  assertEquals(written, []);
  await world.advance(1);
  assertEquals(written.length, 1);
  const lines = written[0]!.split("\n");
  assertEquals(lines.pop(), "");
  assertEquals(lines.map((line) => JSON.parse(line)).map(({ time: _, ...rest }) => rest), [
    {
      event: "delivered",
      id: "a",
      destination: "http_a.test_80",
      outcome: "delivered",
      status: 204,
      attempt: 1,
      ms: 35,
    },
    {
      event: "delivered",
      id: "b",
      destination: "http_a.test_80",
      outcome: "delivered",
      status: 204,
      attempt: 1,
      ms: 35,
    },
  ]);
});

Deno.test("64 KiB are written without waiting for the second", async () => {
  const { world, journal, written } = bench();
  for (let n = 0; n < 1_000; n++) journal.note(delivered(`${n}`));
  await world.advance(0);
  assertEquals(written.length, 1);
  assertEquals(written[0]!.trimEnd().split("\n").length, 1_000);
});

Deno.test("what befalls only the disk is not in the journal, nor is anything that isn't wanted", async () => {
  const { world, journal, written, disk } = bench();
  journal.note({ type: "skipped", path: "new/x", reason: "a symlink" });
  journal.note({ type: "disk-trouble", verb: "journal", code: "ENOSPC", reason: "lost" });
  journal.note({ type: "trace-failed", of: "delivered", error: new Error("x") });
  disk.isWanted = false;
  journal.note(delivered("a"));
  await world.advance(2 * SECOND_MS);
  assertEquals(written, []);
});

Deno.test("what the disk refuses is told and lost; the next lines begin on a line of their own", async () => {
  const { world, journal, written, refused, disk } = bench();
  disk.fails = true;
  journal.note(delivered("lost"));
  await world.advance(SECOND_MS);
  assertEquals(refused, [REFUSED]);
  disk.fails = false;
  journal.note(delivered("kept"));
  await world.advance(SECOND_MS);
  journal.note(delivered("later"));
  await world.advance(SECOND_MS);
  assert(written[0]!.startsWith("\n{"), written[0]);
  assert(written[1]!.startsWith("{"), written[1]);
  assertEquals(written.length, 2);
});

Deno.test("a disk that stands still costs a megabyte and a line at most", async () => {
  const { world, journal, written, disk } = bench();
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.busy = promise;
  journal.note(delivered("first"));
  await world.advance(SECOND_MS);
  for (let n = 0; n < 20_000; n++) journal.note(delivered(`${n}`));
  resolve();
  await world.advance(SECOND_MS);
  assertEquals(written.length, 2);
  const { length } = written[1]!;
  assert(length >= 2 ** 20 && length < 2 ** 20 + 200, `${length}`);
});

Deno.test("close() writes what is left at once, and what comes later is lost", async () => {
  const { world, journal, written } = bench();
  journal.note(delivered("last"));
  await world.run(() => journal.close());
  assertEquals(written.length, 1);
  journal.note(delivered("too late"));
  await world.run(() => journal.close());
  await world.advance(2 * SECOND_MS);
  assertEquals(written.length, 1);
});
