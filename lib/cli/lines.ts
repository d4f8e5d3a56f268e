/**
 * Lines of a byte stream, as bytes: text that isn't UTF-8 must be told from text that is, not
 * repaired.
 *
 * Memory is one chunk and one line, and a line that is too long costs no more than the longest one
 * allowed.
 *
 * @module
 */

const LINE_FEED = 0x0a;

/** One line. */
export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Its bytes, with the line feed if it has one; `undefined` when it is longer than allowed. */
  readonly bytes: Uint8Array | undefined;
}

/** A line that is put together from chunks. */
class Pieces {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  add(piece: Uint8Array): void {
    this.#length += piece.length;
    if (this.#length > this.#maxBytes) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  take(): Uint8Array | undefined {
    const [pieces, length] = [this.#pieces, this.#length];
    [this.#pieces, this.#length] = [[], 0];
    if (length > this.#maxBytes) return undefined;
    if (pieces.length === 1) return pieces[0];
    const whole = new Uint8Array(length);
    let filled = 0;
    for (const piece of pieces) {
      whole.set(piece, filled);
      filled += piece.length;
    }
    return whole;
  }
}

/**
 * Split a stream into lines; all lines that end in one chunk come together. A last line without a
 * line feed counts.
 *
 * @param maxBytes Longest line, its line feed included.
 * @param signal Ends the stream as if it were over.
 */
export async function* splitLines(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<readonly Line[], void> {
  const reader = stream.getReader();
  const end = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", end);
  try {
    if (signal.aborted) return;
    const pieces = new Pieces(maxBytes);
    let number = 0;
    while (true) {
      const { value: chunk, done } = await reader.read();
      if (done) break;
      const lines: Line[] = [];
      let start = 0;
      for (let at; (at = chunk.indexOf(LINE_FEED, start)) !== -1; start = at + 1) {
        pieces.add(chunk.subarray(start, at + 1));
        lines.push({ number: ++number, bytes: pieces.take() });
      }
      if (start < chunk.length) pieces.add(chunk.subarray(start));
      if (lines.length > 0) yield lines;
    }
    if (!pieces.isEmpty && !signal.aborted) yield [{ number: ++number, bytes: pieces.take() }];
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}
