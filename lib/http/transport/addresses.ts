/**
 * The addresses of hosts, as they were looked up lately.
 *
 * They are looked up again when none of them could be connected to, and every 30 s while in use: a
 * change of a name takes no longer than that to be followed.
 *
 * @module
 */

import type { Clock, Lookup } from "../../runtime/runtime.ts";

/** How long addresses are good. */
const GOOD_MS = 30_000;

/** Most hosts that are remembered. */
const MOST_HOSTS = 4_096;

interface Entry {
  readonly atMs: number;
  readonly addresses: readonly string[];
}

/** Looks up hosts, each once at a time. */
export class Addresses {
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  readonly #known = new Map<string, Entry>();
  readonly #asked = new Map<string, Promise<readonly string[]>>();

  constructor(lookup: Lookup, clock: Clock) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  /**
   * The addresses of a host in the order in which to try them, families in turn.
   *
   * @throws The system's error, when it knows none.
   */
  of(host: string): readonly string[] | Promise<readonly string[]> {
    const known = this.#known.get(host);
    if (known && this.#clock.monotonic() < known.atMs + GOOD_MS) return known.addresses;
    let asked = this.#asked.get(host);
    if (asked === undefined) {
      asked = this.#ask(host).finally(() => this.#asked.delete(host));
      this.#asked.set(host, asked);
    }
    return asked;
  }

  /** This one works: it is tried first from now on. */
  works(host: string, address: string): void {
    const known = this.#known.get(host);
    if (known === undefined || known.addresses[0] === address) return;
    const others = known.addresses.filter((each) => each !== address);
    this.#known.set(host, { ...known, addresses: [address, ...others] });
  }

  /** None of them works: look up again. */
  forget(host: string): void {
    this.#known.delete(host);
  }

  async #ask(host: string): Promise<readonly string[]> {
    const addresses = inTurn(await this.#lookup(host));
    if (this.#known.size >= MOST_HOSTS) this.#known.clear();
    this.#known.set(host, { atMs: this.#clock.monotonic(), addresses });
    return addresses;
  }
}

/** The families in turn, beginning with that of the first; each address once. */
function inTurn(addresses: readonly string[]): readonly string[] {
  const each = [...new Set(addresses)];
  const isFirst = (address: string) => address.includes(":") === each[0]!.includes(":");
  const [first, second] = [each.filter(isFirst), each.filter((address) => !isFirst(address))];
  return first.flatMap((address, n) => [address, ...second.slice(n, n + 1)])
    .concat(second.slice(first.length));
}
