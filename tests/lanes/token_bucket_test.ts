import { assert, assertEquals } from "@std/assert";
import { TokenBucket } from "../../lib/lanes/token_bucket.ts";

/** How many requests go in a time, each as soon as it may. */
function sent(bucket: TokenBucket, fromMs: number, toMs: number): number {
  for (let nowMs = fromMs, count = 0;; count++) {
    nowMs = bucket.readyMs(nowMs);
    if (nowMs >= toMs) return count;
    bucket.spend(nowMs);
  }
}

Deno.test("one request may begin at once, the next when its token is there", () => {
  const bucket = new TokenBucket(1_000, () => 2);
  assertEquals(bucket.readyMs(1_000), 1_000);
  bucket.spend(1_000);
  assertEquals(bucket.readyMs(1_000), 1_500);
  assertEquals(bucket.readyMs(1_250), 1_500);
});

Deno.test("idle time makes up for a tenth of a second, and for one request at least", () => {
  assertEquals(sent(new TokenBucket(0, () => 1_000), 60_000, 60_001), 100);
  assertEquals(sent(new TokenBucket(0, () => 0.5), 60_000, 60_001), 1);
});

Deno.test("a rate is kept over any time", () => {
  for (const rate of [0.1, 1, 7, 300]) {
    const count = sent(new TokenBucket(0, () => rate), 0, 100_000);
    assert(Math.abs(count - 100 * rate) <= 1 + 0.1 * rate, `${count} at ${rate} a second`);
  }
});

Deno.test("a rate that changes is followed", () => {
  const bucket = new TokenBucket(0, (nowMs) => nowMs < 10_000 ? 10 : 100);
  assert(Math.abs(sent(bucket, 0, 10_000) - 100) <= 2);
  assert(Math.abs(sent(bucket, 10_000, 20_000) - 1_000) <= 20);
});

Deno.test("a bucket nobody looked at for years is full at once", () => {
  assertEquals(sent(new TokenBucket(0, () => 100), 1e12, 1e12 + 1), 10);
});
