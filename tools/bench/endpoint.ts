/**
 * The endpoint of the measurements, in a process of its own: answers every POST with 204, after
 * `--delay` ms, and counts.
 *
 * Its port is the first line of its output. `GET /count` tells {@linkcode Count}; `GET /first`
 * answers once a first event has arrived; `GET /reset` counts anew.
 *
 * @module
 */

/** What has arrived since the last reset. */
export interface Count {
  readonly events: number;
  /** When the first arrived, Unix ms; 0 while there is none. */
  readonly firstMs: number;
  /** When the last arrived, Unix ms. */
  readonly lastMs: number;
}

const wallMs = () => performance.timeOrigin + performance.now();

function serve(delayMs: number): void {
  let [events, firstMs, lastMs] = [0, 0, 0];
  let first = Promise.withResolvers<void>();

  const count = (): Count => ({ events, firstMs, lastMs });
  async function control(path: string): Promise<Response> {
    if (path === "/first") await first.promise;
    if (path === "/reset") {
      [events, firstMs, lastMs] = [0, 0, 0];
      first = Promise.withResolvers();
    }
    return Response.json(count());
  }

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method === "GET") return await control(new URL(request.url).pathname);
    await request.bytes();
    lastMs = wallMs();
    if (events++ === 0) {
      firstMs = lastMs;
      first.resolve();
    }
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return new Response(null, { status: 204 });
  });
  Deno.stdout.writeSync(new TextEncoder().encode(`${server.addr.port}\n`));
}

if (import.meta.main) serve(Number(Deno.args[0] ?? 0));
