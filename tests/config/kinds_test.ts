import { assert, assertEquals } from "@std/assert";
import { formatDuration, parseDuration } from "../../lib/config/duration.ts";
import {
  choice,
  count,
  duration,
  flag,
  named,
  rate,
  size,
  statusMap,
  text,
} from "../../lib/config/kinds.ts";
import type { Kind } from "../../lib/config/option.ts";
import type { Outcome } from "../../lib/http/outcome.ts";

/** What a text is to a kind: its value, or `undefined` when it has none within the limits. */
function valueOf<T>(kind: Kind<T>, text: string): T | undefined {
  const value = kind.read(text);
  return value !== undefined && kind.accepts(value) ? value : undefined;
}

function assertRefused<T>(kind: Kind<T>, ...texts: readonly string[]): void {
  for (const text of texts) assertEquals(valueOf(kind, text), undefined, JSON.stringify(text));
}

function assertReadsBack<T>(kind: Kind<T>, ...values: readonly T[]): void {
  for (const value of values) {
    assert(kind.accepts(value), `${value}`);
    assertEquals(kind.read(kind.print(value)), value);
  }
}

Deno.test("a duration is a whole number and a unit, without sign, fraction, space or second part", () => {
  const texts = ["250ms", "30s", "5m", "72h", "3d", "0s"];
  const values = [250, 30_000, 300_000, 259_200_000, 259_200_000, 0];
  assertEquals(texts.map(parseDuration), values);
  for (const text of ["", "30", "1.5s", "-1s", "+1s", "5 m", "1h30m", "1H", "s", "1e3ms", "1s\n"]) {
    assertEquals(parseDuration(text), undefined, text);
  }
});

Deno.test("a duration is written in the largest unit that needs no fraction, and read back", () => {
  assertEquals(
    [0, 1, 1_500, 90_000, 3_600_000, 5_400_000].map(formatDuration),
    ["0s", "1ms", "1500ms", "90s", "1h", "90m"],
  );
  assertReadsBack(duration(0, 1e12), 0, 1, 250, 1_000, 1_500, 90_000, 86_400_000, 604_800_000);
});

Deno.test("a duration has limits, which both its sentences name", () => {
  const kind = duration(10, 3_600_000);
  assertEquals(valueOf(kind, "10ms"), 10);
  assertEquals(valueOf(kind, "1h"), 3_600_000);
  assertRefused(kind, "9ms", "0s", "61m", "10", "");
  assertEquals(kind.textMust, "a duration from 10ms to 1h, such as 250ms, 30s, 5m, 72h or 3d");
  assertEquals(kind.valueMust, "a whole number from 10 to 3600000 (1h)");
  for (const value of [9, 3_600_001, 10.5, NaN, Infinity, "30s" as unknown as number]) {
    assert(!kind.accepts(value), `${value}`);
  }
});

Deno.test("a size is bytes with or without a binary unit", () => {
  const kind = size(1, 256 * 2 ** 20);
  assertEquals(
    ["1", "512KiB", "4MiB", "256MiB"].map((text) => valueOf(kind, text)),
    [1, 524_288, 4_194_304, 268_435_456],
  );
  assertRefused(kind, "0", "4MB", "4mib", "1.5MiB", "-1", "257MiB", "1GiB", "MiB", "4 MiB");
  assertReadsBack(kind, 1, 1_000, 1_024, 3_000_000, 4_194_304, 1_048_577);
  assertEquals([kind.print(4_194_304), kind.print(3_000_000)], ["4MiB", "3000000"]);
  assertEquals(kind.textMust, "a number of bytes from 1 to 256MiB, such as 512KiB or 4MiB");
});

Deno.test("a count is digits", () => {
  const kind = count(1, 10_000);
  assertEquals(valueOf(kind, "10000"), 10_000);
  assertRefused(kind, "0", "10001", "1.5", "5x", "1e3", "0x10", "", " 5", "-1", "9".repeat(20));
  assertReadsBack(kind, 1, 64, 10_000);
});

Deno.test("a rate is requests and their time", () => {
  const kind = rate(1_000_000);
  assertEquals(
    ["100/s", "30/m", "1/h"].map((text) => valueOf(kind, text)),
    [100, 0.5, 1 / 3600],
  );
  assertRefused(kind, "100", "0/s", "1.5/s", "-1/s", "1/d", "/s", "1 /s", "1000001/s", "1/ss");
  assertReadsBack(kind, 100, 0.5, 1 / 3600, 7 / 3600, 1_000_000);
  assertEquals([kind.print(100), kind.print(0.5), kind.print(7 / 3600)], ["100/s", "30/m", "7/h"]);
});

Deno.test("statuses are given outcomes, each once", () => {
  const kind = statusMap();
  const table = new Map<number, Outcome>([[404, "deferred"], [409, "delivered"], [503, "refused"]]);
  assertEquals(valueOf(kind, "404=defer,409=deliver,503=refuse"), table);
  assertReadsBack(kind, table);
  assertRefused(kind, "404", "404=dead", "199=defer", "600=defer", "404=defer,", "404 = defer");
  assertRefused(kind, "404=defer,404=defer", "", "=defer", "404=defer=x", "4e2=defer");
  for (const wrong of [[[700, "deferred"]], [[404, "defer"]]]) {
    assert(!kind.accepts(new Map(wrong as [number, Outcome][])), `${wrong}`);
  }
  assert(!kind.accepts({} as Map<number, Outcome>));
});

Deno.test("a flag is there, or true or false in a file", () => {
  assertEquals(["", "true", "false"].map((text) => valueOf(flag(), text)), [true, true, false]);
  assertRefused(flag(), "yes", "1");
});

Deno.test("a choice is one of its words, a text is anything, a name makes what it names", () => {
  const format = choice("text", "json");
  assertEquals(valueOf(format, "json"), "json");
  assertRefused(format, "xml", "", "JSON");
  assertEquals([format.valueName, format.textMust], ["text|json", "text or json"]);
  assertEquals(valueOf(text("URL"), "é"), "é");
  assertRefused(text("URL"), "");
  const tool = named({ hammer: () => ({ name: "hammer" }) }, "a tool");
  assertReadsBack(tool, { name: "hammer" });
  assertRefused(tool, "saw", "toString", "");
  assert(tool.accepts({ name: "a program's own" }));
});
