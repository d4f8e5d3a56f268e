/**
 * `list`: prints the events that are wanted, those first that an operator looks for first.
 *
 * @module
 */

import type { DetailedEvent } from "../queue/find/event.ts";
import { find, findNames } from "../queue/find/find.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ageMs, eventMembers, nextText, span } from "./event_text.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { filterOf } from "./filter.ts";
import type { Io, Output } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { ListInvocation } from "./options.ts";
import { printable, word } from "./printable.ts";
import { table } from "./table.ts";

/** So many are printed for people, unless told otherwise. */
const PAGE = 50;

/** Lines of JSON that are written together. */
const LINES_TOGETHER = 100;

/**
 * Print events.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 * @throws {UsageError} If the destination can't be one.
 */
export async function list(
  { filter: given, json, count }: ListInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const filter = await filterOf(given, queue);
  const progress = new Lengthy(io.stderr, runtime.clock, "names looked at");
  const { report } = progress;
  try {
    if (count) {
      let events = 0;
      for await (const _ of findNames(queue, filter, report)) events++;
      progress.end();
      await io.stdout.write(`${events}\n`);
    } else if (json) await printJson(find(queue, filter, report), io.stdout);
    else {
      const { limit = PAGE } = filter;
      const page: DetailedEvent[] = [];
      for await (const event of find(queue, { ...filter, limit: limit + 1 }, report)) {
        page.push(event);
      }
      progress.end();
      await io.stdout.write(pageText(page.slice(0, limit), runtime.clock.now(), io.stdout));
      if (page.length > limit && given.limit === undefined) {
        await io.stderr.write(
          `optimizelyd-maildir: there are more; --limit N shows more of them\n`,
        );
      }
    }
  } finally {
    progress.end();
  }
  return EXIT.ok;
}

async function printJson(events: AsyncIterable<DetailedEvent>, stdout: Output): Promise<void> {
  let lines: string[] = [];
  const flush = async () => {
    if (lines.length > 0) await stdout.write(lines.join(""));
    lines = [];
  };
  for await (const event of events) {
    lines.push(`${printable(JSON.stringify(eventMembers(event)))}\n`);
    if (lines.length >= LINES_TOGETHER) await flush();
  }
  await flush();
}

function pageText(events: readonly DetailedEvent[], nowMs: number, stdout: Output): string {
  if (events.length === 0) return "";
  const text = table([
    ["id", "state", "destination", "age", "attempts", "next", "why"],
    ...events.map((event) => {
      const age = ageMs(event, nowMs);
      return [
        word(event.id),
        event.state,
        event.destination === undefined ? "-" : word(event.destination),
        age === undefined ? "-" : span(age),
        event.attempt,
        nextText(event, nowMs),
        printable(event.reason ?? "-"),
      ];
    }),
  ]);
  if (!stdout.isTerminal) return text;
  const columns = stdout.columns();
  return text.replace(
    /^.+$/gm,
    (line) => line.length <= columns ? line : `${line.slice(0, columns - 1)}…`,
  );
}
