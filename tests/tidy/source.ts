/**
 * What the house rules read: our modules, their code, their comments and their imports, as text.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/** A file of ours, by its path from the root of the repository. */
export const readOurs = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

function* below(folder: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (name.startsWith(".") || name === "node_modules" || name === "dist") continue;
    if (isDirectory) yield* below(`${folder}${name}/`);
    else if (/\.[mc]?[jt]s$/.test(name)) yield `${folder}${name}`;
  }
}

/** The paths of all our modules, sorted. */
export const MODULES: readonly string[] = [...below("./")].map((path) => path.slice(2)).sort();

/** Those of the product. */
export const PRODUCT = MODULES.filter((path) => /^(?:lib\/|(?:mod|cli)\.ts$)/.test(path));

/** What a rule has to say about all our modules. */
export function faultsOfHouse(rule: (path: string, text: string) => string[]): string[] {
  return MODULES.flatMap((path) => rule(path, readOurs(path)));
}

/**
 * Without comments: the house writes a block comment at the start of a line, the other after a
 * blank.
 */
export function codeOf(text: string): string {
  return text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** What a module imports, as written. */
export function importsOf(text: string): string[] {
  const found = codeOf(text).matchAll(
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/gm,
  );
  return [...found].map(([, from, bare]) => from ?? bare!);
}

/** The path of what a module imports, when it is a file of ours. */
export function target(path: string, specifier: string): string | undefined {
  if (!/^\.\.?\//.test(specifier)) return undefined;
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}

/** The room of `lib/` that a module is in. */
export function roomOf(path: string): string | undefined {
  return /^lib\/([^/]+)/.exec(path)?.[1];
}

/** Whether each line is a comment or ends in one. */
export function* commentLines(text: string): Iterable<[number: number, line: string]> {
  let inBlock = false;
  for (const [index, line] of text.split("\n").entries()) {
    if (/^[ \t]*\/\*/.test(line)) inBlock = true;
    if (inBlock || /(?:^|\s)\/\/(?:\s|$)/.test(line)) yield [index + 1, line];
    if (line.includes("*/")) inBlock = false;
  }
}
