/**
 * What a crash leaves of a simulated disk: a tree of its own, from which a world can be started.
 *
 * Images share structure with the run they come from and with each other; taking one costs a few
 * microseconds.
 *
 * @module
 */

import { type Inode, ROOT } from "./tree.ts";

/** The names and attributes of a disk at one moment; nobody changes it. */
export interface Snapshot {
  /** All inodes, frozen. */
  readonly inodes: ReadonlyMap<number, Inode>;
  /** The fingerprint with all bytes whole, once somebody has asked. */
  fingerprint?: string;
}

const checksums = new WeakMap<Uint8Array, number>();

function checksum(bytes: Uint8Array): number {
  let sum = checksums.get(bytes);
  if (sum === undefined) {
    sum = 0x811c9dc5 ^ bytes.length;
    for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
    checksums.set(bytes, sum);
  }
  return sum;
}

function mix(hash: number, value: number): number {
  hash = Math.imul(hash ^ value, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function mixText(hash: number, text: string): number {
  for (let index = 0; index < text.length; index++) hash = mix(hash, text.charCodeAt(index));
  return hash;
}

/** A disk as a crash left it. */
export class DiskImage {
  /** The names and attributes. */
  readonly snapshot: Snapshot;
  readonly #bytes: ReadonlyMap<number, Uint8Array>;
  readonly #damaged: ReadonlyMap<number, Uint8Array>;

  /** The `bytes` of all files, but for those in `damaged`. */
  constructor(
    snapshot: Snapshot,
    bytes: ReadonlyMap<number, Uint8Array>,
    damaged: ReadonlyMap<number, Uint8Array>,
  ) {
    this.snapshot = snapshot;
    this.#bytes = bytes;
    this.#damaged = damaged;
  }

  /** All inodes. */
  get inodes(): ReadonlyMap<number, Inode> {
    return this.snapshot.inodes;
  }

  /** What is in the file. */
  bytesOf(ino: number): Uint8Array {
    return this.#damaged.get(ino) ?? this.#bytes.get(ino) ?? new Uint8Array();
  }

  /** Equal for equal images: paths, kinds, modes, link counts, mtimes of files and bytes. */
  get fingerprint(): string {
    const isWhole = this.#damaged.size === 0;
    const known = isWhole ? this.snapshot.fingerprint : undefined;
    if (known !== undefined) return known;
    let low = 0;
    let high = 0;
    const walk = (dir: Inode, dirHash: number) => {
      for (const [name, ino] of dir.names!) {
        const inode = this.inodes.get(ino)!;
        const nameHash = mixText(dirHash, name);
        let hash = mix(mix(nameHash, inode.mode), inode.kind.length);
        if (inode.names !== undefined) walk(inode, mix(nameHash, 47));
        else {
          hash = mix(mix(hash, inode.nlink), inode.mtimeMs / 4096);
          hash = mix(mix(hash, inode.mtimeMs), checksum(this.bytesOf(ino)));
        }
        low = (low + hash) | 0; // a sum: the order of names doesn't count
        high = (high + Math.imul(hash ^ 0x5bd1e995, hash >>> 7 | 1)) | 0;
      }
    };
    walk(this.inodes.get(ROOT)!, 0x811c9dc5);
    const fingerprint = `${low >>> 0}.${high >>> 0}`;
    if (isWhole) this.snapshot.fingerprint = fingerprint;
    return fingerprint;
  }

  /**
   * All files as path → text; folders as path with a slash at its end → "". For tests that look.
   */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (dir: Inode, path: string) => {
      for (const [name, ino] of dir.names!) {
        const inode = this.inodes.get(ino)!;
        if (inode.names === undefined) {
          found[`${path}/${name}`] = new TextDecoder().decode(this.bytesOf(ino));
        } else {
          found[`${path}/${name}/`] = "";
          walk(inode, `${path}/${name}`);
        }
      }
    };
    walk(this.inodes.get(ROOT)!, "");
    return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
  }
}
