/**
 * How much memory the program may take for what it soon throws away.
 *
 * @module
 */

/**
 * The flag of `deno run` and `deno compile` for V8: at most 8 MB for each half of the space in which objects are young. What the program
 * makes seldom outlives a request, so more room makes it no faster, but left alone V8 takes some 30 MB more.
 */
export const MEMORY_FLAG = "--v8-flags=--max-semi-space-size=8";
