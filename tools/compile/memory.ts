/**
 * How much memory the program may take for what it soon throws away.
 *
 * @module
 */

/**
 * The flag of `deno run` and `deno compile` for V8: at most 8 MB for each half of the space in
 * which objects are young. What the program makes seldom outlives a request. With twice as much, a
 * drain spends 5 % of its time on looking for what does instead of 8 %, but the program takes 10 MB
 * more; left alone V8 takes 30 MB more.
 */
export const MEMORY_FLAG = "--v8-flags=--max-semi-space-size=8";
