/**
 * Connections on Deno.
 *
 * @module
 */

import { connect as connectByNode, lookup as lookupByNode } from "./node_sockets.ts";
import {
  type Connection,
  type Connector,
  type Lookup,
  ownCertificateError,
  type TlsTerms,
} from "./runtime.ts";

/** A connection as Deno has it, plain or with TLS. */
export function connectionOf(conn: Deno.TcpConn | Deno.TlsConn): Connection {
  if ("setNoDelay" in conn) {
    try {
      conn.setNoDelay();
    } catch {
      // some systems refuse once the peer has gone: reading will tell
    }
  }
  let isOpen = true;
  return {
    localAddress: conn.localAddr.hostname,
    read: (into) => conn.read(into),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close() {
      if (isOpen) conn.close();
      isOpen = false;
    },
  };
}

/** As `Runtime.lookup`. Permissions for some hosts are for their names, so these keep them. */
export const lookup: Lookup = (host) => {
  const { state } = Deno.permissions.querySync({ name: "net" });
  return state === "granted" ? lookupByNode(host) : Promise.resolve([host]);
};

export { certificate } from "./node_sockets.ts";

/** As `Runtime.connect`. */
export const connect: Connector = async (to) => {
  const { host, port, tls, onConnected, signal } = to;
  // Deno's own takes certificates of ours only where it looks up the name itself
  if (tls?.cert !== undefined) {
    checkOwn(tls);
    return await connectByNode(to);
  }
  const conn = await Deno.connect({ hostname: host, port, signal });
  onConnected?.();
  if (tls === undefined) return connectionOf(conn);
  return await secured(conn, tls, signal);
};

/** Terms whose certificate and key are a pair. */
const checked = new WeakSet<TlsTerms>();

/** Node's modules on Deno say of a wrong pair that a protocol isn't supported; its own tell. */
function checkOwn(tls: TlsTerms): void {
  if (checked.has(tls)) return;
  const { cert = "", key = "" } = tls;
  try {
    Deno.createHttpClient({ cert, key }).close();
  } catch (cause) {
    throw ownCertificateError(cause);
  }
  checked.add(tls);
}

async function secured(
  conn: Deno.TcpConn,
  { serverName, ca }: TlsTerms,
  signal: AbortSignal,
): Promise<Connection> {
  try {
    conn.setNoDelay();
  } catch {
    // the handshake will tell
  }
  const secure = await Deno.startTls(conn, {
    hostname: serverName,
    alpnProtocols: ["http/1.1"],
    ...(ca === undefined ? {} : { caCerts: [...ca] }),
  });
  const connection = connectionOf(secure);
  signal.addEventListener("abort", connection.close);
  try {
    signal.throwIfAborted();
    await secure.handshake();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", connection.close);
  }
}
