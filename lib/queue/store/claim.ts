/**
 * A claimed event of a maildir, as a consumer sees it: a file in `cur/` under a name that is the
 * fencing token.
 *
 * Every verb answers with what became of the event. What the disk refuses is reported here; what
 * isn't the disk's is a bug and thrown.
 *
 * @module
 */

import { errorCode, type FileContent, type Stat, type Taken } from "../../runtime/runtime.ts";
import type {
  AnswerWriter,
  Claim,
  Content,
  Reason,
  Settled,
  StoreLimits,
} from "../../store/store.ts";
import type { Reporter } from "../../telemetry/reporter.ts";
import { CLOCK_SKEW_MS } from "../constants.ts";
import { confirmPlace } from "../place.ts";
import { type Claim as ClaimedName, type Queue, type Settlement, SHARED_FOLDER } from "../queue.ts";
import { run } from "../steps.ts";
import { uuidTimeMs } from "../uuid.ts";
import { ResponseFile } from "./response.ts";

/** A file in `new/` that ends early and is younger than this may still be being written. */
const WRITING_MS = 60_000;

/** How long an event is left alone that met too many open files. */
const CROWDED_PAUSE_MS = 1_000;

/** Longest pause of an event parked in a folder that destinations share. */
const LONGEST_SHARED_PAUSE_MS = 60_000;

const UNREADABLE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "ENOTCAPABLE"]);
const TOO_MANY_OPEN: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

/** What the claims of one consumer share. */
export interface ClaimsOf {
  /** Whose events. */
  readonly queue: Queue;
  /** Told of what the disk refuses. */
  readonly reporter: Reporter;
  /** How long a claim is exclusive, and the like. */
  readonly limits: { readonly current: StoreLimits };
  /** Names in `cur/` that this consumer has; each claim keeps its own up to date. */
  readonly held: Set<string>;
  /** Delivered, and not removed yet: the disk refused. */
  readonly delivered: Set<MaildirClaim>;
  /** Under which destination's label an event of one waits. */
  labelOf(destination: string): string;
  /** Told where an event waits, and until when (Unix ms). */
  added(folder: string, dueMs: number): void;
}

/** A claimed event file. */
export class MaildirClaim implements Claim {
  readonly #of: ClaimsOf;
  #claim: ClaimedName;
  #taken: Taken | undefined;
  #stat: Stat | undefined;

  /** @param taken What was read with the claim. */
  constructor(of: ClaimsOf, claim: ClaimedName, taken: Taken | undefined) {
    this.#of = of;
    this.#claim = claim;
    this.#taken = taken;
    of.held.add(claim.name);
  }

  get id(): string {
    return this.#claim.id;
  }

  get attempt(): number {
    return this.#claim.attempt;
  }

  get leaseEndMs(): number {
    return this.#claim.leaseEndMs;
  }

  get takeovers(): number {
    return this.#claim.takeovers;
  }

  get enqueuedMs(): number {
    const { mtimeMs = 0 } = this.#stat ?? {};
    const latestMs = this.#of.queue.place.runtime.clock.now() + CLOCK_SKEW_MS;
    const times = [mtimeMs, uuidTimeMs(this.id) ?? 0, this.#claim.requeuedMs ?? 0];
    return Math.max(-Infinity, ...times.filter((ms) => ms > 0 && ms <= latestMs));
  }

  get unreadBytes(): number {
    const { maxBytes } = this.#of.limits.current;
    if (!this.#taken) return maxBytes;
    const { content } = this.#taken;
    if (!content || content.bytes || content.stat.kind !== "file") return 0;
    return content.stat.size <= maxBytes ? content.stat.size : 0;
  }

  read(): Content | Promise<Content> {
    const taken = this.#taken;
    this.#taken = undefined;
    return taken?.content?.bytes ? this.#content(taken.content) : this.#readNow(taken);
  }

  async #readNow(taken: Taken | undefined): Promise<Content> {
    const { queue, limits: { current: { maxBytes } } } = this.#of;
    try {
      if (taken && "unread" in taken) throw taken.unread;
      const path = queue.path("cur", this.#claim.name);
      // What was too large to be read along is read now, unless it is too large at all.
      const seen = taken?.content;
      const mayRead = !seen || seen.stat.kind === "file" && seen.stat.size <= maxBytes;
      return this.#content(mayRead ? await queue.place.runtime.disk.read(path, maxBytes) : seen);
    } catch (error) {
      return await this.#unreadable(error);
    }
  }

  #content({ stat, bytes }: FileContent): Content {
    this.#stat = stat;
    const { queue, limits: { current: { maxBytes } } } = this.#of;
    if (bytes) {
      const ageMs = queue.place.runtime.clock.now() - stat.mtimeMs;
      return {
        kind: "bytes",
        bytes,
        mayBeUnfinished: ageMs < WRITING_MS && ageMs > -CLOCK_SKEW_MS,
      };
    }
    if (stat.kind !== "file") {
      return { kind: "released", reason: `not a file but a ${stat.kind}`, pauseMs: 0 };
    }
    const reason = `the file must be at most ${maxBytes} bytes (--max-bytes), it has ${stat.size}`;
    return { kind: "refused", reason };
  }

  async #unreadable(error: unknown): Promise<Content> {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code === "ENOENT") return await this.#missing();
    if (TOO_MANY_OPEN.has(code)) {
      const reason = `too many files are open: ${code}`;
      return { kind: "crowded", reason, pauseMs: CROWDED_PAUSE_MS };
    }
    if (!UNREADABLE.has(code)) {
      return { kind: "deferred", reason: `the file can't be read: ${code}` };
    }
    const reason = `the file must be readable by this program${await this.#owner()}: ${code}`;
    return { kind: "refused", reason };
  }

  /** Somebody has taken it over, unless the whole directory is away. */
  async #missing(): Promise<Content> {
    try {
      await run(confirmPlace(this.#of.queue.place));
      return { kind: "lost" };
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      return { kind: "deferred", reason: `the file can't be read: ${code}` };
    }
  }

  /** Whose the file is, as far as that can be seen. */
  async #owner(): Promise<string> {
    const { queue } = this.#of;
    try {
      const path = queue.path("cur", this.#claim.name);
      const { mode, uid } = await queue.place.runtime.disk.lstat(path);
      return `, it belongs to user ${uid} and has mode ${mode.toString(8).padStart(4, "0")}`;
    } catch {
      return ""; // gone or out of sight: the reason does without
    }
  }

  renew(): Promise<"done" | "lost" | "kept"> {
    return this.#renamed(
      "renew",
      this.#of.queue.renew(this.#claim, this.#leaseMs),
    );
  }

  begin(): Promise<"done" | "lost" | "kept"> {
    return this.#renamed("renew", this.#of.queue.begin(this.#claim, this.#leaseMs));
  }

  setAside(): Promise<"done" | "lost" | "kept"> {
    return this.#renamed("renew", this.#of.queue.setAside(this.#claim, this.#leaseMs));
  }

  get #leaseMs(): number {
    return this.#of.limits.current.leaseMs;
  }

  async #renamed(
    verb: string,
    renaming: Promise<ClaimedName | undefined>,
  ): Promise<"done" | "lost" | "kept"> {
    try {
      const renamed = await renaming;
      if (!renamed) return this.#gone("lost");
      this.#of.held.delete(this.#claim.name);
      this.#of.held.add(renamed.name);
      this.#claim = renamed;
      return "done";
    } catch (error) {
      this.#trouble(verb, error, "sent only once its lease has ended and a claim succeeds");
      return this.#gone("kept");
    }
  }

  async complete(): Promise<"done" | "lost" | "kept"> {
    const { queue, delivered } = this.#of;
    try {
      const isOurs = await this.#keep() ?? await queue.complete(this.#claim);
      delivered.delete(this);
      return this.#gone(isOurs ? "done" : "lost");
    } catch (error) {
      const fate = "it is delivered; its file is removed as soon as the disk allows";
      this.#trouble("complete", error, fate);
      delivered.add(this);
      return "kept";
    }
  }

  /**
   * Keep it, where what is delivered is kept.
   *
   * @returns `false` when the lease was lost, `undefined` when it is to be removed.
   */
  async #keep(): Promise<boolean | undefined> {
    const { queue, limits: { current: { keepSentMs = 0 } } } = this.#of;
    if (keepSentMs === 0) return undefined;
    try {
      return await queue.keep(this.#claim);
    } catch (error) {
      this.#trouble("keep", error, "it is delivered, and removed instead of kept in sent/");
      return undefined;
    }
  }

  async defer(destination: string | undefined, dueMs: number): Promise<Settled> {
    const label = destination === undefined ? SHARED_FOLDER : this.#of.labelOf(destination);
    const settlement = await this.#of.queue.defer(this.#claim, label, dueMs, true);
    return this.#settled("defer", settlement, dueMs);
  }

  async park(destination: string, pauseMs: number): Promise<Settled> {
    const { queue, limits: { current: { pollMs } } } = this.#of;
    const label = this.#of.labelOf(destination);
    let dueMs = queue.place.runtime.clock.now();
    if (await this.#sharesFolder(label)) {
      // Nothing else keeps it from being claimed again at once.
      dueMs += Math.min(Math.max(pauseMs, pollMs), LONGEST_SHARED_PAUSE_MS);
    }
    const settlement = await queue.defer(this.#claim, label, dueMs, false);
    return this.#settled("defer", settlement, dueMs);
  }

  async #sharesFolder(destination: string): Promise<boolean> {
    const { queue, reporter } = this.#of;
    try {
      return await queue.folderOf(destination) === SHARED_FOLDER;
    } catch (error) {
      reporter.trouble("list", error, "asked again for the folder of the event");
      return false;
    }
  }

  async bury(reason: Reason, dueMs: number): Promise<Settled> {
    return this.#settled("bury", await this.#of.queue.bury(this.#claim, reason, dueMs), dueMs);
  }

  async release(dueMs: number, sent: boolean): Promise<"done" | "lost" | "kept"> {
    try {
      return this.#gone(await this.#of.queue.release(this.#claim, dueMs, sent) ? "done" : "lost");
    } catch (error) {
      this.#trouble("release", error, "it stays claimed until its lease ends");
      return this.#gone("kept");
    }
  }

  answer(): AnswerWriter {
    return new ResponseFile(this.#of.queue, this.#claim);
  }

  #settled(verb: string, { settled, error, folder }: Settlement, dueMs: number): Settled {
    if (settled === "done") {
      if (error !== undefined) this.#trouble(verb, error, "its reason could not be written");
      if (folder !== undefined) this.#of.added(folder, dueMs);
    } else if (settled !== "lost") {
      const fate = settled === "returned"
        ? "it is back in new/ and due later"
        : "it stays claimed until its lease ends";
      this.#trouble(verb, error, fate);
    }
    return this.#gone(settled);
  }

  /** This consumer has nothing more to do with it. */
  #gone<T>(fate: T): T {
    this.#of.held.delete(this.#claim.name);
    return fate;
  }

  #trouble(verb: string, error: unknown, reason: string): void {
    this.#of.reporter.trouble(verb, error, reason, { id: this.id });
  }
}
