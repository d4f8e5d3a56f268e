/**
 * An endpoint that fails a share of requests, or all for a while, in a process of its own: answers
 * at once, and whether well depends only on the seed, the event and how often that has come before,
 * so that the same events have the same luck with every client.
 *
 * Its port is the first line of its output. `GET /count` tells {@linkcode FlakyCount}.
 *
 * @module
 */

/** What has arrived so far. */
export interface FlakyCount {
  readonly requests: number;
  /** When each event was answered well, ms after the first request. */
  readonly deliveredMs: readonly number[];
}

/** A number in [0, 1) that depends on nothing but the text: FNV-1a, and a finisher. */
export function lot(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return ((hash ^ hash >>> 16) >>> 0) / 2 ** 32;
}

/** Whether an attempt of an event fails, where `percent` of all do. */
export function fails(seed: number, id: string, attempt: number, percent: number): boolean {
  return lot(`${seed} ${id} ${attempt}`) * 100 < percent;
}

/** How it fails. */
interface Failing {
  readonly percent: number;
  readonly seed: number;
  readonly status: number;
  /** Whether requests fail in turn, as behind a balancer with a broken backend, and not by lot. */
  readonly isInTurn: boolean;
  /** When all of them fail, ms after the first request. */
  readonly blip: { readonly fromMs: number; readonly toMs: number };
}

function serve({ percent, seed, status, isInTurn, blip }: Failing): void {
  let [requests, firstMs, debt] = [0, 0, 0];
  const attempts = new Map<string, number>();
  const deliveredMs: number[] = [];
  const failsNow = (id: string, attempt: number) => {
    const ms = performance.now() - firstMs;
    if (ms >= blip.fromMs && ms < blip.toMs) return true;
    if (!isInTurn) return fails(seed, id, attempt, percent);
    debt += percent;
    if (debt < 100) return false;
    debt -= 100;
    return true;
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method === "GET") return Response.json({ requests, deliveredMs });
    await request.bytes();
    if (requests++ === 0) firstMs = performance.now();
    const id = request.headers.get("Idempotency-Key") ?? "";
    const attempt = (attempts.get(id) ?? 0) + 1;
    attempts.set(id, attempt);
    if (failsNow(id, attempt)) return new Response(null, { status });
    deliveredMs.push(performance.now() - firstMs);
    return new Response(null, { status: 204 });
  });
  Deno.stdout.writeSync(new TextEncoder().encode(`${server.addr.port}\n`));
}

if (import.meta.main) {
  const [percent = 0, seed = 1, status = 500, inTurn = 0, fromMs = 0, toMs = 0] = Deno.args
    .map(Number);
  serve({ percent, seed, status, isInTurn: inTurn === 1, blip: { fromMs, toMs } });
}
