/** The real program as a child process. */

/** The program's entry. */
export const PROGRAM = new URL("../../cli.ts", import.meta.url).href;

/** What a program left behind. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program as a process that is not started yet. */
export function command(args: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--frozen", "--allow-all", PROGRAM, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
    env: { OPTIMIZELYD_BASE_DIR: "", NO_COLOR: "1", ...options.env },
  });
}

/** What a process leaves behind, once it has ended. */
export async function resultOf(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Run the program to its end. */
export async function run(args: readonly string[], input?: string | Uint8Array): Promise<Result> {
  if (input === undefined) return await resultOf(command(args).spawn());
  const child = command(args, { stdin: "piped" }).spawn();
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const fed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeTo(child.stdin);
  const [result] = await Promise.all([resultOf(child), fed.catch(() => {})]);
  return result;
}

/** Reads the lines of a stream as they come. */
export function linesOf(stream: ReadableStream<Uint8Array>) {
  const reader = stream.pipeThrough(new TextDecoderStream() as TransformStream).getReader();
  let text = "";
  return {
    /** Everything up to and including the first line that matches. */
    async until(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended without ${pattern}: ${text}`);
        text += value;
      }
      return text;
    },
    async toEnd(): Promise<string> {
      for (let chunk; !(chunk = await reader.read()).done;) text += chunk.value;
      return text;
    },
  };
}

/** An event file of one line. */
export function eventLine(url: string, body: unknown): string {
  return `${JSON.stringify({ url, requestBody: body })}\n`;
}
