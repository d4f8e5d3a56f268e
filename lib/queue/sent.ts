/**
 * Delivered events that are kept: `sent/<yyyymmddThh>/<id>+<attempt>@<delivered>~<tag>`, a folder
 * for each hour, UTC, so that what is old is found without a look at any event.
 *
 * @module
 */

import { SENT_FOLDER } from "./layout.ts";

/** How long the deliveries of one folder last. */
export const SENT_HOUR_MS = 60 * 60_000;

const NAME = /^(\d{4})(\d\d)(\d\d)T(\d\d)$/;

/** The folder, below the base directory, of what was delivered at a time, Unix ms. */
export function sentFolder(atMs: number): string {
  const [day, time] = new Date(atMs).toISOString().split("T") as [string, string];
  return `${SENT_FOLDER}/${day.replaceAll("-", "")}T${time.slice(0, 2)}`;
}

/** When the hour of a folder in `sent/` began, Unix ms; `undefined` when it isn't one of ours. */
export function sentHourMs(name: string): number | undefined {
  const [, year, month, day, hour] = NAME.exec(name) ?? [];
  if (year === undefined) return undefined;
  const startMs = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`);
  const isOurs = !Number.isNaN(startMs) && sentFolder(startMs) === `${SENT_FOLDER}/${name}`;
  return isOurs ? startMs : undefined;
}
