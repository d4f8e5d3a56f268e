/**
 * Tables for people.
 *
 * @module
 */

import { formatCount } from "./progress.ts";

/** Rows of cells as columns: words flush left, numbers and what is above them flush right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const asText = (cell: string | number) => typeof cell === "number" ? formatCount(cell) : cell;
  const isNumeric = rows.at(-1)!.map((cell) => typeof cell === "number");
  // one by one: as arguments of a call there may be too many
  const widest = (at: number) =>
    rows.reduce((width, row) => Math.max(width, asText(row[at]!).length), 0);
  const widths = isNumeric.map((_, at) => widest(at));
  return rows.map((row) => {
    const cells = row.map((cell, at) =>
      isNumeric[at] ? asText(cell).padStart(widths[at]!) : asText(cell).padEnd(widths[at]!)
    );
    return `${cells.join("  ").trimEnd()}\n`;
  }).join("");
}
