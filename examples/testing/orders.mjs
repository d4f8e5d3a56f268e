// What the examples beside this test: a shop that tells a partner of each order.

/** Put an order on the queue; the id makes a second call for the same order an error. */
export async function tellPartner(queue, order) {
  await queue.enqueue(
    { url: "https://partner.example/orders", requestBody: order },
    { id: `order-${order.number}` },
  );
}
