/**
 * Secrets by reference: where one is kept stands in a configuration, the secret itself never does.
 *
 * Each is read when it is needed and kept for a second, so that one that was changed in its place
 * counts from then on.
 *
 * @module
 */

import { type Awaitable, type Clock, errorCode } from "../runtime/runtime.ts";

/** How long a secret counts before it is read again. */
const KEPT_MS = 1_000;

/** Most secrets that are kept. */
const MOST_KEPT = 1_024;

/** Longest secret, in characters: the certificates of all authorities there are take 200 KiB. */
const LONGEST = 2 ** 20;

/** How long reading one may take: a file may be a pipe that nobody writes to. */
const READ_MS = 5_000;

/** A secret can't be had. The message names the reference, which is no secret. */
export class CredentialError extends Error {
  /** The name of the class. */
  override readonly name = "CredentialError";
  /** As errors of the disk have one. */
  readonly code = "ECREDENTIAL";
}

/**
 * Reads what a reference such as `file:/run/secrets/token` refers to; where that is a certificate
 * it may be a path alone.
 *
 * @throws The system's error, when it can't be read.
 */
export type ReadSecret = (reference: string) => Awaitable<string>;

/** The secrets of a process. */
export class Credentials {
  readonly #read: ReadSecret;
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly secret: Promise<string>; readonly atMs: number }>();

  /** @param read Asked at most once a second for each. */
  constructor(read: ReadSecret, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  /**
   * The secret that a reference refers to, without the line break at its end.
   *
   * @throws {CredentialError} If it can't be had.
   */
  of(reference: string): Promise<string> {
    const nowMs = this.#clock.monotonic();
    const kept = this.#kept.get(reference);
    if (kept && nowMs - kept.atMs < KEPT_MS) return kept.secret;
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    const secret = this.#readNow(reference);
    secret.catch(() => {}); // whoever asks hears of it
    this.#kept.set(reference, { secret, atMs: nowMs });
    return secret;
  }

  async #readNow(reference: string): Promise<string> {
    let secret: string;
    try {
      secret = (await this.#inTime(reference)).replace(/\r?\n$/, "");
    } catch (cause) {
      const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
      throw new CredentialError(`the secret ${reference} can't be read: ${why}`, { cause });
    }
    if (secret !== "" && secret.length <= LONGEST) return secret;
    const current = secret === "" ? "it is empty" : "it is longer";
    throw new CredentialError(
      `the secret ${reference} must have from 1 to ${LONGEST} characters, ${current}`,
    );
  }

  async #inTime(reference: string): Promise<string> {
    const done = new AbortController();
    const over = this.#clock.sleep(READ_MS, done.signal).then(() => {
      throw new Error(`it takes longer than ${READ_MS / 1_000} s`);
    });
    try {
      return await Promise.race([this.#read(reference), over]);
    } finally {
      over.catch(() => {}); // the end of the sleep is the end of its use
      done.abort();
    }
  }
}
