/**
 * The machines an executable can be made for, under the names `deno compile --target` knows them
 * by.
 *
 * @module
 */

/** An npm package as it was when it was looked at, whatever a registry serves later. */
export interface PinnedPackage {
  /** Package and version, e.g. `@deno/linux-x64-glibc@2.9.6`. */
  readonly name: string;
  /** Its SHA-512, as registries and lock files write it: `sha512-` and Base64. */
  readonly integrity: string;
}

/** What the portable form for one kind of machine takes. */
export interface PortableParts {
  /** Holds the official Deno binary. */
  readonly deno: PinnedPackage;
  /** Where users keep caches, below their home. */
  readonly userCache: string;
}

/** What making an executable for one kind of machine takes. */
export interface Target {
  /** Its name, e.g. `x86_64-unknown-linux-gnu`. */
  readonly name: string;
  /** Absent where there is no `/bin/sh` to unpack with. */
  readonly portable?: PortableParts;
  /** What its file names end in. */
  readonly suffix: "" | ".exe";
}

/**
 * Every target, in the order `--all` makes them. Another Deno means new versions and hashes here:
 * `npm view @deno/NAME@VERSION dist.integrity`.
 */
export const targets: readonly Target[] = [
  unix("x86_64-unknown-linux-gnu", ".cache", {
    name: "@deno/linux-x64-glibc@2.9.6",
    integrity:
      "sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==",
  }),
  unix("aarch64-unknown-linux-gnu", ".cache", {
    name: "@deno/linux-arm64-glibc@2.9.6",
    integrity:
      "sha512-poqhoH9B3nYloigEMPT5t8HY+wBeiuea1An5Q7fqgJzP0SYmWsoS/oUnWO/pEiA4ofzIBy1Elt/in58xKtxEoQ==",
  }),
  unix("x86_64-apple-darwin", "Library/Caches", {
    name: "@deno/darwin-x64@2.9.6",
    integrity:
      "sha512-tPi3CWPRdjW1MaWlvWjORE7Ass5SADdWdj1BF1Q1PEdzi+5u/mC5YhmZzniMiPr81PpaFeqjXaLAsfb8lFsZ0Q==",
  }),
  unix("aarch64-apple-darwin", "Library/Caches", {
    name: "@deno/darwin-arm64@2.9.6",
    integrity:
      "sha512-V8uO1Aolrl/yvdMb5lOtgtigs8YuZBjrOrgviVMiYkQ0swymFfzkae1wZak4Xi24t7vf7d/eiMb/7ryjjVm+tg==",
  }),
  { name: "x86_64-pc-windows-msvc", suffix: ".exe" },
  { name: "aarch64-pc-windows-msvc", suffix: ".exe" },
];

function unix(name: string, userCache: string, deno: PinnedPackage): Target {
  return { name, portable: { deno, userCache }, suffix: "" };
}

/** The target of that name, or `undefined`. */
export function targetNamed(name: string): Target | undefined {
  return targets.find((target) => target.name === name);
}

/** Whether a path names the same directory wherever the executable is started. */
export function isAbsoluteOn(target: Target, path: string): boolean {
  return target.suffix === ".exe" ? /^(?:[A-Za-z]:[\\/]|\\\\)/.test(path) : path.startsWith("/");
}
