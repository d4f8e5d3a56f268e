/**
 * Connections by way of Node's modules: on Node, and on Deno where its own can't.
 *
 * @module
 */

import type * as NodeDns from "node:dns";
import type * as NodeNet from "node:net";
import type * as NodeTls from "node:tls";
import {
  type Certificate,
  type CertificateLook,
  type Connection,
  type Connector,
  type Lookup,
  ownCertificateError,
  type TlsTerms,
} from "./runtime.ts";

interface Modules {
  readonly dns: typeof NodeDns;
  readonly net: typeof NodeNet;
  readonly tls: typeof NodeTls;
}

/** Loaded by their names (15 ms) when they are first needed: an import would cost every start. */
function node<Name extends keyof Modules>(name: Name): Modules[Name] {
  // deno-lint-ignore no-process-global -- an import is what is to be avoided
  return process.getBuiltinModule(`node:${name}`) as Modules[Name];
}

/** As `Runtime.lookup`: the system's own way of looking up, with its files and services. */
export const lookup: Lookup = async (host) => {
  if (/^[\d.]+$|:/.test(host)) return [host];
  const found = await node("dns").promises.lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

/** How much is taken from the system before it is asked for. */
const MOST_AHEAD_BYTES = 64 * 1024;

/** TLS sessions, to be gone on with: by what was agreed on, and the address. */
const sessions = new WeakMap<TlsTerms, Map<string, Uint8Array>>();

/** As `Runtime.connect`. */
export const connect: Connector = ({ host, port, tls, onConnected, signal }) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = node("net").connect({ host, port, noDelay: true, allowHalfOpen: true });
    let secure: NodeTls.TLSSocket | undefined;
    const settle = () => {
      signal.removeEventListener("abort", abort);
      for (const each of [socket, secure]) each?.off("error", fail).on("error", () => {});
    };
    const fail = (error: unknown) => {
      settle();
      (secure ?? socket).destroy();
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(signal.reason);
    const done = () => {
      settle();
      resolve(connectionOf(secure ?? socket));
    };
    signal.addEventListener("abort", abort);
    socket.on("error", fail);
    socket.once("connect", () => {
      onConnected?.();
      if (tls === undefined) return done();
      try {
        secure = startTls(socket, tls, `${host} ${port}`);
      } catch (cause) {
        return fail(ownCertificateError(cause));
      }
      secure.on("error", fail);
      secure.once("secureConnect", done);
      secure.once("close", () => fail(new Error("the peer closed it")));
    });
  });

function startTls(
  socket: NodeNet.Socket,
  terms: TlsTerms,
  address: string,
): NodeTls.TLSSocket {
  const tls = node("tls");
  const { serverName, ca, cert, key } = terms;
  let known = sessions.get(terms);
  if (known === undefined) sessions.set(terms, known = new Map());
  const session = known.get(address);
  const secure = tls.connect({
    socket,
    host: serverName, // what the certificate must be for
    ...(node("net").isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(ca === undefined ? {} : { ca: [...tls.rootCertificates, ...ca] }),
    ...(cert === undefined ? {} : { cert, key }),
    ...(session === undefined ? {} : { session: session as never }),
    ALPNProtocols: ["http/1.1"],
    minVersion: "TLSv1.2",
  });
  secure.on("session", (session: Uint8Array) => known.set(address, session));
  return secure;
}

/** As `Runtime.certificate`. */
export const certificate: CertificateLook = ({ host, port, serverName }, signal) =>
  new Promise((resolve, reject) => {
    const socket = node("tls").connect({
      host,
      port,
      ...(node("net").isIP(serverName) === 0 ? { servername: serverName } : {}),
      rejectUnauthorized: false, // to be looked at, not to be trusted
    });
    const end = () => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
    };
    const fail = (error: unknown) => {
      end();
      reject(error);
    };
    const abort = () => fail(signal.reason);
    signal.addEventListener("abort", abort);
    socket.on("error", fail);
    socket.once("secureConnect", () => {
      const shown = socket.getPeerCertificate();
      end();
      if (shown?.valid_to === undefined) return reject(new Error("it shows no certificate"));
      resolve(readCertificate(shown));
    });
  });

function readCertificate(shown: NodeTls.PeerCertificate): Certificate {
  const nameOf = (who: NodeTls.Certificate) => [who?.CN ?? who?.O ?? who?.OU ?? ""].flat()[0] ?? "";
  return {
    subject: nameOf(shown.subject),
    names: shown.subjectaltname?.split(", ") ?? [],
    issuer: nameOf(shown.issuer),
    fromMs: Date.parse(shown.valid_from),
    untilMs: Date.parse(shown.valid_to),
  };
}

/** A stream of pushes, read when it is asked for. */
function connectionOf(socket: NodeNet.Socket): Connection {
  let ahead: Uint8Array[] = [];
  let aheadBytes = 0;
  let end: { readonly error: unknown } | "ended" | undefined;
  let waiting: {
    readonly into: Uint8Array;
    readonly resolve: (count: number | null) => void;
    readonly reject: (error: unknown) => void;
  } | undefined;
  const localAddress = socket.localAddress ?? "";

  function take(into: Uint8Array): number {
    const [first] = ahead as [Uint8Array];
    const count = Math.min(first.length, into.length);
    into.set(count === first.length ? first : first.subarray(0, count));
    if (count === first.length) ahead.shift();
    else ahead[0] = first.subarray(count);
    aheadBytes -= count;
    if (socket.isPaused() && aheadBytes < MOST_AHEAD_BYTES) socket.resume();
    return count;
  }
  function finish(how: NonNullable<typeof end>): void {
    end ??= how;
    const reader = waiting;
    waiting = undefined;
    if (how === "ended") reader?.resolve(null);
    else reader?.reject(how.error);
  }
  socket.on("data", (bytes: Uint8Array) => {
    const reader = waiting;
    waiting = undefined;
    ahead.push(bytes);
    aheadBytes += bytes.length;
    if (reader) reader.resolve(take(reader.into));
    else if (aheadBytes >= MOST_AHEAD_BYTES) socket.pause();
  });
  socket.on("end", () => finish("ended"));
  socket.on("error", (error: unknown) => finish({ error }));
  socket.on("close", () => finish({ error: new Error("it was closed") }));
  return {
    localAddress,
    read(into) {
      if (ahead.length > 0) return Promise.resolve(take(into));
      if (end === "ended") return Promise.resolve(null);
      if (end !== undefined) return Promise.reject(end.error);
      return new Promise((resolve, reject) => waiting = { into, resolve, reject });
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
      }),
    closeWrite: () => new Promise((resolve) => socket.end(() => resolve())),
    close() {
      ahead = [];
      end = { error: new Error("it was closed") };
      socket.destroy();
      finish(end);
    },
  };
}
