/**
 * One text for all JSON texts that mean the same.
 *
 * @module
 */

import { skipBlanks, stringEnd } from "../event/json.ts";

/** Deeper than anything that is meant; it keeps a hostile text from using up the stack. */
const DEEPEST = 100;

const NUMBER_OR_WORD = /[^\s,\]}]+/y;

/**
 * The canonical text of a JSON text: members sorted by key, strings with no more escapes than
 * necessary, no blanks.
 *
 * Numbers stay as they are written: `1`, `1.0` and `1e0` differ, and so do two integers above 2^53
 * that parse alike.
 *
 * @param text A text that `JSON.parse` accepts; for any other the answer means nothing.
 * @returns `undefined` for an object with a key given twice, of which programs make different
 * things, or nested more than 100 deep.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { canonicalJson } from "./canonical.ts";
 *
 * assertEquals(canonicalJson(`{ "b": [1.0, true], "\\u0061": "\\/" }`),
 * `{"a":"/","b":[1.0,true]}`);
 * ```
 */
export function canonicalJson(text: string): string | undefined {
  try {
    return new Reader(text).value(0);
  } catch (error) {
    if (error === AMBIGUOUS) return undefined;
    throw error;
  }
}

const AMBIGUOUS = new Error("ambiguous");

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): string {
    if (depth > DEEPEST) throw AMBIGUOUS;
    switch (this.#text[this.#skip()]) {
      case '"':
        return this.#string();
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
    }
    NUMBER_OR_WORD.lastIndex = this.#at;
    const [written] = NUMBER_OR_WORD.exec(this.#text)!;
    this.#at += written.length;
    return written;
  }

  #skip(): number {
    return this.#at = skipBlanks(this.#text, this.#at);
  }

  #string(): string {
    const written = this.#text.slice(this.#at, this.#at = stringEnd(this.#text, this.#at));
    return written.includes("\\") ? JSON.stringify(JSON.parse(written)) : written;
  }

  #object(depth: number): string {
    const members: string[] = [];
    const keys = new Set<string>();
    this.#at++;
    while (this.#text[this.#skip()] !== "}") {
      if (this.#text[this.#at] === ",") {
        this.#at++;
        continue;
      }
      const key = this.#string();
      if (keys.has(key)) throw AMBIGUOUS;
      keys.add(key);
      this.#at = this.#text.indexOf(":", this.#at) + 1;
      members.push(`${key}:${this.value(depth + 1)}`);
    }
    this.#at++;
    return `{${members.sort().join(",")}}`;
  }

  #array(depth: number): string {
    const elements: string[] = [];
    this.#at++;
    while (this.#text[this.#skip()] !== "]") {
      if (this.#text[this.#at] === ",") this.#at++;
      else elements.push(this.value(depth + 1));
    }
    this.#at++;
    return `[${elements.join(",")}]`;
  }
}
