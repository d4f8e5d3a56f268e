/** Types for the part of `@std/cli` that the command line uses: every option as text. */
export interface ParseArgsOptions {
  readonly string?: readonly string[];
  readonly boolean?: readonly string[];
  readonly collect?: readonly string[];
  readonly alias?: Readonly<Record<string, string>>;
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}
export type Args = { readonly _: readonly (string | number)[] } & Readonly<Record<string, unknown>>;
export function parseArgs(args: readonly string[], options?: ParseArgsOptions): Args;
