/**
 * Connections with the scripted endpoints, byte by byte: each write and each read moves as many
 * bytes as `SimNetwork.cut` says, an answer comes as late as it was scripted, and either side can
 * end it at any moment.
 *
 * The endpoint reads requests as simply as can be: it is not what is under test.
 *
 * @module
 */

import type { Connection, Connector, Lookup } from "../../lib/runtime/runtime.ts";
import { never, type SimTime } from "./clock.ts";
import { type Reply, type SimNetwork, type TakenRequest, WITHOUT_BODY } from "./network.ts";
import type { SimProcess } from "./process.ts";

function failure(code: string): Error {
  return Object.assign(new Error(`${code}, in the simulation`), { code });
}

const END_OF_HEAD = "\r\n\r\n";

/** A text of one character for each byte. */
function latin1(bytes: Uint8Array): string {
  const chunk = 8_192; // as many arguments as a call can have, and to spare
  let text = "";
  for (let at = 0; at < bytes.length; at += chunk) {
    text += String.fromCharCode(...bytes.subarray(at, at + chunk));
  }
  return text;
}

/** The other end of a connection, for a test that speaks byte by byte. */
export interface SimPeer {
  /** The next bytes; `null` when no more will come. */
  receive(): Promise<Uint8Array | null>;
  /** All bytes up to and including `end`, as text, one character a byte. */
  receiveUntil(end: string): Promise<string>;
  /** Send, one byte for each character. */
  send(text: string): void;
  /** Say that no more will come. */
  end(): void;
  /** Break the connection. */
  reset(): void;
  /** Whether the other side has ended it. */
  readonly isClosed: boolean;
}

/** Connections of processes with the endpoints of a network. */
export class SimSockets {
  /** Who speaks byte by byte, by address; all others are the network's endpoints. */
  readonly peers = new Map<string, (peer: SimPeer) => void | Promise<void>>();
  /** How many were made. */
  made = 0;
  readonly #network: SimNetwork;
  readonly #time: SimTime;
  readonly #open = new Set<SimConnection>();
  /** Hosts by the address that they were given. */
  readonly #hosts = new Map<string, string>();

  /** Connections on a world's time. */
  constructor(network: SimNetwork, time: SimTime) {
    this.#network = network;
    this.#time = time;
  }

  /** How many there are now. */
  get open(): number {
    return this.#open.size;
  }

  /** An address of its own for each host that has none. */
  #addressOf(host: string): string {
    if (/^[\d.]+$|:/.test(host)) return host;
    for (const [address, known] of this.#hosts) if (known === host) return address;
    const n = this.#hosts.size + 1;
    const address = `10.0.${n >> 8}.${n & 255}`;
    this.#hosts.set(address, host);
    return address;
  }

  /** `lookup` of a process. */
  lookup(process: SimProcess): Lookup {
    return (host) => {
      if (!process.alive) return never();
      const addresses = this.#network.addresses.get(host) ?? [this.#addressOf(host)];
      return addresses.length > 0
        ? Promise.resolve(addresses)
        : Promise.reject(failure("ENOTFOUND"));
    };
  }

  /** `connect` of a process. */
  connect(process: SimProcess): Connector {
    return async ({ host: address, tls, onConnected, signal }) => {
      if (!process.alive) return never();
      const host = this.#hosts.get(address) ?? address;
      signal.throwIfAborted();
      const { fails, delayMs = 0 } = this.#network.connects(host, this.#time.nowMs) ?? {};
      const late = fails === "hang" ? Infinity : delayMs;
      if (late > 0) await this.#time.sleep(late, process, signal);
      signal.throwIfAborted();
      if (fails === "refused") throw failure("ECONNREFUSED");
      if (fails === "crowded") throw failure("EMFILE");
      onConnected?.();
      const scheme = tls === undefined ? "http" : "https";
      const connection = new SimConnection(this.#network, this.#time, process, scheme, () => {
        this.#open.delete(connection);
      });
      this.#open.add(connection);
      this.made++;
      const peer = this.peers.get(host);
      if (peer) connection.giveTo(peer);
      return connection;
    };
  }

  /** A process died, and its connections with it. */
  forget(process: SimProcess): void {
    for (const each of this.#open) if (each.process === process) each.close();
  }

  /** The endpoints end all connections that are idle. */
  endIdle(): void {
    for (const each of this.#open) each.endIfIdle();
  }
}

/** What an endpoint sends, in the order in which it arrives. */
type Arrival = { readonly bytes: Uint8Array; readonly onRead?: () => void } | "end" | Error;

class SimConnection implements Connection {
  readonly localAddress = "192.0.2.1";
  readonly process: SimProcess;
  readonly #network: SimNetwork;
  readonly #time: SimTime;
  readonly #scheme: string;
  readonly #onClose: () => void;
  readonly #closed = new AbortController();
  /** What the endpoint has of the next request. */
  readonly #bytes: number[] = [];
  /** Fewer bytes than this are no whole request. */
  #least = 0;
  #isAnswering = false;
  #hasPeer = false;
  #waiting: (() => void) | undefined;
  #ended: "end" | Error | undefined;
  readonly #arrivals: Exclude<Arrival, string | Error>[] = [];
  #reader: { readonly into: Uint8Array; settle(): void } | undefined;

  constructor(
    network: SimNetwork,
    time: SimTime,
    process: SimProcess,
    scheme: string,
    onClose: () => void,
  ) {
    this.#network = network;
    this.#time = time;
    this.process = process;
    this.#scheme = scheme;
    this.#onClose = onClose;
  }

  read(into: Uint8Array): Promise<number | null> {
    if (!this.process.alive) return never();
    return new Promise((resolve, reject) => {
      const settle = () => {
        if (!this.process.alive) return;
        if (this.#closed.signal.aborted) return reject(new Error("it was closed"));
        const [next] = this.#arrivals;
        if (next === undefined) {
          return this.#ended === "end" ? resolve(null) : reject(this.#ended);
        }
        const count = this.#network.cut(Math.min(next.bytes.length, into.length));
        into.set(next.bytes.subarray(0, count));
        this.#arrivals.shift();
        const rest = next.bytes.subarray(count);
        if (rest.length > 0) this.#arrivals.unshift({ ...next, bytes: rest });
        else next.onRead?.();
        resolve(count);
      };
      if (this.#arrivals.length > 0 || this.#ended || this.#closed.signal.aborted) settle();
      else this.#reader = { into, settle };
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (!this.process.alive) return never();
    if (this.#closed.signal.aborted) return Promise.reject(new Error("it was closed"));
    if (this.#ended instanceof Error) return Promise.reject(failure("EPIPE"));
    const count = this.#network.cut(bytes.length);
    for (const byte of bytes.subarray(0, count)) this.#bytes.push(byte);
    if (this.#hasPeer) this.#waiting?.();
    else void this.#serve();
    return Promise.resolve(count);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort("closed");
    this.#onClose();
    this.#wake();
    this.#waiting?.();
  }

  /** Somebody else is at the other end. */
  giveTo(script: (peer: SimPeer) => void | Promise<void>): void {
    this.#hasPeer = true;
    const { signal } = this.#closed;
    const more = async () => {
      if (this.#bytes.length > 0 || signal.aborted) return;
      await new Promise<void>((resolve) => this.#waiting = resolve);
    };
    const peer: SimPeer = {
      receive: async () => {
        await more();
        return this.#bytes.length > 0 ? Uint8Array.from(this.#bytes.splice(0)) : null;
      },
      receiveUntil: async (end) => {
        let text = "";
        while (!text.endsWith(end)) {
          await more();
          if (this.#bytes.length === 0) break;
          text += String.fromCharCode(this.#bytes.shift()!);
        }
        return text;
      },
      send: (text) =>
        this.#arrive({ bytes: Uint8Array.from(text, (character) => character.charCodeAt(0)) }),
      end: () => this.#arrive("end"),
      reset: () => this.#arrive(failure("ECONNRESET")),
      get isClosed() {
        return signal.aborted;
      },
    };
    void script(peer);
  }

  /** The endpoint ends it, unless it has something to do. */
  endIfIdle(): void {
    if (!this.#isAnswering && this.#bytes.length === 0) this.#arrive("end");
  }

  #wake(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.settle();
  }

  #arrive(arrival: Arrival): void {
    if (this.#ended !== undefined) return;
    if (arrival === "end" || arrival instanceof Error) this.#ended = arrival;
    else this.#arrivals.push(arrival);
    this.#wake();
  }

  /** Answers a request that has come as a whole. */
  async #serve(): Promise<void> {
    if (this.#isAnswering) return;
    const message = this.#whole();
    if (message === undefined) return;
    this.#isAnswering = true;
    this.#network.count(this.process, 1);
    try {
      const { request, reply } = this.#network.take(this.process, message);
      const { fails } = reply;
      const isSilent = fails === "hang" || fails === "hang before";
      const delayMs = isSilent ? Infinity : reply.delayMs ?? 0;
      if (delayMs > 0) await this.#time.sleep(delayMs, this.process, this.#closed.signal);
      if (!this.#closed.signal.aborted) this.#answer(request, reply);
      // it is on its way until its sender has it
      while (this.#arrivals.length > 0 && !this.#closed.signal.aborted && this.process.alive) {
        await new Promise<void>((resolve) => queueMicrotask(resolve));
      }
    } finally {
      this.#network.count(this.process, -1);
      this.#isAnswering = false;
    }
    void this.#serve();
  }

  #answer(request: TakenRequest, reply: Reply): void {
    switch (reply.fails) {
      case "refused":
      case "crowded":
      case "reset before":
      case "reset after":
        return this.#arrive(failure("ECONNRESET"));
    }
    const { status = 200, headers = {}, body = "", inParts = false, closes = false } = reply;
    const bytes = new TextEncoder().encode(body);
    const isHanging = reply.fails === "hang body";
    const head = [`HTTP/1.1 ${status} Scripted`];
    for (const [name, value] of Object.entries(headers)) head.push(`${name}: ${value}`);
    if (closes) head.push("connection: close");
    if (!WITHOUT_BODY.has(status)) {
      head.push(`content-length: ${bytes.length + (isHanging ? 1 : 0)}`);
    }
    this.#arrive({
      bytes: new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`),
      onRead: () => request.answered = true,
    });
    if (bytes.length > 0 && !WITHOUT_BODY.has(status)) {
      const at = inParts ? 5 : bytes.length;
      this.#arrive({ bytes: bytes.subarray(0, at) });
      if (at < bytes.length) this.#arrive({ bytes: bytes.subarray(at) });
    }
    if (closes) this.#arrive("end");
  }

  /** The next request, once all of it is here. */
  #whole() {
    if (this.#bytes.length < this.#least) return undefined;
    const bytes = Uint8Array.from(this.#bytes);
    const text = latin1(bytes);
    const end = text.indexOf(END_OF_HEAD);
    this.#least = bytes.length + 1;
    if (end < 0) return undefined;
    const [first, ...lines] = text.slice(0, end).split("\r\n") as [string, ...string[]];
    const headers = new Headers(lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }));
    const bodyAt = end + END_OF_HEAD.length;
    const bodyEnd = bodyAt + Number(headers.get("content-length") ?? 0);
    this.#least = bodyEnd;
    if (bytes.length < bodyEnd) return undefined;
    this.#least = 0;
    this.#bytes.splice(0, bodyEnd);
    const [method, path] = first.split(" ") as [string, string];
    const url = `${this.#scheme}://${headers.get("host")}${path}`;
    const body = new TextDecoder().decode(bytes.subarray(bodyAt, bodyEnd));
    return { method, url, headers, body };
  }
}
