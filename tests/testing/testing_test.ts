/** The helpers that applications test with. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Consumer, status } from "@optimizelyd/maildir";
import {
  drain,
  type Drained,
  expectDelivered,
  type ExpectedRequest,
  temporaryQueue,
} from "@optimizelyd/maildir/testing";

const URL = "https://shop.example/hook";

Deno.test("temporaryQueue() makes a queue of its own, and takes it away", async () => {
  let path = "";
  {
    await using temporary = await temporaryQueue();
    await using other = await temporaryQueue();
    path = temporary.path;
    assert(path !== other.path);
    await temporary.queue.enqueue({ url: URL, requestBody: 1 });
    assertEquals([...Deno.readDirSync(`${path}/new`)].length, 1);
  }
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("drain() tries once what is due, and says what became of it", async () => {
  await using temporary = await temporaryQueue();
  const { queue } = temporary;
  const put = (path: string, id: string) =>
    queue.enqueue({ url: `${URL}/${path}`, requestBody: { path } }, { id });
  await put("ok", "a");
  await put("busy", "b");
  await put("never", "c");
  await put("away", "d");
  const drained = await drain(queue, ({ url }) => {
    if (url.endsWith("/busy")) return 503;
    if (url.endsWith("/never")) return new Response("no such hook", { status: 404 });
    return url.endsWith("/away") ? Response.error() : 200;
  });
  assertEquals(drained.delivered.map(({ id, method, body }) => [id, method, body]), [
    ["a", "POST", '{"path":"ok"}'],
  ]);
  assertEquals(drained.deferred.map(({ id }) => id).sort(), ["b", "d"]);
  assertEquals(drained.dead, [{ id: "c", reason: "the endpoint answered 404" }]);
  const { ready, deferred, dead } = await status(queue);
  assertEquals([ready, deferred, dead], [0, 2, 1]);
});

Deno.test("drain() later tries again what was deferred, and what was to wait", async () => {
  await using temporary = await temporaryQueue();
  const { queue } = temporary;
  await queue.enqueue({ url: URL, requestBody: 1 }, { id: "a" });
  const notBefore = new Date(Date.now() + 3_600_000);
  await queue.enqueue({ url: URL, requestBody: 2 }, { id: "b", notBefore });
  assertEquals((await drain(queue, () => 500)).deferred.map(({ id }) => id), ["a"]);
  expectDelivered(await drain(queue), []);
  const soon = await drain(queue, () => 200, { laterMs: 60_000 });
  expectDelivered(soon, [{ id: "a", requestBody: 1 }]);
  const late = await drain(queue, () => 200, { laterMs: 2 * 3_600_000 });
  expectDelivered(late, [{ id: "b" }]);
});

Deno.test("what the handler throws ends the drain, and is thrown on", async () => {
  await using temporary = await temporaryQueue();
  await temporary.queue.enqueue({ url: URL, requestBody: 1 });
  await assertRejects(
    () =>
      drain(temporary.queue, ({ method }) => {
        assertEquals(method, "PUT");
      }),
    Error,
    "PUT",
  );
});

Deno.test("options of the consumer count, and nothing goes to the network", async () => {
  await using temporary = await temporaryQueue();
  await temporary.queue.enqueue({ url: URL, requestBody: 1 });
  const consumer = { onStatus: new Map([[404, "delivered" as const]]) };
  const drained = await drain(temporary.queue, () => 404, { consumer });
  expectDelivered(drained, [{ url: URL, headers: { "Content-Type": "application/json" } }]);
  assertEquals((await new Consumer(temporary.queue).run("once")).delivered, 0);
});

const request = {
  id: "a",
  url: URL,
  method: "POST",
  headers: { "x-a": "1" },
  body: '{"b":1,"a":2}',
};
const DRAINED: Drained = {
  delivered: [request],
  deferred: [{ id: "later", reason: "the endpoint answered 503" }],
  dead: [{ id: "never", reason: "the endpoint answered 404" }],
};

Deno.test("expectDelivered() takes what fits, in whatever order its members are", () => {
  const fitting: readonly ExpectedRequest[] = [
    {},
    { id: "a", url: URL, method: "POST" },
    { headers: { "X-A": "1" } },
    { requestBody: { a: 2, b: 1 } },
    { body: request.body },
  ];
  for (const expected of fitting) expectDelivered(DRAINED, [expected]);
  const unfitting: readonly ExpectedRequest[] = [
    { id: "b" },
    { headers: { "x-a": "2" } },
    { requestBody: { a: 2 } },
    { body: '{"a":2,"b":1}' },
  ];
  for (const expected of unfitting) assertThrows(() => expectDelivered(DRAINED, [expected]));
});

Deno.test("expectDelivered() says what is missing, what is too much, and what became of the rest", () => {
  const two = [{ id: "a" }, { id: "b" }];
  const missing = assertThrows(() => expectDelivered(DRAINED, two), Error);
  const lines = ['not delivered: {"id":"b"}', "deferred: later, ", "dead: never, "];
  for (const line of lines) assertStringIncludes(missing.message, line);
  const other = assertThrows(() => expectDelivered(DRAINED, []), Error);
  assertStringIncludes(other.message, `not expected: {"id":"a","url":"${URL}"`);
});
