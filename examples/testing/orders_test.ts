// deno test

import { assertEquals } from "@std/assert";
import { drain, expectDelivered, temporaryQueue } from "@optimizelyd/maildir/testing";
import { tellPartner } from "./orders.mjs";

Deno.test("the partner is told of an order once it is there again", async () => {
  await using temporary = await temporaryQueue();
  const { queue } = temporary;
  await tellPartner(queue, { number: 1001, total: 19.9 });

  const { deferred } = await drain(queue, () => 503);
  assertEquals(deferred.map(({ id }) => id), ["order-1001"]);

  const drained = await drain(queue, () => 200, { laterMs: 60_000 });
  expectDelivered(drained, [{ id: "order-1001", requestBody: { number: 1001, total: 19.9 } }]);
});
