/**
 * From a claim to something that can be sent: read it, parse it, find its destination. What can't
 * be sent comes back as a {@linkcode Rejection}, which `settle.ts` acts upon.
 *
 * @module
 */

import type { Destination, Destinations } from "../event/destination.ts";
import { type EventRequest, parseEvent } from "../event/request.ts";
import { Egress, forbidden } from "../http/egress.ts";
import type { Part } from "../merge/merger.ts";
import { MOST_TAKEOVERS } from "../store/limits.ts";
import type { Claim, Content, World } from "../store/store.ts";
import type { ConsumerSettings } from "../config/consumer.ts";
import type { Live } from "../config/settings.ts";

/** How long a file that may still be being written is left alone. */
const WRITING_PAUSE_MS = 5_000;

/** To check more takes more than a few milliseconds. */
const LARGE_BYTES = 256 * 1024;

/** What merging knows of a prepared event. */
export interface Merging {
  /** What it brings. */
  readonly part: Part;
  /** With equal ones it may share a request. */
  readonly group: string;
  /** Since when it waits for others, monotonic ms. */
  readonly sinceMs: number;
}

/** A claimed event that can be sent. */
export interface Prepared {
  /** Its claim. */
  readonly claim: Claim;
  /** What to send. */
  readonly request: EventRequest;
  /** The destination's label. */
  readonly destination: string;
  /** Size of the event. */
  readonly bytes: number;
  /** What merging knows of it; `undefined` when it goes alone. */
  readonly merging?: Merging;
}

/** Why a claimed event can't be sent, and so what is to become of it. */
export type Rejection =
  | Exclude<Content, { readonly kind: "bytes" | "refused" }>
  | { readonly kind: "refused"; readonly reason: string; readonly destination?: string };

/** Prepares claims. */
export class Preparer {
  readonly #options: Live<ConsumerSettings>;
  readonly #egress: Egress;
  readonly #world: World;
  readonly #destinations: Destinations;

  /** @param destinations Each is one value. */
  constructor(options: Live<ConsumerSettings>, world: World, destinations: Destinations) {
    this.#options = options;
    this.#egress = new Egress(world);
    this.#world = world;
    this.#destinations = destinations;
  }

  /** Look at a claimed event. A promise only when something has to be asked. */
  prepare(claim: Claim): Prepared | Rejection | Promise<Prepared | Rejection> {
    if (claim.takeovers >= MOST_TAKEOVERS) {
      return {
        kind: "refused",
        reason: `its consumer died ${claim.takeovers} times while it was being sent`,
      };
    }
    const content = claim.read();
    return content instanceof Promise
      ? content.then((content) => this.#parseInTurn(claim, content))
      : this.#parse(claim, content);
  }

  /** To check a large event takes tens of milliseconds: answers are listened to before. */
  async #parseInTurn(claim: Claim, content: Content): Promise<Prepared | Rejection> {
    const isLarge = content.kind === "bytes" && content.bytes.length > LARGE_BYTES;
    if (isLarge) await this.#world.clock.sleep(0);
    return await this.#parse(claim, content);
  }

  #parse(claim: Claim, content: Content): Prepared | Rejection | Promise<Prepared | Rejection> {
    if (content.kind !== "bytes") return content;
    const parsed = parseEvent(content.bytes);
    if (parsed.kind === "unfinished") {
      if (!content.mayBeUnfinished) return { kind: "refused", reason: parsed.reason };
      const reason = `${parsed.reason}; it may still be being written`;
      return { kind: "released", reason, pauseMs: WRITING_PAUSE_MS };
    }
    if (parsed.kind === "refused") return this.#refused(parsed.reason, parsed.url);
    const { request } = parsed;
    const bytes = content.bytes.length;
    const destination = this.#destinations.of(request.url);
    return destination instanceof Promise
      ? destination.then((destination) => this.#prepared(claim, request, destination, bytes))
      : this.#prepared(claim, request, destination, bytes);
  }

  #prepared(
    claim: Claim,
    request: EventRequest,
    destination: Destination,
    bytes: number,
  ): Prepared | Rejection {
    const { label } = destination;
    if (!this.#egress.allows(destination, request.url)) {
      return { kind: "refused", reason: forbidden(request.url), destination: label };
    }
    const merging = this.#merging(request);
    const prepared = { claim, request, destination: label, bytes };
    return merging ? { ...prepared, merging } : prepared;
  }

  async #refused(reason: string, url: URL | undefined): Promise<Rejection> {
    if (!url) return { kind: "refused", reason };
    const { label } = await this.#destinations.of(url);
    return { kind: "refused", reason, destination: label };
  }

  #merging(request: EventRequest): Merging | undefined {
    const part = this.#options.current.merge?.partOf(request);
    return part && { part, group: part.key, sinceMs: this.#world.clock.monotonic() };
  }
}
