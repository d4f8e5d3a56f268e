/**
 * Asking a person on the terminal.
 *
 * @module
 */

import type { Io } from "./io.ts";

/**
 * Ask a question that is answered with yes or no; no is meant when nothing is typed.
 *
 * @returns `true` for yes.
 */
export async function confirm(
  question: string,
  { stdin, stderr }: Pick<Io, "stdin" | "stderr">,
): Promise<boolean> {
  await stderr.write(`${question} [y/N] `);
  const decoder = new TextDecoder();
  let answer = "";
  for await (const chunk of stdin.readable) {
    answer += decoder.decode(chunk, { stream: true });
    if (answer.includes("\n")) break;
  }
  if (!answer.includes("\n")) await stderr.write("\n");
  return /^\s*y(?:es)?\s*$/i.test(answer.split("\n")[0]!);
}
