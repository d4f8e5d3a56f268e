/**
 * `client`: puts events on the queue.
 *
 * Every event is checked by the rules of the consumer, and by default none is put on the queue
 * unless all are good: whoever made a broken batch can mend it and send all of it again. Bytes are
 * stored as they came.
 *
 * @module
 */

import { checkEvent, encodeEventText } from "../event/encode.ts";
import { EnqueueError } from "../queue/enqueue.ts";
import { Queue } from "../queue/queue.ts";
import { LONGEST_WAIT_MS } from "../store/limits.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { UsageError } from "./args.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { help } from "./help.ts";
import type { Io } from "./io.ts";
import { splitLines } from "./lines.ts";
import type { ClientInvocation, OptionsInput } from "./options.ts";
import { openLimited, producerLimits } from "./limits.ts";
import { printable, word } from "./printable.ts";
import { type Counts, formatCount, Progress } from "./progress.ts";
import { Spool } from "./spool.ts";

/** Bad events that are named; further ones are only counted. */
const MOST_NAMED = 20;

/** An event as it came in. */
interface Arrival {
  /** Where it came from, for a message. */
  readonly source: string;
  /** The event file; `undefined` when there is none. */
  readonly bytes: Uint8Array | undefined;
  /** What is wrong with it, as far as known. */
  readonly problem?: string;
}

const tooLarge = (maxBytes: number) =>
  `the event must be at most ${maxBytes} bytes long, it is longer`;

const BLANK = /^[ \t\r\n]*$/;

function isBlank(bytes: Uint8Array): boolean {
  return bytes.length < 80 && BLANK.test(new TextDecoder().decode(bytes));
}

async function* arrivalsFromLines(
  io: Io,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<readonly Arrival[]> {
  for await (const lines of splitLines(io.stdin.readable, maxBytes, signal)) {
    yield lines.filter(({ bytes }) => bytes === undefined || !isBlank(bytes)).map((
      { number, bytes },
    ) => ({
      source: `line ${number}`,
      bytes,
      ...(bytes === undefined ? { problem: tooLarge(maxBytes) } : {}),
    }));
  }
}

async function* arrivalsFromFiles(
  paths: readonly string[],
  io: Io,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<readonly Arrival[]> {
  for (const path of paths) {
    if (signal.aborted) return;
    yield [await readArrival(path, io, maxBytes)];
  }
}

async function readArrival(path: string, io: Io, maxBytes: number): Promise<Arrival> {
  const source = word(path);
  try {
    const bytes = await io.readFile(path, maxBytes);
    return bytes.length > maxBytes
      ? { source, bytes: undefined, problem: tooLarge(maxBytes) }
      : { source, bytes };
  } catch (error) {
    const problem = `the file can't be read: ${error instanceof Error ? error.message : error}`;
    return { source, bytes: undefined, problem };
  }
}

async function* arrivalFromOptions(
  { url, body, method, headers }: OptionsInput,
): AsyncGenerator<readonly Arrival[]> {
  try {
    const bytes = encodeEventText({
      url,
      ...(body === undefined ? {} : { bodyText: body }),
      ...(method === undefined ? {} : { method }),
      ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    });
    yield [{ source: "--url", bytes }];
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const problem = error.message.replace(/^Cannot encode the event: /, "");
    yield [{ source: "--url", bytes: undefined, problem }];
  }
}

/** One call of the command. */
class Call {
  readonly #queue: Queue;
  readonly #io: Io;
  readonly #invocation: ClientInvocation;
  readonly #spool: Spool;
  readonly #progress: Progress | undefined;
  readonly #notBefore: Date | undefined;
  #enqueued = 0;
  #waiting = 0;
  #bad = 0;

  constructor(queue: Queue, io: Io, invocation: ClientInvocation, notBefore: Date | undefined) {
    const { input, quiet } = invocation;
    const showsProgress = !quiet && io.stderr.isTerminal &&
      !(input.from === "stdin" && io.stdin.isTerminal) &&
      input.from !== "options";
    this.#queue = queue;
    this.#io = io;
    this.#invocation = invocation;
    this.#spool = new Spool(queue);
    this.#notBefore = notBefore;
    this.#progress = showsProgress ? new Progress(io.stderr, queue.place.runtime.clock) : undefined;
  }

  async run(arrivals: AsyncIterable<readonly Arrival[]>, signal: AbortSignal): Promise<ExitCode> {
    try {
      for await (const group of arrivals) {
        for (const arrival of group) await this.#receive(arrival);
        // what comes slowly doesn't wait for more
        if (this.#invocation.keepGoing) await this.#enqueue(this.#spool.take());
      }
      if (this.#bad === 0 || this.#invocation.keepGoing) {
        for await (const batch of this.#spool.drain()) {
          if (signal.aborted) break;
          await this.#enqueue(batch);
        }
      }
    } finally {
      await this.#spool.clear();
      await this.#progress?.finish(this.#bad > 0 || signal.aborted ? undefined : this.#summary());
    }
    return await this.#conclude(signal.aborted);
  }

  async #receive({ source, bytes, problem }: Arrival): Promise<void> {
    const { keepGoing, maxBytes } = this.#invocation;
    problem ??= bytes!.length > maxBytes ? tooLarge(maxBytes) : checkEvent(bytes!);
    if (problem !== undefined) {
      this.#bad++;
      this.#showProgress();
      if (this.#bad <= MOST_NAMED) await this.#say(`${source}: ${problem}`);
      return;
    }
    if (this.#bad > 0 && !keepGoing) return; // only looked at
    this.#spool.add(bytes!);
    this.#waiting++;
    if (!this.#spool.isFull) return;
    if (keepGoing) await this.#enqueue(this.#spool.take());
    else await this.#spool.store();
    this.#showProgress();
  }

  async #enqueue(batch: readonly Uint8Array[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      const options = this.#notBefore && { notBefore: this.#notBefore };
      await this.#acknowledge(await this.#queue.enqueueMany(batch, options));
    } catch (error) {
      if (error instanceof EnqueueError) await this.#acknowledge(error.enqueued);
      throw error;
    }
  }

  async #acknowledge(ids: readonly string[]): Promise<void> {
    this.#enqueued += ids.length;
    this.#waiting -= ids.length;
    this.#showProgress();
    if (this.#invocation.quiet) return;
    const write = () => this.#io.stdout.write(ids.map((id) => `${id}\n`).join(""));
    await (this.#progress ? this.#progress.aside(write) : write());
  }

  #showProgress(): void {
    const counts: Counts = { done: this.#enqueued, failed: this.#bad, remaining: this.#waiting };
    this.#progress?.update(counts);
  }

  #summary(): string {
    return `${formatCount(this.#enqueued)} ${
      this.#enqueued === 1 ? "event is" : "events are"
    } on the queue`;
  }

  async #say(text: string): Promise<void> {
    const line = `optimizelyd-maildir: ${printable(text)}`;
    if (this.#progress) this.#progress.line(line);
    else await this.#io.stderr.write(`${line}\n`);
  }

  async #conclude(wasStopped: boolean): Promise<ExitCode> {
    const say = (text: string) => this.#io.stderr.write(`optimizelyd-maildir: ${text}\n`);
    if (wasStopped) {
      await say(`stopped; ${this.#summary()}`);
      return EXIT.tryAgain;
    }
    if (this.#bad === 0) return EXIT.ok;
    const count = `${formatCount(this.#bad)} ${this.#bad === 1 ? "event is" : "events are"} wrong`;
    await say(
      `${count}; ${this.#enqueued === 0 ? "nothing was put on the queue" : this.#summary()}`,
    );
    return EXIT.badEvent;
  }
}

/** @throws {UsageError} If it is too far ahead. */
function notBeforeOf({ wait }: ClientInvocation, nowMs: number): Date | undefined {
  if ("inMs" in wait) return wait.inMs === 0 ? undefined : new Date(nowMs + wait.inMs);
  if (wait.atMs <= nowMs + LONGEST_WAIT_MS) return new Date(wait.atMs);
  const current = new Date(wait.atMs).toISOString();
  throw new UsageError(`--at must be at most 7d from now, current value is ${current}`);
}

/**
 * Put events on the queue.
 *
 * @throws {NotAQueueError} If the directory isn't a queue and can't become one.
 */
export async function client(
  invocation: ClientInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const { input, maxBytes } = invocation;
  if (input.from === "stdin" && !input.explicit && io.stdin.isTerminal) {
    await io.stderr.write(help("client", io.permissions));
    return EXIT.usage;
  }
  const notBefore = notBeforeOf(invocation, runtime.clock.now());
  const limits = await producerLimits(invocation.config, invocation.limits, io);
  const queue = await openLimited(baseDir, runtime, limits);
  const stop = new AbortController();
  const ignoreSignals = io.onSignal(() => stop.abort());
  try {
    const arrivals = input.from === "options"
      ? arrivalFromOptions(input)
      : input.from === "files"
      ? arrivalsFromFiles(input.paths, io, maxBytes, stop.signal)
      : arrivalsFromLines(io, maxBytes, stop.signal);
    return await new Call(queue, io, invocation, notBefore).run(arrivals, stop.signal);
  } finally {
    ignoreSignals();
  }
}
