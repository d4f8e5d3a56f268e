/** Consumers as processes: killed, stopped, and several on one queue. */

import { exactlyOnce, killAndRestart, stopInTheMiddle } from "../support/chaos.ts";

Deno.test("what a killed consumer had claimed is sent again at once by the next, and all arrives", async () => {
  await killAndRestart(2_000, 64);
});

Deno.test("a signal in the middle of a backlog leaves nothing claimed, and attempts as they were", async () => {
  await stopInTheMiddle(2_000, 64, false);
});

Deno.test("a signal calls off what no endpoint answers: sent counts as an attempt, not sent doesn't", async () => {
  await stopInTheMiddle(500, 64, true);
});

Deno.test("one consumer sends each event exactly once", async () => {
  await exactlyOnce(3_000, 1);
});

Deno.test("three consumers at the same time send each event exactly once", async () => {
  await exactlyOnce(3_000, 3);
});
