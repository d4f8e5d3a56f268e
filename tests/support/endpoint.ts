/** A real HTTP server on loopback that records what it takes. */

/** One request that arrived, body included. */
export interface Taken {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  /** The body as it came. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly atMs: number;
}

/** What the server answers; `taken` holds all requests so far, this one included. */
export type Answer = (request: Taken, taken: readonly Taken[]) => Response | Promise<Response>;

/** An answer that never comes. */
export const HANG: Answer = () => new Promise(() => {});

/** A running server. */
export interface Endpoint extends AsyncDisposable {
  readonly port: number;
  /** Without a slash at the end. */
  readonly url: string;
  readonly taken: readonly Taken[];
  /** Resolves once so many requests have arrived. */
  arrived(count: number): Promise<void>;
}

/** Start one on a free port; 204 to everything unless told otherwise. */
export function startEndpoint(
  answer: Answer = () => new Response(null, { status: 204 }),
): Endpoint {
  const taken: Taken[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const end = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: end.signal, onListen() {} },
    async (request) => {
      const bytes = await request.bytes();
      const one: Taken = {
        method: request.method,
        path: new URL(request.url).pathname,
        headers: request.headers,
        body: new TextDecoder().decode(bytes),
        bytes,
        atMs: Date.now(),
      };
      taken.push(one);
      for (const { count, resolve } of waiting) if (taken.length >= count) resolve();
      return await answer(one, taken);
    },
  );
  const { port } = server.addr;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    taken,
    arrived(count) {
      if (taken.length >= count) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ count, resolve }));
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await server.finished;
    },
  };
}
