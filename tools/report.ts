/**
 * What a tool shows: a line of progress on a terminal, and a table of results.
 *
 * @module
 */

const encoder = new TextEncoder();
let shown = "";

function write(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = encoder.encode(text);
  for (let written = 0; written < bytes.length;) {
    written += stream.writeSync(bytes.subarray(written));
  }
}

/** Show on a terminal what is being done; the empty text clears it. */
export function progress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  const line = text.slice(0, 78);
  write(Deno.stderr, `\r${line.padEnd(shown.length)}${line === "" ? "\r" : ""}`);
  shown = line;
}

/** Print a line of results. */
export function print(text = ""): void {
  progress("");
  write(Deno.stdout, `${text}\n`);
}

/** Print a line about what went wrong. */
export function complain(text: string): void {
  progress("");
  write(Deno.stderr, `${text}\n`);
}

/** Print rows below each other, each column as wide as its widest cell. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    print(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  }
}

/** The value so that as many are below as above. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value so that the given part is not above it. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return below + (above - below) * (at - Math.floor(at));
}

/** All of them, to show how much they scatter. */
export function list(values: readonly number[], digits = 0): string {
  return values.map((value) => value.toFixed(digits)).join(" ");
}

/** `ok` or, plainly, `below target`. */
export function verdict(isMet: boolean): string {
  return isMet ? "ok" : "below target";
}
