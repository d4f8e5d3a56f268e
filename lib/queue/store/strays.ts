/**
 * Names in the queue's folders that are not events: reported once, never touched.
 *
 * @module
 */

import type { Reporter } from "../../telemetry/reporter.ts";
import type { NotAnEvent } from "./listing.ts";

/** Told of every path below the base directory that is not an event. */
export type OnOther = (path: string, why: NotAnEvent) => void;

const NOT_AN_EVENT: Readonly<Record<Exclude<NotAnEvent, "dot file">, string>> = {
  directory: "a folder, not an event file",
  symlink: "a symlink, not an event file; it is not followed",
  other: "a socket, FIFO or device, not an event file",
  unreachable: "its name is not UTF-8 and can't be reached from here; rename it",
};

/** Reports strays; dot files don't exist. */
export function strayReport(reporter: Reporter): OnOther {
  return (path, why) => {
    if (why !== "dot file") reporter.skipped(path, NOT_AN_EVENT[why]);
  };
}
