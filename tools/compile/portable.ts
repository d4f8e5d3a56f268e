/**
 * The portable form: a shell script, the program and a Deno package in one file, which unpacks
 * itself once.
 *
 * For networks that reach the npm registry but not the host with Deno's base binary. `portable.sh`
 * is the script.
 *
 * @module
 */

import type { DenoPackage } from "./deno_package.ts";
import { MEMORY_FLAG } from "./memory.ts";
import { type Locks, permissionFlags } from "./permissions.ts";

/** Flags of `deno run` beside the permissions. */
const runFlags: readonly string[] = [
  // no deno.json, deno.lock, package.json or node_modules of whichever directory it is started in
  "--no-config",
  "--no-lock",
  "--node-modules-dir=none",
  // the program is complete: nothing is ever fetched to be run
  "--no-remote",
  "--no-npm",
  "--deny-import",
  // don't keep compiled code beside the program: it would be run without a check
  "--no-code-cache",
  MEMORY_FLAG,
];

/** What goes into one file. */
export interface Portable {
  /** The product's version. */
  readonly version: string;
  /** The name of the machine it is for. */
  readonly target: string;
  /** Where its users keep caches, below their home. */
  readonly userCache: string;
  /** The bundled script. */
  readonly script: string;
  /** Deno for that machine. */
  readonly deno: DenoPackage;
  /** What is baked in. */
  readonly locks: Locks;
}

/** The parts of the file, to be written one after the other. */
export async function portableParts(portable: Portable): Promise<readonly Uint8Array[]> {
  const { version, target, userCache, deno, locks } = portable;
  const program = new TextEncoder().encode(portable.script);
  const template = await Deno.readTextFile(new URL("portable.sh", import.meta.url));
  const payloadSize = program.length + deno.archive.length;
  const values: Record<string, string | number> = {
    version,
    target,
    package: deno.name,
    member: deno.member,
    user_cache: userCache,
    program_size: program.length,
    program_hash: await sha256Hex(program),
    deno_size: deno.binary.length,
    deno_hash: await sha256Hex(deno.binary),
    package_size: deno.archive.length,
    payload_size: payloadSize,
    flags: [...permissionFlags(locks), ...runFlags].map(shellQuoted).join(" "),
  };
  return [sized(template, values, payloadSize), program, deno.archive];
}

/** The script, which states the size of the file it is a part of. */
function sized(
  template: string,
  values: Readonly<Record<string, string | number>>,
  payloadSize: number,
): Uint8Array {
  for (let total = payloadSize;;) {
    const script = new TextEncoder().encode(filled(template, { ...values, total_size: total }));
    if (script.length + payloadSize === total) return script;
    total = script.length + payloadSize; // its own digits may make it longer, at most once or twice
  }
}

function filled(template: string, values: Readonly<Record<string, string | number>>): string {
  return template.replace(/@([a-z_]+)@/g, (mark, name) => {
    const value = values[name];
    if (value === undefined) throw new Error(`portable.sh has an unknown ${mark}`);
    return String(value);
  });
}

/** One word for a POSIX shell, whatever it holds. */
function shellQuoted(word: string): string {
  return /^[A-Za-z0-9_=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Lower-case hex SHA-256. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource)).toHex();
}
