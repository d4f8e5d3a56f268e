/**
 * Whose turn it is: round robin between lanes that may have something to send.
 *
 * | state of a lane | what happens                            | next state |
 * | --------------- | --------------------------------------- | ---------- |
 * | any             | it is woken                             | in line    |
 * | in line         | its turn, and it may send               | none       |
 * | in line         | its turn, and its kind has no room      | blocked    |
 * | in line         | its turn, and it may not send otherwise | none       |
 * | blocked         | its kind has room again                 | in line    |
 * | any             | it is forgotten                         | none       |
 *
 * A kind is lanes that share some room. Blocked ones come back in the order in which they were
 * blocked, each kind by itself, and no more of them than there is room for.
 *
 * @module
 */

/** Why a lane whose turn it is may not send: something else, or what it is blocked by. */
export type Refusal<K extends string> = "other" | K;

/** The turns of lanes. */
export class Turns<S, K extends string> {
  readonly #line = new Set<S>();
  readonly #blocked: ReadonlyMap<K, Set<S>>;

  /** Nobody in line. */
  constructor(kinds: readonly K[]) {
    this.#blocked = new Map(kinds.map((kind) => [kind, new Set()]));
  }

  /** A lane may have something to send. */
  wake(lane: S): void {
    this.#line.add(lane);
  }

  /** A lane is no more. */
  forget(lane: S): void {
    this.#line.delete(lane);
    for (const blocked of this.#blocked.values()) blocked.delete(lane);
  }

  /** Put blocked lanes in line again, as many of each kind as there is room for. */
  unblock(room: (kind: K) => number): boolean {
    let isAny = false;
    for (const [kind, blocked] of this.#blocked) {
      let left = blocked.size === 0 ? 0 : room(kind);
      for (const lane of blocked) {
        if (left-- <= 0) break;
        blocked.delete(lane);
        this.#line.add(lane);
        isAny = true;
      }
    }
    return isAny;
  }

  /**
   * The next lane that may send, which is in line no more; `undefined` if there is none.
   *
   * @param refusal Why a lane may not send; `undefined` if it may.
   */
  next(
    refusal: (lane: S) => Refusal<K> | undefined,
    room: (kind: K) => number,
  ): S | undefined {
    do {
      for (const lane of this.#line) {
        this.#line.delete(lane);
        const why = refusal(lane);
        if (why === undefined) return lane;
        if (why !== "other") this.#blocked.get(why)!.add(lane);
      }
    } while (this.unblock(room));
    return undefined;
  }
}
