/**
 * A Debian package, put together with `dpkg-deb`. The same files and time give the same bytes.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { runTool } from "../compile/child.ts";
import type { PackagedFile } from "./tree.ts";

/** What a package is about. */
export interface DebOptions {
  /** The program's version. */
  readonly version: string;
  /** Debian's name of the machine: `amd64`. */
  readonly architecture: string;
  /** What it holds. */
  readonly files: readonly PackagedFile[];
  /** The time of everything in it, Unix seconds. */
  readonly atSeconds: number;
}

const SCRIPTS = ["postinst", "prerm", "postrm"] as const;

function controlText({ version, architecture }: DebOptions, installedBytes: number): string {
  return `\
Package: optimizelyd-maildir
Version: ${version}
Architecture: ${architecture}
Maintainer: optimizelyd-maildir <optimizelyd-maildir@localhost>
Installed-Size: ${Math.ceil(installedBytes / 1024)}
Depends: libc6 (>= 2.28), libgcc-s1, passwd
Recommends: ca-certificates
Section: net
Priority: optional
Description: events delivered over HTTP from a directory
 A producer drops a small readable file into a directory; a consumer sends it
 as an HTTP request and removes it when the endpoint has answered 2xx. What
 fails in a way that may pass is tried again later, what never will work is
 kept with its reason. There is no database, no broker and no lock.
 .
 The package brings a service that delivers from /var/spool/optimizelyd, which
 members of the group optimizelyd may put events into.
`;
}

async function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A file, as it is in the package. */
async function packed({ path, content, isCompressed }: PackagedFile) {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return isCompressed ? { path: `${path}.gz`, bytes: await gzipped(bytes) } : { path, bytes };
}

async function put(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, mode);
}

/**
 * Make a package.
 *
 * @param output Its path.
 * @param scratch An empty directory for what is only needed meanwhile.
 * @throws {ToolError} If `dpkg-deb` fails, or isn't there.
 */
export async function makeDeb(options: DebOptions, output: string, scratch: string): Promise<void> {
  const tree = join(scratch, "tree");
  const control = join(tree, "DEBIAN");
  const encoder = new TextEncoder();
  let installed = 0;
  const configs: string[] = [];
  for (const file of options.files) {
    const { path, bytes } = await packed(file);
    await put(join(tree, path), bytes, file.mode ?? 0o644);
    installed += bytes.length;
    if (file.isConfig) configs.push(path);
  }
  const text = (name: string) => Deno.readFile(new URL(`debian/${name}`, import.meta.url));
  for (const name of SCRIPTS) await put(join(control, name), await text(name), 0o755);
  await put(join(control, "control"), encoder.encode(controlText(options, installed)), 0o644);
  await put(join(control, "conffiles"), encoder.encode(`${configs.join("\n")}\n`), 0o644);
  await runTool("dpkg-deb", scratch, ["--root-owner-group", "-Zgzip", "--build", tree, output], {
    SOURCE_DATE_EPOCH: String(options.atSeconds),
  });
}
