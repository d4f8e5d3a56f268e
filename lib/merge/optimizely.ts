/**
 * Optimizely's events: `{"account_id": …, "visitors": […]}`, whose visitors may be of many events.
 *
 * Events go together when all but their visitors is deeply equal; their visitors stand one after
 * the other, each the text its producer wrote. So the endpoint counts exactly what it would have
 * counted.
 *
 * @module
 */

import { memberSpan } from "../event/json.ts";
import type { EventRequest } from "../event/request.ts";
import { canonicalJson } from "./canonical.ts";
import { type Merger, type Part, scopeOf, utf8Bytes } from "./merger.ts";

/**
 * Envelopes whose canonical text is remembered: an application has a handful, each written the same
 * way every time.
 */
const MOST_ENVELOPES = 256;

/** Longer ones aren't worth remembering. */
const LONGEST_REMEMBERED = 4_096;

/** A longer one is no envelope of an SDK: to tell what it means would take up to half a second. */
const LONGEST_ENVELOPE = 65_536;

/** What is remembered of an envelope. */
interface Envelope {
  /** Equal for those that are deeply equal; `undefined` when it can't be merged. */
  readonly canonical: string | undefined;
  readonly bytes: number;
}

/** A merger for the bodies of Optimizely's SDKs. */
export function optimizelyMerger(): Merger {
  const envelopes = new Map<string, Envelope>();

  /** @param text A body with a number in place of its visitors. */
  function envelopeOf(text: string): Envelope {
    const known = envelopes.get(text);
    if (known) return known;
    if (text.length > LONGEST_ENVELOPE) return { canonical: undefined, bytes: text.length };
    const envelope = { canonical: canonicalJson(text), bytes: utf8Bytes(text) };
    if (text.length > LONGEST_REMEMBERED) return envelope;
    if (envelopes.size >= MOST_ENVELOPES) envelopes.clear();
    envelopes.set(text, envelope);
    return envelope;
  }

  return {
    name: "optimizely",
    partOf(request: EventRequest): Part | undefined {
      const scope = scopeOf(request);
      if (scope === undefined) return undefined;
      const body = request.body!;
      const visitors = visitorsIn(body);
      if (visitors === undefined) return undefined;
      const [start, end] = visitors;
      const text = body.slice(start + 1, end - 1);
      if (text.trim() === "") return undefined;
      const { canonical, bytes } = envelopeOf(`${body.slice(0, start)}0${body.slice(end)}`);
      if (canonical === undefined) return undefined;
      return {
        key: `${scope}\n${canonical}`,
        text,
        bytes: utf8Bytes(text) + 1,
        frameBytes: bytes,
      };
    },
    merge(first: EventRequest, parts: readonly Part[]): EventRequest {
      const body = first.body!;
      const [start, end] = visitorsIn(body)!;
      const visitors = parts.map(({ text }) => text).join(",");
      return { ...first, body: `${body.slice(0, start)}[${visitors}]${body.slice(end)}` };
    },
  };
}

/** Where the array of visitors stands in a body; `undefined` when there is none. */
function visitorsIn(body: string): readonly [start: number, end: number] | undefined {
  if (!body.startsWith("{")) return undefined;
  const span = memberSpan(body, "visitors");
  return span && body[span[0]] === "[" ? span : undefined;
}
