/**
 * What a page in Markdown shows and names: its tables, code blocks, headings and links.
 *
 * @module
 */

import { fromFileUrl, join, relative, toFileUrl } from "@std/path";

const FENCED = /^```(.*)\n([\s\S]*?)^```$/gm;

/** The rows of each table, its head first, as cells. */
export function tablesOf(page: string): string[][][] {
  const cellsOf = (line: string) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
  return [...page.matchAll(/(?:^\|.*\|\n)+/gm)]
    .map(([table]) => table.trimEnd().split("\n").filter((_, at) => at !== 1).map(cellsOf));
}

/** The code blocks of a language. */
export function blocksOf(page: string, language: string): string[] {
  return [...page.matchAll(FENCED)]
    .filter(([, name]) => name === language).map(([, , text]) => text!);
}

/** Text as a reader takes it for text: without code, blocks and inline. */
function withoutCode(page: string): string {
  return page.replace(FENCED, "").replace(/`[^`\n]*`/g, "code");
}

/** Where its links lead, as written. */
export function linksOf(page: string): string[] {
  return [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
}

/** The anchors of its headings, without `#`. */
export function anchorsOf(page: string): Set<string> {
  const titles = page.replace(FENCED, "").matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...titles].map(([, title]) =>
      title!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

/** The paths of the pages below a directory, relative to it, sorted. */
export function pagesBelow(dir: string, folder = ""): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(join(dir, folder))) {
    if (name.startsWith(".") || name === "node_modules" || name === "dist") continue;
    if (isDirectory) found.push(...pagesBelow(dir, `${folder}${name}/`));
    else if (name.endsWith(".md")) found.push(`${folder}${name}`);
  }
  return found.sort();
}

/** Links of pages in a directory that lead to no file, to no heading, or out of it. */
export function brokenLinks(dir: string, pages: readonly string[]): string[] {
  return pages.flatMap((page) => {
    const at = toFileUrl(join(dir, page));
    return linksOf(Deno.readTextFileSync(at)).filter((target) => {
      if (target.startsWith("https:")) return false;
      const url = new URL(target, at);
      const anchor = decodeURIComponent(url.hash.slice(1));
      url.hash = "";
      const path = fromFileUrl(url);
      if (relative(dir, path).startsWith("..")) return true;
      try {
        if (anchor === "") return !Deno.statSync(path);
        return !anchorsOf(Deno.readTextFileSync(path)).has(anchor);
      } catch {
        return true;
      }
    }).map((target) => `${page}: ${target}`);
  });
}
