/**
 * The machines an executable can be made for, under the names `deno compile --target` knows them
 * by.
 *
 * @module
 */

/** What making an executable for one kind of machine takes. */
export interface Target {
  /** Its name, e.g. `x86_64-unknown-linux-gnu`. */
  readonly name: string;
  /** The npm package that holds the official Deno binary for it. */
  readonly denoPackage: string;
  /**
   * Where its users keep caches, below their home; `undefined` where there is no `/bin/sh` to
   * unpack with.
   */
  readonly userCache: string | undefined;
  /** What its file names end in. */
  readonly suffix: "" | ".exe";
}

/** Every target, in the order `--all` makes them. */
export const targets: readonly Target[] = [
  unix("x86_64-unknown-linux-gnu", "@deno/linux-x64-glibc", ".cache"),
  unix("aarch64-unknown-linux-gnu", "@deno/linux-arm64-glibc", ".cache"),
  unix("x86_64-apple-darwin", "@deno/darwin-x64", "Library/Caches"),
  unix("aarch64-apple-darwin", "@deno/darwin-arm64", "Library/Caches"),
  windows("x86_64-pc-windows-msvc", "@deno/win32-x64"),
  windows("aarch64-pc-windows-msvc", "@deno/win32-arm64"),
];

function unix(name: string, denoPackage: string, userCache: string): Target {
  return { name, denoPackage, userCache, suffix: "" };
}

function windows(name: string, denoPackage: string): Target {
  return { name, denoPackage, userCache: undefined, suffix: ".exe" };
}

/** The target of that name, or `undefined`. */
export function targetNamed(name: string): Target | undefined {
  return targets.find((target) => target.name === name);
}

/** Whether the portable form exists for this target: it starts as a shell script. */
export function isPortable(target: Target): boolean {
  return target.userCache !== undefined;
}

/** Whether a path names the same directory wherever the executable is started. */
export function isAbsoluteOn(target: Target, path: string): boolean {
  return target.suffix === ".exe" ? /^(?:[A-Za-z]:[\\/]|\\\\)/.test(path) : path.startsWith("/");
}
