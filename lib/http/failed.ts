/**
 * The last step of an attempt that wasn't answered: whose fault it was.
 *
 * Classified by place, never by a message: what the event's own check let through and the transport
 * rejects is the network's fault (deferred), except for what the runtime forbids (refused) and what
 * this process has no files left for (crowded).
 *
 * @module
 */

import { visible } from "../event/visible.ts";
import { errorCode } from "../runtime/runtime.ts";
import type { Result } from "./conclude.ts";
import { CredentialError } from "./credentials.ts";
import type { Deadline } from "./deadlines.ts";
import { forbidden } from "./egress.ts";
import { duration } from "./transport/reasons.ts";
import { NOT_ALLOWED, TransportError } from "./transport/transport.ts";

/** What a failure depends on. */
export interface Failure {
  /** What was thrown. */
  readonly error: unknown;
  /** Whether the head of an answer had come. */
  readonly isAnswered: boolean;
  /** Where the request was to go. */
  readonly url: URL;
  /** The attempt's. */
  readonly deadline: Pick<Deadline, "expired" | "isOver">;
  /** Its length. */
  readonly timeoutMs: number;
}

/** What came of an attempt that failed. */
export function failed({ error, isAnswered, url, deadline, timeoutMs }: Failure): Result {
  const reach = error instanceof TransportError ? { reach: error.reach } : {};
  if (deadline.expired) {
    const far = error instanceof TransportError ? `: ${visible(error.message)}` : "";
    const reason = `no answer within ${duration(timeoutMs)}${far}`;
    return { outcome: "deferred", reason, isTimeout: true, ...reach };
  }
  if (deadline.isOver) return { outcome: "aborted", reason: "called off", ...reach };
  if (error instanceof TransportError && error.code === NOT_ALLOWED) {
    return { outcome: "refused", reason: visible(error.message), ...reach };
  }
  if (errorCode(error) === "ENOTCAPABLE") return { outcome: "refused", reason: forbidden(url) };
  const code = isAnswered ? undefined : tooManyFilesCode(error);
  if (code !== undefined) {
    return { outcome: "crowded", reason: `too many files are open to connect: ${code}` };
  }
  if (error instanceof CredentialError) {
    return { outcome: "deferred", reason: visible(error.message), reach: "unsent" };
  }
  return { outcome: "deferred", reason: networkReason(error), ...reach };
}

/** The process's own limit of open files, and the system's. */
const TOO_MANY_FILES = new Set(["EMFILE", "ENFILE"]);

/**
 * Their numbers, where there is nothing but a text: Deno's `fetch` gives the system's error no
 * code, but ends the message with its number. 24 and 23 on every Unix; 10024 on Windows.
 */
const NUMBERED = /: client error \(Connect\): .*\(os error (23|24|10024)\)$/;

/**
 * `EMFILE` or `ENFILE` when a connection failed for that; Node has it in the cause. (A process
 * whose very first look-up of a name finds no file left hears that the name is unknown: that can't
 * be told from the truth.)
 */
function tooManyFilesCode(error: unknown): string | undefined {
  for (let depth = 0; error instanceof Error && depth < 5; depth++, error = error.cause) {
    const code = errorCode(error);
    if (code !== undefined && TOO_MANY_FILES.has(code)) return code;
    const number = NUMBERED.exec(error.message)?.[1];
    if (number !== undefined) return number === "23" ? "ENFILE" : "EMFILE";
  }
  return undefined;
}

/** What the system said is in the cause; the URL in it, which may hold secrets, is left out. */
function networkReason(error: unknown): string {
  const said = error instanceof Error ? error.cause ?? error : error;
  const message = said instanceof Error ? said.message : String(said);
  return visible(
    message.replace(/^error sending request (?:from \S+ )?for (?:url )?.*?\): /, "")
      .replaceAll(/https?:\/\/\S+/g, "..."),
  );
}
