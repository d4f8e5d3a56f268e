/** The event dispatcher: what it writes, and whom it answers when it can't. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parseEvent } from "../../lib/event/request.ts";
import { blockingDisk, denoRuntime } from "../../lib/runtime/deno.ts";
import { nodeRuntime } from "../../lib/runtime/node.ts";
import type { Disk } from "../../lib/runtime/runtime.ts";
import { eventDispatcherOn, type SdkEvent, type SdkResponse } from "../../lib/sdk/dispatcher.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const FIXTURES = new URL("../fixtures/events/", import.meta.url);
const EVENT: SdkEvent = { url: "https://a.example/", httpVerb: "POST", params: { user: "日本" } };

function textsIn(base: string): string[] {
  return namesIn(join(base, "new")).map((name) => Deno.readTextFileSync(join(base, "new", name)));
}

for (const [name, runtime] of Object.entries({ Deno: denoRuntime(), "Node's": nodeRuntime() })) {
  Deno.test(`an event is in new/ when dispatchEvent() returns, in a queue made on the way (${name})`, async () => {
    await using dir = await tempDir();
    const base = join(dir.path, "made", "on", "the", "way");
    const dispatcher = eventDispatcherOn(runtime, { baseDir: base });
    void dispatcher.dispatchEvent(EVENT);
    assertEquals(textsIn(base), [
      `{"url":"https://a.example/","requestBody":{"user":"日本"}}\n`,
    ]);
    assertEquals(namesIn(join(base, "tmp")), []);
  });

  Deno.test(`what every SDK hands over is sent as its own dispatcher would (${name})`, async () => {
    await using dir = await tempDir();
    const dispatcher = eventDispatcherOn(runtime, { baseDir: dir.path, durability: "os" });
    for (const file of namesIn(fromFileUrl(FIXTURES))) {
      const event = JSON.parse(Deno.readTextFileSync(new URL(file, FIXTURES))) as SdkEvent;
      assertEquals(await dispatcher.dispatchEvent(event), { statusCode: 204 });
      const [path] = namesIn(join(dir.path, "new")).map((name) => join(dir.path, "new", name));
      const parsed = parseEvent(Deno.readFileSync(path!));
      Deno.removeSync(path!);
      assert(parsed.kind === "request");
      assertEquals(parsed.request.url.href, event.url);
      assertEquals(parsed.request.method, event.httpVerb!);
      assertEquals(parsed.request.body, JSON.stringify(event.params));
    }
  });
}

Deno.test("the callback is called once and before dispatchEvent() returns", async () => {
  await using dir = await tempDir();
  const answers: SdkResponse[] = [];
  const { dispatchEvent } = eventDispatcherOn(denoRuntime(), { baseDir: dir.path });
  void dispatchEvent(EVENT, (response) => void answers.push(response));
  assertEquals(answers, [{ statusCode: 204 }]);
});

Deno.test("a disk that refuses is told to onError, the callback and the promise, and thrown at nobody", async () => {
  await using dir = await tempDir();
  Deno.writeTextFileSync(join(dir.path, "foreign"), "");
  const errors: [unknown, SdkEvent][] = [];
  const answers: SdkResponse[] = [];
  const dispatcher = eventDispatcherOn(denoRuntime(), {
    baseDir: dir.path,
    onError: (error, event) => {
      errors.push([error, event]);
      throw new Error("onError itself fails");
    },
  });
  const response = await dispatcher.dispatchEvent(EVENT, (answer) => {
    answers.push(answer);
    throw new Error("the callback fails");
  });
  assertEquals([response, answers], [{ statusCode: 503 }, [{ statusCode: 503 }]]);
  assertEquals(errors.map(([error]) => (error as Error).name), ["NotAQueueError", "Error"]);
  assertEquals(errors[0]![1], EVENT);

  Deno.removeSync(join(dir.path, "foreign")); // mended while the application runs
  assertEquals(await dispatcher.dispatchEvent(EVENT), { statusCode: 204 });
});

Deno.test("an event that can't be sent is a 500, whatever it is", async () => {
  await using dir = await tempDir();
  const errors: unknown[] = [];
  const dispatcher = eventDispatcherOn(denoRuntime(), {
    baseDir: dir.path,
    onError: (error) => errors.push(error),
  });
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const broken: unknown[] = [
    undefined,
    null,
    {},
    { url: "file:///etc/passwd", params: {} },
    { url: "https://a.example/", params: circular },
    { url: "https://a.example/", params: 1n },
    { url: "https://a.example/", httpVerb: "GET", params: {} },
  ];
  for (const event of broken) {
    assertEquals(await dispatcher.dispatchEvent(event as SdkEvent), { statusCode: 500 });
  }
  assertEquals(errors.length, broken.length);
  assertEquals(namesIn(join(dir.path, "new")), []);
});

Deno.test("a queue that is removed while the application runs is made again", async () => {
  await using dir = await tempDir();
  const base = join(dir.path, "queue");
  const dispatcher = eventDispatcherOn(denoRuntime(), { baseDir: base });
  await dispatcher.dispatchEvent(EVENT);
  Deno.removeSync(base, { recursive: true });
  assertEquals(await dispatcher.dispatchEvent(EVENT), { statusCode: 204 });
  assertEquals(namesIn(join(base, "new")).length, 1);
});

Deno.test('durability "os" leaves out every fsync of an event, "disk" makes both', async () => {
  await using dir = await tempDir();
  const synced: string[] = [];
  const disk: Disk = {
    ...blockingDisk,
    create: (path, bytes, options) => {
      if (options.durable) synced.push("file");
      return blockingDisk.create(path, bytes, options);
    },
    syncDir: (path) => {
      synced.push(path.slice(dir.path.length));
      return blockingDisk.syncDir(path);
    },
  };
  const count = (durability: "disk" | "os") => {
    const dispatcher = eventDispatcherOn(denoRuntime(disk), { baseDir: dir.path, durability });
    void dispatcher.dispatchEvent(EVENT); // the first also makes the folders
    synced.length = 0;
    void dispatcher.dispatchEvent(EVENT);
    return [...synced];
  };
  assertEquals([count("os"), count("disk")], [[], ["file", "/new"]]);
});

Deno.test("options that can't be are told at the start", () => {
  for (const options of [{}, { baseDir: "" }, { baseDir: "q", durability: "none" }]) {
    assertThrows(() => eventDispatcherOn(denoRuntime(), options as { baseDir: string }), TypeError);
  }
});
