/**
 * Makes connections: looks a host up, tries its addresses, each with a short head start over the
 * next (RFC 8305 in its simplest form), and speaks TLS.
 *
 * All of it together has a time limit of its own, which is shorter than that of an attempt.
 *
 * @module
 */

import {
  type Clock,
  type Connection,
  type Connector,
  errorCode,
  type Lookup,
  type TlsTerms,
} from "../../runtime/runtime.ts";
import type { EgressRules } from "../egress_rules.ts";
import { Addresses } from "./addresses.ts";
import {
  connectReason,
  duration,
  lookupReason,
  notAllowed,
  shownAddress,
  tlsReason,
} from "./reasons.ts";
import { type CallOff, NOT_ALLOWED, type Phases, TransportError } from "./transport.ts";

/** Why a timer or a try ends; without a word an error is made, whose stack costs more than both. */
const OVER = "over";

/** How long an address is tried alone before the next one is tried beside it. */
const HEAD_START_MS = 250;

/** The process's own limit of open files, and the system's. */
const TOO_MANY_FILES = new Set(["EMFILE", "ENFILE"]);

/** What connections are made with. */
export interface DialRuntime {
  readonly clock: Clock;
  readonly lookup: Lookup;
  readonly connect: Connector;
}

/** Where to connect to. */
export interface Peer {
  /** A name, or an address without brackets. */
  readonly host: string;
  /** The port. */
  readonly port: number;
  /** TLS; a plain connection without. */
  readonly tls: TlsTerms | undefined;
  /** Which of its addresses may be connected to. */
  readonly egress: EgressRules;
}

/** A connection that has been made. */
export interface Dialled {
  readonly connection: Connection;
  /** How long it took. */
  readonly phases: Phases;
}

/** Makes connections. */
export class Dialer {
  readonly #runtime: DialRuntime;
  readonly #addresses: Addresses;

  constructor(runtime: DialRuntime) {
    this.#runtime = runtime;
    this.#addresses = new Addresses(runtime.lookup, runtime.clock);
  }

  /**
   * Connect to a peer.
   *
   * @param timeoutMs How long all of it may take.
   * @throws {TransportError} If there is no connection.
   */
  async dial(peer: Peer, callOff: CallOff, timeoutMs: number): Promise<Dialled> {
    const { clock } = this.#runtime;
    const dialling = new Dialling(this.#runtime, this.#addresses, peer);
    const timer = new AbortController();
    callOff.onOver = () => dialling.stop(dialling.stage);
    if (callOff.isOver) dialling.stop(dialling.stage);
    void clock.sleep(timeoutMs, timer.signal).then(() => {
      if (!timer.signal.aborted) dialling.stop(`${dialling.stage} within ${duration(timeoutMs)}`);
    });
    try {
      return await dialling.result;
    } finally {
      timer.abort(OVER);
      callOff.onOver = undefined;
    }
  }
}

/** One address that is being tried. */
interface Try {
  readonly address: string;
  readonly abort: AbortController;
  connectedMs: number | undefined;
}

/** One connection that is being made. */
class Dialling {
  /** What hasn't come about yet. */
  stage: string;
  readonly result: Promise<Dialled>;
  readonly #runtime: DialRuntime;
  readonly #addresses: Addresses;
  readonly #peer: Peer;
  readonly #startMs: number;
  #lookedUpMs: number;
  #left: readonly string[] = [];
  readonly #tries = new Set<Try>();
  readonly #failures: { readonly error: unknown; readonly reason: string }[] = [];
  #isOver = false;
  #resolve!: (dialled: Dialled) => void;
  #reject!: (error: unknown) => void;

  constructor(runtime: DialRuntime, addresses: Addresses, peer: Peer) {
    this.#runtime = runtime;
    this.#addresses = addresses;
    this.#peer = peer;
    this.stage = `the host ${peer.host} wasn't looked up`;
    this.#startMs = this.#lookedUpMs = runtime.clock.monotonic();
    this.result = new Promise((resolve, reject) =>
      [this.#resolve, this.#reject] = [resolve, reject]
    );
    void this.#begin();
  }

  /** Try no longer; `message` says how far it came. */
  stop(message: string): void {
    this.#fail(new TransportError("unsent", message));
  }

  async #begin(): Promise<void> {
    const { host, egress } = this.#peer;
    let addresses: readonly string[];
    try {
      const found = this.#addresses.of(host);
      addresses = found instanceof Promise ? await found : found;
      if (addresses.length === 0) throw Object.assign(new Error("none"), { code: "ENOTFOUND" });
    } catch (error) {
      return this.#fail(new TransportError("unsent", lookupReason(error, host), errorCode(error)));
    }
    this.#lookedUpMs = this.#runtime.clock.monotonic();
    this.#left = addresses.filter((address) => egress.allows(host, address));
    if (this.#left.length > 0) return this.#tryNext();
    this.#fail(new TransportError("unsent", notAllowed(host, addresses), NOT_ALLOWED));
  }

  #tryNext(): void {
    const [address, ...left] = this.#left;
    if (this.#isOver || address === undefined) return;
    this.#left = left;
    const one: Try = { address, abort: new AbortController(), connectedMs: undefined };
    this.#tries.add(one);
    this.stage = `no connection with ${this.#shown(one)}`;
    void this.#try(one);
    if (left.length === 0) return;
    void this.#runtime.clock.sleep(HEAD_START_MS, one.abort.signal).then(() => {
      if (this.#tries.has(one) && this.#left === left) this.#tryNext();
    });
  }

  async #try(one: Try): Promise<void> {
    const { port, tls } = this.#peer;
    const { clock, connect } = this.#runtime;
    const onConnected = () => {
      one.connectedMs = clock.monotonic();
      if (tls) this.stage = `no TLS with ${this.#shown(one)}`;
    };
    try {
      const { signal } = one.abort;
      const connection = await connect({ host: one.address, port, tls, onConnected, signal });
      if (this.#isOver) connection.close();
      else this.#succeed(one, connection);
    } catch (error) {
      this.#tries.delete(one);
      one.abort.abort(OVER);
      if (!this.#isOver) this.#failed(one, error);
    }
  }

  #succeed(one: Try, connection: Connection): void {
    this.#tries.delete(one);
    this.#end();
    this.#addresses.works(this.#peer.host, one.address);
    const nowMs = this.#runtime.clock.monotonic();
    const connectedMs = one.connectedMs ?? nowMs;
    const phases: Phases = {
      lookup: this.#lookedUpMs - this.#startMs,
      connect: connectedMs - this.#lookedUpMs,
      ...(this.#peer.tls ? { tls: nowMs - connectedMs } : {}),
    };
    this.#resolve({ connection, phases });
  }

  /** The next address at once; if there is none and nothing is being tried, that was it. */
  #failed(one: Try, error: unknown): void {
    const shown = this.#shown(one);
    const reason = one.connectedMs === undefined
      ? connectReason(error, shown)
      : tlsReason(error, shown, this.#peer.tls!.serverName);
    this.#failures.push({ error, reason });
    if (this.#left.length > 0) return this.#tryNext();
    if (this.#tries.size > 0) return;
    const codes = this.#failures.map(({ error }) => errorCode(error));
    const crowded = codes.find((code) => TOO_MANY_FILES.has(code ?? ""));
    if (crowded === undefined) this.#addresses.forget(this.#peer.host);
    const reasons = new Set(this.#failures.map(({ reason }) => reason));
    // forbidden only when all are
    const isForbidden = codes.every((code) => code === "ENOTCAPABLE");
    const code = crowded ??
      (isForbidden ? "ENOTCAPABLE" : codes.find((code) => code !== "ENOTCAPABLE"));
    this.#fail(new TransportError("unsent", [...reasons].join("; "), code));
  }

  #shown({ address }: Try): string {
    return shownAddress(address, this.#peer.port);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#isOver = true;
    for (const { abort } of this.#tries) abort.abort(OVER);
  }
}
