/**
 * What `test` tells, for people and for programs. No secret is in it: of a URL neither user info
 * nor the values of its query, of the configuration only the names of what is added.
 *
 * @module
 */

import type { DestinationSettings } from "../config/settings.ts";
import { contentOf, type EventRequest } from "../event/request.ts";
import type { Attempt } from "../http/attempt.ts";
import { shownAddress } from "../http/transport/reasons.ts";
import type { Certificate, Clock } from "../runtime/runtime.ts";
import type { Output } from "./io.ts";
import { printable } from "./printable.ts";
import { formatEstimate } from "./progress.ts";

/** Something that was seen. */
export type Seen =
  | {
    readonly step: "begun";
    readonly request: EventRequest;
    /** What carries it, and why. */
    readonly carrier: string;
    readonly settings: DestinationSettings;
  }
  | {
    readonly step: "looked up";
    readonly host: string;
    readonly addresses: readonly string[];
    readonly ms: number;
  }
  | {
    readonly step: "connected";
    readonly host: string;
    readonly port: number;
    readonly ms: number;
  }
  | { readonly step: "secured"; readonly ms: number }
  | { readonly step: "certificate"; readonly certificate: Certificate }
  /** The runtime's `fetch` does all of it, and lets nobody watch. */
  | { readonly step: "fetched" };

/** What came of it. */
export interface Conclusion extends Pick<Attempt, "outcome" | "reason"> {
  /** How long it took, ms; `undefined` when nothing was sent. */
  readonly ms?: number;
  /** HTTP status, when there was an answer. */
  readonly status?: number | undefined;
  /** How far a request came that wasn't answered. */
  readonly reach?: Attempt["reach"];
  /** The first kilobyte of an answer that isn't a success. */
  readonly answer?: string | undefined;
  /** From the request to the first byte of the answer, ms. */
  readonly firstByteMs?: number | undefined;
  /** When a consumer tries again, at most, ms. */
  readonly retryMs?: number | undefined;
}

/** Where a request goes, without secrets. */
export function where(url: URL): string {
  const names = [...new Set(url.searchParams.keys())].map((name) => `${name}=…`);
  const query = names.length === 0 ? "" : `?${names.join("&")}`;
  return printable(`${url.origin}${url.pathname}${query}`);
}

/** Columns of the name of a step. */
const NAME_COLUMNS = 12;

/** A certificate that ends sooner is worth a word. */
const SOON_MS = 14 * 24 * 60 * 60_000;

const rounded = (ms: number) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

const tenths = (ms: number | undefined) => ms === undefined ? ms : Math.round(ms * 10) / 10;

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** What becomes of the event. */
const FATE: Readonly<Record<Attempt["outcome"], string>> = {
  delivered: "a consumer removes the event",
  deferred: "a consumer tries again",
  refused: "a consumer gives the event up: it goes to doa/",
  aborted: "it was called off",
  crowded: "too many files are open here, a consumer tries again at once",
};

/** Tells people, as it happens. */
export class TrialText {
  readonly #output: Output;
  readonly #clock: Pick<Clock, "now">;
  #writing: Promise<void> = Promise.resolve();

  constructor(output: Output, clock: Pick<Clock, "now">) {
    this.#output = output;
    this.#clock = clock;
  }

  seen(step: Seen): void {
    for (const [name, text] of this.#lines(step)) this.#line(name, text);
  }

  async end({ outcome, reason, ms, status, answer, firstByteMs, retryMs }: Conclusion) {
    if (status !== undefined) {
      const after = firstByteMs === undefined ? "" : `, first byte after ${rounded(firstByteMs)}`;
      this.#line("answer", `${status}${after}`);
      if (answer) this.#line("", printable(answer.split("\n")[0]!.slice(0, 200)));
    }
    const again = retryMs === undefined ? "" : ` after ${formatEstimate(retryMs / 1_000)} at most`;
    const why = reason === "" ? "" : `: ${printable(reason)}`;
    this.#line("outcome", `${outcome}${why}`);
    this.#line("", `${FATE[outcome]}${again}`);
    if (ms !== undefined) this.#line("took", rounded(ms));
    await this.shown();
  }

  shown(): Promise<void> {
    return this.#writing;
  }

  #line(name: string, text: string): void {
    const line = `${name.padEnd(NAME_COLUMNS)}${text}\n`;
    this.#writing = this.#writing.then(() => this.#output.write(line));
    this.#writing.catch(() => {}); // `end` hears of it
  }

  #lines(seen: Seen): readonly (readonly [name: string, text: string])[] {
    switch (seen.step) {
      case "begun": {
        const { request, carrier, settings } = seen;
        const added = addedBy(settings);
        return [
          ["request", `${request.method} ${where(request.url)}, ${sizeOf(request)}`],
          ...(added.length === 0 ? [] : [["with", added.join(", ")] as const]),
          ["by", carrier],
        ];
      }
      case "looked up":
        return seen.addresses[0] === seen.host
          ? []
          : [["addresses", `${seen.addresses.join(", ")}, found in ${rounded(seen.ms)}`]];
      case "connected":
        return [["connected", `${shownAddress(seen.host, seen.port)}, in ${rounded(seen.ms)}`]];
      case "secured":
        return [["TLS", `in ${rounded(seen.ms)}`]];
      case "certificate":
        return certificateLines(seen.certificate, this.#clock.now());
      case "fetched":
        return [["connection", "made by fetch, which doesn't let itself be watched"]];
    }
  }
}

function certificateLines(
  { subject, names, issuer, fromMs, untilMs }: Certificate,
  nowMs: number,
): readonly (readonly [string, string])[] {
  const leftMs = untilMs - nowMs;
  const left = leftMs < 0
    ? "has ended"
    : nowMs < fromMs
    ? `doesn't count before ${day(fromMs)}`
    : `${formatEstimate(leftMs / 1_000)} left${leftMs < SOON_MS ? ": renew it" : ""}`;
  return [
    ["certificate", printable(`${subject || "(no name)"}, by ${issuer || "(no name)"}`)],
    ...(names.length === 0 ? [] : [["for", printable(names.slice(0, 5).join(", "))] as const]),
    ["until", `${day(untilMs)} (${left})`],
  ];
}

/** What a destination's configuration adds, by name. */
function addedBy({ auth, sign, headers, timeoutMs }: DestinationSettings): string[] {
  return [
    ...(auth ? [`${Object.keys(auth)[0]} authorization`] : []),
    ...(sign ? ["a signature"] : []),
    ...Object.keys(headers ?? {}).map((name) => `header ${printable(name)}`),
    `a time limit of ${formatEstimate(timeoutMs / 1_000)}`,
  ];
}

function sizeOf(request: EventRequest): string {
  const content = contentOf(request) ?? "";
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content).length
    : content.length;
  return `${bytes} bytes`;
}

/** Tells a program, at the end: one JSON object on one line. */
export class TrialJson {
  readonly #output: Output;
  readonly #found: Record<string, unknown> = {};

  constructor(output: Output) {
    this.#output = output;
  }

  seen(seen: Seen): void {
    const found = this.#found;
    switch (seen.step) {
      case "begun":
        found.url = where(seen.request.url);
        found.method = seen.request.method;
        found.transport = seen.carrier;
        break;
      case "looked up":
        found.addresses = seen.addresses;
        found.lookupMs = tenths(seen.ms);
        break;
      case "connected":
        found.address = shownAddress(seen.host, seen.port);
        found.connectMs = tenths(seen.ms);
        break;
      case "secured":
        found.tlsMs = tenths(seen.ms);
        break;
      case "certificate": {
        const { fromMs, untilMs, ...who } = seen.certificate;
        const [from, until] = [fromMs, untilMs].map((ms) => new Date(ms).toISOString());
        found.certificate = { ...who, from, until };
        break;
      }
      case "fetched":
        break;
    }
  }

  shown(): Promise<void> {
    return Promise.resolve(); // at the end
  }

  async end({ outcome, reason, ms, status, reach, answer, firstByteMs, retryMs }: Conclusion) {
    const times = { firstByteMs: tenths(firstByteMs), ms: tenths(ms), retryMs: tenths(retryMs) };
    const end = { outcome, reason, status, reach, answer, ...times };
    await this.#output.write(`${printable(JSON.stringify({ ...this.#found, ...end }))}\n`);
  }
}
