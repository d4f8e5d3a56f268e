/**
 * An answer that says why an event wasn't taken.
 *
 * @module
 */

/** When to come again after the disk has refused or memory was short, in seconds. */
const RETRY_AFTER_S = 5;

/** An answer that isn't 204. */
export class Refusal extends Error {
  /** The name of the class. */
  override readonly name = "Refusal";
  /** HTTP status. */
  readonly status: number;
  /** What else a client should know. */
  readonly headers: Readonly<Record<string, string>>;

  /** @param message What would be right. */
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  /** As it is sent. */
  toResponse(): Response {
    return Response.json({ message: this.message }, { status: this.status, headers: this.headers });
  }
}

/** The refusal of an event that can't be taken now, but later. */
export function notNow(headers: Readonly<Record<string, string>> = {}): Refusal {
  const message = "the event can't be put on the queue now";
  return new Refusal(503, message, { "retry-after": `${RETRY_AFTER_S}`, ...headers });
}
