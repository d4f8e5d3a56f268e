/**
 * An endpoint that misbehaves at random, on plain TCP, so that it can break off wherever it likes.
 * It knows of every event how often it took it, and whether it answered.
 *
 * @module
 */

const BODY = /^\{"n":\d+,"big":90071992547409931\}$/;

/** The event with a number, as a producer is given it. */
export function eventLine(url: string, number: number): string {
  return `{"url":"${url}","requestBody":{"n":${number},"big":90071992547409931}}\n`;
}

/** One time that an event was taken. */
export interface Receipt {
  /** When, ms. */
  readonly atMs: number;
  /** Whether a 2xx was written, as far as the endpoint knows. */
  answered: boolean;
}

/** Wait on the real clock; for ever, once `signal` aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => clearTimeout(timer));
  });
}

/** The endpoint. */
export class Endpoint {
  /** Of each id, in order. */
  readonly receipts = new Map<string, Receipt[]>();
  /** Bodies that were not as they were put in. */
  damaged = 0;
  /** From now on every event is answered 204 at once. */
  kind = false;
  readonly #random: () => number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #hanging = new Set<Deno.Conn>();

  /** Listening from now on. */
  constructor(random: () => number) {
    this.#random = random;
    this.#accept();
  }

  /** Where it listens. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}/`;
  }

  /** Stop listening, and break off all that hangs. */
  close(): void {
    this.#listener.close();
    this.letGo();
  }

  /** Break off all that hangs. */
  letGo(): void {
    for (const connection of this.#hanging) closed(connection);
    this.#hanging.clear();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#serve(connection);
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    try {
      const request = await read(connection);
      if (request) await this.#answer(connection, request.id, request.body);
    } catch {
      // the sender is gone
    }
    if (!this.#hanging.has(connection)) closed(connection);
  }

  async #answer(connection: Deno.Conn, id: string, body: string): Promise<void> {
    const chance = this.kind ? 1 : this.#random();
    if (chance < 0.08) return await write(connection, "503 Service Unavailable");
    if (chance < 0.12) {
      return await write(connection, "429 Too Many Requests", "retry-after: 1\r\n");
    }
    if (chance < 0.16) return; // reset before the endpoint took it
    if (!BODY.test(body)) this.damaged++;
    const receipt: Receipt = { atMs: performance.now(), answered: false };
    this.receipts.set(id, [...this.receipts.get(id) ?? [], receipt]);
    if (chance < 0.20) return; // took it, the answer is lost
    if (chance < 0.23) return void this.#hanging.add(connection);
    if (chance < 0.40) await sleep(this.#random() * 400);
    await write(connection, "204 No Content");
    receipt.answered = true;
  }
}

function closed(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // it is
  }
}

async function read(connection: Deno.Conn): Promise<{ id: string; body: string } | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(8_192);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return undefined;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    const body = text.slice(end + 4);
    if (body.length < length) continue;
    return { id: /\r\nidempotency-key: (\S+)/i.exec(text)?.[1] ?? "", body };
  }
}

async function write(connection: Deno.Conn, status: string, headers = ""): Promise<void> {
  const length = status.startsWith("204") ? "" : "content-length: 0\r\n";
  await connection.write(
    new TextEncoder().encode(`HTTP/1.1 ${status}\r\n${headers}${length}connection: close\r\n\r\n`),
  );
}
