/**
 * `show`: tells the story of one event.
 *
 * @module
 */

import { contentOf, type EventRequest, parseEvent } from "../event/request.ts";
import { readEvent, readWhy } from "../queue/find/detail.ts";
import type { DetailedEvent, FoundEvent } from "../queue/find/event.ts";
import { detailed } from "../queue/find/find.ts";
import { type JournalLine, journalLines } from "../queue/find/journal_reader.ts";
import { type Resolved, resolveIds } from "../queue/find/resolve.ts";
import { findDeferred } from "../queue/find/walk.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { isoTime } from "../telemetry/lines.ts";
import { eventMembers, span } from "./event_text.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import { Lengthy } from "./lengthy.ts";
import type { ShowInvocation } from "./options.ts";
import { printable, quoted } from "./printable.ts";
import { table } from "./table.ts";

/** Largest event that is shown. */
const MOST_BYTES = 256 * 2 ** 20;

/** Of a body for people so many characters are shown. */
const MOST_SHOWN = 4_000;

/** One event with all there is to tell. */
interface Story {
  readonly event: DetailedEvent;
  readonly request: EventRequest | undefined;
  /** What became of it so far, the first first. */
  readonly lines: readonly JournalLine[];
  readonly answer: string | undefined;
}

/**
 * Tell the story of an event.
 *
 * @throws {NotAQueueError} If the directory isn't a queue.
 */
export async function show(
  { id, as }: ShowInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const progress = new Lengthy(io.stderr, runtime.clock, "names looked at");
  const known = await whereItWaits(queue, id);
  const resolved: Resolved = known === undefined
    ? await resolveIds(queue, [id], undefined, progress.report).finally(() => progress.end())
    : { events: [known], unknown: [], ambiguous: [] };
  if (resolved.events.length === 0) {
    await io.stderr.write(`optimizelyd-maildir: ${await whyNone(queue, id, resolved)}\n`);
    return EXIT.badEvent;
  }
  for (const found of resolved.events) {
    const story = await storyOf(queue, found);
    if (as !== "exact") {
      await io.stdout.write(WRITTEN[as](story, runtime.clock.now()));
      continue;
    }
    const body = story.request && contentOf(story.request);
    const text = typeof body === "string" ? body : new TextDecoder().decode(body);
    if (body !== undefined) await io.stdout.write(text);
  }
  return EXIT.ok;
}

/** How a line of the journal names an event. */
const naming = (id: string) => `"id":${JSON.stringify(id)}`;

/** Where an event waits, as the journal says: that saves a look at all names. */
async function whereItWaits(queue: Queue, id: string): Promise<FoundEvent | undefined> {
  for await (const line of journalLines(queue, { text: naming(id) })) {
    const { event, destination, due } = line;
    if (event !== "deferred" || destination === undefined || due === undefined) return undefined;
    return await findDeferred(queue, id, destination, Date.parse(due));
  }
  return undefined;
}

async function whyNone(queue: Queue, id: string, { ambiguous }: Resolved): Promise<string> {
  const [several] = ambiguous;
  if (several) {
    return `several ids begin with ${quoted(id)}, such as ${several.ids.map(printable).join(", ")}`;
  }
  for await (const line of journalLines(queue, { text: naming(id) })) {
    if (line.event !== "delivered") continue;
    return `${quoted(id)} was delivered at ${isoTime(line.atMs)}: attempt ${line.attempt}, ` +
      `status ${line.status}`;
  }
  return `there is no event ${quoted(id)}`;
}

async function storyOf(queue: Queue, found: FoundEvent): Promise<Story> {
  const [event] = await detailed(queue, [found]);
  const bytes = await readEvent(queue, found, MOST_BYTES);
  const read = bytes && parseEvent(bytes);
  const lines: JournalLine[] = [];
  const { enqueuedMs: sinceMs = 0 } = found;
  const range = { text: naming(found.id), sinceMs };
  for await (const line of journalLines(queue, range)) {
    if (line.id === found.id) lines.push(line);
  }
  return {
    event: event!,
    request: read?.kind === "request" ? read.request : undefined,
    lines: lines.sort((a, b) => a.atMs - b.atMs),
    answer: found.state === "dead" ? (await readWhy(queue, found.name)).answer : undefined,
  };
}

const WRITTEN = { text: storyText, json: storyJson, curl: curlText } as const;

function storyJson({ event, request, lines, answer }: Story): string {
  const attempts = lines.map(({ atMs, ...line }) => ({
    at: isoTime(atMs),
    ...line,
    time: undefined,
  }));
  const members = {
    ...eventMembers(event),
    url: request?.url.href,
    method: request?.method,
    journal: attempts,
    answer,
  };
  return `${printable(JSON.stringify(members))}\n`;
}

/** The state in words. */
function stateText({ state, timeMs, attempt }: DetailedEvent, nowMs: number): string {
  const after = attempt === 0
    ? ""
    : `, ${attempt} ${attempt === 1 ? "attempt" : "attempts"} so far`;
  const at = timeMs === undefined ? "" : ` (${isoTime(timeMs)})`;
  const isLater = timeMs !== undefined && timeMs > nowMs;
  switch (state) {
    case "ready":
      return isLater ? `ready in ${span(timeMs - nowMs)}${at}${after}` : `ready${after}`;
    case "deferred":
      return `deferred, due ${isLater ? `in ${span(timeMs - nowMs)}` : "now"}${at}${after}`;
    case "claimed":
      return `claimed, in the hands of a consumer until ${
        isoTime(timeMs ?? nowMs)
      }: attempt ${attempt}`;
    case "dead":
      return `dead for ${span(nowMs - (timeMs ?? nowMs))}${at}, after attempt ${attempt}`;
    case "sent":
      return `delivered${at}, by attempt ${attempt}`;
  }
}

function storyText(story: Story, nowMs: number): string {
  const { event, request, lines, answer } = story;
  const { enqueuedMs, destination, reason } = event;
  const ago = enqueuedMs === undefined ? "" : ` (${span(nowMs - enqueuedMs)} ago)`;
  const facts = [
    ["id", event.id],
    ["state", stateText(event, nowMs)],
    ["destination", destination ?? "unknown"],
    ["put in", enqueuedMs === undefined ? "unknown" : `${isoTime(enqueuedMs)}${ago}`],
    ["file", `${event.folder}/${event.name}`],
    ...reason === undefined ? [] : [["why", reason]],
  ];
  const parts = [table(facts.map(([name, value]) => [name!, printable(value!)]))];
  if (lines.length > 0) parts.push(`what became of it\n${indented(journalText(lines))}`);
  if (answer) parts.push(`the last answer\n${indented(`${printable(answer)}\n`)}`);
  parts.push(request ? requestText(story) : "not an event that can be sent\n");
  return parts.join("\n");
}

function journalText(lines: readonly JournalLine[]): string {
  return table(lines.map((line) => [
    isoTime(line.atMs),
    printable(line.event),
    line.attempt === undefined ? "" : `attempt ${line.attempt}`,
    line.status === undefined ? printable(line.reach ?? "") : String(line.status),
    line.ms === undefined ? "" : `${line.ms} ms`,
    printable(line.reason ?? line.owner ?? ""),
  ]));
}

function requestText(story: Story): string {
  const { method, url, headers } = story.request!;
  const lines = [
    `${method} ${printable(url.href)}`,
    ...headers.map(([name]) => `${printable(name)}: …`),
  ];
  const body = story.request!.body;
  const shown = body === undefined ? "" : `\n${pretty(body)}\n`;
  return `the request\n${indented(`${lines.join("\n")}\n${shown}`)}\nrepeat it\n${
    indented(curlText(story))
  }`;
}

/** A body for people; as it is where it is long. */
function pretty(body: string): string {
  let text = body;
  try {
    // numbers that JavaScript can't keep would be shown wrong
    if (!/\d{16}/.test(body)) text = JSON.stringify(JSON.parse(body), undefined, 2);
  } catch {
    // not JSON: as it is
  }
  const lines = text.slice(0, MOST_SHOWN).split("\n").map(printable).join("\n");
  return text.length <= MOST_SHOWN ? lines : `${lines}… (--exact prints all of it)`;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

/** One word for a POSIX shell, whatever it holds. */
function shellQuoted(text: string): string {
  return `'${printable(text).replaceAll("'", `'\\''`)}'`;
}

/** A command that sends the same once more. */
function curlText({ event, request }: Story): string {
  if (request === undefined) return "";
  const { method, url, headers, body } = request;
  const names = new Set(headers.map(([name]) => name));
  const all = [
    ...headers.map(([name]) => `${name}: …`),
    ...names.has("idempotency-key") ? [] : [`idempotency-key: ${event.id}`],
    ...body === undefined || names.has("content-type") ? [] : ["content-type: application/json"],
  ];
  const args = all.map((header) => ` -H ${shellQuoted(header)}`).join("");
  const curl = `curl -X ${shellQuoted(method)}${args}`;
  const to = shellQuoted(url.href);
  if (body === undefined) return `${curl} ${to}\n`;
  const id = shellQuoted(event.id);
  return `optimizelyd-maildir show ${id} --exact |\n  ${curl} --data-binary @- ${to}\n`;
}
