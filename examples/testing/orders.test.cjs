// Jest, without modules

const { drain, expectDelivered, temporaryQueue } = require("@optimizelyd/maildir/testing");

test("what the partner refuses is dead, and says why", async () => {
  const { queue, remove } = await temporaryQueue();
  try {
    await queue.enqueue({ url: "https://partner.example/orders", requestBody: { number: 1002 } });

    const drained = await drain(queue, ({ body }) => body.includes("total") ? 200 : 422);
    expectDelivered(drained, []);
    expect(drained.dead[0].reason).toMatch("the endpoint answered 422");
  } finally {
    remove();
  }
});
