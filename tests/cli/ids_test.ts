import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../lib/cli/args.ts";
import { readIds } from "../../lib/cli/ids.ts";
import { run } from "../support/program.ts";

function input(...chunks: (string | number[])[]) {
  const bytes = chunks.map((chunk) =>
    typeof chunk === "string" ? new TextEncoder().encode(chunk) : Uint8Array.from(chunk)
  );
  return { isTerminal: false, readable: ReadableStream.from(bytes) };
}

Deno.test("ids are read one a line, each once, whatever ends the lines", async () => {
  assertEquals(await readIds(input("a\r\n\n b", "c \na\nlast")), ["a", "bc", "last"]);
  assertEquals(await readIds(input()), []);
});

Deno.test("a line that can't be an id is named", async () => {
  const refused = (...chunks: (string | number[])[]) =>
    assertRejects(() => readIds(input(...chunks)), UsageError);
  assertEquals(
    (await refused("a\n", [0xff, 0x0a])).message,
    "line 2 of standard input must be an id, it isn't UTF-8",
  );
  assertEquals(
    (await refused("x".repeat(1_024) + "\n")).message,
    "line 1 of standard input must be an id, it is longer than 1024 bytes",
  );
});

Deno.test("requeue - puts back exactly the dead letters it reads, and none when a line is wrong", async () => {
  const base = await Deno.makeTempDir();
  try {
    for (const folder of ["tmp", "new", "cur", "doa", "res"]) Deno.mkdirSync(`${base}/${folder}`);
    for (const id of ["one", "two", "three"]) {
      Deno.writeTextFileSync(
        `${base}/doa/${id}+1@1795294104369.json`,
        '{"url":"http://h.example/"}',
      );
    }
    const dead = () => [...Deno.readDirSync(`${base}/doa`)].map(({ name }) => name).sort();
    const before = dead();
    const wrong = await run(
      ["requeue", "-", "--base-dir", base],
      Uint8Array.of(...new TextEncoder().encode("one\n"), 0xff),
    );
    assertEquals([wrong.code, wrong.stdout, dead()], [64, "", before]);
    const some = await run(["requeue", "-", "--base-dir", base], "one\nthree\nnobody\n");
    assertEquals([some.code, some.stdout.trim().split("\n").sort()], [65, ["one", "three"]]);
    assertEquals(some.stderr, 'optimizelyd-maildir: there is no dead letter "nobody"\n');
    assertEquals(dead(), ["two+1@1795294104369.json"]);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});
