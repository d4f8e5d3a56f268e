/**
 * How much memory the program may take for what it soon throws away.
 *
 * @module
 */

/**
 * The flag of `deno run` and `deno compile` for V8: at most 16 MB for each half of the space in which objects are young. What the program
 * makes seldom outlives a request. With half of it twice as much time goes into looking for what does, a twentieth of a drain in all;
 * with twice as much hardly less, but the program takes up to 30 MB more.
 */
export const MEMORY_FLAG = "--v8-flags=--max-semi-space-size=16";
