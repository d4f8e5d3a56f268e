/** A client that sends what no HTTP client would. */

/** One connection. */
export class RawClient {
  readonly #connection: Deno.TcpConn;
  #text = "";
  #isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connect to a port of this host. */
  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Send all of a text. */
  async send(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#connection.write(bytes.subarray(sent));
    }
  }

  /** What came since the last time, up to and including `end`. */
  async until(end: string): Promise<string> {
    while (!this.#text.includes(end)) {
      if (!await this.#more()) throw new Error(`ended without ${end}: ${this.#text}`);
    }
    const found = this.#text.slice(0, this.#text.indexOf(end) + end.length);
    this.#text = this.#text.slice(found.length);
    return found;
  }

  /** What came since the last time, until the peer ends the connection in whatever way. */
  async toEnd(): Promise<string> {
    while (await this.#more());
    return this.#text;
  }

  /** End it; a second time does nothing. */
  close(): void {
    if (!this.#isClosed) this.#connection.close();
    this.#isClosed = true;
  }

  async #more(): Promise<boolean> {
    const bytes = new Uint8Array(64 * 1024);
    const count = await this.#connection.read(bytes).catch(() => null);
    this.#text += new TextDecoder().decode(bytes.subarray(0, count ?? 0));
    return count !== null;
  }
}
