/**
 * A claim that answers as it is told to, and remembers what was asked of it.
 *
 * @module
 */

import type { AnswerWriter, Claim, Content, Reason, Settled } from "../../lib/store/store.ts";

type Fate = "done" | "lost" | "kept";

/** What a claim answers. */
export interface Script {
  readonly settles?: Settled;
  readonly renews?: Fate;
  readonly begins?: Fate;
  /** How much longer a renewal makes the lease. */
  readonly renewsByMs?: number;
  readonly leaseEndMs?: number;
  readonly attempt?: number;
  readonly takeovers?: number;
  readonly enqueuedMs?: number;
  readonly unreadBytes?: number;
  readonly content?: Content | Promise<Content>;
  /** What keeping an answer fails with. */
  readonly unkept?: unknown;
}

/** Such a claim. */
export class ScriptedClaim implements Claim {
  readonly id = "event";
  readonly attempt: number;
  readonly takeovers: number;
  readonly enqueuedMs: number;
  readonly unreadBytes: number;
  leaseEndMs: number;
  /** What was asked of it, with what, in order. */
  readonly asked: (readonly [verb: string, ...args: unknown[]])[] = [];
  readonly #script: Script;

  constructor(script: Script = {}) {
    this.#script = script;
    this.attempt = script.attempt ?? 1;
    this.takeovers = script.takeovers ?? 0;
    this.enqueuedMs = script.enqueuedMs ?? 0;
    this.unreadBytes = script.unreadBytes ?? 0;
    this.leaseEndMs = script.leaseEndMs ?? 0;
  }

  read(): Content | Promise<Content> {
    this.#ask("read");
    return this.#script.content ?? { kind: "lost" };
  }

  renew(): Promise<Fate> {
    this.#ask("renew");
    this.leaseEndMs += this.#script.renewsByMs ?? 0;
    return Promise.resolve(this.#script.renews ?? "done");
  }

  begin(): Promise<Fate> {
    this.#ask("begin");
    return Promise.resolve(this.#script.begins ?? "done");
  }

  setAside(): Promise<Fate> {
    this.#ask("setAside");
    return Promise.resolve(this.#script.begins ?? "done");
  }

  complete(): Promise<Fate> {
    this.#ask("complete");
    return Promise.resolve(this.#fate);
  }

  defer(destination: string | undefined, dueMs: number): Promise<Settled> {
    this.#ask("defer", destination, dueMs);
    return Promise.resolve(this.#settled);
  }

  park(destination: string, pauseMs: number): Promise<Settled> {
    this.#ask("park", destination, pauseMs);
    return Promise.resolve(this.#settled);
  }

  bury(reason: Reason, dueMs: number): Promise<Settled> {
    this.#ask("bury", reason, dueMs);
    return Promise.resolve(this.#settled);
  }

  release(dueMs: number, sent: boolean): Promise<Fate> {
    this.#ask("release", dueMs, sent);
    return Promise.resolve(this.#fate);
  }

  answer(): AnswerWriter {
    const { unkept } = this.#script;
    return {
      write: (bytes) => this.#ask("write", new TextDecoder().decode(bytes)),
      finish: (meta) => {
        this.#ask("finish", meta);
        return unkept === undefined ? Promise.resolve() : Promise.reject(unkept);
      },
      discard: () => {
        this.#ask("discard");
        return Promise.resolve();
      },
    };
  }

  get #settled(): Settled {
    return this.#script.settles ?? "done";
  }

  /** Where a claim can't be put back otherwise, `"returned"` isn't among its fates. */
  get #fate(): Fate {
    return this.#settled === "returned" ? "done" : this.#settled;
  }

  #ask(verb: string, ...args: unknown[]): void {
    this.asked.push([verb, ...args]);
  }
}
