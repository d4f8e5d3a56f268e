import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Outcome, outcomeOfStatus } from "../../lib/http/outcome.ts";
import {
  givesUp,
  parseRetryAfter,
  RETRY_AFTER_MAX_MS,
  retryDelayMs,
  retryTable,
  retryTableMarkdown,
} from "../../lib/http/schedule.ts";

const BACKOFF = { baseMs: 1_000, capMs: 600_000 };

Deno.test("outcomeOfStatus() follows the table for every status", () => {
  const deferred = [401, 403, 407, 408, 425, 429];
  for (let status = 0; status < 1_000; status++) {
    let expected: Outcome = "deferred";
    if (status >= 200 && status <= 299) expected = "delivered";
    else if (status >= 400 && status <= 499 && !deferred.includes(status)) expected = "refused";
    assertEquals(outcomeOfStatus(status), expected, `status ${status}`);
  }
});

Deno.test("outcomeOfStatus() lets the operator's overrides win", () => {
  const overrides = new Map<number, Outcome>([[404, "deferred"], [500, "refused"]]);
  assertEquals(outcomeOfStatus(404, overrides), "deferred");
  assertEquals(outcomeOfStatus(500, overrides), "refused");
  assertEquals(outcomeOfStatus(410, overrides), "refused");
});

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const backoff = fc.record({
  baseMs: fc.integer({ min: 0, max: 604_800_000 }),
  capMs: fc.integer({ min: 0, max: 604_800_000 }),
});

Deno.test("retryDelayMs() is whole, and between half and all of min(cap, base × 2^(attempt−1))", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 999_999 }),
      random,
      backoff,
      (attempt, random, backoff) => {
        const delayMs = retryDelayMs({ attempt, random, ...backoff });
        const full = backoff.baseMs === 0
          ? 0
          : Math.min(backoff.capMs, backoff.baseMs * 2 ** (attempt - 1));
        assert(Number.isSafeInteger(delayMs));
        assert(delayMs >= Math.floor(full / 2) && delayMs <= full, `${delayMs} of ${full}`);
      },
    ),
  );
});

Deno.test("retryDelayMs() doubles up to the cap", () => {
  const delays = [1, 2, 3, 10, 11, 12, 999_999].map((attempt) =>
    retryDelayMs({ attempt, random: 0, ...BACKOFF })
  );
  assertEquals(delays, [500, 1_000, 2_000, 256_000, 300_000, 300_000, 300_000]);
});

Deno.test("retryDelayMs() obeys a longer Retry-After, but not beyond 2 h, and ignores a shorter one", () => {
  const delay = (retryAfterMs: number) =>
    retryDelayMs({ attempt: 1, random: 0.5, retryAfterMs, ...BACKOFF });
  assertEquals(delay(60_000), 60_000);
  assertEquals(delay(10), 750);
  assertEquals(delay(1e12), RETRY_AFTER_MAX_MS);
  const longCap = { baseMs: 86_400_000, capMs: 86_400_000 };
  assertEquals(
    retryDelayMs({ attempt: 1, random: 0, retryAfterMs: 1e12, ...longCap }),
    43_200_000,
  );
});

Deno.test("parseRetryAfter() reads seconds", () => {
  const values: [value: string, ms: number][] = [
    ["0", 0],
    ["1", 1_000],
    [" 120 ", 120_000],
    ["007", 7_000],
    ["-5", 0],
    ["7200", RETRY_AFTER_MAX_MS],
    ["7201", RETRY_AFTER_MAX_MS],
    ["9".repeat(400), RETRY_AFTER_MAX_MS],
  ];
  for (const [value, ms] of values) assertEquals(parseRetryAfter(value, 5), ms, value);
});

Deno.test("parseRetryAfter() reads the three forms of an HTTP date, all in GMT", () => {
  const dates = [
    "Mon, 06 Nov 2034 08:49:37 GMT",
    "Monday, 06-Nov-34 08:49:37 GMT",
    "Mon Nov  6 08:49:37 2034",
  ];
  const dateMs = Date.UTC(2034, 10, 6, 8, 49, 37);
  for (const date of dates) {
    assertEquals(parseRetryAfter(date, dateMs - 90_000), 90_000, date);
    assertEquals(parseRetryAfter(date, dateMs + 1), 0, date);
    assertEquals(parseRetryAfter(date, 0), RETRY_AFTER_MAX_MS, date);
  }
});

Deno.test("parseRetryAfter() takes nothing else for a delay", () => {
  const garbage = [
    null,
    "",
    "soon",
    "1.5",
    "1e3",
    "5, 10",
    "0x10",
    "2034-11-06",
    "Nov 6 2034",
    "06 Nov 2034 08:49:37 GMT",
    "Mon, 06 Nov 2034 25:49:37 GMT",
    "Mon, 06 Nov 2034 08:49:37 PST",
    "NaN",
    "Infinity",
  ];
  for (const value of garbage) {
    assertEquals(parseRetryAfter(value, 0), undefined, `${value}`);
  }
  fc.assert(fc.property(fc.string(), (value) => {
    const ms = parseRetryAfter(value, 0);
    assert(ms === undefined || (Number.isInteger(ms) && ms >= 0 && ms <= RETRY_AFTER_MAX_MS));
  }));
});

Deno.test("givesUp() by attempts, when that is on", () => {
  const options = { ageMs: 0, maxAgeMs: 1 };
  assertEquals(givesUp({ ...options, attempt: 999_999 }), undefined);
  assertEquals(givesUp({ ...options, attempt: 4, maxAttempts: 5 }), undefined);
  assertEquals(
    givesUp({ ...options, attempt: 5, maxAttempts: 5 }),
    "given up after 5 of at most 5 attempts",
  );
  assert(givesUp({ ...options, attempt: 1, maxAttempts: 1 }) !== undefined);
});

Deno.test("givesUp() by age, but only after three attempts", () => {
  const maxAgeMs = 72 * 3_600_000;
  assertEquals(givesUp({ attempt: 2, ageMs: maxAgeMs * 10, maxAgeMs }), undefined);
  assertEquals(givesUp({ attempt: 3, ageMs: maxAgeMs - 1, maxAgeMs }), undefined);
  assertEquals(
    givesUp({ attempt: 3, ageMs: maxAgeMs + 7_500_000, maxAgeMs }),
    "given up after 3 attempts at an age of 3d 2h, at most 3d",
  );
});

Deno.test("retryTable() shows the limits of retryDelayMs()", () => {
  const rows = retryTable(BACKOFF);
  let sum = 0;
  for (const row of rows) {
    const attempt = row.attempt - 1;
    sum += row.latestMs;
    assertEquals(row.earliestMs, retryDelayMs({ attempt, random: 0, ...BACKOFF }));
    assertEquals(row.latestMs, retryDelayMs({ attempt, random: 1 - 2 ** -32, ...BACKOFF }));
    assertEquals(row.cumulativeLatestMs, sum);
  }
  assertEquals(rows.at(-1)?.latestMs, BACKOFF.capMs);
  assertEquals(rows.length, 11);
});

Deno.test("retryTable() ends for any base and cap", () => {
  fc.assert(fc.property(backoff, (backoff) => {
    const rows = retryTable(backoff);
    assert(rows.length >= 1 && rows.length <= 32);
    if (backoff.baseMs > 0) assertEquals(rows.at(-1)?.latestMs, backoff.capMs);
  }));
});

Deno.test("retryTableMarkdown() is a table with one line for all that are alike", () => {
  const lines = retryTableMarkdown(BACKOFF).split("\n");
  assertEquals(lines[2], "| 2 | 500ms | 1s | 1s |");
  assertEquals(lines.at(-2), "| 12 and later | 5m | 10m | 27m 3s |");
  assertEquals(lines.at(-1), "");
});
