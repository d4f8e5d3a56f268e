/**
 * The official Deno binary for a kind of machine, from the npm package that carries it.
 *
 * @module
 */

import { runNpm, ToolError } from "./child.ts";

/** An npm package as the registry serves it, and the program in it. */
export interface DenoPackage {
  /** Package and version, e.g. `@deno/linux-x64-glibc@2.9.6`. */
  readonly name: string;
  /**
   * The package, a gzip-compressed tar file. npm has checked it against the registry's integrity
   * value.
   */
  readonly archive: Uint8Array;
  /** The name of the binary inside. */
  readonly member: string;
  /** The binary. */
  readonly binary: Uint8Array;
}

/**
 * Get this Deno's version of the package or, where the registry doesn't have it, the newest before
 * it.
 *
 * `directory` receives the download; npm's own cache makes a second one cheap.
 */
export async function fetchDenoPackage(name: string, directory: string): Promise<DenoPackage> {
  const wanted = `${name}@<=${Deno.version.deno}`;
  const output = await runNpm(directory, ["pack", "--json", "--prefer-offline", wanted]);
  const [packed] = JSON.parse(output) as { filename: string; version: string }[];
  if (packed === undefined) throw new ToolError(`npm pack ${wanted} answered nothing`);
  // older npm versions print the name of a scoped package with its slash, newer ones as the file is
  // called
  const file = packed.filename.replace(/^@/, "").replaceAll("/", "-");
  const archive = await Deno.readFile(`${directory}/${file}`);
  const member = "package/deno";
  const binary = memberOf(await gunzip(archive), member);
  if (binary === undefined) throw new ToolError(`There is no ${member} in ${file}`);
  return { name: `${name}@${packed.version}`, archive, member, binary };
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
