import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatName,
  hasSameClock,
  hostLabel,
  isChoosableId,
  isSameKernel,
  isUsableId,
  parseName,
  parseOwnerFile,
  parseTag,
  replacementId,
  tagSuffix,
} from "../../lib/queue/name.ts";
import { Ids, uuidTimeMs, uuidv7 } from "../../lib/queue/uuid.ts";

const UUID = "0193c2a4-7b1e-7c3d-9a2f-5e6d7c8b9a0f";

Deno.test("a name says the id, the attempts begun, the time, and the tag of the last claim", () => {
  assertEquals(parseName(`${UUID}+2@1795294104369~edge7-4242-k3x9p2a1-17.json`), {
    id: UUID,
    attempt: 2,
    timeMs: 1795294104369,
    tag: "edge7-4242-k3x9p2a1-17",
    extension: ".json",
  });
});

Deno.test("a name without a state is an id", () => {
  for (
    const name of [
      "order-17",
      "a+b",
      "a+1",
      "a@2",
      "a+1@",
      "+1@2",
      "a+1234567@1",
      "a+1@2~",
      "a+1@2~TAG",
    ]
  ) {
    assertEquals(parseName(name), {
      id: name,
      attempt: 0,
      timeMs: undefined,
      tag: undefined,
      extension: "",
    });
  }
});

Deno.test("of several states the rightmost counts", () => {
  const { id, attempt, timeMs } = parseName("a+1@2~t+3@4~u.json");
  assertEquals({ id, attempt, timeMs }, { id: "a+1@2~t", attempt: 3, timeMs: 4 });
});

Deno.test("the original's count suffix counts as attempts after its own names, and nowhere else", () => {
  assertEquals(parseName("550e8400-e29b-41d4-a716-446655440000count2").attempt, 2);
  assertEquals(
    parseName("550e8400-e29b-41d4-a716-446655440000count2").id,
    "550e8400-e29b-41d4-a716-446655440000",
  );
  assertEquals(parseName("SystemTime { tv_sec: 1500509066, tv_nsec: 5 }count3").attempt, 3);
  assertEquals(parseName("550e8400-e29b-41d4-a716-446655440000count4").attempt, 0);
  assertEquals(parseName("accountcount2"), {
    id: "accountcount2",
    attempt: 0,
    timeMs: undefined,
    tag: undefined,
    extension: "",
  });
});

Deno.test("what is formatted is parsed back", () => {
  fc.assert(fc.property(
    fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}$/),
    fc.constantFrom("", ".json" as const),
    fc.nat(999_999),
    fc.nat(Number.MAX_SAFE_INTEGER % 10 ** 15),
    fc.stringMatching(/^[a-z0-9-]{1,60}$/),
    (id, extension, attempt, timeMs, tag) => {
      const name = formatName({ id, extension: extension as "" | ".json" }, attempt, timeMs, tag);
      assertEquals(parseName(name), {
        id,
        attempt,
        timeMs,
        tag,
        extension: extension as "" | ".json",
      });
      assert(name.length <= 255);
    },
  ));
});

Deno.test("any name at all parses, and its id can be formatted into a name with the same id", () => {
  fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 300 }), (text) => {
    const { id, extension } = parseName(text);
    assertEquals(parseName(formatName({ id, extension }, 1, 2, "t")).id, id);
  }));
});

Deno.test("attempts never outgrow the grammar", () => {
  assertEquals(
    parseName(formatName({ id: "a", extension: "" }, 1_000_000, 1, "t")).attempt,
    999_999,
  );
});

Deno.test("an id outside the grammar, or one that looks like a reason, can't stay", () => {
  for (
    const id of [
      "",
      ".hidden",
      "a b",
      "a'b",
      "ä",
      "a/b",
      "x".repeat(121),
      "a.why",
      "a.meta",
      "a+1@2",
    ]
  ) {
    assertEquals(isUsableId(id), false, id);
  }
  for (const id of ["a", "a.b", "_", "-", "x".repeat(120), "a.whyever"]) assert(isUsableId(id), id);
});

Deno.test("a producer can't choose an id that its file name would not give back", () => {
  assertEquals(isChoosableId(`${UUID}count2`), false);
  assert(isChoosableId("order-17"));
});

Deno.test("a replaced id is a digest of name, mtime and inode, so that a second file of that name is another event", async () => {
  const sha256 = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
  const first = await replacementId("a b", { mtimeMs: 1, ino: 2 }, sha256);
  assert(/^x-[0-9a-f]{32}$/.test(first) && isUsableId(first));
  assert(first !== await replacementId("a b", { mtimeMs: 1, ino: 3 }, sha256));
  assert(first !== await replacementId("a b", { mtimeMs: 2, ino: 2 }, sha256));
});

Deno.test("a tag names its owner, its host, its take-overs and whether it is in flight", () => {
  assertEquals(parseTag("edge-7-4242-k3x9p2a1-17"), {
    owner: "edge-7-4242-k3x9p2a1",
    host: "edge-7",
    takeovers: 0,
    isBegun: false,
  });
  const { takeovers, isBegun } = parseTag("edge7-4242-k3x9p2a1-17x3s")!;
  assertEquals([takeovers, isBegun], [3, true]);
  assertEquals(parseTag("edge7-4242-k3x9p2a1-17x3")?.takeovers, 3);
  assertEquals(parseTag("edge7-4242-k3x9p2a1-17x3")?.isBegun, false);
  assertEquals(parseTag("edge7-4242-k3x9p2a1-17s"), undefined);
  assertEquals(parseTag("edge7-4242-k3x9p2a1-17rmwkp1s00")?.requeuedMs, 1_794_920_041_728);
  assertEquals(parseTag("edge7-4242-k3x9p2a1-17x3rz")?.requeuedMs, 35);
  assertEquals(parseTag("not-ours"), undefined);
  assertEquals(parseOwnerFile(".edge-7-4242-k3x9p2a1"), {
    owner: "edge-7-4242-k3x9p2a1",
    host: "edge-7",
  });
  assertEquals(parseOwnerFile(".nfs0001"), undefined);
});

/** A host as most are. */
function labelOf(name: string, { machine = name, kernel = name } = {}): string {
  return hostLabel({ name, machine, kernel });
}

Deno.test("a host's label is read back from a tag with whatever name, take-overs and requeueing", () => {
  const tagged = fc.record({
    name: fc.string(),
    kernel: fc.string(),
    takeovers: fc.nat(5),
    isInFlight: fc.boolean(),
    requeuedMs: fc.option(fc.nat(999_999_999_999_999), { nil: undefined }),
  });
  fc.assert(
    fc.property(tagged, ({ name, kernel, takeovers, isInFlight, requeuedMs }) => {
      const host = labelOf(name, { kernel });
      const isBegun = isInFlight && takeovers > 0;
      const owner = `${host}-4242424-k3x9p2a1`;
      const tag = `${owner}-9999999999${tagSuffix({ takeovers, isBegun, requeuedMs })}`;
      const since = requeuedMs === undefined ? {} : { requeuedMs };
      assertEquals(parseTag(tag), { owner, host, takeovers, isBegun, ...since });
      assertEquals(parseName(formatName({ id: "a", extension: "" }, 1, 2, tag)).tag, tag);
      assertEquals(parseOwnerFile(`.${owner}`), { owner, host });
    }),
  );
});

Deno.test("what a tag says of being in flight and of being brought back is not mixed up", () => {
  const read = (end: string) => {
    const { takeovers, isBegun, requeuedMs } = parseTag(`edge7-4242-k3x9p2a1-17${end}`) ?? {};
    return [takeovers, isBegun, requeuedMs];
  };
  assertEquals(read("x1sr5"), [1, true, 5]);
  assertEquals(read("x1rs"), [1, false, 28]);
  assertEquals(read("rs"), [0, false, 28]);
  assertEquals(read("rx1s"), [0, false, parseInt("x1s", 36)]);
  for (const end of ["sr5", "r", "x1sr", "r5-s"]) assertEquals(read(end)[0], undefined, end);
});

Deno.test("people can read a host's label: its name, or the ends of a long one's first part", () => {
  const readable = (name: string) => labelOf(name).slice(0, -17);
  assertEquals(readable("app.eu.example"), "app-eu-example");
  assertEquals(readable("Edge7.example.com"), "edge7");
  assertEquals(readable("événements_1"), "v-nements-1");
  assertEquals(readable(""), "host");
  assertEquals(readable("prod-eu-west-1a-worker-01.internal"), "prod-eu-orker-01");
});

Deno.test("hosts whose names look the same when they are cut have different labels", () => {
  for (
    const names of [
      ["app.eu.example", "app.us.example"],
      ["prod-eu-west-1a-worker-01", "prod-eu-west-1b-worker-01"],
      ["edge.7", "edge-7"],
      ["", "host"],
    ]
  ) {
    const [one, other] = names.map((name) => labelOf(name)) as [string, string];
    assert(one !== other);
    assert(!isSameKernel(one, other) && !hasSameClock(one, other));
  }
});

Deno.test("a label tells whether kernel or machine are the same, on its own", () => {
  const edge = labelOf("edge", { machine: "m", kernel: "k" });
  const container = labelOf("0fae31", { machine: "0fae31", kernel: "k" });
  const restarted = labelOf("edge", { machine: "m", kernel: "l" });
  const twin = labelOf("edge", { machine: "n", kernel: "l" });
  assertEquals([isSameKernel(edge, container), hasSameClock(edge, container)], [true, true]);
  assertEquals([isSameKernel(edge, restarted), hasSameClock(edge, restarted)], [false, true]);
  assertEquals([isSameKernel(edge, twin), hasSameClock(edge, twin)], [false, false]);
});

Deno.test("of a host of an older version, which was its name alone, nothing is known", () => {
  for (const old of ["edge", "edge-7", "deployment-abcde", "abcdefg-stuvwxyz"]) {
    assertEquals([isSameKernel(old, old), hasSameClock(old, old)], [false, false]);
  }
});

Deno.test("ids of ours sort by the time they were made, which can be read back", () => {
  let n = 0;
  const random = () => (n = (n * 7 + 0.123) % 1);
  const [early, late] = [uuidv7(1_795_294_104_369, random), uuidv7(1_795_294_104_370, random)];
  assert(early < late && isChoosableId(early));
  assertEquals(uuidTimeMs(early), 1_795_294_104_369);
  assertEquals(uuidTimeMs("550e8400-e29b-41d4-a716-446655440000"), undefined);
  fc.assert(
    fc.property(
      fc.nat(2 ** 31),
      fc.float({ min: 0, max: Math.fround(0.99), noNaN: true }),
      (ms, r) => {
        assertEquals(uuidTimeMs(uuidv7(ms, () => r)), ms);
      },
    ),
  );
});

Deno.test("ids sort in the order in which they are made, within a millisecond too", () => {
  for (const r of [0, 0.5, 0.999_999]) {
    const ids = new Ids();
    const made: string[] = [];
    const startMs = 1_795_294_104_369;
    for (let n = 0; n < 10_000; n++) made.push(ids.next(startMs + Math.floor(n / 5_000), () => r));
    made.push(ids.next(startMs - 500, () => r)); // a clock that is set back a little
    assertEquals(made.toSorted(), made);
    assertEquals(new Set(made).size, made.length);
    for (const id of made) assert(uuidTimeMs(id) !== undefined, id);
    assert(uuidTimeMs(made.at(-1)!)! <= startMs + 10, "hardly ahead of the clock");
    assertEquals(uuidTimeMs(ids.next(startMs - 3_600_000, () => r)), startMs - 3_600_000);
  }
});
