/**
 * What the sweeps have in common: events whose fate can be followed, a ledger of what was promised
 * and what came, a referee who watches every verb, a recovery after a crash, and the judgement at
 * the end.
 *
 * An event is known by its *marker*, the path of its URL: ids repeat (the same name dropped twice
 * is two events), markers don't. The host of its URL says how the endpoint treats it.
 *
 * @module
 */

import { Consumer } from "../../lib/consumer/consumer.ts";
import type { ConsumerOptions } from "../../lib/config/consumer.ts";
import type { TraceEvent } from "../../lib/telemetry/trace.ts";
import { LONGEST_WAIT_MS } from "../../lib/store/limits.ts";
import { parseName, parseOwnerFile, parseTag } from "../../lib/queue/name.ts";
import type { OpenOptions } from "../../lib/queue/layout.ts";
import { logDayMs } from "../../lib/queue/log.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { SENT_HOUR_MS, sentHourMs } from "../../lib/queue/sent.ts";
import { Maildir } from "../../lib/queue/store/maildir_store.ts";
import { actOn } from "../../lib/queue/acts.ts";
import { requeue } from "../../lib/queue/requeue.ts";
import { sweep } from "../../lib/queue/sweep.ts";
import type { CrashModel } from "./disk.ts";
import type { Reply, SimRequest } from "./network.ts";
import type { SimProcess } from "./process.ts";
import type { Call, Phase } from "./process_disk.ts";
import { describe, START_MS, World, type WorldOptions } from "./world.ts";

/** The product, or a mutant of it. */
export interface Product {
  readonly Queue: typeof Queue;
  readonly Consumer: typeof Consumer;
  readonly Maildir: typeof Maildir;
  readonly requeue: typeof requeue;
  readonly sweep: typeof sweep;
  readonly actOn: typeof actOn;
}

/** The product as it is. */
export const PRODUCT: Product = { Queue, Consumer, Maildir, requeue, sweep, actOn };

/** The queue's directory in every world. */
export const BASE = "/q";

/** What limits go by: no event, so it may be replaced, and stays. */
export const COUNTER = /\/tmp\/\.(?:counted|added-(?:events|kib))$/;

/** Where it is while it isn't there. */
const AWAY = "/away";

/** Past this, what a crash left over may be swept. */
const PAST_SWEEP_MS = 37 * 60 * 60_000;

/** How an endpoint treats an event: the first label of its host name. */
export type Manner =
  /** 200. */
  | "ok"
  /** 503 the first time, then 200. */
  | "flaky"
  /** 503 always. */
  | "down"
  /** 400. */
  | "refuses"
  /** 200 after 20 s. */
  | "slow"
  /** Takes it and never answers the first time, then 200. */
  | "hangs"
  /**
   * Answers a GET with a body that is to be kept; it comes in parts if the marker begins with
   * `long`.
   */
  | "keeps"
  /** No connection for the first 2.5 s of a world, then 200. */
  | "naps"
  /** 429 with `Retry-After: 90` in the first second of a world, then 200. */
  | "busy"
  /**
   * Takes several events in one request: 400 if one of them is called `poison`, else 200 after a
   * second.
   */
  | "merges";

/** The path of the URL that several events share; of others it is their marker. */
const TOGETHER = "together";

/** The reply of the scripted endpoint. */
export function replyOf(request: Pick<SimRequest, "url" | "nth" | "body" | "atMs">): Reply {
  const { url, nth, atMs } = request;
  const { hostname, pathname } = new URL(url);
  switch (hostname.split(".")[0] as Manner) {
    case "flaky":
      return { status: nth === 0 ? 503 : 200 };
    case "down":
      return { status: 503 };
    case "refuses":
      return { status: 400, body: "no" };
    case "slow":
      return { delayMs: 20_000 };
    case "hangs":
      return nth === 0 ? { fails: "hang" } : {};
    case "naps":
      return atMs < 2_500 ? { fails: "refused" } : {};
    case "busy":
      return atMs < 1_000 ? { status: 429, headers: { "Retry-After": "90" } } : {};
    case "keeps":
      return { body: responseOf(pathname.slice(1)), inParts: pathname.startsWith("/long") };
    case "merges":
      return markersOf(request).includes("poison") ? { status: 400 } : { delayMs: 1_000 };
    default:
      return {};
  }
}

/** The body with which `keeps` answers. */
export function responseOf(marker: string): string {
  return `response to ${marker}`;
}

/** The JSON text an event carries: with a number that parsing and printing would change. */
export function bodyOf(marker: string): string {
  return `{ "of": "${marker}", "n": 1.0 }`;
}

/** The JSON text of several events in one request. */
export function mergedBodyOf(markers: readonly string[]): string {
  return `{"account":1.0, "visitors":[${markers.map(bodyOf).join(",")}]}`;
}

/** The text of an event file. */
export function eventText(marker: string, manner: Manner): string {
  if (manner === "merges") {
    return `{"url":"http://merges.test/${TOGETHER}","requestBody":${mergedBodyOf([marker])}}\n`;
  }
  const url = `"url":"http://${manner}.test/${marker}"`;
  return manner === "keeps" ? `{${url}}\n` : `{${url},"requestBody":${bodyOf(marker)}}\n`;
}

/** The marker in the text of an event file, a part of one too. */
export function markerIn(text: string): string | undefined {
  const marker = /\.test\/([\w-]+)/.exec(text)?.[1];
  return marker === TOGETHER ? markersIn(text)[0] : marker;
}

function markersIn(body: string): string[] {
  return [...body.matchAll(/"of": "([\w-]+)"/g)].map(([, marker]) => marker!);
}

/** The markers of the events in a request. */
export function markersOf({ url, body }: Pick<SimRequest, "url" | "body">): string[] {
  const marker = new URL(url).pathname.slice(1);
  return marker === TOGETHER ? markersIn(body) : [marker];
}

/** What was known at one moment, for the judgement of what comes after. */
export interface Note {
  /** Markers acknowledged: on stable storage. */
  readonly acknowledged: readonly string[];
  /** Markers acknowledged by the operating system only: a power loss may take them. */
  readonly handedOver: readonly string[];
  /** Markers whose request was answered 2xx. */
  readonly answered: readonly string[];
  /** Requests sent and take-overs made, by marker. */
  readonly sent: Readonly<Record<string, number>>;
  readonly takeovers: Readonly<Record<string, number>>;
}

/** Nothing was known. */
export const NOTHING: Note = {
  acknowledged: [],
  handedOver: [],
  answered: [],
  sent: {},
  takeovers: {},
};

/** What was promised, and what came of it. */
export class Ledger {
  /** The texts that a file with this marker may hold. */
  readonly offered: Map<string, Set<string>>;
  /**
   * Markers whose files may end early: copied into place, or after a power loss if they were left
   * to the system.
   */
  readonly fragile: Map<string, "always" | "power">;
  readonly #acknowledged = new Set<string>();
  readonly #handedOver = new Set<string>();
  readonly sent: Record<string, number> = {};
  readonly takeovers: Record<string, number> = {};
  readonly trace: TraceEvent[] = [];
  /** Errors that a caller was told as values. */
  readonly told: unknown[] = [];

  /** An empty ledger, or one that knows what was offered before a crash. */
  constructor(before?: Ledger) {
    this.offered = new Map(before?.offered);
    this.fragile = new Map(before?.fragile);
  }

  /** A text that somebody wants on the queue. */
  offer(text: string): string {
    const marker = markerIn(text)!;
    const texts = this.offered.get(marker) ?? new Set();
    this.offered.set(marker, texts.add(text));
    return marker;
  }

  /** Whether a file that was to hold an event may look like this. */
  isOffered(text: string, model: CrashModel | undefined): boolean {
    if (this.offered.get(markerIn(text) ?? "")?.has(text)) return true;
    for (const [marker, when] of this.fragile) {
      if (when === "power" && model !== "power") continue;
      for (const whole of this.offered.get(marker)!) if (whole.startsWith(text)) return true;
    }
    return false;
  }

  /** A promise was made. */
  acknowledge(marker: string, durability: "disk" | "os" = "disk"): void {
    (durability === "disk" ? this.#acknowledged : this.#handedOver).add(marker);
  }

  /** What is known now; `before`: what was known when this world began. */
  note(world: World, before: Note = NOTHING): Note {
    const answered = world.network.taken
      .filter((request) => request.answered && isSuccess(request.reply))
      .flatMap(markersOf);
    return {
      acknowledged: [...new Set([...before.acknowledged, ...this.#acknowledged])],
      handedOver: [...new Set([...before.handedOver, ...this.#handedOver])],
      answered: [...new Set([...before.answered, ...answered])],
      sent: sum(before.sent, this.sent),
      takeovers: sum(before.takeovers, this.takeovers),
    };
  }
}

function isSuccess({ status = 200 }: Reply): boolean {
  return status >= 200 && status < 300;
}

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>) {
  const both: Record<string, number> = { ...a };
  for (const [key, count] of Object.entries(b)) both[key] = (both[key] ?? 0) + count;
  return both;
}

/** To a destination that was away no more than so many requests begin at once. */
const MOST_AT_ONCE = 8;
const AT_ONCE_MS = 200;

/**
 * Watches every verb of the product's processes for what must never be done, whatever becomes of
 * it:
 *
 * - rename onto a name that is there;
 * - claim under a name that was used before;
 * - take over a claim whose owner lives and whose lease runs;
 * - claim what is not due;
 * - settle a claim of somebody else's;
 * - count a take-over of what only waited, or not count one of what was in flight;
 * - send what was taken over without saying so in its name;
 * - remove an event that was not answered 2xx, or whose response is not in `res/`; or keep one as
 *   delivered;
 * - prune what was not to be pruned, or not yet; delete what nobody wants to be deleted, or what
 *   somebody has in his hands;
 * - count an attempt in any other way than one up at the claim, one down when it was parked unsent,
 *   and down to 0 by requeueing and replaying;
 * - let the age of an event count from another time than when it was requeued last;
 * - send to a destination that is held, or asked to be left alone, as its folder says;
 * - send all at once to one that was away, as its folder says.
 */
export class Referee {
  readonly violations: string[] = [];
  /** Markers of events that an operator may remove. */
  readonly unwanted = new Set<string>();
  /** Transitions seen, such as `new → cur`. */
  readonly moves = new Set<string>();
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #names = new Set<string>();
  /** Whose claims and owner files are whose, by what was seen to be made. */
  readonly #owners = new Map<string, SimProcess>();
  readonly #foreign = new Set<SimProcess>();
  /**
   * How often an event had been sent when it was claimed, and whether its file was read since, by
   * claimed name.
   */
  readonly #claims = new Map<
    string,
    { readonly sent: number; isRead: boolean; readonly isTakenOver: boolean }
  >();
  /** Until when an answer has asked to leave a host alone, and since when. */
  readonly #asked = new Map<string, { readonly sinceMs: number; readonly untilMs: number }>();
  /** When requests were sent to a host that was away, as its folder says. */
  readonly #sentSlowly = new Map<string, number[]>();
  #fails = false;
  /**
   * Whether a disk that refuses may have hidden from the product what a destination's folder says.
   */
  isDiskFaulty = false;
  /** How often each event was put on the queue again although it had been delivered. */
  readonly replays = new Map<string, number>();
  /** How long its consumers are to keep what is done with. */
  keeps: Pick<ConsumerOptions, "keepSentMs" | "keepDeadMs" | "keepResMs"> = {};

  constructor(world: World, ledger: Ledger) {
    this.#world = world;
    this.#ledger = ledger;
    const faultOf = world.faultOf.bind(world);
    world.faultOf = (call) => {
      const fault = faultOf(call);
      this.#fails = fault !== undefined;
      return fault;
    };
    world.onPoint((call, phase) => this.#watch(call, phase));
  }

  /** Whether a process is one of other people's programs. */
  isForeign(process: SimProcess): boolean {
    return this.#foreign.has(process);
  }

  /** Other people's programs may do as they like. */
  exempt(process: SimProcess): void {
    this.#foreign.add(process);
  }

  #watch(call: Call, phase: Phase): void {
    if (this.#foreign.has(call.process)) return;
    if (phase === "after" && call.verb === "rename") this.#renamed(call);
    if (phase === "after" && call.verb === "read" && !this.#fails) {
      const claim = this.#claims.get(placeOf(call.path).name);
      if (claim) claim.isRead = true;
    }
    if (phase !== "before") return;
    const found = call.verb === "rename"
      ? this.#rename(call, call.path, call.to!)
      : call.verb === "remove"
      ? this.#remove(call, call.path)
      : undefined;
    if (found !== undefined) this.violations.push(`${found}: ${describe(call)}`);
    this.#note(call);
  }

  #note({ verb, path, to }: Call): void {
    const from = placeOf(path);
    if (verb === "list" || verb === "lstat" || verb === "read") return;
    const kind = COUNTER.test(path) || COUNTER.test(to ?? "")
      ? " counter"
      : from.name.endsWith(".why")
      ? " .why"
      : from.name.startsWith(".")
      ? " owner"
      : isBegun(to ?? "")
      ? " begun"
      : "";
    this.moves.add(
      to === undefined
        ? `${verb} ${from.folder}${kind}`
        : `${from.folder} → ${placeOf(to).folder}${kind}`,
    );
  }

  #rename(call: Call, path: string, to: string): string | undefined {
    const [from, target] = [placeOf(path), placeOf(to)];
    if (from.name.startsWith(".") || COUNTER.test(to)) return undefined;
    const source = this.#inode(path);
    if (source === undefined) return undefined; // it will fail: nothing is done
    const there = this.#inode(to);
    if (there !== undefined && there !== source) return "overwrites a name that is there";
    const [was, is] = [parseName(from.name), parseName(target.name)];
    if (target.folder === "cur") {
      if (this.#names.has(target.name)) return "claims under a name that was used before";
      const blame = this.#blames(call, from.name, target.name, from.folder);
      if (blame) return blame;
    }
    const move = `${from.folder} → ${target.folder}`;
    const [since, sinceNow] = [was, is].map(({ tag }) => parseTag(tag ?? "")?.requeuedMs);
    const countsAnew = move === "doa → new" || move === "sent → new" ||
      move === "new → defer" && was.tag === undefined;
    if (sinceNow !== (countsAnew ? is.timeMs : since)) {
      return "lets the age count from another time";
    }
    if (move === "sent → new") {
      if (is.attempt !== 0) return "replays with attempts counted";
      const marker = markerIn(this.#textOf(path))!;
      this.replays.set(marker, (this.replays.get(marker) ?? 0) + 1);
    }
    const change = is.attempt - was.attempt;
    if ((move === "new → cur" || move === "defer → cur") && change !== 1) {
      return "claims without counting the attempt";
    }
    if (move === "cur → defer" || move === "cur → doa") {
      const claim = this.#claims.get(from.name);
      const isUnsent = move === "cur → defer" && claim?.isRead &&
        claim.sent === this.#sentOf(this.#textOf(path));
      // Of an attempt that was taken over nobody knows whether it was sent: it stays counted.
      const isGivenBack = isUnsent && !claim.isTakenOver;
      const expected = isGivenBack && !this.isDiskFaulty ? [-1] : isGivenBack ? [-1, 0] : [0];
      if (!expected.includes(change)) return "settles with another count of attempts";
    }
    if (move === "defer → new" && change !== 0) return "lets go with another count of attempts";
    if (move === "cur → cur" && change !== 0 && was.timeMs !== undefined) {
      return "takes over or renews with another count of attempts";
    }
    if (target.folder === "cur" && from.folder !== "cur") {
      const aheadMs = (was.timeMs ?? 0) - call.process.host.now();
      if (aheadMs > 0 && aheadMs <= LONGEST_WAIT_MS) return "claims before its time";
    }
    if (move === "new → defer") {
      const [wasBlamed, isBlamed] = [was, is].map(({ tag }) => parseTag(tag ?? "")?.takeovers ?? 0);
      const stays = change === 0 && is.timeMs === was.timeMs && isBlamed === wasBlamed;
      if (!stays) return "postpones to another time, or with other counts";
    }
    if (from.folder !== "cur") return undefined;
    if (target.folder === "sent") {
      if (change !== 0) return "keeps with another count of attempts";
      const undelivered = this.#isUndelivered(path);
      if (undelivered) return `keeps ${undelivered}`;
    }
    return this.#touchesClaim(call, from.name, target.folder === "cur");
  }

  /** A request arrives: what does the folder of its destination say, and what did the endpoint? */
  sent(url: string, markers: readonly string[], { headers }: Reply): void {
    if (this.isDiskFaulty) return;
    const { protocol, hostname } = new URL(url);
    const { nowMs } = this.#world;
    const { sinceMs = 0, untilMs = 0 } = this.#asked.get(hostname) ?? {};
    if (nowMs > sinceMs && nowMs < untilMs) {
      this.violations.push(`sends to ${hostname}, which asked to be left alone`);
    }
    const seconds = Number(headers?.["Retry-After"] ?? 0);
    if (seconds > 0) {
      this.#asked.set(hostname, { sinceMs: nowMs, untilMs: nowMs + 1_000 * seconds });
    }
    const folder = `${BASE}/defer/${protocol.slice(0, -1)}_${hostname}_80/`;
    for (const [path, text] of Object.entries(this.#world.disk.image().files())) {
      const tag = path.startsWith(`${BASE}/cur/`) ? parseTag(parseName(path).tag ?? "") : undefined;
      if (tag && tag.takeovers > 0 && !tag.isBegun && markers.includes(markerIn(text)!)) {
        this.violations.push(`sends although it is not begun: ${path}`);
      }
      if (!path.startsWith(`${folder}.`)) continue;
      const [, untilMs] = /\/\.after@(\d+)$/.exec(path) ?? [];
      const isAway = path.startsWith(`${folder}.away@`);
      if (isAway && this.#isTooFast(hostname)) {
        this.violations.push(`sends all at once although there is ${path}`);
      }
      if (path.endsWith("/.hold") || Number(untilMs) > this.#world.nowMs) {
        this.violations.push(`sends although there is ${path}`);
      }
    }
  }

  /** Whether it is too many at once for a host that was away. */
  #isTooFast(hostname: string): boolean {
    const { nowMs } = this.#world;
    const sentMs = this.#sentSlowly.get(hostname) ?? [];
    const lately = sentMs.filter((atMs) => nowMs - atMs < AT_ONCE_MS);
    this.#sentSlowly.set(hostname, [...lately, nowMs]);
    return lately.length >= MOST_AT_ONCE;
  }

  #sentOf(text: string): number {
    return this.#ledger.sent[markerIn(text) ?? ""] ?? 0;
  }

  /** What a claim says of deaths: who takes over counts what was in flight, nobody else counts. */
  #blames({ process }: Call, from: string, to: string, folder: string): string | undefined {
    const [was, is] = [from, to].map((name) => parseTag(parseName(name).tag ?? ""));
    this.#owners.set(is!.owner, process);
    const { takeovers = 0, isBegun = false } = was ?? {};
    const isTakeover = folder === "cur" && was?.owner !== is!.owner;
    const expected = isTakeover
      ? isBegun ? takeovers + 1 : Math.max(1, takeovers)
      : folder === "cur" || !isBegun
      ? takeovers
      : 0;
    // of its own claims each knows itself
    if (folder === "cur" && !isTakeover) return undefined;
    return is!.takeovers === expected ? undefined : "blames the event for another count of deaths";
  }

  #touchesClaim({ process }: Call, name: string, isTakeover: boolean): string | undefined {
    const { tag, timeMs } = parseName(name);
    const owner = tag === undefined ? undefined : parseTag(tag)?.owner;
    const other = owner === undefined ? undefined : this.#owners.get(owner);
    if (owner === undefined || other === process) return undefined;
    if (!isTakeover) return "settles a claim of somebody else's";
    if (!other?.alive || timeMs! <= other.host.now()) return undefined;
    return "takes over a living claim";
  }

  #remove(call: Call, path: string): string | undefined {
    const { folder, name } = placeOf(path);
    if (name.startsWith(".") || folder === "tmp" || folder === "res") return undefined;
    if (this.#inode(path) === undefined) return undefined;
    if (folder === "doa" && name.endsWith(".why")) return undefined;
    if (folder !== "cur" && this.unwanted.has(markerIn(this.#textOf(path))!)) return undefined;
    if (folder === "log" && logDayMs(name) !== undefined) return undefined;
    if (folder === "sent" || folder === "doa") return this.#prunes(call, path);
    if (folder !== "cur") return "removes an event that nobody has claimed";
    const undelivered = this.#isUndelivered(path);
    if (undelivered) return `removes ${undelivered}`;
    return this.#touchesClaim(call, name, false);
  }

  /** What is wrong with taking an event for delivered. */
  #isUndelivered(path: string): string | undefined {
    const text = this.#textOf(path);
    const marker = markerIn(text);
    if (!this.#ledger.note(this.#world).answered.includes(marker!)) {
      return "an event that was not answered 2xx";
    }
    if (text.includes("//keeps.") && !hasResponse(this.#filesInPlace(), marker!)) {
      return "an event whose response is not in res/";
    }
    return undefined;
  }

  #prunes({ process }: Call, path: string): string | undefined {
    const { keepSentMs = 0, keepDeadMs = 0 } = this.keeps;
    const { folder, name } = placeOf(path);
    const isSent = folder === "sent";
    const keepMs = isSent ? keepSentMs : keepDeadMs;
    if (keepMs === 0) return "prunes what is kept for ever";
    const hourMs = sentHourMs(path.split("/").at(-2)!);
    const keptMs = isSent ? hourMs! + SENT_HOUR_MS : parseName(name).timeMs!;
    return keptMs + keepMs > process.host.now() ? "prunes before its time" : undefined;
  }

  /** The files, also those of a folder that a neighbour has put elsewhere for a while. */
  #filesInPlace(): Readonly<Record<string, string>> {
    const files = Object.entries(this.#world.disk.image().files());
    return Object.fromEntries(
      files.map(([path, text]) => [path.replace(/^\/hoard-res(?=\/)/, `${BASE}/res`), text]),
    );
  }

  #renamed({ process, path, to }: Call): void {
    const [from, target] = [placeOf(path), placeOf(to!)];
    if (target.folder !== "cur" || this.#inode(to!) === undefined) return;
    this.#names.add(target.name);
    const maker = parseTag(parseName(target.name).tag ?? "")?.owner;
    if (maker !== undefined) this.#owners.set(maker, process);
    const before = from.folder === "cur" ? this.#claims.get(from.name) : undefined;
    const sent = before?.sent ?? this.#sentOf(this.#textOf(to!));
    const owner = parseTag(parseName(from.name).tag ?? "")?.owner;
    const isOwn = owner !== undefined && this.#owners.get(owner) === process;
    this.#claims.set(target.name, {
      sent,
      isRead: before?.isRead ?? false,
      isTakenOver: from.folder === "cur" && (!isOwn || before?.isTakenOver === true),
    });
    if (from.folder !== "cur" || from.name.startsWith(".")) return;
    if (owner !== undefined && this.#owners.get(owner) === process) return;
    const marker = markerIn(this.#textOf(to!));
    if (marker === undefined) return;
    this.#ledger.takeovers[marker] = (this.#ledger.takeovers[marker] ?? 0) + 1;
  }

  #inode(path: string): number | undefined {
    return this.#world.disk.peek(path)?.ino;
  }

  #textOf(path: string): string {
    return new TextDecoder().decode(this.#world.disk.bytes(this.#inode(path)!));
  }
}

/** The first folder below the base directory, and the last name. */
function placeOf(path: string): { readonly folder: string; readonly name: string } {
  const end = path.indexOf("/", BASE.length + 1);
  const folder = path.slice(BASE.length + 1, end < 0 ? undefined : end);
  return { folder, name: path.slice(Math.max(BASE.length, path.lastIndexOf("/")) + 1) };
}

/** Whether the name at the end of a path says that an event that was taken over is in flight. */
function isBegun(path: string): boolean {
  return parseTag(parseName(placeOf(path).name).tag ?? "")?.isBegun ?? false;
}

function isJson(text: string | undefined): boolean {
  try {
    return typeof JSON.parse(text ?? "") === "object";
  } catch {
    return false;
  }
}

/** Whether a whole response to the event is in `res/`, its `.meta` beside it. */
function hasResponse(files: Readonly<Record<string, string>>, marker: string): boolean {
  return Object.entries(files).some(([path, text]) =>
    path.startsWith(`${BASE}/res/`) && text === responseOf(marker) && isJson(files[`${path}.meta`])
  );
}

/** A world with a ledger and a referee, in which the product or a mutant of it does its work. */
export class Stage {
  readonly world: World;
  readonly product: Product;
  readonly ledger: Ledger;
  readonly referee: Referee;
  readonly #processes: SimProcess[] = [];

  constructor(product: Product, options: WorldOptions = {}, ledger = new Ledger()) {
    this.world = new World(options);
    this.product = product;
    this.ledger = ledger;
    this.referee = new Referee(this.world, ledger);
    this.world.network.script = (request) => {
      const [markers, reply] = [markersOf(request), replyOf(request)];
      // No attempt at any of them: it is split.
      if (markers.length > 1 && reply.status === 400) return reply;
      for (const marker of markers) ledger.sent[marker] = (ledger.sent[marker] ?? 0) + 1;
      this.referee.sent(request.url, markers, reply);
      return reply;
    };
  }

  /** Put the folders of a queue on the disk, all but some. */
  plantQueue(missing: readonly string[] = []): void {
    const folders = ["", "/tmp", "/new", "/cur", "/defer", "/doa", "/res"];
    for (const folder of folders) {
      if (missing.includes(folder.slice(1))) continue;
      this.world.disk.plant(`${BASE}${folder}`, { kind: "directory", mtimeMs: START_MS });
    }
  }

  /** Put an acknowledged event on the disk, below the base directory. */
  plant(path: string, text: string, mtimeMs = START_MS): void {
    this.ledger.acknowledge(this.ledger.offer(text));
    this.world.disk.plant(`${BASE}/${path}`, { text, mtimeMs });
  }

  /** Put an event on the disk that an operator is about to remove. */
  plantUnwanted(path: string, text: string, mtimeMs = START_MS): void {
    this.referee.unwanted.add(this.ledger.offer(text));
    this.world.disk.plant(`${BASE}/${path}`, { text, mtimeMs });
  }

  /** Open the queue, in a new process unless told otherwise. */
  open(
    options: OpenOptions & { readonly host?: string; readonly process?: SimProcess } = {},
  ): Promise<Queue> {
    const { host, process, ...rest } = options;
    const actor = process ?? this.world.process(host === undefined ? {} : { host });
    this.#processes.push(actor);
    return this.product.Queue.open(BASE, actor.runtime, rest);
  }

  /** Somebody unmounts the queue: where it was there is an empty folder. */
  unmount(): void {
    const { disk, nowMs } = this.world;
    disk.rename(BASE, AWAY, nowMs);
    disk.makeDir(BASE, 0o755, nowMs);
  }

  /** Somebody mounts it again, if it isn't; into that folder nobody may have put anything. */
  mount(): void {
    const { disk, nowMs } = this.world;
    if (!disk.slice("/", -1, Infinity).entries.some(({ name }) => `/${name}` === AWAY)) return;
    for (const { name } of disk.slice("/", -1, Infinity).entries) {
      if (`/${name}` === BASE) disk.removeDir(BASE, nowMs);
    }
    disk.rename(AWAY, BASE, nowMs);
  }

  /** Somebody ends all holds. */
  async resumeAll(): Promise<void> {
    const operator = this.world.process({ host: "console" });
    this.referee.exempt(operator);
    for (const path of Object.keys(this.world.disk.image().files())) {
      if (path.endsWith("/.hold")) await operator.runtime.disk.remove(path);
    }
  }

  /** Kill every process of the product. */
  killAll(): void {
    for (const process of this.#processes) process.kill();
  }

  /** The names of the events in `new/`, `cur/` and `defer/`. */
  undelivered(): string[] {
    return Object.keys(this.world.disk.image().files())
      .filter((path) => /^\/q\/(?:new|cur|defer)\/(?:.*\/)?[^./][^/]*$/.test(path));
  }

  /** A consumer that reports to the ledger. */
  consumer(queue: Queue, options: ConsumerOptions = {}): Consumer {
    this.referee.keeps = options;
    return new this.product.Consumer(new this.product.Maildir(queue), {
      keepLogMs: 0, // it has a scenario of its own
      ...options,
      trace: (event) => this.ledger.trace.push(event),
    });
  }

  /** The bytes of an event that is offered now, and to be acknowledged later. */
  offer(marker: string, manner: Manner): Uint8Array {
    const text = eventText(marker, manner);
    this.ledger.offer(text);
    return new TextEncoder().encode(text);
  }

  /** Another program drops a file into `new/`, as the README tells it to; it writes for so long. */
  async drop(name: string, text: string, ms = 0): Promise<void> {
    const process = this.world.process();
    this.referee.exempt(process);
    const { disk } = process.runtime;
    const marker = this.ledger.offer(text);
    const bytes = new TextEncoder().encode(text);
    await disk.create(`${BASE}/tmp/${marker}`, bytes, { mode: 0o600, durable: true });
    if (ms > 0) await this.world.time.sleep(ms, process);
    await disk.rename(`${BASE}/tmp/${marker}`, `${BASE}/new/${name}`);
    await disk.syncDir(`${BASE}/new`);
    this.ledger.acknowledge(marker);
  }
}

/** How to recover. */
export interface RecoveryOptions {
  /** Options of the consumer. */
  readonly consumer?: ConsumerOptions;
  /** Where it runs. @default "edge" */
  readonly host?: string;
  /**
   * Of the first consumer; the second has the next. A claim of an earlier one with the same counts
   * as its own. @default 900
   */
  readonly pid?: number;
}

/**
 * Start a fresh consumer and let it drain the queue; 37 h later another one, which sweeps.
 *
 * @throws What a consumer throws, and a deadlock or livelock of the world.
 */
export async function recover(stage: Stage, options: RecoveryOptions = {}): Promise<void> {
  const { world } = stage;
  const { host = "edge", pid: first = 900 } = options;
  stage.mount();
  for (const pid of [first, first + 1]) {
    await world.run(async () => {
      const queue = await stage.open({ create: true, process: world.process({ host, pid }) });
      const consumer = stage.consumer(queue, options.consumer);
      if ((await consumer.run("until-empty")).empty) return;
      await stage.resumeAll();
      await stage.consumer(queue, options.consumer).run("until-empty");
    });
    await world.advance(PAST_SWEEP_MS);
  }
}

/** What a judge must know besides. */
export interface Circumstances {
  /** What was known before this world began. */
  readonly before?: Note;
  /** What it began from. */
  readonly model?: CrashModel;
  /** Whether the disk refused to write a reason. @default false */
  readonly reasonRefused?: boolean;
  /**
   * Whether the disk refused to write a response, so that the endpoint was asked for it again.
   * @default false
   */
  readonly responseRefused?: boolean;
  /** Limit of attempts. */
  readonly maxAttempts?: number;
}

/** After a recovery: everything that is not as promised, as sentences; empty when all is well. */
export function judge(stage: Stage, circumstances: Circumstances = {}): string[] {
  const { world, ledger } = stage;
  const { before = NOTHING, model, maxAttempts = Infinity } = circumstances;
  const files = world.disk.image().files();
  const after = ledger.note(world, before);
  const found = [...stage.referee.violations];
  const dead = new Set<string>();
  const sent = new Set<string>();
  const mayHave = (marker: string) => maxAttempts + (after.takeovers[marker] ?? 0);
  for (const [path, text] of Object.entries(files)) {
    if (path.endsWith("/")) continue;
    const { folder, name } = placeOf(path);
    if (name.startsWith(".")) {
      const isOthers = folder === "cur" && parseOwnerFile(name) === undefined; // `.nfs…`
      const isStillDown = name.startsWith(".open~") && path.includes("/http_down.test_80/");
      const isLeftOver = !isOthers && !isStillDown && !COUNTER.test(path);
      if (isLeftOver) found.push(`an owner file is left over: ${path}`);
    } else if (folder === "new" || folder === "cur" || folder === "defer") {
      found.push(`left after the drain: ${path}`);
    } else if (folder === "tmp") {
      found.push(`left after the sweep: ${path}`);
    } else if (folder === "res" && name.endsWith(".meta")) {
      if (!isJson(text)) found.push(`torn: ${path}`);
      const body = files[path.slice(0, -".meta".length)];
      const marker = markerIn(text);
      if (body === undefined) found.push(`a .meta without body: ${path}`);
      else if (marker && body !== responseOf(marker)) {
        found.push(`a .meta, and half a body: ${path}`);
      }
    } else if (folder === "doa" && name.endsWith(".why")) {
      if (!(path.slice(0, -".why".length) in files)) found.push(`a reason without letter: ${path}`);
    } else if (folder === "sent") {
      const marker = markerIn(text)!;
      sent.add(marker);
      if (ledger.offered.has(marker) && !after.answered.includes(marker)) {
        found.push(`kept as delivered, and not delivered: ${path}`);
      }
    } else if (folder === "doa") {
      const marker = markerIn(text);
      if (marker !== undefined) dead.add(marker);
      if (!circumstances.reasonRefused && !isJson(files[`${path}.why`])) {
        found.push(`a dead letter without reason: ${path}`);
      }
      if (!ledger.isOffered(text, model)) {
        found.push(`a dead letter is not what was enqueued: ${path}`);
      }
      // an attempt that was taken over stays counted, whether it was sent or not
      if (parseName(name).attempt > mayHave(marker ?? "")) found.push(`too many attempts: ${path}`);
    }
  }
  const promised = model === "power"
    ? after.acknowledged
    : [...after.acknowledged, ...after.handedOver];
  for (const marker of promised) {
    if (!after.answered.includes(marker) && !dead.has(marker)) found.push(`lost: ${marker}`);
    const isKept = stage.referee.keeps.keepSentMs === undefined || sent.has(marker);
    if (!isKept && !dead.has(marker) && !stage.referee.isDiskFaulty) {
      found.push(`delivered, and not kept: ${marker}`);
    }
  }
  found.push(...judgeRequests(stage, files, circumstances.responseRefused));
  const lost = ledger.trace.filter(({ type }) => type === "lease-lost").length;
  const takenOver = Object.values(ledger.takeovers).reduce((sum, count) => sum + count, 0);
  if (lost > takenOver && !stage.referee.isDiskFaulty) {
    found.push(`${lost} leases are reported as lost, ${takenOver} claims were taken over`);
  }
  if (model !== "power") {
    for (const [marker, sent] of Object.entries(after.sent)) {
      if (sent > mayHave(marker)) {
        found.push(`sent ${sent} times, ${maxAttempts} are allowed: ${marker}`);
      }
    }
  }
  return found;
}

function judgeRequests(
  stage: Stage,
  files: Readonly<Record<string, string>>,
  responseRefused = false,
): string[] {
  const found: string[] = [];
  const successes = new Map<string, number>();
  const mayRepeat = stage.ledger.trace.some(({ type }) => type === "lease-lost");
  for (const { url, body, reply, answered } of stage.world.network.taken) {
    const markers = markersOf({ url, body });
    const [isGet, isMerged] = [url.includes("//keeps."), url.includes("//merges.")];
    const whole = isGet ? "" : isMerged ? mergedBodyOf(markers) : bodyOf(markers[0]!);
    if (body !== whole) found.push(`sent other bytes: ${markers}`);
    if (!answered || !isSuccess(reply)) continue;
    for (const marker of markers) {
      if (isGet && !hasResponse(files, marker)) found.push(`its response is missing: ${marker}`);
      if (isGet && responseRefused) continue;
      successes.set(marker, (successes.get(marker) ?? 0) + 1);
    }
  }
  for (const [marker, count] of successes) {
    const times = 1 + (stage.referee.replays.get(marker) ?? 0);
    if (count > times && !mayRepeat) found.push(`delivered ${count} times: ${marker}`);
  }
  return found;
}
