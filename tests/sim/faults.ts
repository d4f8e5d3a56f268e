/**
 * Faults of the disk, for `World.onVerb`.
 *
 * @module
 */

import type { Call, Fault, Verb } from "./process_disk.ts";

/** The verbs that change the disk. */
export const CHANGING: ReadonlySet<Verb> = new Set<Verb>([
  "create",
  "append",
  "rename",
  "link",
  "remove",
  "makeDir",
  "removeDir",
  "touch",
  "chmod",
  "chown",
]);

/**
 * The answer of a network file system to the repetition of a request whose first reply got lost:
 * done, and yet refused.
 */
export function lostReply(call: Call): Fault | undefined {
  switch (call.verb) {
    case "rename":
    case "remove":
    case "removeDir":
      return { code: "ENOENT", applied: true };
    case "create":
    case "link":
    case "makeDir":
      return { code: "EEXIST", applied: true };
    default:
      return undefined;
  }
}

/** The verb number `index` fails. */
export function failAt(index: number, fault: Fault): (call: Call) => Fault | undefined {
  return (call) => call.index === index ? fault : undefined;
}

/**
 * No room: nothing can be made; `renames` more renames go through (all, unless told otherwise),
 * since names need room too.
 */
export function diskFull(
  options: { readonly renames?: number; readonly code?: "ENOSPC" | "EDQUOT" } = {},
): (call: Call) => Fault | undefined {
  const code = options.code ?? "ENOSPC";
  let left = options.renames ?? Infinity;
  return ({ verb }) => {
    switch (verb) {
      case "create":
      case "append":
        return { code, applied: "partly" };
      case "link":
      case "makeDir":
        return { code };
      case "rename":
        return left-- > 0 ? undefined : { code };
      default:
        return undefined;
    }
  };
}
