/**
 * No file imports another in a circle, not for a type either: what stands in a circle can only be
 * understood, tested and moved together.
 *
 * @module
 */

import { importsOf, target } from "./source.ts";

/** The circles among modules, each told once, as the way around it. */
export function circles(
  paths: readonly string[],
  read: (path: string) => string,
): string[] {
  const found: string[] = [];
  const way: string[] = [];
  const done = new Set<string>();
  const visit = (path: string): void => {
    const at = way.indexOf(path);
    if (at >= 0) found.push([...way.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    way.push(path);
    for (const specifier of importsOf(read(path))) {
      const file = target(path, specifier);
      if (file !== undefined) visit(file);
    }
    way.pop();
    done.add(path);
  };
  for (const path of paths) visit(path);
  return found;
}
