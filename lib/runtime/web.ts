/**
 * What Deno and Node have in common, because both have it from the web platform: clocks, chance and
 * hashes.
 *
 * @module
 */

import type { Clock } from "./runtime.ts";

/**
 * Longest delay a timer takes (2^31 - 1 ms); longer sleeps are cut to it and their callers look
 * again.
 */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Time, by the web platform's clocks and timers. */
export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    if (signal?.aborted) return Promise.resolve();
    const delayMs = Math.min(Math.max(ms, 0), LONGEST_TIMER_MS);
    const untilMs = performance.now() + delayMs;
    return new Promise((resolve) => {
      let timer = setTimeout(fired, delayMs);
      // Node's timers may fire up to a millisecond early.
      function fired() {
        const leftMs = untilMs - performance.now();
        if (leftMs > 0) timer = setTimeout(fired, leftMs);
        else done();
      }
      function done() {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      }
      signal?.addEventListener("abort", done);
    });
  },
};

/** A supply of random words: one call into the system for 256 of them. */
const words = new Uint32Array(256);
let unused = 0;

/** As `Runtime.random`. */
export function random(): number {
  if (unused === 0) {
    crypto.getRandomValues(words);
    unused = words.length;
  }
  return words[--unused]! / 2 ** 32;
}

/** As `Runtime.sha256`. */
export async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** As `Runtime.gzip`. */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** As `Runtime.hmacSha256`. */
export async function hmacSha256(key: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  // no key is shorter than a byte for the system; one of zeros is the same to HMAC
  const bytes = key.length > 0 ? key : new Uint8Array(1);
  const imported = await crypto.subtle.importKey(
    "raw",
    bytes as BufferSource,
    algorithm,
    false,
    ["sign"],
  );
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message as BufferSource));
}
