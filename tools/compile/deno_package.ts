/**
 * The official Deno binary for a kind of machine, from the npm package that carries it.
 *
 * @module
 */

import { join } from "@std/path";
import { runNpm, ToolError } from "./child.ts";
import type { PinnedPackage } from "./targets.ts";

/** An npm package that is the one whose hash is known, and the program in it. */
export interface DenoPackage {
  /** Package and version, e.g. `@deno/linux-x64-glibc@2.9.6`. */
  readonly name: string;
  /** The package, a gzip-compressed tar file. */
  readonly archive: Uint8Array;
  /** The name of the binary inside. */
  readonly member: string;
  /** The binary. */
  readonly binary: Uint8Array;
}

/**
 * Get a package by npm.
 *
 * `directory` receives the download; npm's own cache makes a second one cheap. Throws
 * {@linkcode ToolError}, also when what came isn't the package that was pinned.
 */
export async function fetchDenoPackage(
  { name, integrity }: PinnedPackage,
  directory: string,
): Promise<DenoPackage> {
  const output = await runNpm(directory, ["pack", "--json", "--prefer-offline", name]);
  const [packed] = JSON.parse(output) as { filename: string }[];
  if (packed === undefined) throw new ToolError(`npm pack ${name} answered nothing`);
  // older npm versions print the name of a scoped package with its slash, newer ones as the file is
  // called
  const file = packed.filename.replace(/^@/, "").replaceAll("/", "-");
  const archive = await Deno.readFile(join(directory, file));
  const found = await integrityOf(archive);
  if (found !== integrity) {
    throw new ToolError(
      `${name} is not the package it was when its hash was taken: ` +
        `it must have ${integrity}, and what npm brought has ${found}`,
    );
  }
  const member = "package/deno";
  const binary = memberOf(await gunzip(archive), member);
  if (binary === undefined) throw new ToolError(`There is no ${member} in ${file}`);
  return { name, archive, member, binary };
}

/** The hash as npm writes it. */
async function integrityOf(bytes: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes as BufferSource));
  return `sha512-${hash.toBase64()}`;
}

async function gunzip(archive: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([archive as BlobPart]).stream()
    .pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * A file in a tar archive: blocks of 512 bytes, a header before each file with its name at 0 and
 * its size in octal at 124.
 */
function memberOf(tar: Uint8Array, name: string): Uint8Array | undefined {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(tar.subarray(from, from + length)).replace(/\0.*$/s, "").trim();
  for (let header = 0; header < tar.length && tar[header] !== 0;) {
    const size = parseInt(text(header + 124, 12), 8);
    const content = header + 512;
    if (text(header, 100) === name) return tar.subarray(content, content + size);
    header = content + Math.ceil(size / 512) * 512;
  }
  return undefined;
}
