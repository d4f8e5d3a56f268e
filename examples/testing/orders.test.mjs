// node --test; for Vitest import { test } from "vitest"

import assert from "node:assert/strict";
import { test } from "node:test";
import { drain, expectDelivered, temporaryQueue } from "@optimizelyd/maildir/testing";
import { tellPartner } from "./orders.mjs";

test("the partner is told of an order once it is there again", async () => {
  const { queue, remove } = await temporaryQueue();
  try {
    await tellPartner(queue, { number: 1001, total: 19.9 });

    const { deferred } = await drain(queue, () => 503);
    assert.deepEqual(deferred.map(({ id }) => id), ["order-1001"]);

    const drained = await drain(queue, () => 200, { laterMs: 60_000 });
    expectDelivered(drained, [{ id: "order-1001", requestBody: { number: 1001, total: 19.9 } }]);
  } finally {
    remove();
  }
});
