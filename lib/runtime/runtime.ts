/**
 * What the product needs of the world: a disk, a clock, HTTP, chance and a name for this process.
 *
 * Interfaces only. `deno.ts` implements them on Deno; the tests implement them as a simulation, and
 * one conformance suite holds all of them to the sentences below. Nothing else in `lib/` touches
 * the world, so whatever the queue does to a disk is a sequence of these verbs, and each verb is
 * one point at which a crash or a fault can strike.
 *
 * @module
 */

/**
 * A value, or a promise of it. A disk that answers without promises is *blocking*: two to three
 * times cheaper on a local disk.
 */
export type Awaitable<T> = T | Promise<T>;

/** What a name in a folder stands for. */
export type Kind = "file" | "directory" | "symlink" | "other";

/** One name in a folder. */
export interface DirEntry {
  /** The name as text. A name that is not UTF-8 arrives with U+FFFD in it and can't be opened. */
  readonly name: string;
  /** Never that of a symlink's target. */
  readonly kind: Kind;
}

/** What `lstat` says about a path, never following a symlink. */
export interface Stat {
  /** What the path is. */
  readonly kind: Kind;
  /** Size in bytes. */
  readonly size: number;
  /** Last modification, Unix ms; 0 for a time that no calendar has. */
  readonly mtimeMs: number;
  /** Last change of name, link count or mode, Unix ms. */
  readonly ctimeMs: number;
  /** Inode number; with `dev` it names the file. */
  readonly ino: number;
  /** Device number. */
  readonly dev: number;
  /** Number of names the file has. */
  readonly nlink: number;
  /** Permission bits. */
  readonly mode: number;
  /** Numeric owner. */
  readonly uid: number;
  /** Numeric group. */
  readonly gid: number;
}

/** What `read` found. */
export interface FileContent {
  /** Of the very file that was read. */
  readonly stat: Stat;
  /** The whole file; `undefined` when it isn't a regular file or is larger than asked for. */
  readonly bytes: Uint8Array | undefined;
}

/** A held lock. */
export interface Lock {
  /** Let go of it; a second time does nothing. The file stays. */
  release(): void;
}

/** How `create` makes a file. */
export interface CreateOptions {
  /** Permission bits before the umask. */
  readonly mode: number;
  /** Whether the file gets just these bits, whatever the umask. @default {false} */
  readonly exact?: boolean;
  /** `false` leaves the bytes to the operating system: a power cut may lose them. */
  readonly durable: boolean;
}

/** A file to be renamed and read. */
export interface Move {
  /** Its name. */
  readonly from: string;
  /** Its new name. */
  readonly to: string;
}

/** What became of a {@linkcode Move}: just one of these. */
export interface Taken {
  /** What was read under the new name. */
  readonly content?: FileContent;
  /** Why it could not be read; it has the new name. */
  readonly unread?: unknown;
  /** Why it could not be renamed. */
  readonly refused?: unknown;
}

/**
 * The verbs on files and folders.
 *
 * A verb fails with an `Error` whose `code` is the POSIX name (`ENOENT`, `EEXIST`, `ENOSPC`, ...);
 * {@linkcode errorCode} reads it.
 */
export interface Disk {
  /**
   * The names in a folder, lazily, in no order. What is renamed away or added meanwhile may or may
   * not be seen; the rest is.
   */
  list(dir: string): AsyncIterable<DirEntry>;
  /** All names in a folder that holds few, at once and in no order. */
  entries(dir: string): Awaitable<readonly DirEntry[]>;
  /** Look at a path without following a symlink. */
  lstat(path: string): Awaitable<Stat>;
  /** Read a regular file of at most `maxBytes`. Never follows a symlink, never blocks on a FIFO. */
  read(path: string, maxBytes: number): Awaitable<FileContent>;
  /**
   * A part of a regular file (`ELOOP` if it is anything else): `length` bytes from `at` on, fewer
   * at its end.
   */
  readPart(path: string, at: number, length: number): Awaitable<Uint8Array>;
  /**
   * Make a file that must not exist (`EEXIST`, also for a symlink) and write all of `bytes`; on
   * stable storage on return if durable. A failure can leave a part of it.
   */
  create(path: string, bytes: Uint8Array, options: CreateOptions): Awaitable<void>;
  /**
   * Add to the end of a file, which {@linkcode Disk.syncFile} puts on stable storage (`ELOOP` if it
   * is no file, `EISDIR` for a folder). A failure can leave a part of it.
   */
  append(path: string, bytes: Uint8Array): Awaitable<void>;
  /**
   * Rename, silently replacing a file of the new name. Works on whatever the old name stands for.
   */
  rename(from: string, to: string): Awaitable<void>;
  /**
   * For each move `rename`, then `read` of at most `maxBytes`; the moves in no order. Only where
   * that is cheaper than verb by verb: {@linkcode take} does it on any disk.
   */
  take?(moves: readonly Move[], maxBytes: number): Promise<readonly Taken[]>;
  /** Give a file a second name, which must not exist (`EEXIST`). */
  link(from: string, to: string): Awaitable<void>;
  /**
   * Remove a name that isn't a folder. Look first: what happens to an empty folder is not promised.
   */
  remove(path: string): Awaitable<void>;
  /**
   * Make one folder (`EEXIST` if there, `ENOENT` without its parent); `mode` before the umask, or
   * exactly.
   */
  makeDir(path: string, mode: number, exact?: boolean): Awaitable<void>;
  /**
   * Remove an empty folder (`ENOTEMPTY` if it isn't empty, `ENOTDIR` if it is a file or a symlink,
   * which stays).
   */
  removeDir(path: string): Awaitable<void>;
  /** Set a file's mtime, Unix ms; of a symlink its own. */
  touch(path: string, mtimeMs: number): Awaitable<void>;
  /** Set a folder's permission bits (`ENOTDIR` if it is anything else, a symlink as well). */
  chmod(path: string, mode: number): Awaitable<void>;
  /**
   * Give what was just made an owner and a group (`EPERM` for who may not). Never follows a symlink
   * (`ELOOP`), and leaves a file alone that has several names (`EMLINK`): others who may write into
   * its folder could have put any file in its place.
   */
  chown(path: string, uid: number, gid: number): Awaitable<void>;
  /** Put the names in a folder on stable storage (`ENOTDIR` if it is anything else). */
  syncDir(path: string): Awaitable<void>;
  /**
   * Put a file on stable storage, its bytes and, on ext4, xfs and btrfs, the names it has got: for
   * those who may not open the folder (`ELOOP` if it is no file).
   */
  syncFile(path: string): Awaitable<void>;
  /**
   * Lock an existing file for this process until released or dead; `undefined` while somebody else
   * holds it. The lock follows renames. `EISDIR` for a folder, `ELOOP` for what is no file either.
   */
  tryLock(path: string): Awaitable<Lock | undefined>;
  /**
   * Call `onChange` when names in a folder may have changed; a hint that can fail silently. Returns
   * how to stop.
   */
  watch(dir: string, onChange: () => void): () => void;
  /**
   * The same disk, but no verb follows a symlink in the place of a folder below `root`: it fails
   * with `ENOTDIR`, but for `lstat` and `watch`. Only where a disk does that cheaper than by
   * looking before and after each verb: {@linkcode file://./within.ts} does it on any disk.
   */
  within?(root: string): Disk;
  /**
   * From now on wait no longer than this for the disk to answer: after it what is being waited for
   * fails with `EIO`, and so does every verb asked for later, at once. Only on disks that can fail
   * to answer without this thread standing still.
   *
   * @param ms How long it may answer nothing while something is asked of it.
   * @param onGivenUp Told when that has happened.
   * @returns Lifts the limit; what has been given up stays so.
   */
  limitWait?(ms: number, onGivenUp: () => void): () => void;
}

/** Time. */
export interface Clock {
  /** Wall clock, Unix ms. May jump. */
  now(): number;
  /** Ms since an arbitrary start. Never jumps. */
  monotonic(): number;
  /**
   * Resolves after `ms` of real time, or as soon as `signal` aborts; never rejects, and leaves no
   * listener behind.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** One connection with a peer; a stream of bytes each way. */
export interface Connection {
  /** The address of this end, without brackets: the one the peer chose to connect to. */
  readonly localAddress: string;
  /**
   * Read what is there, at least one byte, into the front of `into`; `null` when the peer will send
   * no more. One read at a time; it may go on beside a write.
   */
  read(into: Uint8Array): Promise<number | null>;
  /** Write some of `bytes`, at least one; says how many. One write at a time. */
  write(bytes: Uint8Array): Promise<number>;
  /** Tell the peer that no more will come; it may still send. */
  closeWrite(): Promise<void>;
  /** End it; a second time does nothing. What is being read or written rejects. */
  close(): void;
}

/** A place where connections arrive. */
export interface Listener {
  /** Where it listens, without brackets. */
  readonly hostname: string;
  /** The port, also when it was left to the system. */
  readonly port: number;
  /**
   * The next connection. A rejection (`EMFILE`, a peer that has gone) says nothing of the next
   * ones: they may be asked for again.
   */
  accept(): Promise<Connection>;
  /** Take no more; a waiting `accept` rejects. */
  close(): void;
}

/** Whom to trust, what to show and which way to take, where the defaults don't fit. */
export interface FetchTerms {
  /** Certificates of authorities to be trusted beside the system's, as PEM. */
  readonly ca?: readonly string[];
  /** Our own certificate, with its chain, as PEM. */
  readonly cert?: string;
  /** Its key, as PEM. */
  readonly key?: string;
  /** The URL of a proxy, with user info where it wants that. */
  readonly proxy?: string;
}

/** How a connection is made secure. */
export interface TlsTerms extends Omit<FetchTerms, "proxy"> {
  /** The name or address that the peer's certificate must be for. */
  readonly serverName: string;
}

/** The code of an error: our own certificate can't be used, or isn't that of its key. */
export const OWN_CERTIFICATE = "OWN_CERTIFICATE";

/** That error, by whatever words the system has for it. */
export function ownCertificateError(cause: unknown): Error {
  return Object.assign(new Error("it can't be used", { cause }), { code: OWN_CERTIFICATE });
}

/** Where to connect to, and how. */
export interface ConnectTo {
  /** One of what {@linkcode Runtime.lookup} found. */
  readonly host: string;
  /** The port. */
  readonly port: number;
  /** TLS; a plain connection without. The peer's certificate is always verified. */
  readonly tls?: TlsTerms | undefined;
  /** Called when there is a connection, before TLS begins. */
  readonly onConnected?: () => void;
  /** Calls it off. */
  readonly signal: AbortSignal;
}

/** Makes a connection. */
export type Connector = (to: ConnectTo) => Promise<Connection>;

/** Who an endpoint says that it is. */
export interface Certificate {
  /** The name it was made out to. */
  readonly subject: string;
  /** The names and addresses it is for, such as `DNS:a.example`. */
  readonly names: readonly string[];
  /** Who signed it. */
  readonly issuer: string;
  /** From when on it counts, Unix ms. */
  readonly fromMs: number;
  /** Until when, Unix ms. */
  readonly untilMs: number;
}

/**
 * Looks at the certificate that an endpoint shows, whoever signed it: for people. Nothing is sent
 * to it.
 */
export type CertificateLook = (
  to: { readonly host: string; readonly port: number; readonly serverName: string },
  signal: AbortSignal,
) => Promise<Certificate>;

/** How much there is of something, and how much of it this user may still have. */
export interface Room {
  /** All of it. */
  readonly total: number;
  /** What is left. */
  readonly free: number;
}

/** The file system that a path is on, as far as it can be told. */
export interface Volume {
  /** What kind it is: `ext4`. */
  readonly kind?: string;
  /** How it is mounted: `ro`, `discard`. */
  readonly options?: readonly string[];
  /** Bytes. */
  readonly bytes?: Room;
  /** Files; missing too where there is no limit. */
  readonly files?: Room;
}

/** Finds the addresses of a host. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** Everything the product needs of the world. */
export interface Runtime {
  /** Files and folders. */
  readonly disk: Disk;
  /** Time. */
  readonly clock: Clock;
  /**
   * The addresses of a host, without brackets, in the order in which to try them; that of an
   * address is itself. Where a runtime's permissions are for names, the name alone.
   *
   * Missing, as {@linkcode Runtime.connect}, where a runtime has no connections.
   *
   * @throws The system's error, when it knows none.
   */
  readonly lookup?: Lookup;
  /**
   * Connect to an address.
   *
   * @throws The network's error (`ECONNREFUSED`, `EMFILE`, ...; `"ENOTCAPABLE"`); after
   * `onConnected` it is that of TLS, {@linkcode OWN_CERTIFICATE} among them.
   */
  readonly connect?: Connector;
  /**
   * Look at an endpoint's certificate. Missing where a runtime can't.
   *
   * @throws The network's error.
   */
  readonly certificate?: CertificateLook;
  /**
   * What the environment says of proxies that `fetch` would use: `HTTP_PROXY`, `HTTPS_PROXY`,
   * `ALL_PROXY`, `NO_PROXY`, by those names; what isn't there, or may not be read, is left out.
   * Missing where `fetch` uses none.
   */
  readonly proxies?: () => Readonly<Record<string, string>>;
  /**
   * One HTTP request, as the web platform's `fetch`.
   *
   * @param terms What is special about the endpoint; requests to it have the same value.
   * @throws {TypeError} Also where a runtime can't keep the terms.
   */
  fetch(url: string, init: RequestInit, terms?: FetchTerms): Promise<Response>;
  /**
   * Close the connections that `fetch` keeps for later and nobody uses now, and with them their
   * files. Missing where a runtime closes them soon enough itself.
   */
  readonly closeIdle?: () => void;
  /**
   * Whether `fetch` undoes the `content-encoding` of an answer to a request with this
   * `accept-encoding`; both in lower case, `""` for none. Missing where it never does.
   */
  readonly decodes?: (contentEncoding: string, acceptEncoding: string) => boolean;
  /**
   * Let connections arrive at an address; port 0 leaves the port to the system. Missing where a
   * runtime can't.
   *
   * @throws The network's error, when the address can't be had.
   */
  readonly listen?: (address: { readonly hostname: string; readonly port: number }) => Listener;
  /**
   * How many files and connections this process may still open, `most` at most: counted by opening
   * the folder `dir` so many times at once, which is the only way that needs no permission. `most`
   * where that tells nothing.
   */
  readonly spareFiles?: (dir: string, most: number) => number;
  /** Whether this process may talk to the host and port of `url`. */
  mayReach(url: URL): boolean;
  /**
   * Uniform in [0, 1), 32 random bits, from a source good enough that ids made on many hosts never
   * meet.
   */
  random(): number;
  /** Lower-case hex SHA-256 of the text's UTF-8. */
  sha256(text: string): Awaitable<string>;
  /** Bytes in the format of gzip, RFC 1952. */
  gzip(bytes: Uint8Array): Awaitable<Uint8Array>;
  /** HMAC-SHA-256 of a message, RFC 2104. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Awaitable<Uint8Array>;
  /** This host's name, as the operating system has it. */
  readonly hostname: string;
  /**
   * Of the running kernel: another after each start, and on every other machine; containers on one
   * kernel have it in common. `undefined` where there is none, or it may not be read.
   */
  readonly bootId: string | undefined;
  /**
   * Of the machine, also after a restart; `undefined` where there is none, or it may not be read.
   */
  readonly machineId: string | undefined;
  /**
   * Whether what is on a device ({@linkcode Stat.dev}) is reached through this kernel only, as on a
   * disk of its own. `false` where that can't be told, as on a network file system.
   */
  ownsDevice(dev: number): boolean;
  /** What a path is on, for people. Missing where a runtime can't tell. */
  readonly volume?: (path: string) => Volume;
  /** This process's number. */
  readonly pid: number;
  /**
   * Memory that this process may use, as far as the machine or its container says; in bytes,
   * `undefined` when it can't be told.
   */
  readonly memoryBytes?: number | undefined;
}

/**
 * The POSIX name of a disk error, `"ENOTCAPABLE"` when the runtime's own permissions forbid it,
 * `undefined` for anything else.
 */
export function errorCode(error: unknown): string | undefined {
  // By what it is like: a test runner may run this in a context whose classes aren't the system's.
  if (typeof error !== "object" || error === null) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  return "name" in error && error.name === "NotCapable" ? "ENOTCAPABLE" : undefined;
}

/** Rename files and read them under their new names, on any disk, side by side. */
export function take(
  disk: Disk,
  moves: readonly Move[],
  maxBytes: number,
): Promise<readonly Taken[]> {
  return disk.take?.(moves, maxBytes) ??
    Promise.all(moves.map((move) => takeOne(disk, move, maxBytes)));
}

async function takeOne(disk: Disk, { from, to }: Move, maxBytes: number): Promise<Taken> {
  try {
    await disk.rename(from, to);
  } catch (refused) {
    return { refused };
  }
  try {
    return { content: await disk.read(to, maxBytes) };
  } catch (unread) {
    return { unread };
  }
}
