/**
 * Who of several consumers begins with which events: each living one has its part, so that they
 * need not race for the same names.
 *
 * Rendezvous hashing: every owner has a weight for every event, and the heaviest has it. All who
 * see the same owners agree without a word, and whoever comes or goes moves only its own part:
 *
 *     alive      has an event
 *     A          A
 *     A B        the heavier of the two: about half each
 *     A B C      C gets a third, from A and B alike; nothing moves between these
 *     A   C      B has died: its part is dealt among A and C; what they had stays theirs
 *
 * Parts save work, nothing more: what makes a claim exclusive is its rename. So it is harmless that
 * two consumers see different owners for a while. Where their parts overlap they race; what is in
 * neither is taken by whoever has seen it wait for {@linkcode PATIENCE_MS} with nothing of its own
 * to do, and so is what its owner can't get to.
 *
 * Pure.
 *
 * @module
 */

/** How long others' events are left to them. */
export const PATIENCE_MS = 500;

/** So few in a folder are not worth sharing: whoever comes first takes them. */
const FEW = 64;

/** FNV-1a, of UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** Lets every bit of a number count for every other one: the end of MurmurHash3. */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

/** An owner, with the hash of its name. */
interface Hashed {
  readonly owner: string;
  readonly hash: number;
}

const hashed = (owner: string): Hashed => ({ owner, hash: mixed(hashOf(owner)) });

/** One consumer's part of the events. */
export class Parts {
  readonly #self: Hashed;
  #peers: readonly Hashed[] = [];

  /** Everything is its own, as long as nobody else is known. */
  constructor(self: string) {
    this.#self = hashed(self);
  }

  /** Whether there are others to share with. */
  get areShared(): boolean {
    return this.#peers.length > 0;
  }

  /**
   * Share with these others from now on.
   *
   * @returns Whether they are not the same as before.
   */
  shareWith(peers: ReadonlySet<string>): boolean {
    if (peers.size === this.#peers.length && this.#peers.every(({ owner }) => peers.has(owner))) {
      return false;
    }
    this.#peers = [...peers].map(hashed);
    return true;
  }

  /** Whether an event, by its id, is in this consumer's part. */
  isOurs(id: string): boolean {
    if (this.#peers.length === 0) return true;
    const event = hashOf(id);
    const ours = mixed(this.#self.hash ^ event);
    for (const { owner, hash } of this.#peers) {
      const theirs = mixed(hash ^ event);
      if (theirs > ours || theirs === ours && owner > this.#self.owner) return false;
    }
    return true;
  }

  /** Those of some events that are in this consumer's part; all, when they are few. */
  oursOf<T>(events: readonly T[], idOf: (event: T) => string): readonly T[] {
    if (this.#peers.length === 0 || events.length <= FEW) return events;
    return events.filter((event) => this.isOurs(idOf(event)));
  }
}
