/**
 * Processes that are killed and started again.
 *
 * @module
 */

/** Every whole line of a stream: what a killed process wrote half of doesn't count. */
export async function lines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    for (const part of parts) onLine(part);
  }
}

/** A process that is started again whenever it ends, until told to stop. */
export class Supervised {
  /** It, while it runs. */
  child: Deno.ChildProcess | undefined;
  /** Settles when it has ended and isn't started again. */
  readonly ended: Promise<void>;
  #stopping = false;

  /** @param watch Reads what it says, to its end. */
  constructor(start: () => Deno.ChildProcess, watch: (child: Deno.ChildProcess) => Promise<void>) {
    this.ended = this.#run(start, watch);
  }

  /** Kill it, if it runs. */
  kill(): boolean {
    if (!this.child) return false;
    try {
      this.child.kill("SIGKILL");
      return true;
    } catch {
      return false; // it has just ended
    }
  }

  /** Don't start it again. */
  stop(signal?: Deno.Signal): void {
    this.#stopping = true;
    try {
      if (signal) this.child?.kill(signal);
    } catch {
      // it has just ended
    }
  }

  async #run(
    start: () => Deno.ChildProcess,
    watch: (child: Deno.ChildProcess) => Promise<void>,
  ): Promise<void> {
    while (!this.#stopping) {
      const child = this.child = start();
      await watch(child);
      await child.status;
      this.child = undefined;
    }
  }
}
