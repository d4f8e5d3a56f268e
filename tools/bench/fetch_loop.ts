/**
 * The measure of all rates: a bare `fetch` loop, in a process of its own as the consumer is.
 *
 * `fetch_loop.ts URL EVENTS CONCURRENCY`: so many POSTs of the same body, so many at a time.
 *
 * @module
 */

import { eventBody } from "./fill.ts";

async function loop(url: string, events: number, concurrency: number): Promise<void> {
  const body = eventBody();
  const headers = { "content-type": "application/json" };
  let left = events;
  async function worker(): Promise<void> {
    while (left-- > 0) {
      const response = await fetch(url, { method: "POST", headers, body });
      if (response.status !== 204) throw new Error(`the endpoint answered ${response.status}`);
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker));
}

if (import.meta.main) {
  const [url, events, concurrency] = Deno.args;
  await loop(url!, Number(events), Number(concurrency));
}
