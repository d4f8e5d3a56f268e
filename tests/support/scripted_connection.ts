/**
 * A connection that has been told what will come: no time, no network.
 *
 * @module
 */

import type { Connection } from "../../lib/runtime/runtime.ts";

/** A connection over which `parts` come, one a read, and then its end. */
export function scriptedConnection(parts: Iterable<Uint8Array>): Connection {
  const left = parts[Symbol.iterator]();
  let bytes = new Uint8Array();
  let isClosed = false;
  return {
    localAddress: "192.0.2.1",
    read(into) {
      if (bytes.length === 0) {
        const { value, done } = left.next();
        if (isClosed) return Promise.reject(new Error("it was closed"));
        if (done) return Promise.resolve(null);
        bytes = value.slice();
      }
      const count = Math.min(bytes.length, into.length);
      into.set(bytes.subarray(0, count));
      bytes = bytes.subarray(count);
      return Promise.resolve(count);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close: () => void (isClosed = true),
  };
}
