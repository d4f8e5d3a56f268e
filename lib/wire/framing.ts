/**
 * Where a body ends: takes its framing off, piece by piece as it comes. Pure.
 *
 * @module
 */

import { MalformedError } from "./lines.ts";

/** Longest line that gives the size of a chunk, extensions included. */
const LONGEST_SIZE_LINE = 256;

/** Most bytes of a body that are neither its own nor the sizes of its chunks. */
const MOST_EXTRA_BYTES = 16 * 1024;

const CR = 13;
const LF = 10;

/** How far {@linkcode Framing.take} came. */
export interface Step {
  /** How many bytes were used up. */
  readonly used: number;
  /** How many bytes of the body they held. */
  readonly filled: number;
}

/** Tells a body from what is around it. */
export interface Framing {
  /** Whether all of it has been taken; what follows is the next message. */
  readonly isDone: boolean;
  /** How many bytes of the body may still come; `Infinity` where nobody knows. */
  readonly most: number;
  /**
   * Take what is in `from`, as far as the body in it fits into `into`, which has room.
   *
   * @throws {MalformedError} If the framing is wrong.
   */
  take(from: Uint8Array, into: Uint8Array): Step;
}

/** The framing that a head announces. */
export function framingOf({ length }: { readonly length: number | "chunked" }): Framing {
  return length === "chunked" ? new Chunked() : new Counted(length);
}

function copy(from: Uint8Array, into: Uint8Array, most: number): number {
  const count = Math.min(from.length, into.length, most);
  into.set(from.subarray(0, count));
  return count;
}

/** A body whose length was announced. */
class Counted implements Framing {
  most: number;

  constructor(length: number) {
    this.most = length;
  }

  get isDone(): boolean {
    return this.most === 0;
  }

  take(from: Uint8Array, into: Uint8Array): Step {
    const count = copy(from, into, this.most);
    this.most -= count;
    return { used: count, filled: count };
  }
}

const SIZE_LINE = /^([0-9a-f]{1,8})(;[\t\x20-\x7e\x80-\xff]*)?$/i;
const TRAILER_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/;

/**
 * A chunked body. Extensions and trailers mean nothing to us and are dropped, within a limit: they
 * must not be a way to send without end.
 */
class Chunked implements Framing {
  /** What comes next. */
  #state: "size" | "bytes" | "end of bytes" | "trailer" | "done" = "size";
  #line = "";
  #extra = 0;
  /** How much of a chunk is to come. */
  #left = 0;
  readonly most = Infinity;

  get isDone(): boolean {
    return this.#state === "done";
  }

  take(from: Uint8Array, into: Uint8Array): Step {
    let [used, filled] = [0, 0];
    while (used < from.length && !this.isDone) {
      if (this.#state !== "bytes") {
        this.#character(from[used++]!);
        continue;
      }
      if (filled === into.length) break;
      const count = copy(from.subarray(used), into.subarray(filled), this.#left);
      used += count;
      filled += count;
      this.#left -= count;
      if (this.#left === 0) this.#state = "end of bytes";
    }
    return { used, filled };
  }

  /** Take one character of a line. */
  #character(code: number): void {
    if (code !== LF) {
      this.#line += String.fromCharCode(code);
      if (this.#line.length > LONGEST_SIZE_LINE && this.#state !== "trailer") throw wrong();
      if (this.#state === "trailer") this.#count(1);
      return;
    }
    if (this.#line.charCodeAt(this.#line.length - 1) !== CR) throw wrong();
    const line = this.#line.slice(0, -1);
    this.#line = "";
    this.#endOfLine(line);
  }

  #endOfLine(line: string): void {
    switch (this.#state) {
      case "size": {
        const [, digits, extension] = SIZE_LINE.exec(line) ?? [];
        if (digits === undefined) throw wrong();
        this.#count(extension?.length ?? 0);
        this.#left = parseInt(digits, 16);
        this.#state = this.#left === 0 ? "trailer" : "bytes";
        break;
      }
      case "end of bytes":
        if (line !== "") throw wrong();
        this.#state = "size";
        break;
      case "trailer":
        if (line === "") this.#state = "done";
        else if (!TRAILER_LINE.test(line)) throw wrong();
        break;
    }
  }

  #count(bytes: number): void {
    this.#extra += bytes;
    if (this.#extra > MOST_EXTRA_BYTES) throw wrong();
  }
}

function wrong(): MalformedError {
  return new MalformedError("the body must be chunked as HTTP/1.1 says");
}
